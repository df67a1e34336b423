package query

import (
	"strconv"
	"strings"
)

// all joins conditions that must all hold.
func (s *reportSQL) all(frame *reportFrame, conds []planCond) reportText {
	return s.join(frame, conds, " and ")
}

func (s *reportSQL) join(frame *reportFrame, conds []planCond, word string) reportText {
	var out reportText
	texts := make([]string, len(conds))
	for i := range conds {
		f := s.condition(frame, &conds[i])
		texts[i] = "(" + f.text + ")"
		out.subs = append(out.subs, f.subs...)
	}
	out.text = strings.Join(texts, word)
	return out
}

func (s *reportSQL) condition(frame *reportFrame, c *planCond) reportText {
	switch c.kind {
	case condAny:
		return s.join(frame, c.kids, " or ")
	case condAll:
		return s.all(frame, c.kids)
	case condHas:
		return reportText{text: "?", subs: []any{Exists(s.below(frame, c))}}
	case condHasNo:
		return reportText{text: "?", subs: []any{NotExists(s.below(frame, c))}}
	}
	return reportText{text: compare(frame.column(c.col, c.path), c.op, c.col.typ, c.args)}
}

// below selects the many rows of a row of the root that a has asks for.
func (s *reportSQL) below(outer *reportFrame, c *planCond) SelectBuilder {
	s.has++
	name := aliasHas + strconv.Itoa(s.has)
	frame := &reportFrame{sql: s, alias: name, base: len(c.path), name: name + aliasJoin}
	where := s.all(frame, c.kids)
	b := s.c.Select().Columns(Expr("1").As("one")).From(c.path.end(s.root).Name + " " + name)
	b, key := climb(b, c.path, name)
	b = frame.lookUp(b).Where(Expr(key + " = " + columnText(outer.alias, c.path[0].fromCol)))
	if len(c.kids) > 0 {
		b = b.Where(where.expr())
	}
	return b
}

// climb joins from the lowest relation of a way down up to the one that refers
// to the root, and gives the column that does.
func climb(b SelectBuilder, path reportPath, alias string) (SelectBuilder, string) {
	lower := alias
	for i := len(path) - 1; i > 0; i-- {
		upper := alias + "_u" + strconv.Itoa(i)
		b = b.Join(path[i].from.Name+" "+upper, On(columnText(upper, path[i].fromCol)+" = "+columnText(lower, path[i].toCol)))
		lower = upper
	}
	return b, columnText(lower, path[0].toCol)
}

var reportComparisons = map[string]string{"eq": " = ", "ne": " <> ", "lt": " < ", "le": " <= ", "gt": " > ", "ge": " >= "}

// compare writes one comparison. Values are arguments, cast to the column's
// type so that it keeps its index.
func compare(text, op string, t reportType, args []string) string {
	value := func(i int) string { return "cast(@" + args[i] + " as " + t.sql + ")" }
	list := func() string { return "(cast(cast(@" + args[0] + " as text[]) as " + t.sql + "[]))" }
	switch op {
	case "is_null":
		return text + " is null"
	case "not_null":
		return text + " is not null"
	case "in":
		return text + " = any " + list()
	case "not_in":
		return text + " <> all " + list()
	case "between":
		return text + " >= " + value(0) + " and " + text + " <= " + value(1)
	case "contains", "starts_with":
		return text + " like " + value(0)
	case "icontains":
		return text + " ilike " + value(0)
	}
	if _, ok := reportRelative[op]; ok {
		return text + " >= " + value(0) + " and " + text + " < " + value(1)
	}
	return text + reportComparisons[op] + value(0)
}
