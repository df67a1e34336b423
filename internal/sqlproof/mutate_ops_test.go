package sqlproof

import (
	"github.com/sqlc-dev/oliphant/ast"
)

func str(s string) *ast.Node {
	return &ast.Node{Node: &ast.Node_String_{String_: &ast.String{Sval: s}}}
}

func columnRef(parts ...string) *ast.Node {
	ref := &ast.ColumnRef{}
	for _, p := range parts {
		ref.Fields = append(ref.Fields, str(p))
	}
	return &ast.Node{Node: &ast.Node_ColumnRef{ColumnRef: ref}}
}

func tenantRef() *ast.Node {
	return &ast.Node{Node: &ast.Node_ParamRef{ParamRef: &ast.ParamRef{Number: 1}}}
}

func equalTo(l, r *ast.Node) *ast.Node {
	return &ast.Node{Node: &ast.Node_AExpr{AExpr: &ast.A_Expr{Kind: ast.A_Expr_Kind_AEXPR_OP, Name: []*ast.Node{str("=")}, Lexpr: l, Rexpr: r}}}
}

func boolean(op ast.BoolExprType, args ...*ast.Node) *ast.Node {
	return &ast.Node{Node: &ast.Node_BoolExpr{BoolExpr: &ast.BoolExpr{Boolop: op, Args: args}}}
}

var (
	columnNames   = []string{"tenant_id", "id", "patient_id", "visit_id", "status", "note", "code", "parent_id", "name"}
	relationNames = []string{"patients", "visits", "invoices", "tenants", "icd10_codes"}
	aliasNames    = []string{"p", "v", "i", "t", "d", "x", "c", "patients", "visits", "invoices", "tenants"}
	operatorNames = []string{"=", "=", "<>", "<", ">=", "||", "+"}
	joinTypes     = []ast.JoinType{ast.JoinType_JOIN_INNER, ast.JoinType_JOIN_LEFT, ast.JoinType_JOIN_RIGHT, ast.JoinType_JOIN_FULL}
	setOps        = []ast.SetOperation{ast.SetOperation_SETOP_UNION, ast.SetOperation_SETOP_INTERSECT, ast.SetOperation_SETOP_EXCEPT}
)

// change applies one random change to a statement. It may have no effect.
func (m *mutator) change(root *ast.Node) *ast.Node {
	s := slotsOf(root)
	switch m.IntN(30) {
	case 0: // drop a conjunct
		if len(s.bools) > 0 {
			if b := pick(m, s.bools); len(b.Args) > 1 {
				i := m.IntN(len(b.Args))
				b.Args = append(b.Args[:i:i], b.Args[i+1:]...)
			}
		}
	case 1, 2: // another qualifier
		if len(s.refs) > 0 {
			if r := pick(m, s.refs); len(r.Fields) > 1 {
				r.Fields[0] = str(m.alias(s))
			} else if len(r.Fields) == 1 && r.Fields[0].GetString_() != nil {
				r.Fields = append([]*ast.Node{str(m.alias(s))}, r.Fields...)
			}
		}
	case 3: // another column
		if len(s.refs) > 0 {
			if r := pick(m, s.refs); r.Fields[len(r.Fields)-1].GetString_() != nil {
				r.Fields[len(r.Fields)-1] = str(pick(m, columnNames))
			}
		}
	case 4: // drop the qualifier
		if len(s.refs) > 0 {
			if r := pick(m, s.refs); len(r.Fields) > 1 {
				r.Fields = r.Fields[1:]
			}
		}
	case 5: // another operator
		if len(s.ops) > 0 {
			o := pick(m, s.ops)
			switch {
			case o.Kind == ast.A_Expr_Kind_AEXPR_OP && m.IntN(3) == 0:
				o.Kind = pick(m, []ast.A_Expr_Kind{ast.A_Expr_Kind_AEXPR_DISTINCT, ast.A_Expr_Kind_AEXPR_NOT_DISTINCT, ast.A_Expr_Kind_AEXPR_NULLIF})
			case len(o.Name) == 1:
				o.Name = []*ast.Node{str(pick(m, operatorNames))}
			}
		}
	case 6: // another join
		if len(s.joins) > 0 {
			pick(m, s.joins).Jointype = pick(m, joinTypes)
		}
	case 7: // swap the sides of a join
		if len(s.joins) > 0 {
			j := pick(m, s.joins)
			j.Larg, j.Rarg = j.Rarg, j.Larg
		}
	case 8, 9: // move a condition from one place to another, or copy it
		m.moveCondition(s)
	case 10: // AND to OR
		if len(s.bools) > 0 {
			pick(m, s.bools).Boolop = pick(m, []ast.BoolExprType{ast.BoolExprType_AND_EXPR, ast.BoolExprType_OR_EXPR})
		}
	case 11: // OR something
		if w := m.where(s); w != nil && *w != nil {
			*w = boolean(ast.BoolExprType_OR_EXPR, *w, m.expr(s))
		}
	case 12: // AND something
		if w := m.where(s); w != nil {
			if *w == nil {
				*w = m.expr(s)
			} else {
				*w = boolean(ast.BoolExprType_AND_EXPR, *w, m.expr(s))
			}
		}
	case 13, 14: // an expression of another statement
		if len(s.exprs) > 0 {
			*pick(m, s.exprs) = clone(pick(m, m.exprs))
		}
	case 15: // an expression of this statement
		if len(s.exprs) > 0 {
			*pick(m, s.exprs) = clone(*pick(m, s.exprs))
		}
	case 16: // bind something
		if w := m.where(s); w != nil {
			fact := m.equality(s)
			if *w == nil {
				*w = fact
			} else {
				*w = boolean(ast.BoolExprType_AND_EXPR, *w, fact)
			}
		}
	case 17: // a relation of another statement
		if len(s.froms) > 0 {
			*pick(m, s.froms) = clone(pick(m, m.froms))
		}
	case 18: // another table under the same alias
		if len(s.ranges) > 0 {
			pick(m, s.ranges).Relname = pick(m, relationNames)
		}
	case 19: // another alias
		if len(s.aliases) > 0 {
			pick(m, s.aliases).Aliasname = m.alias(s)
		}
	default:
		return m.restructure(root, s)
	}
	return root
}

