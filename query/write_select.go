package query

import "strings"

const partSpace = 24 // most builders have fewer parts; more cost one allocation

func (b SelectBuilder) write(w *writer) { b.writeWith(w, nil) }

// writeWith writes the SELECT; for INSERT … SELECT the tenant of rel comes first in its list.
func (b SelectBuilder) writeWith(w *writer, tenantFor *relation) {
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
	w.text("select ")
	w.distinct(parts)
	if tenantFor != nil && w.predicate() {
		w.tenantParam()
		w.text("::")
		w.text(string(tenantFor.Type))
		w.text(", ")
	}
	w.selectList(s, parts)
	if len(s.tables) > 0 {
		w.text(" from ")
		w.from(s, 0)
	}
	w.where(s, 0, parts)
	w.groupBy(parts)
	w.conditions(" having ", parts, opHaving)
	w.windows(parts)
	w.orderBy(s, parts)
	w.limit(parts)
	w.locks(s, parts)
}

// collectFrom reads FROM, the joins and the lifted filters before anything is written, since the SELECT list needs them.
func (w *writer) collectFrom(s *scope, parts []*part) {
	for _, p := range parts {
		switch p.op {
		case opFrom:
			if len(s.tables) > 0 {
				w.fail(misuse("From is called twice or after a join; use Join or CrossJoin for further relations"))
				return
			}
			w.join(s, p)
		case opJoin:
			if len(s.tables) == 0 {
				w.fail(misuse("a join comes before From"))
				return
			}
			w.join(s, p)
		case opWithout:
			w.lift(s, parts, p.names())
		}
	}
}

func (w *writer) distinct(parts []*part) {
	for _, p := range parts {
		switch p.op {
		case opDistinct:
			w.text("distinct ")
			return
		case opDistinctOn:
			w.text("distinct on (")
			w.columns(p.names())
			w.text(") ")
			return
		}
	}
}

func (w *writer) columns(names []string) {
	for i, name := range names {
		if i > 0 {
			w.text(", ")
		}
		w.column(name)
	}
}

func (w *writer) selectList(s *scope, parts []*part) {
	n := 0
	for _, p := range parts {
		if p.op == opColumns {
			for _, name := range p.names() {
				w.comma(&n)
				w.outputColumn(s, name)
			}
		}
		if p.op == opExprs {
			for _, e := range p.exprs() {
				w.comma(&n)
				w.outputExpr(s, e)
			}
		}
	}
	if n == 0 {
		w.fail(misuse("the SELECT list is empty; name columns in Select or Columns"))
	}
}

func (w *writer) comma(n *int) {
	if *n > 0 {
		w.text(", ")
	}
	*n++
}

func (w *writer) outputExpr(s *scope, e Expression) {
	w.expression(e)
	if e.alias != "" {
		w.outputName(s, e.alias)
	}
}

func (w *writer) outputName(s *scope, alias string) {
	w.text(" as ")
	w.newName(alias)
	if parsed, err := parseColumnName(alias); err == nil {
		s.outputs = append(s.outputs, parsed)
	}
}

// outputColumn writes an item of a SELECT list: "p.id", "p.id as n", "p.*" or "*".
func (w *writer) outputColumn(s *scope, text string) {
	switch {
	case text == "*":
		if len(s.tables) == 0 {
			w.fail(misuse("* needs From"))
		}
		w.text("*")
	case strings.HasSuffix(text, ".*"):
		alias, err := parseColumnName(text[:len(text)-2])
		if err != nil {
			w.fail(ruleIdentifier.refuse(shorten(text), "is not a column"))
			return
		}
		w.checkColumn(alias, "*")
		w.ident(alias)
		w.text(".*")
	case strings.IndexByte(text, ' ') < 0:
		w.column(text)
	default:
		column, alias := splitAlias(text)
		if alias == "" {
			w.fail(ruleIdentifier.refuse(shorten(text), "is not a column; write \"p.name\" or \"p.name as n\", and anything else with query.Expr in Columns"))
			return
		}
		w.column(column)
		w.outputName(s, alias)
	}
}

// splitAlias takes "p.name as n" apart; the alias is "" when the text is anything else.
func splitAlias(text string) (column, alias string) {
	rest := text
	for {
		_, after, err := parseIdentifier(rest)
		if err != nil {
			return text, ""
		}
		if !strings.HasPrefix(after, ".") {
			rest = after
			break
		}
		rest = after[1:]
	}
	name, err := parseAlias(rest)
	if err != nil || name == "" {
		return text, ""
	}
	return text[:len(text)-len(rest)], quote(name)
}

// where writes the predicates that are left for it, and the conditions of the builder.
func (w *writer) where(s *scope, first int, parts []*part) {
	sep := " where "
	for i := range s.tables {
		if t := &s.tables[i]; w.guarded(t) && whereTable(s, first, i) && w.guard(t, sep) {
			sep = " and "
		}
	}
	for _, p := range parts {
		if p.op == opWhere || p.op == opFilter && !s.isLifted(p.name) {
			w.text(sep)
			w.condition(&p.cond)
			sep = " and "
		}
	}
}

// conditions writes a clause of conditions that all must hold.
func (w *writer) conditions(sep string, parts []*part, which op) {
	for _, p := range parts {
		if p.op == which {
			w.text(sep)
			w.condition(&p.cond)
			sep = " and "
		}
	}
}

func (w *writer) groupBy(parts []*part) {
	n := 0
	next := func() {
		if n == 0 {
			w.text(" group by ")
		}
		w.comma(&n)
	}
	for _, p := range parts {
		switch p.op {
		case opGroupBy:
			for _, name := range p.names() {
				next()
				w.column(name)
			}
		case opGroupExprs:
			for _, e := range p.exprs() {
				next()
				w.expression(e)
			}
		case opGroupSets:
			next()
			w.groupingSets(p)
		}
	}
}

func (w *writer) groupingSets(p *part) {
	w.text(p.name)
	w.text(" (")
	if sets, ok := p.value.([][]string); ok {
		for i, set := range sets {
			if i > 0 {
				w.text(", ")
			}
			w.text("(")
			w.columns(set)
			w.text(")")
		}
	} else {
		w.columns(p.names())
	}
	w.text(")")
}

func (w *writer) windows(parts []*part) {
	n := 0
	for _, p := range parts {
		if p.op != opWindow {
			continue
		}
		if n == 0 {
			w.text(" window ")
		}
		w.comma(&n)
		w.newName(p.name)
		w.text(" as (")
		over := p.value.(Over)
		if len(over.partition) > 0 {
			w.text("partition by ")
			w.columns(over.partition)
			w.text(" ")
		}
		for i, term := range over.order {
			if i == 0 {
				w.text("order by ")
			} else {
				w.text(", ")
			}
			w.orderTerm(nil, term)
		}
		w.text(")")
	}
}
