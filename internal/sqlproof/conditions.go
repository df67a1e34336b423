package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// conditions binds WHERE or ON and returns the facts that its top-level conjuncts state. Nothing follows from NOT, CASE,
// COALESCE, IS, ranges, IS DISTINCT, COLLATE, casts of a column, or ANY over an array.
func (p *prover) conditions(sc *scope, n *ast.Node) []equality {
	if n == nil || !p.enter() {
		return nil
	}
	defer p.leave()
	outside := p.inCondition
	p.inCondition = hintExpression
	defer func() { p.inCondition = outside }()
	switch v := n.GetNode().(type) {
	case *ast.Node_BoolExpr:
		switch v.BoolExpr.Boolop {
		case ast.BoolExprType_AND_EXPR:
			var facts []equality
			for _, arg := range v.BoolExpr.Args {
				facts = append(facts, p.conditions(sc, arg)...)
			}
			return facts
		case ast.BoolExprType_OR_EXPR:
			return p.either(sc, v.BoolExpr.Args)
		}
	case *ast.Node_AExpr:
		switch {
		case !isEquals(v.AExpr.Name):
		case v.AExpr.Kind == ast.A_Expr_Kind_AEXPR_OP && v.AExpr.Lexpr != nil && v.AExpr.Rexpr != nil:
			p.operator(v.AExpr.Name, v.AExpr.Location)
			return p.equal(sc, v.AExpr.Lexpr, v.AExpr.Rexpr, v.AExpr.Location)
		case v.AExpr.Kind == ast.A_Expr_Kind_AEXPR_IN:
			return p.inList(sc, v.AExpr)
		}
	case *ast.Node_SubLink:
		if v.SubLink.SubLinkType == ast.SubLinkType_ANY_SUBLINK && (len(v.SubLink.OperName) == 0 || isEquals(v.SubLink.OperName)) {
			p.operator(v.SubLink.OperName, v.SubLink.Location)
			return p.inQuery(sc, v.SubLink)
		}
	}
	p.walk(sc, n)
	return nil
}

// isEquals accepts = and OPERATOR(pg_catalog.=).
func isEquals(name []*ast.Node) bool {
	switch len(name) {
	case 1:
		return name[0].GetString_().GetSval() == "="
	case 2:
		return name[0].GetString_().GetSval() == "pg_catalog" && name[1].GetString_().GetSval() == "="
	}
	return false
}

// equal is the fact of l = r, or of each pair when both are rows of one length.
func (p *prover) equal(sc *scope, l, r *ast.Node, location int32) []equality {
	lrow, rrow := l.GetRowExpr(), r.GetRowExpr()
	if lrow == nil || rrow == nil || len(lrow.Args) != len(rrow.Args) || hasStar(lrow.Args) || hasStar(rrow.Args) {
		return p.relate(p.operand(sc, l), p.operand(sc, r), location)
	}
	return p.relateRows(p.operands(sc, lrow.Args), p.operands(sc, rrow.Args), location)
}

// operands binds a row, as PostgreSQL does before it compares anything.
func (p *prover) operands(sc *scope, list []*ast.Node) []operand {
	row := make([]operand, len(list))
	for i, n := range list {
		row[i] = p.operand(sc, n)
	}
	return row
}

func (p *prover) relateRows(l, r []operand, location int32) []equality {
	var facts []equality
	for i := range l {
		facts = append(facts, p.relate(l[i], r[i], location)...)
	}
	return facts
}

func hasStar(list []*ast.Node) bool {
	for _, n := range list {
		if ref := n.GetColumnRef(); ref != nil && isStar(ref) {
			return true
		}
		if ind := n.GetAIndirection(); ind != nil && endsInStar(ind) {
			return true
		}
	}
	return false
}

// An operand is one side of an equality: a column that may carry the tenant, the tenant parameter, or neither.
type operand struct {
	column    *column
	bare      bool // the tenant parameter without a cast
	literal   bool
	integer   bool // an integer constant, whose type is exact
	reference bool // a column reference, also to a column that cannot carry the tenant
	location  int32
}

