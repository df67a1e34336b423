package query

import (
	"slices"
	"strconv"
)

// graphStatement is a graph's statement as a Builder. Its text names no relation: relations are read by sub-selects
// that SelectBuilder writes, with the tenant's predicates, and that the text around them joins.
type graphStatement struct {
	c      *Catalog
	layout *graphLayout
	max    int
}

func (b graphStatement) Build() (*Statement, error) { return build(b.c, b) }
func (b graphStatement) catalogOf() *Catalog        { return b.c }

// write writes:
//
//	with g0 as (rows of level 0), g1 as (rows of level 1, by the keys in g0), …
//	select 0, … from g0 union all select 1, … from g1 union all … limit max+1
//
// A level with nothing below it is written in its place in the union, so that its rows are not stored.
func (b graphStatement) write(w *writer) {
	g := graphWriter{writer: w, layout: b.layout}
	g.ctes()
	for i, l := range b.layout.levels {
		if i > 0 {
			w.text(" union all ")
		}
		g.arm(l)
	}
	w.text(" limit ")
	g.number(b.max + 1)
}

type graphWriter struct {
	*writer
	layout *graphLayout
}

func (g graphWriter) number(n int) { g.buf = strconv.AppendInt(g.buf, int64(n), 10) }

// cte writes the name of a level's CTE: g its rows, w the keys that a repeating level walks over.
func (g graphWriter) cte(kind string, l *graphLevel) {
	g.text("septum_" + kind)
	g.number(l.number)
}

func (l *graphLevel) stored() bool { return len(l.children) > 0 }

func (g graphWriter) ctes() {
	if !g.layout.levels[0].stored() {
		return
	}
	g.text("with ")
	if slices.ContainsFunc(g.layout.levels, func(l *graphLevel) bool { return l.repeat > 1 }) {
		g.text("recursive ")
	}
	n := 0
	for _, l := range g.layout.levels {
		if l.repeat > 1 {
			g.comma(&n)
			g.walk(l)
		}
		if l.stored() {
			g.comma(&n)
			g.cte("g", l)
			g.text(" as (")
			g.rows(l)
			g.text(")")
		}
	}
	g.text(" ")
}

// arm writes a level's part of the union. The first one says the types of all slots.
func (g graphWriter) arm(l *graphLevel) {
	g.text("select ")
	g.number(l.number)
	for i, slot := range g.layout.slots[1:] {
		g.text(", ")
		switch {
		case slices.ContainsFunc(l.outputs, func(o graphOutput) bool { return o.slot == i+1 }):
			g.text("x.")
			g.slotName(i + 1)
		case l.number > 0:
			g.text("null")
		case slot.typ != "":
			g.text("null::" + slot.typ)
		default:
			g.nested(g.c.Select(quote(slot.source)).From(slot.rel.Name).Where(Expr("false")), nil)
		}
	}
	g.text(" from ")
	if l.stored() {
		g.cte("g", l)
	} else {
		g.text("(")
		g.rows(l)
		g.text(")")
	}
	g.text(" x")
}

func (g graphWriter) slotName(slot int) {
	g.text("o")
	g.number(slot)
}

// rows writes the SELECT of a level's rows.
func (g graphWriter) rows(l *graphLevel) {
	g.text("select ")
	for i, o := range l.outputs {
		if i > 0 {
			g.text(", ")
		}
		g.output(o)
		g.text(" as ")
		g.slotName(o.slot)
	}
	g.text(" from ")
	switch {
	case l.edge == nil:
		g.source(l)
		g.text(" c")
		g.sort(l)
		g.atMost(l.spec.Limit)
	case l.keyed():
		g.text("(select distinct ")
		g.keys(l, true)
		g.text(") k")
		g.joined(l, "k")
		if l.spec.Limit == 0 {
			g.sort(l)
		}
	default:
		g.lookup(l)
		g.sort(l)
	}
}

// output writes a value, read from its alias.
func (g graphWriter) output(o graphOutput) {
	if len(o.is) == 0 {
		g.columnOf(o.alias, o.column)
	} else {
		g.text("case when ")
		for i, is := range o.is {
			if i > 0 {
				g.text(" and ")
			}
			g.columnOf(o.alias, is.column)
			g.text(" = ")
			g.value(is.value)
		}
		g.text(" then ")
		g.columnOf(o.alias, o.column)
		g.text(" end")
	}
	if o.cast != "" {
		g.text("::" + o.cast)
	}
}

func (g graphWriter) columnOf(alias, column string) {
	g.text(alias + ".")
	g.ident(column)
}

// source writes the level's relation as a sub-select: its tenant predicate, the catalog's filters, the level's own
// condition.
func (g graphWriter) source(l *graphLevel) {
	b := g.c.Select(quoteAll(l.needed())...).From(l.rel.Name)
	if l.filtered {
		b = b.add(part{op: opWhere, cond: l.where})
	}
	if l.after != nil {
		b = b.Where(*l.after)
	}
	if l.edge != nil {
		b = whereIs(b, l.edge.toIs)
	}
	if len(l.spec.Without) > 0 {
		b = b.Without(l.spec.Without...)
	}
	g.nested(b, nil)
}

func (g graphWriter) link(l *graphLevel) {
	columns := slices.Concat(l.edge.linkFrom, l.edge.linkTo)
	g.nested(whereIs(g.c.Select(quoteAll(columns)...).Distinct().From(l.edge.link.Name), l.edge.linkIs), nil)
}

func whereIs(b SelectBuilder, conditions []graphIs) SelectBuilder {
	for _, is := range conditions {
		b = b.Where(Expr(quote(is.column)+" = ?", is.value))
	}
	return b
}

func quoteAll(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = quote(name)
	}
	return out
}

// needed are the columns of the level's relation that the statement reads, each once.
func (l *graphLevel) needed() []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, o := range l.outputs {
		if o.alias == "c" {
			add(o.column)
			for _, is := range o.is {
				add(is.column)
			}
		}
	}
	if l.edge != nil {
		for _, name := range l.edge.toCols {
			add(name)
		}
	}
	if l.repeat > 1 {
		for _, is := range l.edge.fromIs {
			add(is.column)
		}
	}
	for _, o := range l.order {
		add(o.column)
	}
	return names
}

func (g graphWriter) sort(l *graphLevel) {
	for i, o := range l.order {
		if i == 0 {
			g.text(" order by ")
		} else {
			g.text(", ")
		}
		g.columnOf("c", o.column)
		g.order(o.order)
	}
}

func (g graphWriter) atMost(n uint32) {
	if n > 0 {
		g.text(" limit ")
		g.number(int(n))
	}
}
