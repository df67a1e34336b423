package query

import (
	"slices"
	"strconv"
)

// names makes sure that every item can be told apart by its name.
func (p *reportParser) names() error {
	seen := make([]string, 0, 16)
	node := func(i int32, nth int) int32 {
		c := p.nodes[i].first
		for ; nth > 0; nth-- {
			c = p.nodes[c].next
		}
		return c
	}
	check := func(name string, at int32) error {
		if slices.Contains(seen, name) {
			return p.at(at, ReportField, "another item has the same name; set name")
		}
		seen = append(seen, name)
		return nil
	}
	for _, items := range [...][]planItem{p.plan.dims, p.plan.columns} {
		for _, item := range items {
			if err := check(item.name, item.node); err != nil {
				return err
			}
		}
	}
	for i, m := range p.plan.measures {
		if err := check(m.name, node(p.plan.nodes.measures, i)); err != nil {
			return err
		}
	}
	return nil
}

func (p *reportParser) totals(node int32) error {
	word, err := p.word(node, reportTotalsNames)
	if err != nil {
		return err
	}
	p.plan.totals = reportTotals(slices.Index(reportTotalsNames, word))
	if p.plan.totals == totalsNone {
		return nil
	}
	if len(p.plan.dims) == 0 || len(p.plan.measures) == 0 {
		return p.at(node, ReportField, "totals need dimensions and measures")
	}
	return nil
}

func (p *reportParser) limit(node int32) error {
	p.plan.cap = p.report.maxGrps
	if p.plan.columns != nil {
		p.plan.cap = p.report.maxRows
	}
	if node == 0 {
		return nil
	}
	if p.plan.totals == totalsLevels {
		return p.at(node, ReportField, "subtotals of some of the groups would not add up; leave out limit or use the totals \"grand\"")
	}
	if err := p.want(node, jsonNumber); err != nil {
		return err
	}
	n, err := strconv.Atoi(p.nodes[node].text)
	if err != nil || n < 1 || n > p.plan.cap {
		return p.at(node, ReportLimit, "the limit is a whole number from 1 to "+strconv.Itoa(p.plan.cap))
	}
	p.plan.limit = n
	return nil
}

func (p *reportParser) sort(node int32) error {
	if node == 0 {
		return nil
	}
	if err := p.list(node, reportMaxSort); err != nil {
		return err
	}
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		if err := p.want(c, jsonObject); err != nil {
			return err
		}
		var s planSort
		var item int32
		for f := p.nodes[c].first; f != 0; f = p.nodes[f].next {
			switch p.nodes[f].key {
			case "item":
				item = f
			case "order":
				word, err := p.word(f, []string{"asc", "desc"})
				if err != nil {
					return err
				}
				s.desc = word == "desc"
			default:
				return p.unknownField(f, []string{"item", "order"})
			}
		}
		if item == 0 {
			return p.at(c, ReportField, "the field item is missing")
		}
		if err := p.want(item, jsonString); err != nil {
			return err
		}
		if !p.find(p.nodes[item].text, &s) {
			err := p.at(item, ReportUnknown, "the report shows no such item; name a dimension, measure or column of this specification")
			err.Choices = p.plan.itemNames()
			return err
		}
		if slices.ContainsFunc(p.plan.sort, func(o planSort) bool { return o.measure == s.measure && o.index == s.index }) {
			return p.at(item, ReportField, "the report is already sorted by this item")
		}
		p.plan.sort = append(p.plan.sort, s)
	}
	return nil
}

func (p *reportParser) find(name string, s *planSort) bool {
	for _, items := range [...][]planItem{p.plan.dims, p.plan.columns} {
		for i := range items {
			if items[i].name == name {
				s.index = i
				return true
			}
		}
	}
	for i := range p.plan.measures {
		if p.plan.measures[i].name == name {
			s.measure, s.index = true, i
			return true
		}
	}
	return false
}

func (p *reportPlan) itemNames() []string {
	var names []string
	for _, i := range p.dims {
		names = append(names, i.name)
	}
	for _, i := range p.columns {
		names = append(names, i.name)
	}
	for _, m := range p.measures {
		names = append(names, m.name)
	}
	return names
}
