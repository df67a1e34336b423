package sqlproof

import (
	"github.com/sqlc-dev/oliphant/ast"
)

// statement binds a statement that stands alone, in a CTE, or as a sub-select. sc holds the columns and CTEs of the
// statements around it.
func (p *prover) statement(sc *scope, n *ast.Node) *query {
	if !p.enter() {
		return &query{}
	}
	defer p.leave()
	outside := p.inCondition
	p.inCondition = 0
	defer func() { p.inCondition = outside }()
	q := &query{}
	switch n := n.GetNode().(type) {
	case *ast.Node_SelectStmt:
		q = p.selectStmt(sc, n.SelectStmt, nil)
		q.command, q.rows = Select, true
	case *ast.Node_InsertStmt:
		q = p.insert(sc, n.InsertStmt)
		q.command, q.rows = Insert, n.InsertStmt.ReturningClause != nil
	case *ast.Node_UpdateStmt:
		q = p.update(sc, n.UpdateStmt)
		q.command, q.rows = Update, n.UpdateStmt.ReturningClause != nil
	case *ast.Node_DeleteStmt:
		q = p.delete(sc, n.DeleteStmt)
		q.command, q.rows = Delete, n.DeleteStmt.ReturningClause != nil
	case *ast.Node_MergeStmt:
		q = p.merge(sc, n.MergeStmt)
		q.command, q.rows = Merge, n.MergeStmt.ReturningClause != nil
	default:
		p.refuse(0, ruleCommand)
	}
	return q
}

// selectStmt binds a SELECT, VALUES or set operation. self is set for the body of a recursive CTE, whose right arm may
// refer to it.
func (p *prover) selectStmt(outer *scope, s *ast.SelectStmt, self *cte) *query {
	if !p.enter() {
		return &query{}
	}
	defer p.leave()
	sc := &scope{outer: outer, ctes: outer.ctes}
	if s.WithClause != nil {
		sc.ctes = p.with(outer, s.WithClause)
	}
	if s.IntoClause != nil {
		p.refuse(s.IntoClause.GetRel().GetLocation(), ruleInto)
	}
	if p.refusal != nil {
		return &query{}
	}
	if !p.oneForm(s) {
		return &query{}
	}
	switch {
	case s.Op != ast.SetOperation_SETOP_NONE:
		return p.setOperation(sc, s, self)
	case len(s.ValuesLists) > 0:
		return p.values(sc, s)
	}
	return p.plainSelect(sc, s)
}

// oneForm refuses trees that are a SELECT, VALUES and a set operation at once: no text has them.
func (p *prover) oneForm(s *ast.SelectStmt) bool {
	plain := len(s.TargetList)+len(s.FromClause)+len(s.GroupClause)+len(s.WindowClause)+len(s.DistinctClause) > 0 || s.WhereClause != nil || s.HavingClause != nil
	set := s.Op != ast.SetOperation_SETOP_NONE
	if (plain && set) || (len(s.ValuesLists) > 0 && (plain || set)) || (!set && (s.Larg != nil || s.Rarg != nil)) {
		p.refuse(0, ruleUnknownForm)
	}
	return p.refusal == nil
}

// plainSelect binds in the order in which PostgreSQL does, because the first use of a parameter gives it its type.
func (p *prover) plainSelect(sc *scope, s *ast.SelectStmt) *query {
	lv := p.newLevel(Select)
	sc.level = lv
	sc.visible = p.fromList(sc, s.FromClause)
	if p.refusal != nil {
		return &query{}
	}
	q := &query{}
	q.outputs = p.targets(sc, s.TargetList, hasGroupingSets(s.GroupClause))
	facts := p.conditions(sc, s.WhereClause)
	p.walk(sc, s.HavingClause)
	p.sortList(sc, s.SortClause, q.outputs)
	p.walkList(sc, s.GroupClause)
	p.sortList(sc, s.DistinctClause, q.outputs)
	p.limits(sc, s)
	p.walkList(sc, s.WindowClause)
	p.locks(lv, s.LockingClause)
	p.arrange(lv, sc.visible, facts)
	return q
}

func (p *prover) newLevel(command Command) *level {
	lv := &level{command: command}
	p.levels = append(p.levels, lv)
	return lv
}

func hasGroupingSets(group []*ast.Node) bool {
	for _, n := range group {
		if n.GetGroupingSet() != nil {
			return true
		}
	}
	return false
}

