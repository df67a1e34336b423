package query

// DeleteBuilder makes a DELETE. Start with [Catalog.Delete]. The tenant predicate of the target and of every relation in
// Using is added. See [Builder].
type DeleteBuilder struct {
	c    *Catalog
	last *part
}

// Delete begins a DELETE from a relation: "encounters e".
func (c *Catalog) Delete(relation string) DeleteBuilder {
	return DeleteBuilder{c: c}.add(part{op: opFrom, name: relation})
}

func (b DeleteBuilder) add(p part) DeleteBuilder {
	p.prev = b.last
	b.last = &p
	return b
}

// Using adds a relation whose columns conditions may use.
func (b DeleteBuilder) Using(relation string) DeleteBuilder {
	return b.add(part{op: opJoin, kind: Cross, name: relation})
}

// UsingSource is Using with a sub-select or a function.
func (b DeleteBuilder) UsingSource(s Source) DeleteBuilder {
	return b.add(part{op: opJoin, kind: Cross, value: &s})
}

// Join joins a relation to those of Using.
func (b DeleteBuilder) Join(relation string, on Condition) DeleteBuilder {
	return b.add(part{op: opJoin, kind: Inner, name: relation, cond: snapshot(on)})
}

// LeftJoin joins a relation to those of Using, and keeps rows without partner.
func (b DeleteBuilder) LeftJoin(relation string, on Condition) DeleteBuilder {
	return b.add(part{op: opJoin, kind: Left, name: relation, cond: snapshot(on)})
}

// Where adds conditions; all must hold. See [SelectBuilder.Where].
func (b DeleteBuilder) Where(conditions ...Condition) DeleteBuilder {
	for _, condition := range conditions {
		b = b.add(part{op: opWhere, cond: snapshot(condition)})
	}
	return b
}

// Filter adds a condition under a name. See [SelectBuilder.Filter].
func (b DeleteBuilder) Filter(name string, condition Condition) DeleteBuilder {
	return b.add(part{op: opFilter, name: name, cond: snapshot(condition)})
}

// Without lifts named filters. See [SelectBuilder.Without].
func (b DeleteBuilder) Without(filters ...string) DeleteBuilder {
	return b.add(part{op: opWithout, value: nameList(cloneNames(filters))})
}

// All says that every row of the tenant is meant. Without it and without Where, Build refuses.
func (b DeleteBuilder) All() DeleteBuilder { return b.add(part{op: opAll}) }

// Returning gives columns of the deleted rows back.
func (b DeleteBuilder) Returning(columns ...string) DeleteBuilder {
	return b.add(part{op: opReturning, value: nameList(cloneNames(columns))})
}

// ReturningExpr gives expressions over the rows back.
func (b DeleteBuilder) ReturningExpr(exprs ...Expression) DeleteBuilder {
	return b.add(part{op: opReturning, value: cloneExprs(exprs)})
}

// With names a query for use in Using and conditions. See [SelectBuilder.With].
func (b DeleteBuilder) With(name string, q Builder) DeleteBuilder {
	return b.add(part{op: opWith, name: name, value: q})
}

// Build implements Builder.
func (b DeleteBuilder) Build() (*Statement, error) { return build(b.c, b) }

func (b DeleteBuilder) catalogOf() *Catalog { return b.c }
