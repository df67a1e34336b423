package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// figureName is the name PostgreSQL gives to a column without AS (FigureColname in parse_target.c). any is true when it
// is not certain.
func figureName(n *ast.Node) (name string, any bool) {
	name, strength := figure(n)
	if strength == 0 {
		return "?column?", false
	}
	return name, strength < 0
}

// figure returns strength 2 for a real name, 1 for a fallback, 0 for none, -1 for one that is not modelled.
func figure(n *ast.Node) (string, int) {
	switch n := n.GetNode().(type) {
	case *ast.Node_ColumnRef:
		if f := n.ColumnRef.Fields; len(f) > 0 && f[len(f)-1].GetString_() != nil {
			return f[len(f)-1].GetString_().Sval, 2
		}
		return "", -1
	case *ast.Node_AIndirection:
		for i := len(n.AIndirection.Indirection) - 1; i >= 0; i-- {
			if s := n.AIndirection.Indirection[i].GetString_(); s != nil {
				return s.Sval, 2
			}
		}
		return figure(n.AIndirection.Arg)
	case *ast.Node_FuncCall:
		if f := n.FuncCall.Funcname; len(f) > 0 {
			return f[len(f)-1].GetString_().GetSval(), 2
		}
		return "", -1
	case *ast.Node_AExpr:
		if n.AExpr.Kind == ast.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", 2
		}
		return "", 0
	case *ast.Node_TypeCast:
		name, strength := figure(n.TypeCast.Arg)
		if names := n.TypeCast.TypeName.GetNames(); strength >= 0 && strength <= 1 && len(names) > 0 {
			return names[len(names)-1].GetString_().GetSval(), 1
		}
		return name, strength
	case *ast.Node_CollateClause:
		return figure(n.CollateClause.Arg)
	case *ast.Node_AConst, *ast.Node_ParamRef, *ast.Node_BoolExpr, *ast.Node_NullTest, *ast.Node_BooleanTest:
		return "", 0
	case *ast.Node_CaseExpr:
		if name, strength := figure(n.CaseExpr.Defresult); strength < 0 || strength > 1 {
			return name, strength
		}
		return "case", 1
	case *ast.Node_CoalesceExpr:
		return "coalesce", 2
	case *ast.Node_MinMaxExpr:
		if n.MinMaxExpr.Op == ast.MinMaxOp_IS_GREATEST {
			return "greatest", 2
		}
		return "least", 2
	case *ast.Node_AArrayExpr:
		return "array", 2
	case *ast.Node_RowExpr:
		return "row", 2
	case nil:
		return "", 0
	}
	return "", -1
}
