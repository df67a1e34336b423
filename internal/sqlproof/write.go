package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// target binds the relation that a statement writes. A CTE never is one, whatever its name.
func (p *prover) target(sc *scope, command Command, r *ast.RangeVar) (*level, *from) {
	relation := p.relation(r)
	if relation == nil {
		return nil, nil
	}
	if relation.Kind == Global && !relation.Writable {
		p.refuseAt(int(r.Location), ruleWriteGlobal, p.shortName(r), "", "")
		return nil, nil
	}
	lv := p.newLevel(command)
	sc.level = lv
	it := p.baseItem(r, relation)
	it.target = true
	return lv, p.newItem(lv, it)
}

func (p *prover) shortName(r *ast.RangeVar) string {
	if r.Alias != nil {
		return r.Relname + " " + r.Alias.Aliasname
	}
	return r.Relname
}

// writeScope binds the WITH clause of a write.
func (p *prover) writeScope(outer *scope, w *ast.WithClause) *scope {
	sc := &scope{outer: outer, ctes: outer.ctes}
	if w != nil {
		sc.ctes = p.with(outer, w)
	}
	return sc
}

func (p *prover) update(outer *scope, s *ast.UpdateStmt) *query {
	sc := p.writeScope(outer, s.WithClause)
	if p.refusal != nil {
		return &query{}
	}
	lv, target := p.target(sc, Update, s.Relation)
	if p.refusal != nil {
		return &query{}
	}
	roots, facts := p.sources(sc, target, s.FromClause, s.WhereClause)
	if p.refusal != nil {
		return &query{}
	}
	q := &query{outputs: p.returning(sc, target, s.ReturningClause)}
	p.assignments(sc, target.item, s.TargetList)
	p.arrange(lv, roots, facts)
	return q
}

func (p *prover) delete(outer *scope, s *ast.DeleteStmt) *query {
	sc := p.writeScope(outer, s.WithClause)
	if p.refusal != nil {
		return &query{}
	}
	lv, target := p.target(sc, Delete, s.Relation)
	if p.refusal != nil {
		return &query{}
	}
	roots, facts := p.sources(sc, target, s.UsingClause, s.WhereClause)
	if p.refusal != nil {
		return &query{}
	}
	q := &query{outputs: p.returning(sc, target, s.ReturningClause)}
	p.arrange(lv, roots, facts)
	return q
}

// sources binds FROM or USING and WHERE of a write. FROM does not see the target, WHERE does.
func (p *prover) sources(sc *scope, target *from, list []*ast.Node, where *ast.Node) (roots []*from, facts []equality) {
	if where.GetCurrentOfExpr() != nil {
		p.refuseAt(int(target.location), ruleCurrentOf, target.item.written(), "", "")
		return nil, nil
	}
	sc.blocked = []*from{target}
	roots = append([]*from{target}, p.fromList(sc, list)...)
	sc.blocked = nil
	if p.refusal != nil {
		return nil, nil
	}
	sc.visible = roots
	return roots, p.conditions(sc, where)
}

// assignments binds SET. The tenant column is never assigned, in any form.
func (p *prover) assignments(sc *scope, target *item, list []*ast.Node) {
	for _, n := range list {
		t := n.GetResTarget()
		if t == nil {
			p.refuse(0, ruleUnknownForm)
			return
		}
		p.assigned(target, t)
		p.walkList(sc, t.Indirection)
		if m := t.Val.GetMultiAssignRef(); m != nil {
			// (a, b) = (…) hangs the same source under each column.
			if m.Colno == 1 {
				p.walk(sc, m.Source)
			}
			continue
		}
		p.walk(sc, t.Val)
	}
}

func (p *prover) assigned(target *item, t *ast.ResTarget) {
	if target.tenant != nil && t.Name == target.tenant.name {
		p.refuseAt(int(t.Location), ruleSetTenant, target.written(), "", "")
	}
	if systemColumns[t.Name] || (target.relation.Columns != nil && !target.relation.has(t.Name)) {
		p.refuseAt(int(t.Location), ruleUnknownColumn, target.written(), "", "")
	}
}

// returning binds RETURNING. OLD and NEW (PostgreSQL 18) are seen by their names only, and one of them can be NULL.
func (p *prover) returning(sc *scope, target *from, clause *ast.ReturningClause) []*output {
	if clause == nil {
		return nil
	}
	inner := &scope{outer: sc.outer, level: sc.level, visible: sc.visible, ctes: sc.ctes}
	aliases := map[ast.ReturningOptionKind]string{
		ast.ReturningOptionKind_RETURNING_OPTION_OLD: "old",
		ast.ReturningOptionKind_RETURNING_OPTION_NEW: "new",
	}
	given := map[ast.ReturningOptionKind]bool{}
	for _, n := range clause.Options {
		o := n.GetReturningOption()
		aliases[o.GetOption()], given[o.GetOption()] = o.GetValue(), true
	}
	for _, kind := range []ast.ReturningOptionKind{ast.ReturningOptionKind_RETURNING_OPTION_OLD, ast.ReturningOptionKind_RETURNING_OPTION_NEW} {
		if len(sc.level.byName[aliases[kind]]) > 0 && !given[kind] {
			continue // a relation of that name comes first
		}
		f := p.twin(sc.level, target.item, aliases[kind], tenantOrNull)
		f.qualified = true
		inner.visible = append(inner.visible[:len(inner.visible):len(inner.visible)], f)
	}
	return p.targets(inner, clause.Exprs, false)
}

// twin is another name for the written relation's rows: EXCLUDED, OLD, NEW.
func (p *prover) twin(lv *level, target *item, name string, l label) *from {
	it := &item{relation: target.relation, name: name, alias: name, aliased: true, location: target.location, open: target.open}
	if target.tenant != nil {
		it.tenant = &column{item: it, name: target.tenant.name, given: l}
	}
	it.outputs = p.relationOutputs(target.relation, it.tenant)
	return p.newItem(lv, it)
}
