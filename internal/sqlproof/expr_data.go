package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// walkData binds the constructors and queries of XML and JSON.
func (p *prover) walkData(sc *scope, n *ast.Node) {
	switch v := n.Node.(type) {
	case *ast.Node_XmlExpr:
		p.walkList(sc, v.XmlExpr.NamedArgs)
		p.walkList(sc, v.XmlExpr.Args)
	case *ast.Node_XmlSerialize:
		p.walk(sc, v.XmlSerialize.Expr)
		p.typeName(v.XmlSerialize.TypeName)
	case *ast.Node_JsonValueExpr:
		p.jsonValue(sc, v.JsonValueExpr)
	case *ast.Node_JsonKeyValue:
		p.walk(sc, v.JsonKeyValue.Key)
		p.jsonValue(sc, v.JsonKeyValue.Value)
	case *ast.Node_JsonArgument:
		p.jsonValue(sc, v.JsonArgument.Val)
	case *ast.Node_JsonParseExpr:
		p.jsonValue(sc, v.JsonParseExpr.Expr)
		p.jsonOutput(v.JsonParseExpr.Output)
	case *ast.Node_JsonScalarExpr:
		p.walk(sc, v.JsonScalarExpr.Expr)
		p.jsonOutput(v.JsonScalarExpr.Output)
	case *ast.Node_JsonSerializeExpr:
		p.jsonValue(sc, v.JsonSerializeExpr.Expr)
		p.jsonOutput(v.JsonSerializeExpr.Output)
	case *ast.Node_JsonObjectConstructor:
		p.walkList(sc, v.JsonObjectConstructor.Exprs)
		p.jsonOutput(v.JsonObjectConstructor.Output)
	case *ast.Node_JsonArrayConstructor:
		p.walkList(sc, v.JsonArrayConstructor.Exprs)
		p.jsonOutput(v.JsonArrayConstructor.Output)
	case *ast.Node_JsonArrayQueryConstructor:
		p.statement(sc, v.JsonArrayQueryConstructor.Query)
		p.jsonOutput(v.JsonArrayQueryConstructor.Output)
	case *ast.Node_JsonObjectAgg:
		p.jsonAggregate(sc, v.JsonObjectAgg.Constructor)
		p.walk(sc, v.JsonObjectAgg.Arg.GetKey())
		p.jsonValue(sc, v.JsonObjectAgg.Arg.GetValue())
	case *ast.Node_JsonArrayAgg:
		p.jsonAggregate(sc, v.JsonArrayAgg.Constructor)
		p.jsonValue(sc, v.JsonArrayAgg.Arg)
	case *ast.Node_JsonFuncExpr:
		f := v.JsonFuncExpr
		p.jsonValue(sc, f.ContextItem)
		p.walk(sc, f.Pathspec)
		p.walkList(sc, f.Passing)
		p.jsonOutput(f.Output)
		p.jsonBehavior(sc, f.OnEmpty)
		p.jsonBehavior(sc, f.OnError)
	case *ast.Node_JsonIsPredicate:
		p.walk(sc, v.JsonIsPredicate.Expr)
	case *ast.Node_JsonTableColumn:
		c := v.JsonTableColumn
		p.typeName(c.TypeName)
		p.walk(sc, c.Pathspec.GetString_())
		p.walkList(sc, c.Columns)
		p.jsonBehavior(sc, c.OnEmpty)
		p.jsonBehavior(sc, c.OnError)
	default:
		p.refuse(0, ruleUnknownForm)
	}
}

func (p *prover) jsonTable(sc *scope, t *ast.JsonTable) {
	p.jsonValue(sc, t.ContextItem)
	p.walk(sc, t.Pathspec.GetString_())
	p.walkList(sc, t.Passing)
	p.walkList(sc, t.Columns)
	p.jsonBehavior(sc, t.OnError)
}

func (p *prover) jsonValue(sc *scope, v *ast.JsonValueExpr) {
	if v != nil {
		p.walkAll(sc, v.RawExpr, v.FormattedExpr)
	}
}

func (p *prover) jsonBehavior(sc *scope, b *ast.JsonBehavior) {
	if b != nil {
		p.walk(sc, b.Expr)
	}
}

func (p *prover) jsonOutput(o *ast.JsonOutput) {
	if o != nil {
		p.typeName(o.TypeName)
	}
}

func (p *prover) jsonAggregate(sc *scope, a *ast.JsonAggConstructor) {
	if a == nil {
		return
	}
	p.jsonOutput(a.Output)
	p.walk(sc, a.AggFilter)
	p.walkList(sc, a.AggOrder)
	if a.Over != nil {
		p.walkWindow(sc, a.Over)
	}
}
