package query

import (
	"strconv"
	"strings"
)

// The aliases of a report's statement. They start with an underscore so that
// no relation of a catalog has the same name.
const (
	aliasRoot  = "_r" // the root
	aliasRows  = "_q" // the root's rows with what was looked up, before grouping
	aliasJoin  = "_j" // a relation looked up, with a number
	aliasParts = "_c" // sums of the many rows below a row of the root, with a number
	aliasChild = "_m" // the many rows themselves
	aliasHas   = "_e" // the many rows that has asks for, with a number
)

// reportSQL writes a plan with the builder. It composes text only from the
// catalog's identifiers, from fixed words and from names of arguments; the
// builder adds the tenant's predicates and the prover judges the result.
type reportSQL struct {
	c    *Catalog
	root *relation
	plan *reportPlan
	has  int
}

// reportText is the text of an expression with the sub-selects that its
// question marks stand for.
type reportText struct {
	text string
	subs []any
}

func (f reportText) expr() Expression { return Expr(f.text, f.subs...) }

func columnText(alias, column string) string { return alias + "." + quote(column) }

// reportFrame is one FROM: a relation and what is looked up from it.
type reportFrame struct {
	sql   *reportSQL
	alias string // of the relation that the frame starts with
	base  int    // steps of a path that lead to that relation
	name  string // prefix of the aliases of joined relations
	joins []frameJoin
}

type frameJoin struct {
	path  string
	alias string
	from  string
	step  reportStep
}

// at gives the alias under which a path's relation is joined.
func (f *reportFrame) at(path reportPath) string {
	alias := f.alias
	for i := f.base; i < len(path); i++ {
		key, known := path[f.base:i+1].String(), false
		for _, j := range f.joins {
			if j.path == key {
				alias, known = j.alias, true
				break
			}
		}
		if known {
			continue
		}
		j := frameJoin{path: key, alias: f.name + strconv.Itoa(len(f.joins)+1), from: alias, step: path[i]}
		f.joins = append(f.joins, j)
		alias = j.alias
	}
	return alias
}

// lookUp adds the joins. Each is a left join to one row at most: a row without
// a partner stays, and none is multiplied.
func (f *reportFrame) lookUp(b SelectBuilder) SelectBuilder {
	for _, j := range f.joins {
		b = b.LeftJoin(j.step.to.Name+" "+j.alias,
			On(columnText(j.alias, j.step.toCol)+" = "+columnText(j.from, j.step.fromCol)))
	}
	return b
}

func (f *reportFrame) column(col *reportColumn, path reportPath) string {
	return columnText(f.at(path), col.column)
}

// builder gives the whole statement.
func (s *reportSQL) builder() SelectBuilder {
	frame := &reportFrame{sql: s, alias: aliasRoot, name: aliasJoin}
	if s.plan.columns != nil {
		return s.listing(frame).LimitArg(argLimit)
	}
	return s.grouped(frame).LimitArg(argLimit)
}

// listing shows the root's rows.
func (s *reportSQL) listing(frame *reportFrame) SelectBuilder {
	var exprs []Expression
	for i, item := range s.plan.columns {
		exprs = append(exprs, Expr(shown(item.typ(), s.itemText(frame, item))).As("x"+strconv.Itoa(i+1)))
	}
	b := s.from(frame, nil, exprs)
	for _, sort := range s.plan.sort {
		b = b.OrderBy("x" + strconv.Itoa(sort.index+1) + direction(sort.desc))
	}
	// Equal rows would come in another order each time, and a limit would cut
	// others each time.
	for _, key := range s.root.Key {
		b = b.OrderByExpr(Expr(columnText(aliasRoot, key)))
	}
	return b
}

