package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// join binds a JOIN. ON sees its own two sides and nothing else of this FROM.
func (p *prover) join(sc *scope, j *ast.JoinExpr, before, blocked []*from) *from {
	location := fromLocation(j.Larg)
	switch {
	case j.IsNatural:
		p.refuse(fromLocation(j.Rarg), ruleNatural)
		return nil
	case j.Alias != nil, j.JoinUsingAlias != nil:
		p.refuse(location, ruleJoinAlias)
		return nil
	}
	l := p.fromItem(sc, j.Larg, before, blocked)
	if p.refusal != nil {
		return nil
	}
	var r *from
	switch j.Jointype {
	case ast.JoinType_JOIN_INNER, ast.JoinType_JOIN_LEFT:
		r = p.fromItem(sc, j.Rarg, append(before[:len(before):len(before)], l), blocked)
	case ast.JoinType_JOIN_RIGHT, ast.JoinType_JOIN_FULL:
		// From the right side a reference to the left one is an error.
		r = p.fromItem(sc, j.Rarg, before, append(blocked[:len(blocked):len(blocked)], l))
	default:
		p.refuse(location, ruleUnknownForm)
	}
	if p.refusal != nil {
		return nil
	}
	f := &from{lo: l.lo, hi: r.hi, join: j.Jointype, left: l, right: r, location: location, mergedBelow: l.mergedBelow || r.mergedBelow}
	l.parent, r.parent = f, f
	for _, n := range j.UsingClause {
		p.mergeColumn(f, n.GetString_().GetSval())
	}
	if j.Quals != nil {
		f.facts = p.conditions(&scope{outer: sc.outer, level: sc.level, visible: []*from{l, r}, ctes: sc.ctes}, j.Quals)
	}
	return f
}

// mergeColumn adds a column of USING. The merged column is the left one in INNER and LEFT joins, the right one in RIGHT
// joins, and COALESCE of both, which proves nothing, in FULL joins.
func (p *prover) mergeColumn(f *from, name string) {
	f.mergedBelow = true
	lhits, lmaybe := p.search(f.left, name)
	rhits, rmaybe := p.search(f.right, name)
	if len(lhits) > 1 || len(rhits) > 1 {
		p.refuse(f.location, ruleAmbiguous)
		return
	}
	if systemColumns[name] {
		p.refuse(f.location, ruleSystemColumn)
		return
	}
	m := merged{name: name}
	var l, r *column
	if len(lhits) == 1 {
		l, m.left = lhits[0].column, lhits[0].output
	} else if !lmaybe {
		p.refuse(f.location, ruleUnknownColumn)
	}
	if len(rhits) == 1 {
		r, m.right = rhits[0].column, rhits[0].output
	} else if !rmaybe {
		p.refuse(f.location, ruleUnknownColumn)
	}
	if l != nil && r != nil {
		f.facts = append(f.facts, equality{l, r, f.location})
	}
	switch f.join {
	case ast.JoinType_JOIN_INNER, ast.JoinType_JOIN_LEFT:
		m.column = l
	case ast.JoinType_JOIN_RIGHT:
		m.column = r
	}
	m.output = &output{name: name, star: true, exact: m.column != nil, column: m.column}
	f.using = append(f.using, m)
}

// fromLocation is the place of the first relation of a FROM entry.
func fromLocation(n *ast.Node) int32 {
	for n.GetJoinExpr() != nil {
		n = n.GetJoinExpr().GetLarg()
	}
	switch n := n.GetNode().(type) {
	case *ast.Node_RangeVar:
		return n.RangeVar.Location
	case *ast.Node_RangeFunction:
		for _, f := range n.RangeFunction.Functions {
			for _, part := range f.GetList().GetItems() {
				return callLocation(part, 0)
			}
		}
	case *ast.Node_RangeTableSample:
		return n.RangeTableSample.Location
	}
	return 0
}
