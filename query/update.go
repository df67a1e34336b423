package query

// UpdateBuilder makes an UPDATE. Start with [Catalog.Update]. The tenant predicate of the target and of every relation
// in From is added; the tenant column can't be set. See [Builder].
type UpdateBuilder struct {
	c    *Catalog
	last *part
}

// Update begins an UPDATE of a relation: "encounters e".
func (c *Catalog) Update(relation string) UpdateBuilder {
	return UpdateBuilder{c: c}.add(part{op: opFrom, name: relation})
}

func (b UpdateBuilder) add(p part) UpdateBuilder {
	p.prev = b.last
	b.last = &p
	return b
}

// Set gives a column a value: a value, Arg, or an Expression.
func (b UpdateBuilder) Set(column string, value any) UpdateBuilder {
	return b.add(part{op: opSet, name: column, value: freeze(value)})
}

// From adds a relation whose columns conditions and values may use. Further ones are joined to it.
func (b UpdateBuilder) From(relation string) UpdateBuilder {
	return b.add(part{op: opJoin, kind: Cross, name: relation})
}

// FromSource is From with a sub-select or a function.
func (b UpdateBuilder) FromSource(s Source) UpdateBuilder {
	return b.add(part{op: opJoin, kind: Cross, value: &s})
}

// Join joins a relation to those of From.
func (b UpdateBuilder) Join(relation string, on Condition) UpdateBuilder {
	return b.add(part{op: opJoin, kind: Inner, name: relation, cond: snapshot(on)})
}

// LeftJoin joins a relation to those of From, and keeps rows without partner.
func (b UpdateBuilder) LeftJoin(relation string, on Condition) UpdateBuilder {
	return b.add(part{op: opJoin, kind: Left, name: relation, cond: snapshot(on)})
}

// Where adds conditions; all must hold. See [SelectBuilder.Where].
func (b UpdateBuilder) Where(conditions ...Condition) UpdateBuilder {
	for _, condition := range conditions {
		b = b.add(part{op: opWhere, cond: snapshot(condition)})
	}
	return b
}

// Filter adds a condition under a name. See [SelectBuilder.Filter].
func (b UpdateBuilder) Filter(name string, condition Condition) UpdateBuilder {
	return b.add(part{op: opFilter, name: name, cond: snapshot(condition)})
}

// Without lifts named filters. See [SelectBuilder.Without].
func (b UpdateBuilder) Without(filters ...string) UpdateBuilder {
	return b.add(part{op: opWithout, value: nameList(cloneNames(filters))})
}

// All says that every row of the tenant is meant. Without it and without Where, Build refuses.
func (b UpdateBuilder) All() UpdateBuilder { return b.add(part{op: opAll}) }

// Returning gives columns of the written rows back.
func (b UpdateBuilder) Returning(columns ...string) UpdateBuilder {
	return b.add(part{op: opReturning, value: nameList(cloneNames(columns))})
}

// ReturningExpr gives expressions over the rows back.
func (b UpdateBuilder) ReturningExpr(exprs ...Expression) UpdateBuilder {
	return b.add(part{op: opReturning, value: cloneExprs(exprs)})
}

// With names a query for use in From and conditions. See [SelectBuilder.With].
func (b UpdateBuilder) With(name string, q Builder) UpdateBuilder {
	return b.add(part{op: opWith, name: name, value: q})
}

// Build implements Builder.
func (b UpdateBuilder) Build() (*Statement, error) { return build(b.c, b) }

func (b UpdateBuilder) catalogOf() *Catalog { return b.c }
