package query

// from writes the items of FROM with their joins, beginning with tables[first], and their predicates where they keep
// the meaning of the joins. Predicates that belong into WHERE are left to it: see whereTable.
func (w *writer) from(s *scope, first int) {
	for i := first; i < len(s.tables); i++ {
		t := &s.tables[i]
		t.wrapped = t.rel != nil && w.guarded(t) && fullAfter(s, first, i)
		if i > first {
			w.text(" ")
			w.text(t.kind.String())
			w.text(" ")
		}
		w.item(s, t)
		if i > first && t.kind != Cross {
			w.on(s, first, i)
		}
	}
}

// fullAfter reports whether a full join stands at or after item i, so that the item can be absent or kept by it.
func fullAfter(s *scope, first, i int) bool {
	for j := max(i, first+1); j < len(s.tables); j++ {
		if s.tables[j].kind == Full {
			return true
		}
	}
	return false
}

// place says where the predicates of item i belong: its own ON, the ON of a later right join that makes it absent, or
// WHERE, which is -1.
func place(s *scope, first, i int) int {
	if i > first && (s.tables[i].kind == Inner || s.tables[i].kind == Left) {
		return i
	}
	for j := max(i, first) + 1; j < len(s.tables); j++ {
		if s.tables[j].kind == Right {
			return j
		}
	}
	return -1
}

// whereTable reports whether the predicates of item i are still to be written in WHERE.
func whereTable(s *scope, first, i int) bool {
	t := &s.tables[i]
	return !t.wrapped && place(s, first, i) < 0
}

// on writes the condition of a join and the predicates that belong to it.
func (w *writer) on(s *scope, first, i int) {
	w.text(" on ")
	w.condition(s.tables[i].cond)
	for j := first; j <= i; j++ {
		if t := &s.tables[j]; !t.wrapped && w.guarded(t) && place(s, first, j) == i {
			w.guard(t, " and ")
		}
	}
}

// item writes one item of FROM.
func (w *writer) item(s *scope, t *table) {
	switch {
	case t.src != nil:
		w.source(s, t)
		return
	case t.wrapped:
		w.text("(select * from ")
		w.text(t.rel.sql)
		w.text(" as ")
		w.ident(t.alias)
		w.guard(t, " where ")
		w.text(") as ")
		w.ident(t.alias)
		return
	case t.rel != nil:
		w.text(t.rel.sql)
	default:
		w.ident(t.cte)
	}
	if t.named {
		w.text(" as ")
		w.ident(t.alias)
	}
}

func (w *writer) source(s *scope, t *table) {
	src := t.src
	switch {
	case src.query == nil:
		w.call(src.expr)
	case src.lateral:
		w.text("lateral ")
		w.nested(src.query, s)
	default:
		w.nested(src.query, s.parentWithCTEs())
	}
	w.text(" as ")
	w.ident(t.alias)
	if len(src.columns) > 0 {
		w.nameList(src.columns)
	}
}

// parentWithCTEs is what a derived table sees: the queries around and the CTEs, but not its neighbours.
func (s *scope) parentWithCTEs() *scope {
	if len(s.ctes) == 0 {
		return s.parent
	}
	return &scope{parent: s.parent, ctes: s.ctes}
}

// nameList writes names that are new here: columns of a CTE or of a function.
func (w *writer) nameList(names []string) {
	w.text("(")
	for i, name := range names {
		if i > 0 {
			w.text(", ")
		}
		w.newName(name)
	}
	w.text(")")
}

// newName writes a name that the user gives to something.
func (w *writer) newName(name string) {
	parsed, err := parseColumnName(name)
	if err != nil {
		w.fail(ruleIdentifier.refuse(shorten(name), "is not a name"))
		return
	}
	w.ident(parsed)
}

// guarded reports whether anything restricts the rows of the item.
func (w *writer) guarded(t *table) bool {
	return t.rel != nil && (t.rel.Kind == TenantKind || len(w.c.filters) > 0)
}

// guard writes the tenant predicate of a relation and the catalog's filters for it, each after sep or AND. It reports
// whether it wrote anything.
func (w *writer) guard(t *table, sep string) bool {
	wrote := false
	if t.rel.Kind == TenantKind && w.predicate() {
		w.text(sep)
		w.ident(t.alias)
		w.text(t.rel.isTenant)
		w.tenant = true
		wrote, sep = true, " and "
	}
	for i := range w.c.filters {
		f := &w.c.filters[i]
		if fragment := f.of(t.rel); fragment != nil && !w.scope.isLifted(f.name) {
			w.text(sep)
			w.filterCondition(fragment, t.alias)
			wrote, sep = true, " and "
		}
	}
	return wrote
}
