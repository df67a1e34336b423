package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

func (p *prover) walkList(sc *scope, list []*ast.Node) {
	for _, n := range list {
		p.walk(sc, n)
	}
}

func (p *prover) walkAll(sc *scope, nodes ...*ast.Node) { p.walkList(sc, nodes) }

// walk binds an expression from which no fact follows: every sub-select in it must prove itself, every function,
// operator and type must be harmless. It refuses kinds of nodes that it was not taught.
func (p *prover) walk(sc *scope, n *ast.Node) {
	if n == nil || n.Node == nil || !p.enter() {
		return
	}
	defer p.leave()
	switch v := n.Node.(type) {
	case *ast.Node_ColumnRef:
		if c := p.resolve(sc, v.ColumnRef); c != nil {
			c.hint(p.inCondition)
		}
	case *ast.Node_ParamRef:
		if p.parameter(v.ParamRef) {
			p.tenantBeside(false, v.ParamRef.Location)
		}
	case *ast.Node_AConst, *ast.Node_SqlvalueFunction, *ast.Node_SetToDefault, *ast.Node_String_, *ast.Node_AStar, *ast.Node_JsonFormat:
	case *ast.Node_AExpr:
		p.walkOperator(sc, v.AExpr)
	case *ast.Node_BoolExpr:
		p.optional(func() { p.walkList(sc, v.BoolExpr.Args) })
	case *ast.Node_TypeCast:
		p.walkCast(sc, v.TypeCast)
	case *ast.Node_FuncCall:
		p.walkCall(sc, v.FuncCall)
	case *ast.Node_SubLink:
		p.operator(v.SubLink.OperName, v.SubLink.Location)
		p.walk(sc, v.SubLink.Testexpr)
		p.statement(sc, v.SubLink.Subselect)
	case *ast.Node_CollateClause:
		p.walk(sc, v.CollateClause.Arg)
		p.qualifiedName(v.CollateClause.Collname, v.CollateClause.Location)
	case *ast.Node_AIndirection:
		p.indirection(sc, v.AIndirection)
	case *ast.Node_AIndices:
		p.walkAll(sc, v.AIndices.Lidx, v.AIndices.Uidx)
	case *ast.Node_AArrayExpr:
		p.walkList(sc, v.AArrayExpr.Elements)
	case *ast.Node_RowExpr:
		p.walkList(sc, v.RowExpr.Args)
	case *ast.Node_List:
		p.walkList(sc, v.List.Items)
	case *ast.Node_CaseExpr:
		p.optional(func() {
			p.walk(sc, v.CaseExpr.Arg)
			p.walkList(sc, v.CaseExpr.Args)
			p.walk(sc, v.CaseExpr.Defresult)
		})
	case *ast.Node_CaseWhen:
		p.walkAll(sc, v.CaseWhen.Expr, v.CaseWhen.Result)
	case *ast.Node_CoalesceExpr:
		p.walkList(sc, v.CoalesceExpr.Args)
	case *ast.Node_MinMaxExpr:
		p.walkList(sc, v.MinMaxExpr.Args)
	case *ast.Node_NullTest:
		if ref := v.NullTest.Arg.GetParamRef(); ref != nil {
			p.parameter(ref) // IS NULL gives no type
			return
		}
		p.optional(func() { p.walk(sc, v.NullTest.Arg) })
	case *ast.Node_BooleanTest:
		p.optional(func() { p.walk(sc, v.BooleanTest.Arg) })
	case *ast.Node_GroupingFunc:
		p.walkList(sc, v.GroupingFunc.Args)
	case *ast.Node_GroupingSet:
		p.walkList(sc, v.GroupingSet.Content)
	case *ast.Node_NamedArgExpr:
		p.walk(sc, v.NamedArgExpr.Arg)
	case *ast.Node_SortBy:
		p.operator(v.SortBy.UseOp, v.SortBy.Location)
		p.walk(sc, v.SortBy.Node)
	case *ast.Node_WindowDef:
		p.walkWindow(sc, v.WindowDef)
	case *ast.Node_ResTarget: // arguments of XMLFOREST and XMLATTRIBUTES
		p.walkList(sc, v.ResTarget.Indirection)
		p.walk(sc, v.ResTarget.Val)
	case *ast.Node_ColumnDef: // columns of a function in FROM
		p.typeName(v.ColumnDef.TypeName)
		if c := v.ColumnDef.CollClause; c != nil {
			p.walk(sc, c.Arg)
			p.qualifiedName(c.Collname, c.Location)
		}
	case *ast.Node_RangeTableFuncCol:
		p.typeName(v.RangeTableFuncCol.TypeName)
		p.walkAll(sc, v.RangeTableFuncCol.Colexpr, v.RangeTableFuncCol.Coldefexpr)
	case *ast.Node_MergeSupportFunc:
	default:
		p.walkData(sc, n)
	}
}