// setOperation binds both arms; each column keeps what holds in both, by position.
func (p *prover) setOperation(sc *scope, s *ast.SelectStmt, self *cte) *query {
	left := p.selectStmt(sc, s.Larg, nil)
	if p.refusal != nil {
		return left
	}
	if self != nil {
		self.begin(left.outputs)
	}
	right := p.selectStmt(sc, s.Rarg, nil)
	q := &query{outputs: meet(left.outputs, right.outputs)}
	for i, o := range q.outputs {
		if !o.exact && i < len(right.outputs) {
			p.meets(left.outputs[i])
			p.meets(right.outputs[i])
		}
	}
	p.sortList(sc, s.SortClause, q.outputs)
	p.limits(sc, s)
	p.locks(nil, s.LockingClause)
	return q
}

// meets takes note that a bare tenant parameter shares its column with values whose type is not known.
func (p *prover) meets(o *output) {
	if o.bare > 0 {
		p.tenantBeside(false, o.bare-1)
	}
}

// meet pairs two lists of outputs by position. The names are the left one's. A * over unknown columns pairs with the
// same * only; behind anything else the positions are not known.
func meet(left, right []*output) []*output {
	list := make([]*output, 0, len(left))
	known := true
	for i, l := range left {
		o := &output{name: l.name, anyName: l.anyName, many: l.many, pinned: l.pinned, star: l.star, from: l.from}
		if i < len(right) {
			r := right[i]
			same := l.many == r.many && l.pinned == r.pinned
			if l.many || l.pinned {
				same = same && l.from != nil && l.from == r.from
			}
			known = known && same
			o.star = o.star || r.star
			if known {
				o.exact, o.arms = l.exact && r.exact, []*output{l, r}
			}
		}
		list = append(list, o)
	}
	return list
}

// values binds VALUES: a column is what all its rows are.
func (p *prover) values(sc *scope, s *ast.SelectStmt) *query {
	q := &query{}
	var rows [][]*output
	for row, n := range s.ValuesLists {
		items := n.GetList().GetItems()
		outs := p.rowOutputs(sc, items)
		if p.refusal != nil {
			return q
		}
		rows = append(rows, outs)
		if row == 0 {
			for i, o := range outs {
				q.outputs = append(q.outputs, &output{name: columnN(i + 1), many: o.many, pinned: o.pinned, star: o.star, exact: o.exact, arms: []*output{o}})
			}
			continue
		}
		for i, o := range q.outputs {
			switch {
			case i >= len(outs):
				o.exact, o.arms = false, nil
			default:
				o.exact = o.exact && outs[i].exact && !outs[i].pinned
				o.star = o.star || outs[i].star
				if o.arms = append(o.arms, outs[i]); !o.exact {
					o.arms = nil
				}
			}
		}
	}
	for i, o := range q.outputs {
		for _, row := range rows {
			if !o.exact && i < len(row) {
				p.meets(row[i])
			}
		}
	}
	p.sortList(sc, s.SortClause, q.outputs)
	p.limits(sc, s)
	p.locks(nil, s.LockingClause)
	return q
}

// rowOutputs are the columns of one row of VALUES.
func (p *prover) rowOutputs(sc *scope, items []*ast.Node) []*output {
	var list []*output
	for _, n := range items {
		if ref := n.GetColumnRef(); ref != nil && isStar(ref) {
			list = append(list, p.expand(sc, ref)...)
			continue
		}
		list = append(list, p.outputOf(sc, n))
	}
	return list
}

// sortList binds ORDER BY and DISTINCT ON, where a lone name means an output first.
func (p *prover) sortList(sc *scope, list []*ast.Node, outputs []*output) {
	for _, n := range list {
		inner := n
		if s := n.GetSortBy(); s != nil {
			p.operator(s.UseOp, s.Location)
			inner = s.Node
		}
		if ref := inner.GetColumnRef(); ref != nil && len(ref.Fields) == 1 && named(outputs, ref.Fields[0].GetString_().GetSval()) {
			continue
		}
		p.walk(sc, inner)
	}
}

func named(outputs []*output, name string) bool {
	for _, o := range outputs {
		if (o.name == name && !o.anyName) || (o.anyName && !systemColumns[name]) {
			return true
		}
	}
	return false
}

// limits binds LIMIT and OFFSET, whose type is bigint whatever stands there.
func (p *prover) limits(sc *scope, s *ast.SelectStmt) {
	for _, n := range []*ast.Node{s.LimitOffset, s.LimitCount} {
		if ref := n.GetParamRef(); ref != nil {
			p.parameter(ref)
			continue
		}
		p.walk(sc, n)
	}
}

// locks looks at FOR UPDATE and its like: a lock without OF reaches the rows of global relations too.
func (p *prover) locks(lv *level, clauses []*ast.Node) {
	for _, n := range clauses {
		if len(n.GetLockingClause().GetLockedRels()) > 0 || lv == nil {
			continue
		}
		for _, it := range lv.items {
			if it.relation != nil && it.relation.Kind == Global {
				p.lint(lintLockGlobal, it, "FOR UPDATE OF …")
			}
		}
	}
}