func (m *mutator) where(s *slots) **ast.Node {
	if len(s.wheres) == 0 {
		return nil
	}
	return pick(m, s.wheres)
}

// alias is a name that the statement uses, mostly.
func (m *mutator) alias(s *slots) string {
	if m.IntN(4) > 0 && len(s.ranges)+len(s.aliases) > 0 {
		i := m.IntN(len(s.ranges) + len(s.aliases))
		if i >= len(s.ranges) {
			return s.aliases[i-len(s.ranges)].Aliasname
		}
		if r := s.ranges[i]; r.Alias != nil {
			return r.Alias.Aliasname
		}
		return s.ranges[i].Relname
	}
	return pick(m, aliasNames)
}

func (m *mutator) expr(s *slots) *ast.Node {
	if m.IntN(2) == 0 {
		return m.equality(s)
	}
	return clone(pick(m, m.exprs))
}

// equality is a fact about tenant columns, mostly.
func (m *mutator) equality(s *slots) *ast.Node {
	l := columnRef(m.alias(s), "tenant_id")
	switch m.IntN(4) {
	case 0:
		return equalTo(l, columnRef(m.alias(s), "tenant_id"))
	case 1:
		return equalTo(columnRef(m.alias(s), pick(m, columnNames)), columnRef(m.alias(s), pick(m, columnNames)))
	case 2:
		return equalTo(columnRef("tenant_id"), tenantRef())
	}
	return equalTo(l, tenantRef())
}

func (m *mutator) moveCondition(s *slots) {
	from, to := m.where(s), m.where(s)
	if from == nil || *from == nil || from == to {
		return
	}
	part := *from
	if b := part.GetBoolExpr(); b != nil && b.Boolop == ast.BoolExprType_AND_EXPR && len(b.Args) > 0 {
		i := m.IntN(len(b.Args))
		part = b.Args[i]
		if m.IntN(2) == 0 && len(b.Args) > 1 {
			b.Args = append(b.Args[:i:i], b.Args[i+1:]...)
		}
	} else if m.IntN(2) == 0 {
		*from = nil
	}
	if *to == nil {
		*to = clone(part)
	} else {
		*to = boolean(ast.BoolExprType_AND_EXPR, *to, clone(part))
	}
}