// optional walks a part whose truth the statement does not require.
func (p *prover) optional(walk func()) {
	outside := p.inCondition
	if outside != 0 {
		p.inCondition = hintOptional
	}
	walk()
	p.inCondition = outside
}

func (p *prover) walkOperator(sc *scope, e *ast.A_Expr) {
	// BETWEEN, LIKE, SIMILAR and IN carry their name too; NULLIF and IS DISTINCT carry =.
	switch e.Kind {
	case ast.A_Expr_Kind_AEXPR_BETWEEN, ast.A_Expr_Kind_AEXPR_NOT_BETWEEN, ast.A_Expr_Kind_AEXPR_BETWEEN_SYM, ast.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
	default:
		p.operator(e.Name, e.Location)
	}
	var facts []equality
	switch {
	case e.Kind == ast.A_Expr_Kind_AEXPR_IN:
		facts = p.inList(sc, e)
	case e.Lexpr == nil || e.Rexpr == nil || e.Rexpr.GetList() != nil:
		p.walkAll(sc, e.Lexpr, e.Rexpr)
	default:
		facts = p.equal(sc, e.Lexpr, e.Rexpr, e.Location)
	}
	// Nothing follows from them here, but they say what was meant, and gave the parameter its type.
	for _, f := range facts {
		f.a.hint(p.inCondition)
		f.b.hint(p.inCondition)
	}
}

func (p *prover) walkCast(sc *scope, c *ast.TypeCast) {
	if ref := c.Arg.GetParamRef(); ref != nil && ref.Number == p.tenant {
		p.parameter(ref)
		p.typeName(c.TypeName)
		p.tenantCast(c)
		return
	}
	p.typeName(c.TypeName)
	p.walk(sc, c.Arg)
}

func (p *prover) walkCall(sc *scope, f *ast.FuncCall) {
	p.function(f.Funcname, f.Location)
	p.walkList(sc, f.Args)
	p.walkList(sc, f.AggOrder)
	p.walk(sc, f.AggFilter)
	if f.Over != nil {
		p.walkWindow(sc, f.Over)
	}
}

func (p *prover) walkWindow(sc *scope, w *ast.WindowDef) {
	p.walkList(sc, w.PartitionClause)
	p.walkList(sc, w.OrderClause)
	p.walkAll(sc, w.StartOffset, w.EndOffset)
}

// parameter takes note of a parameter and reports whether it is the tenant's.
func (p *prover) parameter(ref *ast.ParamRef) bool {
	if ref.Number < 1 || ref.Number > maxParams {
		p.refuse(ref.Location, ruleParameter)
		return false
	}
	p.params = max(p.params, ref.Number)
	if ref.Number == p.tenant {
		p.usesTenant = true
	}
	return ref.Number == p.tenant
}

// tenantBeside takes note of what a bare tenant parameter stands beside. The first use gives a parameter its type. When
// that may be another one, later uses compare in that type: a double precision rounds ids above 2^53 to other tenants'.
func (p *prover) tenantBeside(good bool, location int32) {
	switch {
	case p.typed:
	case good:
		p.typed = true
	case p.loose == 0:
		p.loose = int(location) + 1
	}
}

// isTenantCast reports whether a cast is of the tenant parameter to a declared type, which counts as the tenant.
func (p *prover) isTenantCast(c *ast.TypeCast) bool {
	ref := c.Arg.GetParamRef()
	if ref == nil || ref.Number != p.tenant {
		return false
	}
	if !p.catalog.isTenantType(c.TypeName) {
		return false
	}
	p.parameter(ref)
	p.typed = true
	return true
}

// tenantCast takes note of another cast of the tenant parameter: text is exact, so is the declared type.
func (p *prover) tenantCast(c *ast.TypeCast) {
	if declaredType(c.TypeName) != "" || p.catalog.isTenantType(c.TypeName) {
		p.typed = true
		return
	}
	p.tenantBeside(false, c.Location)
}
