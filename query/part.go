package query

import sq "github.com/Masterminds/squirrel"

// Builder is a statement in the making: [SelectBuilder], [SetBuilder], [InsertBuilder], [UpdateBuilder], [DeleteBuilder].
// Builders are values. A method returns a new builder and never changes the one that it is called on, so a common
// beginning can be kept, shared between goroutines, and continued in two ways.
//
// What is asked wrongly (an unknown column, an empty condition) is an error of Build, the first one if there are several.
type Builder interface {
	// Build writes the statement, with the tenant's predicates, and has it proved. Errors are *Refusal.
	Build() (*Statement, error)

	catalogOf() *Catalog
	write(w *writer)
}

// Query is a Builder that gives rows and can stand inside another one: SelectBuilder and SetBuilder.
type Query interface {
	Builder
	rows()
}

// part is what one call on a builder said. Builders are persistent lists of parts, newest first: a call allocates one
// part that points at the earlier ones, and no part is ever changed. That makes builders values without copying them.
//
// Their size is most of what a dynamic statement costs, so what only some calls have shares the field value.
type part struct {
	prev  *part
	op    op
	kind  JoinKind
	name  string
	cond  frag
	value any // nameList, []Expression, *Source, Builder, recursion, Over, or a value of the statement
}

// nameList is a type of its own, so that it is told from an array that a column is set to.
type nameList []string

func (p *part) names() []string {
	names, _ := p.value.(nameList)
	return names
}

func (p *part) exprs() []Expression {
	exprs, _ := p.value.([]Expression)
	return exprs
}

func (p *part) src() *Source {
	src, _ := p.value.(*Source)
	return src
}

func (p *part) query() Builder {
	q, _ := p.value.(Builder)
	return q
}

// recursion is the two halves of a recursive CTE.
type recursion struct {
	base, step Query
	columns    []string
}

// op says which call a part came from.
type op uint8

const (
	opColumns op = iota
	opExprs
	opFrom
	opJoin
	opWhere
	opHaving
	opFilter
	opWithout
	opGroupBy
	opGroupExprs
	opGroupSets
	opOrderBy
	opOrderExprs
	opDistinct
	opDistinctOn
	opLimit
	opOffset
	opLock
	opWait
	opWindow
	opWith
	opRecursive
	opInsertColumns
	opValues
	opInsertQuery
	opConflict
	opDoNothing
	opDoUpdate
	opSet
	opConflictWhere
	opReturning
	opAll
	opSetArm
	opKeyset
)

// maxParts bounds a builder; a loop that adds conditions should use one condition with an array.
const maxParts = 4096

// parts gives the calls in the order in which they were made, in a buffer of the caller when it is large enough.
func (p *part) parts(buf []*part) []*part {
	n := 0
	for q := p; q != nil; q = q.prev {
		n++
	}
	if n > cap(buf) {
		buf = make([]*part, n)
	}
	buf = buf[:n]
	for q := p; q != nil; q = q.prev {
		n--
		buf[n] = q
	}
	return buf
}

// frag is a condition as it was when it was given: squirrel's maps and stateful Sqlizers may change afterwards, the
// statement must not.
//
// Most conditions are one piece, which needs no slice.
type frag struct {
	first piece
	more  *fragMore
}

// fragMore is what few conditions have.
type fragMore struct {
	rest []piece
	err  *Refusal
}

func refusedFrag(r *Refusal) frag { return frag{more: &fragMore{err: r}} }

func (f *frag) err() *Refusal {
	if f.more == nil {
		return nil
	}
	return f.more.err
}

func (f *frag) rest() []piece {
	if f.more == nil {
		return nil
	}
	return f.more.rest
}

type piece struct {
	kind     pieceKind
	operator operator
	text     string
	value    any
}

type pieceKind uint8

const (
	pieceNone    pieceKind = iota
	pieceSQL               // text of ours
	pieceCompare           // text is a column as the user named it, compared with value
	pieceColumn            // a column as the user named it
	pieceRaw               // an Expression's text; value is a []any of its arguments, or nil
	pieceValue             // a value, an Argument, or a Builder
)

type operator uint8

const (
	equal operator = iota
	notEqual
	less
	lessOrEqual
	greater
	greaterOrEqual
	like
	notLike
	ilike
	notILike
)

func (o operator) sql() string {
	return [...]string{" = ", " <> ", " < ", " <= ", " > ", " >= ", " like ", " not like ", " ilike ", " not ilike "}[o]
}

// Condition is what Where, Having and joins take: squirrel's sq.Eq, sq.And, sq.Or, sq.Expr, …, or an [Expression].
type Condition = sq.Sqlizer
