package sqlproof

import (
	"github.com/sqlc-dev/oliphant/ast"
)

// restructure changes the form of a statement more than the contents.
func (m *mutator) restructure(root *ast.Node, s *slots) *ast.Node {
	switch m.IntN(14) {
	case 0: // a set operation with another query
		if len(s.selects) > 0 && root.GetSelectStmt() != nil {
			other := clone(pick(m, m.queries)).GetSelectStmt()
			if m.IntN(3) == 0 {
				other = clone(root).GetSelectStmt()
			}
			l := root.GetSelectStmt()
			if m.IntN(2) == 0 {
				l, other = other, l
			}
			return &ast.Node{Node: &ast.Node_SelectStmt{SelectStmt: &ast.SelectStmt{Op: pick(m, setOps), All: m.IntN(2) == 0, Larg: l, Rarg: other, LimitOption: ast.LimitOption_LIMIT_OPTION_DEFAULT}}}
		}
	case 1: // wrap a relation in a sub-select
		if len(s.froms) > 0 {
			at := pick(m, s.froms)
			name := "d"
			if r := (*at).GetRangeVar(); r != nil {
				if name = r.Relname; r.Alias != nil {
					name = r.Alias.Aliasname
				}
			}
			star := &ast.Node{Node: &ast.Node_ResTarget{ResTarget: &ast.ResTarget{Val: &ast.Node{Node: &ast.Node_ColumnRef{ColumnRef: &ast.ColumnRef{Fields: []*ast.Node{{Node: &ast.Node_AStar{AStar: &ast.A_Star{}}}}}}}}}}
			sub := &ast.SelectStmt{TargetList: []*ast.Node{star}, FromClause: []*ast.Node{*at}, Op: ast.SetOperation_SETOP_NONE, LimitOption: ast.LimitOption_LIMIT_OPTION_DEFAULT}
			if m.IntN(2) == 0 {
				sub.WhereClause = m.equality(s)
			}
			*at = &ast.Node{Node: &ast.Node_RangeSubselect{RangeSubselect: &ast.RangeSubselect{Lateral: m.IntN(3) == 0, Subquery: &ast.Node{Node: &ast.Node_SelectStmt{SelectStmt: sub}}, Alias: &ast.Alias{Aliasname: name}}}}
		}
	case 2: // one more relation
		if len(s.lists) > 0 {
			if list := pick(m, s.lists); len(*list) > 0 && (*list)[0].GetResTarget() == nil {
				*list = append(*list, clone(pick(m, m.froms)))
			} else {
				*list = append(*list, &ast.Node{Node: &ast.Node_ResTarget{ResTarget: &ast.ResTarget{Val: clone(pick(m, m.exprs))}}})
			}
		}
	case 3: // drop an entry of a list
		if len(s.lists) > 0 {
			if list := pick(m, s.lists); len(*list) > 1 {
				i := m.IntN(len(*list))
				*list = append((*list)[:i:i], (*list)[i+1:]...)
			}
		}
	case 4: // join instead of a relation
		if len(s.froms) > 0 {
			at := pick(m, s.froms)
			j := &ast.JoinExpr{Jointype: pick(m, joinTypes), Larg: *at, Rarg: clone(pick(m, m.froms)), Quals: m.equality(s)}
			if m.IntN(4) == 0 {
				j.Quals, j.UsingClause = nil, []*ast.Node{str("tenant_id")}
			}
			*at = &ast.Node{Node: &ast.Node_JoinExpr{JoinExpr: j}}
		}
	case 5: // LATERAL or not
		if len(s.subs) > 0 {
			r := pick(m, s.subs)
			r.Lateral = !r.Lateral
		}
	case 6: // a sub-select elsewhere
		if len(s.exprs) > 0 {
			*pick(m, s.exprs) = &ast.Node{Node: &ast.Node_SubLink{SubLink: &ast.SubLink{
				SubLinkType: pick(m, []ast.SubLinkType{ast.SubLinkType_EXISTS_SUBLINK, ast.SubLinkType_EXPR_SUBLINK, ast.SubLinkType_ARRAY_SUBLINK}), Subselect: clone(pick(m, m.queries))}}}
		}
	case 7: // a CTE of some name
		name := pick(m, append(aliasNames, relationNames...))
		cte := &ast.Node{Node: &ast.Node_CommonTableExpr{CommonTableExpr: &ast.CommonTableExpr{Ctename: name, Ctematerialized: ast.CTEMaterialize_CTEMaterializeDefault, Ctequery: clone(pick(m, m.queries))}}}
		with := &ast.WithClause{Ctes: []*ast.Node{cte}, Recursive: m.IntN(3) == 0}
		switch n := root.Node.(type) {
		case *ast.Node_SelectStmt:
			n.SelectStmt.WithClause = with
		case *ast.Node_UpdateStmt:
			n.UpdateStmt.WithClause = with
		case *ast.Node_DeleteStmt:
			n.DeleteStmt.WithClause = with
		case *ast.Node_InsertStmt:
			n.InsertStmt.WithClause = with
		}
	case 8: // another parameter, or a constant instead
		if len(s.params) > 0 {
			pick(m, s.params).Number = int32(1 + m.IntN(3))
		}
	case 9: // no condition at all
		if w := m.where(s); w != nil {
			*w = nil
		}
	case 10: // WITH RECURSIVE, or a recursive body
		if len(s.withs) > 0 {
			w := pick(m, s.withs)
			w.Recursive = !w.Recursive
		}
	case 11: // aliases for the columns of a derived table
		if len(s.subs) > 0 {
			if r := pick(m, s.subs); r.Alias != nil {
				r.Alias.Colnames = []*ast.Node{str(pick(m, columnNames)), str(pick(m, columnNames))}
			}
		}
	case 12: // another kind of sub-select
		if len(s.links) > 0 {
			l := pick(m, s.links)
			if l.SubLinkType == ast.SubLinkType_ANY_SUBLINK {
				l.SubLinkType = ast.SubLinkType_ALL_SUBLINK
				l.OperName = []*ast.Node{str("=")}
			} else if l.SubLinkType == ast.SubLinkType_EXISTS_SUBLINK {
				l.SubLinkType, l.Testexpr = ast.SubLinkType_ANY_SUBLINK, columnRef(m.alias(s), pick(m, columnNames))
			}
		}
	case 13: // grouping sets, DISTINCT, LIMIT
		if len(s.selects) > 0 {
			q := pick(m, s.selects)
			switch m.IntN(3) {
			case 0:
				q.DistinctClause = []*ast.Node{{}}
			case 1:
				q.LimitCount, q.LimitOption = &ast.Node{Node: &ast.Node_AConst{AConst: &ast.A_Const{Val: &ast.A_Const_Ival{Ival: &ast.Integer{Ival: 2}}}}}, ast.LimitOption_LIMIT_OPTION_COUNT
			case 2:
				if len(q.TargetList) > 0 && q.Op == ast.SetOperation_SETOP_NONE {
					gs := &ast.GroupingSet{Kind: ast.GroupingSetKind_GROUPING_SET_ROLLUP}
					for _, t := range q.TargetList {
						gs.Content = append(gs.Content, clone(t.GetResTarget().GetVal()))
					}
					q.GroupClause = []*ast.Node{{Node: &ast.Node_GroupingSet{GroupingSet: gs}}}
				}
			}
		}
	}
	return root
}
