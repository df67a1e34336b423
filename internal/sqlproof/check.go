package sqlproof

import (
	"slices"

	"github.com/sqlc-dev/oliphant/ast"
)

// hint remembers where a column stood without a fact following from it, for the text of a refusal.
type hint uint8

const (
	hintLiteral    hint = 1 << iota // = another parameter or a constant
	hintOptional                    // under OR, NOT, CASE, IS
	hintList                        // IN (…) of several values
	hintExpression                  // anywhere else in a condition
	hintFree                        // = a column that cannot carry the tenant
)

func (c *column) hint(h hint) {
	if c != theTenant {
		c.hints |= h
	}
}

// check refuses the first relation in the text that is not bound, then writes of other tenants.
func (p *prover) check() {
	slices.SortStableFunc(p.bases, func(a, b *item) int { return int(a.location) - int(b.location) })
	tenants := false
	for _, it := range p.bases {
		if it.tenant == nil {
			continue
		}
		tenants = true
		if it.tenant.label == unknown {
			p.refuseUnbound(it)
			return
		}
	}
	for _, w := range p.writes {
		if p.labelOf(w.source, 0) != exactTenant {
			p.refuseAt(int(w.location), ruleInsertTenant, w.target.written(), "", p.writeInsert(w.target))
			return
		}
	}
	if tenants && p.loose > 0 && p.catalog.lossy {
		p.refuseAt(p.loose-1, ruleParamType, "", "", p.tenantText()+"::"+p.catalog.castName())
	}
}

// refuseUnbound says why a relation is not bound, and what to write with the statement's own names.
func (p *prover) refuseUnbound(it *item) {
	rule, write := p.diagnose(it)
	p.refuseAt(int(it.location), rule, it.written(), "", write)
}

func (p *prover) diagnose(it *item) (rule, write string) {
	if it.level.command == Insert && it.target {
		return ruleConflictUpdate, "DO UPDATE SET … WHERE " + p.tenantOf(it) + " = " + p.tenantText()
	}
	h := it.tenant.hints
	for f := it.from; f != nil && f.parent != nil; f = f.parent {
		j := f.parent
		switch {
		case j.reduced || j.join == ast.JoinType_JOIN_INNER:
		case j.join == ast.JoinType_JOIN_FULL:
			return ruleFullJoin, "(SELECT … FROM " + it.relationName() + " WHERE " + quoteName(it.tenant.name) + " = " + p.tenantText() + ") " + quoteName(it.name) + " FULL JOIN …"
		case (j.join == ast.JoinType_JOIN_LEFT) == (f == j.right):
			if h&hintFree != 0 || (it.group != nil && it.group.class(it.tenant, false) != nil) {
				return ruleFreeAnchor, p.writeOn(it, j)
			}
			return ruleNullable, p.writeOn(it, j)
		case mentions(j.facts, it.tenant):
			return rulePreserved, p.writeWhere(it)
		}
	}
	switch {
	case h&hintList != 0:
		return ruleList, p.writeWhere(it)
	case h&hintOptional != 0:
		return ruleNotForced, p.writeWhere(it)
	case h&hintLiteral != 0:
		return ruleLiteral, p.writeWhere(it)
	case h&hintExpression != 0:
		return ruleExpression, p.writeWhere(it)
	case h&hintFree != 0, it.group != nil && it.group.class(it.tenant, false) != nil:
		return ruleFreeAnchor, p.writeWhere(it)
	}
	if j := it.from.parent; j != nil && it.from == j.right && p.anchor(it) != nil {
		return ruleUnbound, p.writeOn(it, j)
	}
	return ruleUnbound, p.writeWhere(it)
}

func mentions(facts []equality, c *column) bool {
	for _, e := range facts {
		if e.a == c || e.b == c {
			return true
		}
	}
	return false
}

// anchor is another relation of the same FROM that is bound.
func (p *prover) anchor(it *item) *item {
	for _, other := range it.level.items {
		if other != it && other.tenant != nil && other.tenant.label != unknown && !other.nullable {
			return other
		}
	}
	return nil
}

func (p *prover) writeOn(it *item, j *from) string {
	value := p.tenantText()
	if a := p.anchor(it); a != nil {
		value = p.tenantOf(a)
	}
	on := "ON " + p.tenantOf(it) + " = " + value + " AND …"
	keyword := map[ast.JoinType]string{ast.JoinType_JOIN_INNER: "JOIN ", ast.JoinType_JOIN_LEFT: "LEFT JOIN ", ast.JoinType_JOIN_RIGHT: "RIGHT JOIN "}[j.join]
	switch {
	case j.right == it.from:
		return keyword + it.quoted() + " " + on
	case j.left == it.from && j.join == ast.JoinType_JOIN_RIGHT:
		return it.quoted() + " RIGHT JOIN … " + on
	}
	return on
}

func (p *prover) writeWhere(it *item) string {
	where := "WHERE " + p.tenantOf(it) + " = " + p.tenantText() + " AND (…)"
	if it.target {
		switch it.level.command {
		case Update:
			return "UPDATE " + it.quoted() + " SET … " + where
		case Delete:
			return "DELETE FROM " + it.quoted() + " " + where
		case Merge:
			return "MERGE INTO " + it.quoted() + " USING … ON " + p.tenantOf(it) + " = " + p.tenantText() + " AND …"
		}
	}
	return where
}

func (p *prover) writeInsert(it *item) string {
	column := "tenant_id"
	if it.tenant != nil {
		column = quoteName(it.tenant.name)
	}
	return "INSERT INTO " + it.relationName() + " (" + column + ", …) VALUES (" + p.tenantText() + ", …)"
}
