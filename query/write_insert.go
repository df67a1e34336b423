package query

import "slices"

func (b InsertBuilder) write(w *writer) {
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
	t := &s.tables[0]
	if !w.writable(t) {
		return
	}
	w.text("insert into ")
	w.text(t.rel.sql)
	if t.named {
		w.text(" as ")
		w.ident(t.alias)
	}
	columns := w.insertColumns(t, parts)
	if w.err != nil {
		return
	}
	// Values can't refer to the target, so they are written in the scope around it.
	w.scope = s.parentWithCTEs()
	w.rows(t, parts, columns)
	w.scope = s
	w.onConflict(t, parts)
	w.returning(s, parts)
}

// insertColumns writes the column list, the tenant's first, and gives the number of the user's columns.
func (w *writer) insertColumns(t *table, parts []*part) int {
	w.text(" (")
	n, columns := 0, 0
	if t.rel.Kind == TenantKind && w.predicate() {
		w.comma(&n)
		w.ident(t.rel.Column)
	}
	var seen []string
	for _, p := range parts {
		names := p.names()
		switch p.op {
		case opInsertColumns:
		case opSet:
			names = []string{p.name}
		default:
			continue
		}
		for _, text := range names {
			name, ok := w.targetColumn(t, text)
			if !ok {
				return 0
			}
			if slices.Contains(seen, name) {
				w.fail(ruleIdentifier.refuse(t.String(), "has the column "+shorten(name)+" twice"))
			}
			seen = append(seen, name)
			w.comma(&n)
			w.ident(name)
			columns++
		}
	}
	if n == 0 {
		w.fail(misuse("an INSERT names no columns; call Columns or Set"))
	}
	w.text(")")
	return columns
}

// rows writes VALUES or the query. Each row has the tenant first.
func (w *writer) rows(t *table, parts []*part, columns int) {
	n := 0
	row := func(values []any) {
		w.text([]string{" values (", ", ("}[min(n, 1)])
		n++
		i := 0
		if t.rel.Kind == TenantKind && w.predicate() {
			w.comma(&i)
			w.tenantParam()
		}
		for _, v := range values {
			w.comma(&i)
			w.value(v)
		}
		w.text(")")
		if len(values) != columns {
			w.fail(misuse("a row of an INSERT has " + plural(len(values), "value") + " for " + plural(columns, "column")))
		}
		if len(w.buf) > maxText {
			w.fail(ruleSize.refuse(t.String(), "gets more rows than one statement can hold"))
		}
	}
	var set []any
	queries, valued := 0, false
	for _, p := range parts {
		if w.err != nil {
			return
		}
		switch p.op {
		case opValues:
			values, _ := p.value.([]any)
			row(values)
			valued = true
		case opSet:
			set = append(set, p.value)
		case opInsertQuery:
			queries++
			w.text(" ")
			w.insertQuery(t, p.query())
		}
	}
	if !valued && queries == 0 {
		row(set)
	} else if set != nil || queries > 1 || queries == 1 && valued {
		w.fail(misuse("an INSERT has one of Set, Values and Query"))
	}
}

// insertQuery writes INSERT … SELECT with the tenant in front of the query's columns.
func (w *writer) insertQuery(t *table, q Builder) {
	selected, ok := q.(SelectBuilder)
	if !ok || selected.c != w.c {
		w.fail(misuse("the query of an INSERT was made with another catalog"))
		return
	}
	if t.rel.Kind == TenantKind {
		selected.writeWith(w, t.rel)
		return
	}
	selected.write(w)
}

// onConflict writes the conflict target, with the tenant column, and what to do.
func (w *writer) onConflict(t *table, parts []*part) {
	i := slices.IndexFunc(parts, func(p *part) bool { return p.op == opConflict })
	does := slices.ContainsFunc(parts, func(p *part) bool { return p.op == opDoNothing || p.op == opDoUpdate })
	if i < 0 {
		if does || slices.ContainsFunc(parts, func(p *part) bool { return p.op == opConflictWhere || p.op == opWhere }) {
			w.fail(misuse("DoNothing, DoUpdate and their conditions need OnConflict"))
		}
		return
	}
	w.text(" on conflict ")
	w.conflictTarget(t, parts[i].names())
	w.conditions(" where ", parts, opConflictWhere)
	nothing := slices.ContainsFunc(parts, func(p *part) bool { return p.op == opDoNothing })
	update := slices.ContainsFunc(parts, func(p *part) bool { return p.op == opDoUpdate })
	switch {
	case nothing == update:
		w.fail(misuse("OnConflict is followed by either DoNothing or DoUpdate"))
	case nothing:
		w.text(" do nothing")
	default:
		w.doUpdate(t, parts)
	}
}

func (w *writer) conflictTarget(t *table, names []string) {
	if len(names) == 0 {
		names = t.rel.Key
	}
	w.text("(")
	n := 0
	tenantColumn := ""
	if t.rel.Kind == TenantKind {
		tenantColumn = t.rel.Column
		if w.predicate() {
			w.comma(&n)
			w.ident(tenantColumn)
		}
	}
	others := 0
	for _, text := range names {
		name, err := parseColumnName(text)
		if err != nil || t.rel.columns != nil && !t.rel.columns[name] {
			w.fail(ruleColumn.refuse(t.String(), "has no column "+shorten(text)))
			return
		}
		others++
		if name == tenantColumn {
			continue
		}
		w.comma(&n)
		w.ident(name)
	}
	if others == 0 {
		w.fail(misuse("OnConflict names no columns, and the catalog no key of the relation"))
	}
	w.text(")")
}

func (w *writer) doUpdate(t *table, parts []*part) {
	w.scope.tables = append(w.scope.tables, table{alias: "excluded", rel: t.rel})
	t = &w.scope.tables[0] // append may have moved it
	w.text(" do update set ")
	n := 0
	var seen []string
	for _, p := range parts {
		if p.op != opDoUpdate {
			continue
		}
		if p.name != "" {
			w.comma(&n)
			seen = w.assign(t, seen, p.name)
			w.value(p.value)
			continue
		}
		for _, name := range p.names() {
			w.comma(&n)
			before := len(seen)
			if seen = w.assign(t, seen, name); len(seen) > before {
				w.text("excluded.")
				w.ident(seen[before])
			}
		}
	}
	if n == 0 {
		w.fail(misuse("DoUpdate names no columns"))
	}
	sep := " where "
	if t.rel.Kind == TenantKind && w.predicate() {
		w.text(sep)
		w.ident(t.alias)
		w.text(t.rel.isTenant)
		w.tenant = true
		sep = " and "
	}
	w.conditions(sep, parts, opWhere)
	w.scope.tables = w.scope.tables[:1] // RETURNING knows no excluded
}
