package query

import "slices"

// MergeBuilder makes a MERGE. Start with [Catalog.Merge]. The source is restricted to the tenant before it is compared,
// since a source row without partner is inserted; the target's predicate stands in ON; inserted rows get the tenant.
// See [Builder].
type MergeBuilder struct {
	c    *Catalog
	last *part
}

// Merge begins a MERGE into a relation: "patients p".
func (c *Catalog) Merge(relation string) MergeBuilder {
	return MergeBuilder{c: c}.add(part{op: opFrom, name: relation})
}

func (b MergeBuilder) add(p part) MergeBuilder {
	p.prev = b.last
	b.last = &p
	return b
}

// Using names the relation whose rows are merged, and when one of them is the target's row.
func (b MergeBuilder) Using(relation string, on Condition) MergeBuilder {
	return b.add(part{op: opJoin, kind: Inner, name: relation, cond: snapshot(on)})
}

// UsingSource is Using with a sub-select or a function.
func (b MergeBuilder) UsingSource(s Source, on Condition) MergeBuilder {
	return b.add(part{op: opJoin, kind: Inner, value: &s, cond: snapshot(on)})
}

// MatchedSet gives a column of a matched row a value; several calls make one update.
func (b MergeBuilder) MatchedSet(column string, value any) MergeBuilder {
	return b.add(part{op: opSet, name: column, value: freeze(value)})
}

// MatchedDelete deletes matched rows.
func (b MergeBuilder) MatchedDelete() MergeBuilder { return b.add(part{op: opDoNothing}) }

// NotMatchedSet gives a column of a new row a value; several calls make one insert.
func (b MergeBuilder) NotMatchedSet(column string, value any) MergeBuilder {
	return b.add(part{op: opValues, name: column, value: freeze(value)})
}

// With names a query for use in Using. See [SelectBuilder.With].
func (b MergeBuilder) With(name string, q Builder) MergeBuilder {
	return b.add(part{op: opWith, name: name, value: q})
}

// Build implements Builder.
func (b MergeBuilder) Build() (*Statement, error) { return build(b.c, b) }

func (b MergeBuilder) catalogOf() *Catalog { return b.c }

func (b MergeBuilder) write(w *writer) {
	var space [partSpace]*part
	parts := b.last.parts(space[:])
	if len(parts) > maxParts {
		w.fail(ruleSize.refuse("", "the builder has more than 4,096 parts"))
		return
	}
	s := w.enter()
	defer w.leave(s)
	w.with(s, parts)
	w.collectFrom(s, parts)
	if w.err != nil {
		return
	}
	if len(s.tables) != 2 {
		w.fail(misuse("a MERGE has one Using"))
		return
	}
	target, source := &s.tables[0], &s.tables[1]
	if !w.writable(target) {
		return
	}
	w.text("merge into ")
	w.text(target.rel.sql)
	if target.named {
		w.text(" as ")
		w.ident(target.alias)
	}
	w.text(" using ")
	source.wrapped = source.rel != nil && w.guarded(source)
	w.item(s, source)
	w.text(" on ")
	w.condition(source.cond)
	if w.guarded(target) {
		w.guard(target, " and ")
	}
	w.merges(s, parts)
}

func (w *writer) merges(s *scope, parts []*part) {
	target := &s.tables[0]
	has := func(which op) bool { return slices.ContainsFunc(parts, func(p *part) bool { return p.op == which }) }
	switch {
	case has(opSet) && has(opDoNothing):
		w.fail(misuse("matched rows are either updated or deleted"))
	case !has(opSet) && !has(opDoNothing) && !has(opValues):
		w.fail(misuse("a MERGE does nothing; call MatchedSet, MatchedDelete or NotMatchedSet"))
	case has(opSet):
		w.text(" when matched then update")
		w.assignments(target, parts)
	case has(opDoNothing):
		w.text(" when matched then delete")
	}
	if has(opValues) {
		w.mergeInsert(target, parts)
	}
}

func (w *writer) mergeInsert(t *table, parts []*part) {
	w.text(" when not matched then insert (")
	n := 0
	if t.rel.Kind == TenantKind && w.predicate() {
		w.comma(&n)
		w.ident(t.rel.Column)
	}
	var values []any
	var seen []string
	for _, p := range parts {
		if p.op != opValues {
			continue
		}
		name, ok := w.targetColumn(t, p.name)
		if !ok {
			return
		}
		if slices.Contains(seen, name) {
			w.fail(ruleIdentifier.refuse(t.String(), "has the column "+shorten(name)+" twice"))
		}
		w.comma(&n)
		w.ident(name)
		seen, values = append(seen, name), append(values, p.value)
	}
	w.text(") values (")
	n = 0
	if t.rel.Kind == TenantKind && w.predicate() {
		w.comma(&n)
		w.tenantParam()
	}
	for _, v := range values {
		w.comma(&n)
		w.value(v)
	}
	w.text(")")
}
