package query

// JoinKind is how two sides are joined.
type JoinKind uint8

// The kinds of joins.
const (
	Inner JoinKind = iota
	Left
	Right
	Full
	Cross
)

// String is the kind in SQL: "left join".
func (k JoinKind) String() string {
	if k > Cross {
		return "unknown join"
	}
	return [...]string{"join", "left join", "right join", "full join", "cross join"}[k]
}

// Source is what can stand in FROM beside a relation: made by [Sub], [Lateral] and [Func].
type Source struct {
	query   Builder
	expr    Expression
	alias   string
	columns []string
	lateral bool
}

// Sub is a sub-select under an alias.
func Sub(q Query, alias string) Source { return Source{query: q, alias: alias} }

// Lateral is a sub-select that may use columns of the relations to its left: the newest encounter of each patient.
func Lateral(q Query, alias string) Source { return Source{query: q, alias: alias, lateral: true} }

// Func is a function that gives rows, under an alias, with names for its columns:
// Func(Expr("unnest(?::text[])", codes), "c", "code").
func Func(call Expression, alias string, columns ...string) Source {
	return Source{expr: call, alias: alias, columns: cloneNames(columns)}
}

// Over is a window: which rows a window function sees. Its zero value sees all of them.
type Over struct {
	partition []string
	order     []string
}

// PartitionBy restricts the window to rows with equal columns.
func (o Over) PartitionBy(columns ...string) Over {
	o.partition = cloneNames(columns)
	return o
}

// OrderBy sorts the window; terms are written as in SelectBuilder.OrderBy.
func (o Over) OrderBy(terms ...string) Over {
	o.order = cloneNames(terms)
	return o
}
