package query

// SetBuilder combines queries: UNION, UNION ALL, INTERSECT, EXCEPT, from left to right. Each arm is bound to the tenant
// on its own. See [Builder].
type SetBuilder struct {
	c    *Catalog
	last *part
}

func newSet(first Query) SetBuilder {
	b := SetBuilder{c: first.catalogOf()}
	return b.add(part{op: opSetArm, value: first})
}

func (b SetBuilder) add(p part) SetBuilder {
	p.prev = b.last
	b.last = &p
	return b
}

// Union gives the rows of both queries, equal rows once.
func (b SetBuilder) Union(q Query) SetBuilder {
	return b.add(part{op: opSetArm, name: "union", value: q})
}

// UnionAll gives the rows of both queries.
func (b SetBuilder) UnionAll(q Query) SetBuilder {
	return b.add(part{op: opSetArm, name: "union all", value: q})
}

// Intersect gives the rows that both queries give.
func (b SetBuilder) Intersect(q Query) SetBuilder {
	return b.add(part{op: opSetArm, name: "intersect", value: q})
}

// Except gives the rows that q does not give.
func (b SetBuilder) Except(q Query) SetBuilder {
	return b.add(part{op: opSetArm, name: "except", value: q})
}

// OrderBy sorts the combined rows by names of the first query's columns.
func (b SetBuilder) OrderBy(terms ...string) SetBuilder {
	return b.add(part{op: opOrderBy, value: nameList(cloneNames(terms))})
}

// Limit gives at most n rows.
func (b SetBuilder) Limit(n uint32) SetBuilder {
	return b.add(part{op: opLimit, value: int64(n)})
}

// Offset skips n rows.
func (b SetBuilder) Offset(n uint32) SetBuilder {
	return b.add(part{op: opOffset, value: int64(n)})
}

// LimitArg gives at most as many rows as the named argument says.
func (b SetBuilder) LimitArg(name string) SetBuilder {
	return b.add(part{op: opLimit, value: Arg(name)})
}

// Build implements Builder.
func (b SetBuilder) Build() (*Statement, error) { return build(b.c, b) }

func (b SetBuilder) catalogOf() *Catalog { return b.c }
func (b SetBuilder) rows()               {}
