package query

// InsertBuilder makes an INSERT, with or without ON CONFLICT. Start with [Catalog.Insert]. The tenant column and its
// value are added to the columns, to the conflict target, and as predicate to DO UPDATE. See [Builder].
type InsertBuilder struct {
	c    *Catalog
	last *part
}

// Insert begins an INSERT into a relation; an alias ("patients p") helps where DO UPDATE has conditions.
func (c *Catalog) Insert(relation string) InsertBuilder {
	return InsertBuilder{c: c}.add(part{op: opFrom, name: relation})
}

func (b InsertBuilder) add(p part) InsertBuilder {
	p.prev = b.last
	b.last = &p
	return b
}

// Columns names the columns that Values or Query give, without the tenant column.
func (b InsertBuilder) Columns(names ...string) InsertBuilder {
	return b.add(part{op: opInsertColumns, value: nameList(cloneNames(names))})
}

// Values adds one row, in the order of Columns: values, Arg, or an Expression.
func (b InsertBuilder) Values(values ...any) InsertBuilder {
	return b.add(part{op: opValues, value: freezeAll(values)})
}

// Set adds one column with its value, for inserts of one row; it replaces Columns and Values.
func (b InsertBuilder) Set(column string, value any) InsertBuilder {
	return b.add(part{op: opSet, name: column, value: freeze(value)})
}

// Query inserts the rows of a query, in the order of Columns. The tenant column is added in front of its SELECT list.
func (b InsertBuilder) Query(q SelectBuilder) InsertBuilder {
	return b.add(part{op: opInsertQuery, value: q})
}

// OnConflict names the unique columns, without the tenant column, that an existing row is found by. It is followed by
// DoNothing, DoUpdate or DoUpdateSet.
func (b InsertBuilder) OnConflict(columns ...string) InsertBuilder {
	return b.add(part{op: opConflict, value: nameList(cloneNames(columns))})
}

// OnConflictWhere names the condition of a partial unique index.
func (b InsertBuilder) OnConflictWhere(condition Condition) InsertBuilder {
	return b.add(part{op: opConflictWhere, cond: snapshot(condition)})
}

// DoNothing leaves an existing row as it is.
func (b InsertBuilder) DoNothing() InsertBuilder { return b.add(part{op: opDoNothing}) }

// DoUpdate gives an existing row the new values of the columns.
func (b InsertBuilder) DoUpdate(columns ...string) InsertBuilder {
	return b.add(part{op: opDoUpdate, value: nameList(cloneNames(columns))})
}

// DoUpdateSet gives a column of an existing row a value: a value, Arg, or an Expression, in which "excluded" is the new row.
func (b InsertBuilder) DoUpdateSet(column string, value any) InsertBuilder {
	return b.add(part{op: opDoUpdate, name: column, value: freeze(value)})
}

// DoUpdateWhere updates only rows for which the condition holds.
func (b InsertBuilder) DoUpdateWhere(condition Condition) InsertBuilder {
	return b.add(part{op: opWhere, cond: snapshot(condition)})
}

// Returning gives columns of the written rows back.
func (b InsertBuilder) Returning(columns ...string) InsertBuilder {
	return b.add(part{op: opReturning, value: nameList(cloneNames(columns))})
}

// ReturningExpr gives expressions over the rows back.
func (b InsertBuilder) ReturningExpr(exprs ...Expression) InsertBuilder {
	return b.add(part{op: opReturning, value: cloneExprs(exprs)})
}

// With names a query for use in Query. See [SelectBuilder.With].
func (b InsertBuilder) With(name string, q Builder) InsertBuilder {
	return b.add(part{op: opWith, name: name, value: q})
}

// Build implements Builder.
func (b InsertBuilder) Build() (*Statement, error) { return build(b.c, b) }

func (b InsertBuilder) catalogOf() *Catalog { return b.c }
