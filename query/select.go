package query

import "slices"

// SelectBuilder makes a SELECT. Start with [Catalog.Select]. See [Builder] for what all builders promise.
//
// The builder adds the tenant predicate of every tenant relation by itself, where it keeps the meaning of the joins:
// in WHERE, in ON for the side of an outer join that may be absent, inside a derived table for full joins.
type SelectBuilder struct {
	c    *Catalog
	last *part
}

// Select begins a SELECT with columns: "p.id", "p.name as patient", "p.*". For anything else than a column use
// [SelectBuilder.Columns].
func (c *Catalog) Select(columns ...string) SelectBuilder {
	return SelectBuilder{c: c}.add(part{op: opColumns, value: nameList(cloneNames(columns))})
}

func (b SelectBuilder) add(p part) SelectBuilder {
	p.prev = b.last
	b.last = &p
	return b
}

// Columns adds expressions to the SELECT list: query.Count("*").As("n").
func (b SelectBuilder) Columns(exprs ...Expression) SelectBuilder {
	return b.add(part{op: opExprs, value: cloneExprs(exprs)})
}

// Distinct drops equal rows.
func (b SelectBuilder) Distinct() SelectBuilder { return b.add(part{op: opDistinct}) }

// DistinctOn keeps the first row, in the order of OrderBy, of each group of equal columns.
func (b SelectBuilder) DistinctOn(columns ...string) SelectBuilder {
	return b.add(part{op: opDistinctOn, value: nameList(cloneNames(columns))})
}

// From names the relation to read, with an alias if wanted: "patients p". It may also name a CTE given by With.
func (b SelectBuilder) From(relation string) SelectBuilder {
	return b.add(part{op: opFrom, name: relation})
}

// FromSource reads from a sub-select or a function.
func (b SelectBuilder) FromSource(s Source) SelectBuilder { return b.add(part{op: opFrom, value: &s}) }

// Join is an inner join.
func (b SelectBuilder) Join(relation string, on Condition) SelectBuilder {
	return b.add(part{op: opJoin, kind: Inner, name: relation, cond: snapshot(on)})
}

// LeftJoin keeps rows of the left side that have no partner.
func (b SelectBuilder) LeftJoin(relation string, on Condition) SelectBuilder {
	return b.add(part{op: opJoin, kind: Left, name: relation, cond: snapshot(on)})
}

// RightJoin keeps rows of the right side that have no partner.
func (b SelectBuilder) RightJoin(relation string, on Condition) SelectBuilder {
	return b.add(part{op: opJoin, kind: Right, name: relation, cond: snapshot(on)})
}

// FullJoin keeps rows of both sides that have no partner.
func (b SelectBuilder) FullJoin(relation string, on Condition) SelectBuilder {
	return b.add(part{op: opJoin, kind: Full, name: relation, cond: snapshot(on)})
}

// CrossJoin pairs every row with every row.
func (b SelectBuilder) CrossJoin(relation string) SelectBuilder {
	return b.add(part{op: opJoin, kind: Cross, name: relation})
}

// JoinSource joins a sub-select, a LATERAL one or a function. A Cross join takes no condition: nil.
func (b SelectBuilder) JoinSource(kind JoinKind, s Source, on Condition) SelectBuilder {
	p := part{op: opJoin, kind: kind, value: &s}
	if kind != Cross || on != nil {
		p.cond = snapshot(on)
	}
	return b.add(p)
}

// Where adds conditions; all must hold. Each is one of squirrel's conditions or an Expression. A nil or empty one is
// an error of Build, since leaving it out would show more than was asked for.
func (b SelectBuilder) Where(conditions ...Condition) SelectBuilder {
	for _, condition := range conditions {
		b = b.add(part{op: opWhere, cond: snapshot(condition)})
	}
	return b
}

// Filter adds a condition under a name, by which [SelectBuilder.Without] can lift it again.
func (b SelectBuilder) Filter(name string, condition Condition) SelectBuilder {
	return b.add(part{op: opFilter, name: name, cond: snapshot(condition)})
}

// Without lifts the named filters, of this builder and of the catalog, and only these. The tenant predicate is not a
// filter and has no name.
func (b SelectBuilder) Without(filters ...string) SelectBuilder {
	return b.add(part{op: opWithout, value: nameList(cloneNames(filters))})
}

// GroupBy groups by columns.
func (b SelectBuilder) GroupBy(columns ...string) SelectBuilder {
	return b.add(part{op: opGroupBy, value: nameList(cloneNames(columns))})
}

// GroupByExpr groups by expressions.
func (b SelectBuilder) GroupByExpr(exprs ...Expression) SelectBuilder {
	return b.add(part{op: opGroupExprs, value: cloneExprs(exprs)})
}

// Rollup groups by the columns, by all but the last one, and so on to the total.
func (b SelectBuilder) Rollup(columns ...string) SelectBuilder {
	return b.add(part{op: opGroupSets, name: "rollup", value: nameList(cloneNames(columns))})
}

