package query

import (
	"slices"
	"strconv"
)

var reportFunctions = []string{"avg", "count", "count_distinct", "max", "median", "min", "percentile", "sum"}

var reportMeasureFields = []string{"column", "filters", "fn", "name", "p", "via"}

func (p *reportParser) measures(node int32) error {
	if err := p.list(node, reportMaxMeasures); err != nil {
		return err
	}
	p.plan.measures = make([]planMeasure, 0, p.nodes[node].count)
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		m, err := p.measure(c)
		if err != nil {
			return err
		}
		p.plan.measures = append(p.plan.measures, m)
	}
	return nil
}

func (p *reportParser) measure(node int32) (planMeasure, error) {
	m := planMeasure{typ: typeBigint}
	if err := p.want(node, jsonObject); err != nil {
		return m, err
	}
	var fn, column, via, share, filters int32
	var err error
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		switch p.nodes[c].key {
		case "fn":
			fn = c
		case "column":
			column = c
		case "via":
			via = c
		case "p":
			share = c
		case "filters":
			filters = c
		case "name":
			if m.name, err = p.name(c); err != nil {
				return m, err
			}
		default:
			return m, p.unknownField(c, reportMeasureFields)
		}
	}
	if fn == 0 {
		return m, p.at(node, ReportField, "the field fn is missing")
	}
	if m.fn, err = p.word(fn, reportFunctions); err != nil {
		return m, err
	}
	if err := p.measured(node, column, via, fn, &m); err != nil {
		return m, err
	}
	if err := p.percentile(node, share, &m); err != nil {
		return m, err
	}
	if m.name == "" {
		m.name = m.fn
		if m.col != nil {
			m.name += " " + m.col.Name
		}
	}
	if filters != 0 {
		m.filter, err = p.conditionList(filters, m.path[:m.path.down()], 1)
	}
	return m, err
}

// measured reads what is measured, and refuses what would count rows twice.
func (p *reportParser) measured(node, column, via, fn int32, m *planMeasure) (err error) {
	if column == 0 {
		if m.fn != "count" {
			return p.at(node, ReportField, "the field column is missing; only count needs none")
		}
		if via != 0 {
			return p.at(via, ReportField, "via goes with a column")
		}
		return nil
	}
	if m.col, m.path, err = p.column(column, via); err != nil {
		return err
	}
	if m.fn, err = p.operator(fn, m.col.functions, "column"); err != nil {
		return err
	}
	m.typ = m.col.typ.result(m.fn)
	down := m.path.down()
	root, of := p.report.root.Name, m.col.relation.Name
	switch {
	case len(m.path) > 0 && down == 0: // looked up: the same value stands beside many rows
		if !m.col.PerRow && !slices.Contains([]string{"min", "max", "count_distinct"}, m.fn) {
			return p.at(fn, ReportFanOut, "a row of "+of+" would be counted once for each row of "+root+
				" that refers to it; use min, max or count_distinct, or start the report at "+of)
		}
	case down > 0 && down < len(m.path):
		return p.at(column, ReportFanOut, "a measure can't be of what "+m.path[down-1].to.Name+" refers to; start the report there")
	case down > 0:
		if !slices.Contains([]string{"min", "max", "sum", "avg", "count"}, m.fn) {
			return p.at(fn, ReportFanOut, "one row of "+root+" has many of "+of+", and "+m.fn+
				" can't be put together from parts; start the report at "+of)
		}
		if m.fn == "sum" && m.typ.family == famInt {
			m.typ = typeNumeric // a sum of bigint sums
		}
	}
	return nil
}

func (p *reportParser) percentile(node, share int32, m *planMeasure) error {
	if m.fn != "percentile" {
		if share != 0 {
			return p.at(share, ReportField, "p goes with percentile")
		}
		return nil
	}
	if share == 0 {
		return p.at(node, ReportField, "the field p is missing: 0.9 for the 90th percentile")
	}
	v, err := strconv.ParseFloat(p.nodes[share].text, 64)
	if p.nodes[share].kind != jsonNumber || err != nil || v < 0 || v > 1 {
		return p.at(share, ReportType, "p is a number from 0 to 1")
	}
	m.p = p.arg(planArg{value: v})
	return nil
}

// having reads conditions on the measures of a group; all must hold.
func (p *reportParser) having(node int32) error {
	if err := p.list(node, reportMaxHaving); err != nil {
		return err
	}
	if len(p.plan.measures) == 0 {
		return p.at(node, ReportField, "having needs measures")
	}
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		h, err := p.havingOne(c)
		if err != nil {
			return err
		}
		p.plan.having = append(p.plan.having, h)
	}
	return nil
}

var reportHavingOps = []string{"between", "eq", "ge", "gt", "is_null", "le", "lt", "ne", "not_null"}

func (p *reportParser) havingOne(node int32) (planHaving, error) {
	var h planHaving
	if err := p.want(node, jsonObject); err != nil {
		return h, err
	}
	var item, op, value int32
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		switch p.nodes[c].key {
		case "item":
			item = c
		case "op":
			op = c
		case "value":
			value = c
		default:
			return h, p.unknownField(c, []string{"item", "op", "value"})
		}
	}
	if item == 0 {
		return h, p.at(node, ReportField, "the field item is missing")
	}
	if op == 0 {
		return h, p.at(node, ReportField, "the field op is missing")
	}
	if err := p.want(item, jsonString); err != nil {
		return h, err
	}
	h.measure = slices.IndexFunc(p.plan.measures, func(m planMeasure) bool { return m.name == p.nodes[item].text })
	if h.measure < 0 {
		err := p.at(item, ReportUnknown, "no measure of this specification has this name; conditions on columns go into filters")
		for _, m := range p.plan.measures {
			err.Choices = append(err.Choices, m.name)
		}
		return h, err
	}
	h.typ = p.plan.measures[h.measure].typ
	known := slices.DeleteFunc(h.typ.operators(), func(op string) bool { return !slices.Contains(reportHavingOps, op) })
	var err error
	if h.op, err = p.operator(op, known, "measure"); err != nil {
		return h, err
	}
	h.args, err = p.operands(node, value, h.op, h.typ)
	return h, err
}
