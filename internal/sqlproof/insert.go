package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

func (p *prover) insert(outer *scope, s *ast.InsertStmt) *query {
	sc := p.writeScope(outer, s.WithClause)
	if p.refusal != nil {
		return &query{}
	}
	source := &scope{outer: sc.outer, ctes: sc.ctes}
	_, target := p.target(sc, Insert, s.Relation)
	if p.refusal != nil {
		return &query{}
	}
	at := p.insertColumns(target.item, s)
	if p.refusal != nil {
		return &query{}
	}
	p.insertSource(source, target.item, s.SelectStmt, at)
	sc.visible = []*from{target}
	if p.refusal == nil {
		p.onConflict(sc, target, s.OnConflictClause)
	}
	if p.refusal != nil {
		return &query{}
	}
	return &query{outputs: p.returning(sc, target, s.ReturningClause)}
}

// insertColumns finds the tenant's position in the column list, -1 for global relations.
func (p *prover) insertColumns(target *item, s *ast.InsertStmt) int {
	if s.SelectStmt == nil || len(s.Cols) == 0 {
		p.refuseAt(int(target.location), ruleNoColumnList, target.written(), "", p.writeInsert(target))
		return -1
	}
	at := -1
	seen := map[string]bool{}
	for i, n := range s.Cols {
		t := n.GetResTarget()
		if t == nil || t.Val != nil {
			p.refuse(target.location, ruleUnknownForm)
			return -1
		}
		if systemColumns[t.Name] || (target.relation.Columns != nil && !target.relation.has(t.Name)) {
			p.refuseAt(int(t.Location), ruleUnknownColumn, target.written(), "", "")
			return -1
		}
		if target.tenant == nil || t.Name != target.tenant.name {
			p.walkList(&scope{}, t.Indirection)
			continue
		}
		if len(t.Indirection) > 0 || seen[t.Name] {
			p.refuseAt(int(t.Location), ruleInsertTenant, target.written(), "", p.writeInsert(target))
			return -1
		}
		seen[t.Name] = true
		at = i
	}
	if at < 0 && target.tenant != nil {
		p.refuseAt(int(target.location), ruleNoTenantColumn, target.written(), "", p.writeInsert(target))
	}
	return at
}

// insertSource binds VALUES or SELECT; what stands in the tenant's position must be the tenant.
func (p *prover) insertSource(sc *scope, target *item, n *ast.Node, at int) {
	s := n.GetSelectStmt()
	if s == nil {
		p.refuse(target.location, ruleUnknownForm)
		return
	}
	if !p.oneForm(s) {
		return
	}
	if len(s.ValuesLists) > 0 && s.WithClause == nil && len(s.SortClause) == 0 && s.LimitCount == nil && s.LimitOffset == nil && len(s.LockingClause) == 0 {
		for _, row := range s.ValuesLists {
			items := row.GetList().GetItems()
			if at >= len(items) || hasStar(items) {
				p.refuseAt(int(target.location), ruleInsertTenant, target.written(), "", p.writeInsert(target))
				return
			}
			for i, value := range items {
				if i != at {
					p.walk(sc, value)
				} else if !p.isTenant(value) {
					p.refuseAt(int(target.location), ruleInsertTenant, target.written(), "", p.writeInsert(target))
					return
				}
			}
		}
		return
	}
	q := p.statement(sc, n)
	if p.refusal != nil || at < 0 {
		return
	}
	for i, o := range q.outputs {
		if o.star || o.many || o.pinned {
			p.refuseAt(int(target.location), ruleInsertStar, target.written(), "", "")
			return
		}
		if o.bare > 0 {
			// The columns give their types to bare parameters one after the other.
			p.tenantBeside(i == at, o.bare-1)
		}
		if i == at {
			p.writes = append(p.writes, tenantGoal{source: o, target: target, location: target.location})
		}
	}
	if at >= len(q.outputs) {
		p.refuseAt(int(target.location), ruleInsertTenant, target.written(), "", p.writeInsert(target))
	}
}

// isTenant reports whether an expression is the tenant parameter or its cast. The column gives the parameter its type.
func (p *prover) isTenant(n *ast.Node) bool {
	if ref := n.GetParamRef(); ref != nil && p.parameter(ref) {
		p.typed = true
		return true
	}
	c := n.GetTypeCast()
	return c != nil && p.isTenantCast(c)
}

// onConflict binds ON CONFLICT. With the tenant column among the inferred ones, only the tenant's own rows can conflict.
func (p *prover) onConflict(sc *scope, target *from, c *ast.OnConflictClause) {
	it := target.item
	if c == nil || it.tenant == nil {
		if it.tenant != nil {
			it.tenant.given = exactTenant
		}
		if c == nil {
			return
		}
	}
	if c.Infer != nil {
		p.inference(sc, c.Infer)
	}
	if it.tenant != nil && !infers(c.Infer, it.tenant.name) {
		p.refuseAt(int(it.location), ruleConflict, it.written(), "", "ON CONFLICT ("+quoteName(it.tenant.name)+", …) with a unique index on these columns")
		return
	}
	if c.Action != ast.OnConflictAction_ONCONFLICT_UPDATE {
		if c.WhereClause != nil || len(c.TargetList) > 0 {
			p.refuse(c.Location, ruleUnknownForm)
		}
		if it.tenant != nil {
			it.tenant.given = exactTenant
		}
		return
	}
	if it.name == "excluded" {
		p.refuseAt(int(it.location), ruleDuplicateAlias, it.written(), "", "")
		return
	}
	excluded := p.twin(sc.level, it, "excluded", exactTenant)
	both := &scope{outer: sc.outer, level: sc.level, visible: []*from{target, excluded}, ctes: sc.ctes}
	p.assignments(both, it, c.TargetList)
	facts := p.conditions(both, c.WhereClause)
	p.arrange(sc.level, []*from{target, excluded}, facts)
}

func (p *prover) inference(sc *scope, infer *ast.InferClause) {
	for _, n := range infer.IndexElems {
		e := n.GetIndexElem()
		p.walk(sc, e.GetExpr())
		if len(e.GetCollation()) > 0 {
			p.qualifiedName(e.Collation, infer.Location)
		}
		if len(e.GetOpclass()) > 0 {
			p.qualifiedName(e.Opclass, infer.Location)
		}
	}
	p.walk(sc, infer.WhereClause)
}

func infers(infer *ast.InferClause, tenant string) bool {
	if infer == nil || infer.Conname != "" {
		return false
	}
	for _, n := range infer.IndexElems {
		if e := n.GetIndexElem(); e.GetName() == tenant && e.Expr == nil && len(e.Collation) == 0 && len(e.Opclass) == 0 {
			return true
		}
	}
	return false
}
