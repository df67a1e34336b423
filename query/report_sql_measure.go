package query

import "strconv"

// measureSQL writes one measure: what each row of the root gives to it, and
// how a group puts that together.
type measureSQL struct {
	*planMeasure
	sql *reportSQL
	nth string
}

func (m measureSQL) rows(name string) string { return aliasRows + "." + name + m.nth }

// inner is what a row gives: a value m, for averages of parts a number n, for
// filtered measures a truth f.
func (m measureSQL) inner(frame *reportFrame, parts *[]*reportParts) []Expression {
	if m.path.down() > 0 {
		return m.partsOf(parts)
	}
	var exprs []Expression
	if m.col != nil {
		exprs = append(exprs, Expr(m.widen(frame.column(m.col, m.path))).As("m"+m.nth))
	}
	if len(m.filter) > 0 {
		exprs = append(exprs, m.sql.all(frame, m.filter).expr().As("f"+m.nth))
	}
	return exprs
}

// widen computes with double precision where the sum of a real would lose
// digits, and where percentiles need it.
func (m measureSQL) widen(text string) string {
	if m.typ == typeFloat && m.col.typ != typeFloat {
		return "cast(" + text + " as double precision)"
	}
	return text
}

func (m measureSQL) outer() string {
	if m.path.down() > 0 {
		return m.together()
	}
	value, filter := m.rows("m"), ""
	if len(m.filter) > 0 {
		filter = " filter (where " + m.rows("f") + ")"
	}
	switch m.fn {
	case "count":
		if m.col == nil {
			value = "*"
		}
		return "count(" + value + ")" + filter
	case "count_distinct":
		return "count(distinct " + value + ")" + filter
	case "median":
		return "percentile_cont(0.5) within group (order by " + value + ")" + filter
	case "percentile":
		return "percentile_cont(cast(@" + m.p + " as double precision)) within group (order by " + value + ")" + filter
	}
	return m.fn + "(" + value + ")" + filter
}

// together puts the parts of a group's rows together.
func (m measureSQL) together() string {
	value := m.rows("m")
	switch m.fn {
	case "count":
		return "cast(coalesce(sum(" + value + "), 0) as bigint)"
	case "avg":
		return "sum(" + value + ") / nullif(sum(" + m.rows("n") + "), 0)"
	case "sum":
		return "sum(" + value + ")"
	}
	return m.fn + "(" + value + ")"
}

// partsOf takes a measure of the many rows below a row from a sub-select that
// gives one row for each row of the root. Joined as they are, the many rows
// would count the root's row once each, and two kinds of them would multiply.
func (m measureSQL) partsOf(parts *[]*reportParts) []Expression {
	down := m.path[:m.path.down()]
	var p *reportParts
	for _, known := range *parts {
		if known.path.String() == down.String() {
			p = known
		}
	}
	if p == nil {
		p = &reportParts{path: down, alias: aliasParts + strconv.Itoa(len(*parts)+1)}
		p.frame = &reportFrame{sql: m.sql, alias: aliasChild, base: len(down), name: aliasChild + aliasJoin}
		*parts = append(*parts, p)
	}
	value := m.widen(p.frame.column(m.col, m.path))
	var filter reportText
	if len(m.filter) > 0 {
		filter = m.sql.all(p.frame, m.filter)
		filter.text = " filter (where " + filter.text + ")"
	}
	add := func(name, fn string) Expression {
		p.exprs = append(p.exprs, Expr(fn+"("+value+")"+filter.text, filter.subs...).As(name+m.nth))
		return Expr(p.alias + "." + name + m.nth).As(name + m.nth)
	}
	if m.fn == "avg" {
		return []Expression{add("m", "sum"), add("n", "count")}
	}
	return []Expression{add("m", m.fn)}
}

// reportParts is one sub-select over the many rows of one way down.
type reportParts struct {
	path  reportPath
	alias string
	frame *reportFrame
	exprs []Expression
}

func (p *reportParts) query() SelectBuilder {
	s := p.frame.sql
	b := s.c.Select().From(p.path.end(s.root).Name + " " + p.frame.alias)
	b, key := climb(b, p.path, p.frame.alias)
	b = p.frame.lookUp(b).Columns(Expr(key).As("k")).Columns(p.exprs...)
	return b.GroupByExpr(Expr(key))
}