func (p *prover) operand(sc *scope, n *ast.Node) operand {
	switch v := n.GetNode().(type) {
	case *ast.Node_ColumnRef:
		if !isStar(v.ColumnRef) {
			return operand{column: p.resolve(sc, v.ColumnRef), reference: true, location: v.ColumnRef.Location}
		}
	case *ast.Node_ParamRef:
		if p.parameter(v.ParamRef) {
			return operand{column: theTenant, bare: true, location: v.ParamRef.Location}
		}
		return operand{literal: true}
	case *ast.Node_TypeCast:
		if p.isTenantCast(v.TypeCast) {
			return operand{column: theTenant, location: v.TypeCast.Location}
		}
		p.walk(sc, n)
		return operand{literal: v.TypeCast.Arg.GetAConst() != nil || v.TypeCast.Arg.GetParamRef() != nil}
	case *ast.Node_AConst:
		return operand{literal: true, integer: v.AConst.GetIval() != nil}
	}
	p.walk(sc, n)
	return operand{}
}

// relate makes a fact of two operands, and takes note of what the tenant parameter stands beside.
func (p *prover) relate(a, b operand, location int32) []equality {
	for _, pair := range [2][2]operand{{a, b}, {b, a}} {
		x, y := pair[0], pair[1]
		if x.bare {
			p.tenantBeside((y.column != nil && !y.bare) || y.integer, x.location)
		}
		if x.column != nil && y.column == nil {
			switch {
			case y.literal:
				x.column.hint(hintLiteral)
			case y.reference:
				x.column.hint(hintFree)
			default:
				x.column.hint(p.inCondition)
			}
		}
	}
	if a.column == nil || b.column == nil || (a.column == theTenant && b.column == theTenant) {
		return nil
	}
	return []equality{{a.column, b.column, location}}
}

// inList is x IN (a, b, …): what x = a, x = b, … have in common. All elements are bound before any is compared, and
// share one type: a bare tenant parameter among other values may be given another than the column's.
func (p *prover) inList(sc *scope, e *ast.A_Expr) []equality {
	p.operator(e.Name, e.Location)
	if e.Rexpr.GetList() == nil {
		p.refuse(e.Location, ruleUnknownForm)
		return nil
	}
	left, row := []*ast.Node{e.Lexpr}, e.Lexpr.GetRowExpr()
	if row != nil {
		left = row.Args
	}
	l := p.operands(sc, left)
	known := !hasStar(left)
	var rows [][]operand
	for _, n := range e.Rexpr.GetList().GetItems() {
		items := []*ast.Node{n}
		if row != nil {
			if n.GetRowExpr() == nil || len(n.GetRowExpr().Args) != len(left) || hasStar(n.GetRowExpr().Args) {
				known = false
				p.walk(sc, n)
				continue
			}
			items = n.GetRowExpr().Args
		}
		if !p.step(len(items)) {
			return nil
		}
		rows = append(rows, p.operands(sc, items))
	}
	for i := range l {
		if !allTenant(rows, i) {
			for _, r := range rows {
				if r[i].bare {
					p.tenantBeside(false, r[i].location)
				}
			}
		}
	}
	if !known {
		for _, o := range l {
			p.relate(o, operand{}, e.Location)
		}
		return nil
	}
	arms := make([][]equality, 0, len(rows))
	for _, r := range rows {
		arms = append(arms, p.relateRows(l, r, e.Location))
	}
	return p.common(arms, hintList)
}

func allTenant(rows [][]operand, i int) bool {
	for _, r := range rows {
		if r[i].column != theTenant {
			return false
		}
	}
	return true
}

// inQuery is x IN (SELECT …) and x = ANY (SELECT …): each row that passes equals some row of the sub-select.
func (p *prover) inQuery(sc *scope, s *ast.SubLink) []equality {
	left := []*ast.Node{s.Testexpr}
	if row := s.Testexpr.GetRowExpr(); row != nil {
		left = row.Args
	}
	operands := make([]operand, len(left))
	star := hasStar(left)
	for i, n := range left {
		operands[i] = p.operand(sc, n)
	}
	q := p.statement(sc, s.Subselect)
	if p.refusal != nil {
		return nil
	}
	var facts []equality
	for i, o := range operands {
		if star || i >= len(q.outputs) || q.outputs[i].many || q.outputs[i].pinned || len(q.outputs) != len(left) {
			star = true
			facts = append(facts, p.relate(o, operand{}, s.Location)...)
			continue
		}
		var c *column
		if q.outputs[i].exact {
			c = &column{name: "(sub-select)", source: q.outputs[i]}
		}
		facts = append(facts, p.relate(o, operand{column: c, location: s.Location}, s.Location)...)
	}
	return facts
}

// either is OR: what all arms have in common.
func (p *prover) either(sc *scope, args []*ast.Node) []equality {
	arms := make([][]equality, 0, len(args))
	for _, arg := range args {
		arms = append(arms, p.conditions(sc, arg))
	}
	return p.common(arms, hintOptional)
}
