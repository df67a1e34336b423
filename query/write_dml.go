package query

import "slices"

func (b UpdateBuilder) write(w *writer) {
	w.dml(b.last, "update ", func(s *scope, parts []*part) {
		w.assignments(&s.tables[0], parts)
		if len(s.tables) > 1 {
			w.text(" from ")
			w.from(s, 1)
		}
	})
}

func (b DeleteBuilder) write(w *writer) {
	w.dml(b.last, "delete from ", func(s *scope, parts []*part) {
		if len(s.tables) > 1 {
			w.text(" using ")
			w.from(s, 1)
		}
	})
}

// dml writes what UPDATE and DELETE share. tables[0] is the target, the others are FROM or USING.
func (w *writer) dml(last *part, command string, middle func(*scope, []*part)) {
	var space [partSpace]*part
	parts := last.parts(space[:])
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
	target := &s.tables[0]
	if !w.writable(target) {
		return
	}
	if !hasCondition(parts) {
		w.fail(ruleAll.refuse(target.String(), "would lose or change every row of the tenant"))
		return
	}
	w.text(command)
	w.text(target.rel.sql)
	if target.named {
		w.text(" as ")
		w.ident(target.alias)
	}
	middle(s, parts)
	w.where(s, 1, parts)
	w.returning(s, parts)
}

// hasCondition is true with a Where, a join's condition, or All. A filter is no condition: it is there by habit.
func hasCondition(parts []*part) bool {
	return slices.ContainsFunc(parts, func(p *part) bool { return p.op == opWhere || p.op == opAll })
}

// writable checks that the target is a relation of the catalog: PostgreSQL never takes a CTE as one.
func (w *writer) writable(t *table) bool {
	switch {
	case t.rel == nil:
		w.fail(ruleRelation.refuse(t.String(), "is not a relation that can be written"))
	case !t.rel.Writable:
		w.fail(ruleGlobal.refuse(t.String(), "is global and read-only"))
	default:
		return true
	}
	return false
}

func (w *writer) assignments(t *table, parts []*part) {
	w.text(" set ")
	n := 0
	var seen []string
	for _, p := range parts {
		if p.op != opSet {
			continue
		}
		w.comma(&n)
		seen = w.assign(t, seen, p.name)
		w.value(p.value)
	}
	if n == 0 {
		w.fail(misuse("an UPDATE sets nothing; call Set"))
	}
}

// assign writes "column = " for a column that may be set, once.
func (w *writer) assign(t *table, seen []string, text string) []string {
	name, ok := w.targetColumn(t, text)
	if !ok {
		return seen
	}
	if slices.Contains(seen, name) {
		w.fail(ruleIdentifier.refuse(t.String(), "has the column "+shorten(name)+" set twice"))
	}
	w.ident(name)
	w.text(" = ")
	return append(seen, name)
}

// targetColumn checks a column that a statement writes. The tenant column is never one of them.
func (w *writer) targetColumn(t *table, text string) (string, bool) {
	name, err := parseColumnName(text)
	if err != nil {
		w.fail(ruleIdentifier.refuse(shorten(text), "is not a column without its relation"))
		return "", false
	}
	if t.rel.columns != nil && !t.rel.columns[name] {
		w.fail(ruleColumn.refuse(t.String(), "has no column "+shorten(name)))
		return "", false
	}
	if t.rel.Kind == TenantKind && name == t.rel.Column {
		w.fail(ruleTenantColumn.refuse(t.String(), "has its tenant column "+name+" set"))
		return "", false
	}
	return name, true
}

func (w *writer) returning(s *scope, parts []*part) {
	n := 0
	for _, p := range parts {
		if p.op != opReturning {
			continue
		}
		for _, name := range p.names() {
			if n == 0 {
				w.text(" returning ")
			}
			w.comma(&n)
			w.outputColumn(s, name)
		}
		for _, e := range p.exprs() {
			if n == 0 {
				w.text(" returning ")
			}
			w.comma(&n)
			w.outputExpr(s, e)
		}
	}
}
