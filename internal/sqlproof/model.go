package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// label says what is known of a column's value in the rows that can influence the result.
type label uint8

const (
	unknown      label = iota
	tenantOrNull       // the tenant, or NULL
	exactTenant        // the tenant
)

// A column is a value that facts can speak of: the tenant column of a relation, an output of a derived table that may
// carry the tenant, or the output of a sub-select that IN compares with. Columns of other kinds have types that the text
// does not show, and an equality through a rounding type would hold for two tenants, so they are no columns here.
type column struct {
	item   *item   // nil for a sub-select's output
	name   string  // for people
	source *output // where its values come from; nil for a base relation
	given  label   // what the form of the statement says of it: EXCLUDED, OLD, NEW, inserted rows
	label  label
	rank   int // order in which labels were found; explanations follow it downwards
	hints  hint
}

// theTenant stands for the tenant parameter in facts.
var theTenant = &column{name: "$", label: exactTenant}

// An equality is a fact: in every row that can influence the result, the two are equal and not null.
type equality struct {
	a, b     *column
	location int32
}

// An output is one column of a query's result.
type output struct {
	name    string
	anyName bool // the name follows from rules that are not modelled, or stands for many columns
	many    bool // stands for an unknown number of columns, so positions behind it are not known
	pinned  bool // its position is not known, because it came out of a * over unknown columns
	star    bool // came out of a *
	from    *Relation

	exact  bool      // its type is known to compare without rounding
	column *column   // a plain column reference
	tenant bool      // the tenant parameter or its cast
	bare   int32     // place+1 of the tenant parameter without a cast: what it meets gives it a type
	arms   []*output // a set operation, VALUES or recursive CTE: the meet of all
	cap    *label    // a recursive reference: an assumption from above
	nulls  bool      // grouping sets, OLD and NEW: NULL may take its place
}

// An item is one entry of a FROM list.
type item struct {
	level    *level
	index    int
	relation *Relation // base relation, or nil
	name     string    // the name it goes by, "" when it has none
	alias    string
	aliased  bool
	location int32
	outputs  []*output
	columns  map[*output]*column
	order    []*column            // of columns, as they were made
	names    map[string][]*output // of outputs, made on first use
	tenant   *column              // of a tenant's base relation
	open     bool                 // may have columns that are not in outputs
	nullable bool                 // an outer join can put NULL in its place
	target   bool
	from     *from
	group    *group
	subset   *query // derived tables and CTE references: what they read
}

// A level is one FROM list, or the target and sources of a write.
type level struct {
	items   []*item
	byName  map[string][]*item
	root    *group
	command Command
}

// A from is a node of a FROM list's tree.
type from struct {
	parent      *from
	lo, hi      int // items of the level, hi exclusive
	item        *item
	join        ast.JoinType
	left, right *from
	using       []merged
	mergedBelow bool // a USING stands here or below
	location    int32
	facts       []equality
	qualified   bool   // seen by qualified names only: OLD and NEW
	mark        *group // the group whose facts are strict on an item below
	group       *group // while an outer join waits in it
	reduced     bool   // an outer join that works as an inner one
}

type merged struct {
	name        string
	column      *column
	output      *output // the merged column itself, which an upper USING may merge again
	left, right *output
}

// A query is anything with outputs: a SELECT, a set operation, VALUES, or a write with RETURNING.
type query struct {
	outputs []*output
	command Command
	rows    bool
}

// A scope says which items an expression sees. Outer scopes follow when a name is not found.
type scope struct {
	outer   *scope
	level   *level
	visible []*from
	blocked []*from // visible to PostgreSQL, but a reference is an error
	ctes    *ctes
}
