package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// merge binds MERGE as a join of source and target. Only when every clause is WHEN MATCHED does ON bind the source:
// otherwise rows of the source that match nothing act too, so it must prove itself. WHEN NOT MATCHED BY SOURCE acts on
// target rows that ON does not hold for, so its own condition must bind the target.
func (p *prover) merge(outer *scope, s *ast.MergeStmt) *query {
	if !p.mergeAllowed {
		p.refuse(s.GetRelation().GetLocation(), ruleMerge)
		return &query{}
	}
	sc := p.writeScope(outer, s.WithClause)
	if p.refusal != nil {
		return &query{}
	}
	lv, target := p.target(sc, Merge, s.Relation)
	if p.refusal != nil {
		return &query{}
	}
	sc.blocked = []*from{target}
	source := p.fromItem(sc, s.SourceRelation, nil, sc.blocked)
	sc.blocked = nil
	if p.refusal != nil {
		return &query{}
	}
	sc.visible = []*from{target, source}
	facts := p.conditions(sc, s.JoinCondition)
	matchedOnly := true
	for _, n := range s.MergeWhenClauses {
		w := n.GetMergeWhenClause()
		matchedOnly = matchedOnly && w.GetMatchKind() == ast.MergeMatchKind_MERGE_WHEN_MATCHED
		p.mergeWhen(sc, target, source, w)
		if p.refusal != nil {
			return &query{}
		}
	}
	if matchedOnly {
		p.arrange(lv, []*from{target, source}, facts)
	} else {
		p.arrange(lv, []*from{source}, nil)
		p.fill(newGroup(lv, lv.root, target), []*from{target}, facts)
	}
	q := &query{outputs: p.returning(sc, target, s.ReturningClause)}
	for _, o := range q.outputs {
		o.nulls = true
	}
	return q
}

func (p *prover) mergeWhen(sc *scope, target, source *from, w *ast.MergeWhenClause) {
	seen := &scope{outer: sc.outer, level: sc.level, visible: sc.visible, ctes: sc.ctes}
	switch w.GetMatchKind() {
	case ast.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_TARGET:
		seen.visible = []*from{source}
	case ast.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE:
		seen.visible = []*from{target}
	}
	facts := p.conditions(seen, w.Condition)
	it := target.item
	if w.MatchKind == ast.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE && it.tenant != nil && w.CommandType != ast.CmdType_CMD_NOTHING {
		k := partitionOf(facts)
		if k.up[it.tenant] == nil || k.up[theTenant] == nil || k.find(it.tenant) != k.find(theTenant) {
			p.refuseAt(int(it.location), ruleMergeBySource, it.written(), "",
				"WHEN NOT MATCHED BY SOURCE AND "+p.tenantOf(it)+" = "+p.tenantText()+" THEN …")
			return
		}
	}
	if (len(w.Values) > 0 && w.CommandType != ast.CmdType_CMD_INSERT) ||
		(len(w.TargetList) > 0 && w.CommandType != ast.CmdType_CMD_INSERT && w.CommandType != ast.CmdType_CMD_UPDATE) {
		p.refuse(it.location, ruleUnknownForm)
		return
	}
	switch w.CommandType {
	case ast.CmdType_CMD_UPDATE:
		p.assignments(seen, it, w.TargetList)
	case ast.CmdType_CMD_INSERT:
		p.mergeInsert(seen, it, w)
	case ast.CmdType_CMD_DELETE, ast.CmdType_CMD_NOTHING:
	default:
		p.refuse(it.location, ruleUnknownForm)
	}
}

// mergeInsert is WHEN NOT MATCHED THEN INSERT: the tenant's position holds the parameter, or a column of the source that
// is the tenant.
func (p *prover) mergeInsert(sc *scope, target *item, w *ast.MergeWhenClause) {
	if len(w.TargetList) == 0 || len(w.Values) == 0 {
		p.refuseAt(int(target.location), ruleNoColumnList, target.written(), "", p.writeInsert(target))
		return
	}
	if len(w.TargetList) != len(w.Values) {
		p.refuseAt(int(target.location), ruleInsertTenant, target.written(), "", p.writeInsert(target))
		return
	}
	done := target.tenant == nil
	for i, n := range w.TargetList {
		t := n.GetResTarget()
		if t == nil || t.Val != nil {
			p.refuseAt(int(target.location), ruleInsertTenant, target.written(), "", p.writeInsert(target))
			return
		}
		if target.tenant == nil || t.Name != target.tenant.name {
			p.walk(sc, w.Values[i])
			p.walkList(sc, t.Indirection)
			continue
		}
		if done || len(t.Indirection) > 0 {
			p.refuseAt(int(target.location), ruleInsertTenant, target.written(), "", p.writeInsert(target))
			return
		}
		done = true
		if !p.isTenant(w.Values[i]) {
			p.writes = append(p.writes, tenantGoal{source: p.outputOf(sc, w.Values[i]), target: target, location: target.location})
		}
	}
	if !done {
		p.refuseAt(int(target.location), ruleNoTenantColumn, target.written(), "", p.writeInsert(target))
	}
}
