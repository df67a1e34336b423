package query

import (
	"slices"
	"strings"
)

func (w *writer) orderBy(s *scope, parts []*part) {
	n := 0
	next := func() {
		if n == 0 {
			w.text(" order by ")
		}
		w.comma(&n)
	}
	for _, p := range parts {
		switch p.op {
		case opOrderBy:
			for _, term := range p.names() {
				next()
				w.orderTerm(s.outputs, term)
			}
		case opOrderExprs:
			for _, e := range p.exprs() {
				next()
				w.expression(e)
				w.order(e.order)
			}
		}
	}
}

// orderTerm writes "p.name desc nulls last". A name without a relation may be one of outputs.
func (w *writer) orderTerm(outputs []string, text string) {
	column, rest, _ := strings.Cut(text, " ")
	o, ok := parseOrder(rest)
	if !ok {
		w.fail(ruleIdentifier.refuse(shorten(text), "is not a column to sort by; write \"p.name\" or \"p.name desc nulls last\", and anything else with OrderByExpr"))
		return
	}
	if name, ok := outputName(outputs, column); ok {
		w.ident(name)
	} else {
		w.column(column)
	}
	w.order(o)
}

func outputName(outputs []string, column string) (string, bool) {
	if len(outputs) == 0 {
		return "", false
	}
	name, err := parseColumnName(column)
	return name, err == nil && slices.Contains(outputs, name)
}

func parseOrder(text string) (o order, ok bool) {
	switch text {
	case "", "asc":
		return o, true
	case "desc":
		return order{desc: true}, true
	}
	words := strings.Fields(strings.ToLower(text))
	if len(words) > 0 && (words[0] == "asc" || words[0] == "desc") {
		o.desc = words[0] == "desc"
		words = words[1:]
	}
	if len(words) == 2 && words[0] == "nulls" {
		switch words[1] {
		case "first":
			o.nulls = nullsFirst
		case "last":
			o.nulls = nullsLast
		default:
			return o, false
		}
		words = nil
	}
	return o, len(words) == 0
}

func (w *writer) order(o order) {
	if o.desc {
		w.text(" desc")
	}
	switch o.nulls {
	case nullsFirst:
		w.text(" nulls first")
	case nullsLast:
		w.text(" nulls last")
	}
}

// limit writes the last LIMIT and OFFSET that were asked for.
func (w *writer) limit(parts []*part) {
	w.limitClause(" limit ", parts, opLimit)
	w.limitClause(" offset ", parts, opOffset)
}

func (w *writer) limitClause(keyword string, parts []*part, which op) {
	var last *part
	for _, p := range parts {
		if p.op == which {
			last = p
		}
	}
	if last != nil {
		w.text(keyword)
		w.value(last.value)
	}
}

func (w *writer) locks(s *scope, parts []*part) {
	locked := false
	for _, p := range parts {
		switch p.op {
		case opLock:
			if !slices.Contains([]LockStrength{LockUpdate, LockNoKeyUpdate, LockShare, LockKeyShare}, LockStrength(p.name)) {
				w.fail(misuse("Lock takes one of the LockStrength constants"))
				return
			}
			w.text(" ")
			w.text(p.name)
			for i, alias := range p.names() {
				w.text([]string{" of ", ", "}[min(i, 1)])
				if s.table(alias) == nil {
					w.fail(ruleColumn.refuse("", "nothing here is called "+shorten(alias)))
				}
				w.newName(alias)
			}
			locked = true
		case opWait:
			if !locked {
				w.fail(misuse("SkipLocked and NoWait come after Lock"))
				return
			}
			w.text(" ")
			w.text(p.name)
		}
	}
}

// with writes the CTEs. Their names become visible one after the other; a recursive one sees itself.
func (w *writer) with(s *scope, parts []*part) {
	recursive := slices.ContainsFunc(parts, func(p *part) bool { return p.op == opRecursive })
	n := 0
	for _, p := range parts {
		if p.op != opWith && p.op != opRecursive {
			continue
		}
		if n == 0 {
			w.text("with ")
			if recursive {
				w.text("recursive ")
			}
		}
		w.comma(&n)
		name, err := parseColumnName(p.name)
		switch {
		case err != nil:
			w.fail(ruleIdentifier.refuse(shorten(p.name), "is not a name for a CTE"))
			return
		case w.c.hides(name):
			w.fail(ruleShadow.refuse(name, "is the name of a CTE and of a relation"))
			return
		case slices.Contains(s.ctes, name):
			w.fail(ruleIdentifier.refuse(name, "names two CTEs"))
			return
		}
		w.ident(name)
		if p.op == opRecursive {
			s.ctes = append(s.ctes, name)
			w.recursive(s, p)
			continue
		}
		w.text(" as ")
		w.nested(p.query(), s.parentWithCTEs())
		s.ctes = append(s.ctes, name)
	}
	if n > 0 {
		w.text(" ")
	}
}

func (w *writer) recursive(s *scope, p *part) {
	r, _ := p.value.(recursion)
	if len(r.columns) > 0 {
		w.nameList(r.columns)
	}
	w.text(" as (")
	w.nested(r.base, s.parentWithCTEs())
	w.text(" union all ")
	w.nested(r.step, s.parentWithCTEs())
	w.text(")")
}

// hides reports whether a CTE of this name would stand before a relation.
func (c *Catalog) hides(name string) bool {
	for _, r := range c.sorted {
		if r.table == name {
			return true
		}
	}
	return false
}

func (b SetBuilder) write(w *writer) {
	var space [partSpace]*part
	parts := b.last.parts(space[:])
	arms := 0
	for _, p := range parts {
		if p.op == opSetArm {
			arms++
		}
	}
	if arms > maxNesting {
		w.fail(ruleSize.refuse("", "more than 32 queries are combined"))
		return
	}
	for range arms - 2 {
		w.text("(")
	}
	n := 0
	for _, p := range parts {
		if p.op != opSetArm {
			continue
		}
		if n > 0 {
			w.text(" " + p.name + " ")
		}
		w.nested(p.query(), w.scope)
		if n++; n >= 2 && n < arms {
			w.text(")")
		}
	}
	s := w.enter()
	s.tables = append(s.tables, table{}) // its columns are those of the first arm, which the prover knows
	w.orderBy(s, parts)
	w.limit(parts)
	w.leave(s)
}