// Cube groups by every combination of the columns.
func (b SelectBuilder) Cube(columns ...string) SelectBuilder {
	return b.add(part{op: opGroupSets, name: "cube", value: nameList(cloneNames(columns))})
}

// GroupingSets groups by each of the sets; an empty set is the total.
func (b SelectBuilder) GroupingSets(sets ...[]string) SelectBuilder {
	copies := make([][]string, len(sets))
	for i, set := range sets {
		copies[i] = cloneNames(set)
	}
	return b.add(part{op: opGroupSets, name: "grouping sets", value: copies})
}

// Having adds conditions on groups; all must hold.
func (b SelectBuilder) Having(conditions ...Condition) SelectBuilder {
	for _, condition := range conditions {
		b = b.add(part{op: opHaving, cond: snapshot(condition)})
	}
	return b
}

// Window defines a window for use in expressions as "… OVER name".
func (b SelectBuilder) Window(name string, over Over) SelectBuilder {
	return b.add(part{op: opWindow, name: name, value: over})
}

// OrderBy sorts by columns or by names of the SELECT list: "p.name", "p.born desc nulls last".
func (b SelectBuilder) OrderBy(terms ...string) SelectBuilder {
	return b.add(part{op: opOrderBy, value: nameList(cloneNames(terms))})
}

// OrderByExpr sorts by expressions.
func (b SelectBuilder) OrderByExpr(exprs ...Expression) SelectBuilder {
	return b.add(part{op: opOrderExprs, value: cloneExprs(exprs)})
}

// Limit gives at most n rows.
func (b SelectBuilder) Limit(n uint32) SelectBuilder {
	return b.add(part{op: opLimit, value: int64(n)})
}

// LimitArg gives at most as many rows as the named argument says.
func (b SelectBuilder) LimitArg(name string) SelectBuilder {
	return b.add(part{op: opLimit, value: Arg(name)})
}

// Offset skips n rows. For pages, [Paged] is faster and stable.
func (b SelectBuilder) Offset(n uint32) SelectBuilder {
	return b.add(part{op: opOffset, value: int64(n)})
}

// OffsetArg skips as many rows as the named argument says.
func (b SelectBuilder) OffsetArg(name string) SelectBuilder {
	return b.add(part{op: opOffset, value: Arg(name)})
}

// Lock locks the rows until the transaction's end; with aliases, only the rows of these relations.
func (b SelectBuilder) Lock(strength LockStrength, aliases ...string) SelectBuilder {
	return b.add(part{op: opLock, name: string(strength), value: nameList(cloneNames(aliases))})
}

// ForUpdate is Lock(ForUpdate, aliases...).
func (b SelectBuilder) ForUpdate(aliases ...string) SelectBuilder {
	return b.Lock(LockUpdate, aliases...)
}

// SkipLocked leaves out rows that others have locked, for job queues.
func (b SelectBuilder) SkipLocked() SelectBuilder {
	return b.add(part{op: opWait, name: "skip locked"})
}

// NoWait fails instead of waiting for locked rows.
func (b SelectBuilder) NoWait() SelectBuilder { return b.add(part{op: opWait, name: "nowait"}) }

// With names a query, or a statement with Returning, for use in From and joins. Its name must not be a relation's.
func (b SelectBuilder) With(name string, q Builder) SelectBuilder {
	return b.add(part{op: opWith, name: name, value: q})
}

// WithRecursive names a query that joins itself: base UNION ALL step, where step reads from name. Columns names the
// result's columns.
func (b SelectBuilder) WithRecursive(name string, columns []string, base, step Query) SelectBuilder {
	return b.add(part{op: opRecursive, name: name, value: recursion{base, step, slices.Clone(columns)}})
}

// Union combines the rows of two queries of the same columns, equal ones once. UnionAll, Intersect and Except are its kin.
func (b SelectBuilder) Union(q Query) SetBuilder { return newSet(b).Union(q) }

// UnionAll keeps equal rows.
func (b SelectBuilder) UnionAll(q Query) SetBuilder { return newSet(b).UnionAll(q) }

// Intersect gives rows that both queries give.
func (b SelectBuilder) Intersect(q Query) SetBuilder { return newSet(b).Intersect(q) }

// Except gives rows that q does not give.
func (b SelectBuilder) Except(q Query) SetBuilder { return newSet(b).Except(q) }

// Build implements Builder.
func (b SelectBuilder) Build() (*Statement, error) { return buildSelect(b) }

func (b SelectBuilder) catalogOf() *Catalog { return b.c }
func (b SelectBuilder) rows()               {}

// LockStrength is how strongly SelectBuilder.Lock locks.
type LockStrength string

// The strengths of row locks, strongest first.
const (
	LockUpdate      LockStrength = "for update"
	LockNoKeyUpdate LockStrength = "for no key update"
	LockShare       LockStrength = "for share"
	LockKeyShare    LockStrength = "for key share"
)