// from writes SELECT … FROM the root with everything that was looked up.
func (s *reportSQL) from(frame *reportFrame, parts []*reportParts, exprs []Expression) SelectBuilder {
	where := s.all(frame, s.plan.filter) // first, since it may add joins
	b := s.c.Select().Columns(exprs...).From(s.root.Name + " " + aliasRoot)
	b = frame.lookUp(b)
	for _, p := range parts {
		b = b.JoinSource(Left, Sub(p.query(), p.alias), On(p.alias+".k = "+columnText(aliasRoot, p.path[0].fromCol)))
	}
	if len(s.plan.filter) > 0 {
		b = b.Where(where.expr())
	}
	return b
}

// grouped counts the root's rows. The rows are made in a derived table, which
// PostgreSQL folds into the query: so groups, totals and having can name a
// bucket without writing it again.
func (s *reportSQL) grouped(frame *reportFrame) SelectBuilder {
	var inner, outer []Expression
	dims := make([]string, len(s.plan.dims))
	for i, item := range s.plan.dims {
		name := "d" + strconv.Itoa(i+1)
		dims[i] = aliasRows + "." + name
		inner = append(inner, Expr(s.itemText(frame, item)).As(name))
		outer = append(outer, Expr(shown(item.typ(), dims[i])).As(name))
	}
	var parts []*reportParts
	measures := make([]string, len(s.plan.measures))
	for i := range s.plan.measures {
		m := measureSQL{sql: s, planMeasure: &s.plan.measures[i], nth: strconv.Itoa(i + 1)}
		inner = append(inner, m.inner(frame, &parts)...)
		measures[i] = m.outer()
		outer = append(outer, Expr(measures[i]).As("m"+m.nth))
	}
	if len(inner) == 0 {
		inner = append(inner, Expr("1").As("one"))
	}
	level := "grouping(" + strings.Join(dims, ", ") + ")"
	if s.plan.totals != totalsNone {
		outer = append(outer, Expr(level).As("lvl"))
	}
	b := s.c.Select().Columns(outer...).FromSource(Sub(s.from(frame, parts, inner), aliasRows))
	switch {
	case s.plan.totals == totalsGrand:
		b = b.GroupingSets(dims, nil)
	case s.plan.totals == totalsLevels:
		b = b.Rollup(dims...)
	case len(dims) > 0:
		b = b.GroupBy(dims...)
	}
	for _, h := range s.plan.having {
		text := compare(measures[h.measure], h.op, h.typ, h.args)
		if s.plan.totals != totalsNone {
			// Totals are of everything that the filters let through.
			text = level + " <> 0 or " + text
		}
		b = b.Having(Expr(text))
	}
	return s.order(b)
}

// order sorts totals first, so that no limit cuts them, then as asked, then by
// the dimensions, so that the order is the same each time.
func (s *reportSQL) order(b SelectBuilder) SelectBuilder {
	if s.plan.totals != totalsNone {
		b = b.OrderBy("lvl desc")
	}
	done := make([]bool, len(s.plan.dims))
	for _, sort := range s.plan.sort {
		name := "m"
		if !sort.measure {
			name = "d"
			done[sort.index] = true
		}
		b = b.OrderBy(name + strconv.Itoa(sort.index+1) + direction(sort.desc))
	}
	for i, did := range done {
		if !did {
			b = b.OrderBy("d" + strconv.Itoa(i+1) + direction(false))
		}
	}
	return b
}

func direction(desc bool) string {
	if desc {
		return " desc nulls last"
	}
	return " asc nulls last"
}

// shown casts what a driver would give as a type that people can't read.
func shown(t reportType, text string) string {
	if t.family == famUUID {
		return "cast(" + text + " as text)"
	}
	return text
}

// itemText is a column, or the first day of its bucket in the report's zone.
func (s *reportSQL) itemText(frame *reportFrame, item planItem) string {
	text := frame.column(item.col, item.path)
	if item.bucket == "" {
		return text
	}
	switch item.col.typ.family {
	case famInstant:
		text += " at time zone cast(@" + argZone + " as text)"
	case famDate:
		text = "cast(" + text + " as timestamp)"
	}
	return "cast(date_trunc('" + reportBuckets[item.bucket] + "', " + text + ") as date)"
}
