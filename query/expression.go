package query

import (
	"reflect"

	sq "github.com/Masterminds/squirrel"
)

// Expression is one SQL expression as text, with its arguments: the only place where a builder takes text. The text is
// parsed on its own before it is used, must be exactly one expression without sub-selects, and always stands in
// parentheses, so that nothing in it can reach what stands beside it.
//
// It is a value: its methods return changed copies. It is also a squirrel.Sqlizer, so that it can stand in sq.And and
// sq.Or; its text is never taken from ToSql.
type Expression struct {
	text  string
	args  []any
	alias string
	order order
}

// Expr makes an expression. In the text `?` stands for the next argument, `@name` for a named one, `@tenant` for the
// tenant, and `??` for the operator `?` of jsonb. Arguments are values, [Arg], other Expressions, or builders, which
// become sub-selects: Expr("p.balance > ?", catalog.Select(…)).
func Expr(text string, args ...any) Expression {
	return Expression{text: text, args: freezeAll(args)}
}

// On is Expr under the name that reads well in joins: query.On("e.patient_id = p.id").
func On(text string, args ...any) Expression { return Expr(text, args...) }

// As names the expression in a SELECT list.
func (e Expression) As(name string) Expression {
	e.alias = name
	return e
}

// Asc sorts from low to high, which is the default; OrderByExpr asks for it.
func (e Expression) Asc() Expression { e.order.desc = false; return e }

// Desc sorts from high to low.
func (e Expression) Desc() Expression { e.order.desc = true; return e }

// NullsFirst sorts rows without a value first.
func (e Expression) NullsFirst() Expression { e.order.nulls = nullsFirst; return e }

// NullsLast sorts rows without a value last.
func (e Expression) NullsLast() Expression { e.order.nulls = nullsLast; return e }

// ToSql implements squirrel.Sqlizer, for squirrel's own builders in code that is being moved to this package.
func (e Expression) ToSql() (string, []any, error) { return e.text, freezeAll(e.args), nil }

type order struct {
	desc  bool
	nulls nullsOrder
}

type nullsOrder uint8

const (
	nullsDefault nullsOrder = iota
	nullsFirst
	nullsLast
)

// Argument stands in a statement for a value that Bind gives.
type Argument struct {
	name   string
	typ    reflect.Type // nil: any type
	tenant bool
}

// Arg is a named argument; [Statement.Bind] resolves it from Args or a struct. Names are written like Go or SQL names,
// without @. Use it wherever a condition takes a value: sq.Eq{"e.ward": query.Arg("ward")}.
func Arg(name string) Argument { return Argument{name: name} }

// ArgOf is Arg with a Go type: Bind refuses a value of another type.
func ArgOf[T any](name string) Argument { return Argument{name: name, typ: reflect.TypeFor[T]()} }

// TenantArg stands for the tenant in a squirrel statement that is handed to [FromSquirrel], and nowhere else. It has
// no value: only Bind, given a tenant.Context, has one.
func TenantArg() Argument { return Argument{tenant: true} }

// Exists is true when the query gives a row.
func Exists(q Query) Expression { return Expression{text: "exists ?", args: []any{q}} }

// NotExists is true when the query gives no row.
func NotExists(q Query) Expression { return Expression{text: "not exists ?", args: []any{q}} }

// In is true when the column is among the query's rows.
func In(column string, q Query) Expression {
	return Expression{text: column + " in ?", args: []any{q}}
}

// NotIn is true when the column is not among the query's rows. As in SQL, one NULL among them makes it never true.
func NotIn(column string, q Query) Expression {
	return Expression{text: column + " not in ?", args: []any{q}}
}

// Scalar is the one value of a query with one column and at most one row.
func Scalar(q Query) Expression { return Expression{text: "?", args: []any{q}} }

// Count is count(what); "*" counts rows.
func Count(what string) Expression { return Expression{text: "count(" + what + ")"} }

var _ sq.Sqlizer = Expression{}
