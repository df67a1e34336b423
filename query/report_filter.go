package query

import (
	"fmt"
	"slices"
	"strconv"
)

// filters reads the conditions on the root's rows.
func (p *reportParser) filters(node int32) (err error) {
	p.plan.filter, err = p.conditionList(node, nil, 1)
	return err
}

// conditionList reads conditions that must all hold. Scope is the way down to
// the relation whose rows they are about; nil is the root.
func (p *reportParser) conditionList(node int32, scope reportPath, depth int) ([]planCond, error) {
	if err := p.list(node, reportMaxConditions); err != nil {
		return nil, err
	}
	if depth > reportMaxNesting {
		return nil, p.at(node, ReportTooLarge, "conditions are nested deeper than 5 levels")
	}
	conds := make([]planCond, 0, p.nodes[node].count)
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		cond, err := p.condition(c, scope, depth)
		if err != nil {
			return nil, err
		}
		conds = append(conds, cond)
	}
	return conds, nil
}

var (
	reportLeafFields = []string{"column", "op", "value", "via"}
	reportCondFields = []string{"all", "any", "column", "has", "has_no", "op", "value", "via"}
)

func (p *reportParser) condition(node int32, scope reportPath, depth int) (planCond, error) {
	if err := p.want(node, jsonObject); err != nil {
		return planCond{}, err
	}
	if p.conditions++; p.conditions > reportMaxConditions {
		return planCond{}, p.at(node, ReportTooLarge, "the specification has more than 100 conditions")
	}
	for _, group := range [...]struct {
		key  string
		kind condKind
	}{{"any", condAny}, {"all", condAll}, {"has", condHas}, {"has_no", condHasNo}} {
		c := p.child(node, group.key)
		if c == 0 {
			continue
		}
		if p.nodes[node].count > 1 {
			return planCond{}, p.at(node, ReportField, group.key+" stands alone in its object")
		}
		if group.kind == condHas || group.kind == condHasNo {
			return p.has(c, group.kind, scope, depth)
		}
		kids, err := p.conditionList(c, scope, depth+1)
		return planCond{kind: group.kind, kids: kids}, err
	}
	return p.comparison(node, scope)
}

// has reads a condition on the many rows below a row of the root.
func (p *reportParser) has(node int32, kind condKind, scope reportPath, depth int) (planCond, error) {
	if len(scope) > 0 {
		return planCond{}, p.at(node, ReportField, "has can't stand within has or a measure's filters")
	}
	if err := p.want(node, jsonObject); err != nil {
		return planCond{}, err
	}
	var relation, via, filters int32
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		switch p.nodes[c].key {
		case "relation":
			relation = c
		case "via":
			via = c
		case "filters":
			filters = c
		default:
			return planCond{}, p.unknownField(c, []string{"filters", "relation", "via"})
		}
	}
	if relation == 0 {
		return planCond{}, p.at(node, ReportField, "the field relation is missing")
	}
	if err := p.want(relation, jsonString); err != nil {
		return planCond{}, err
	}
	var ways []reportPath
	for _, path := range p.report.children {
		if path.end(p.report.root).Name == p.nodes[relation].text {
			ways = append(ways, path)
		}
	}
	if len(ways) == 0 {
		err := p.at(relation, ReportUnknown, "a row of "+p.report.root.Name+" does not have many of these in this report")
		for _, path := range p.report.children {
			if name := path.end(p.report.root).Name; !slices.Contains(err.Choices, name) {
				err.Choices = append(err.Choices, name)
			}
		}
		return planCond{}, err
	}
	path, err := p.way(relation, via, ways, "more than one way leads to the relation; write \"via\" with the keys of one")
	if err != nil {
		return planCond{}, err
	}
	cond := planCond{kind: kind, path: path}
	if filters != 0 {
		cond.kids, err = p.conditionList(filters, path, depth+1)
	}
	return cond, err
}

// comparison reads {"column": …, "op": …, "value": …}.
func (p *reportParser) comparison(node int32, scope reportPath) (planCond, error) {
	var column, via, op, value int32
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		switch p.nodes[c].key {
		case "column":
			column = c
		case "via":
			via = c
		case "op":
			op = c
		case "value":
			value = c
		default:
			fields := reportCondFields
			if column != 0 {
				fields = reportLeafFields
			}
			return planCond{}, p.unknownField(c, fields)
		}
	}
	if column == 0 {
		return planCond{}, p.at(node, ReportField, "the field column is missing")
	}
	if op == 0 {
		return planCond{}, p.at(node, ReportField, "the field op is missing")
	}
	cond := planCond{}
	var err error
	if cond.col, cond.path, err = p.scoped(column, via, scope); err != nil {
		return cond, err
	}
	if cond.op, err = p.operator(op, cond.col.operators, "column"); err != nil {
		return cond, err
	}
	cond.args, err = p.operands(node, value, cond.op, cond.col.typ)
	return cond, err
}

// scoped finds a column of the scope's relation, or of one looked up from it.
func (p *reportParser) scoped(column, via int32, scope reportPath) (*reportColumn, reportPath, error) {
	if len(scope) == 0 || p.nodes[column].kind != jsonString || via != 0 {
		return p.checkScope(column, via, scope)
	}
	col := p.report.byName[p.nodes[column].text]
	if col == nil {
		return p.checkScope(column, via, scope)
	}
	var inside []reportPath
	for _, path := range col.paths {
		if path.down() == len(scope) && slices.Equal(path[:len(scope)].keys(), scope.keys()) {
			inside = append(inside, path)
		}
	}
	if len(inside) == 1 {
		return col, inside[0], nil
	}
	return p.checkScope(column, via, scope)
}

func (p *reportParser) checkScope(column, via int32, scope reportPath) (*reportColumn, reportPath, error) {
	col, path, err := p.column(column, via)
	if err != nil {
		return nil, nil, err
	}
	down := path.down()
	if down == len(scope) && slices.Equal(path[:down].keys(), scope.keys()) {
		return col, path, nil
	}
	message := "the condition is about " + scope.end(p.report.root).Name + " and the column is not one of it or of what it refers to"
	if len(scope) == 0 {
		message = "one row of " + p.report.root.Name + " has many of " + col.relation.Name +
			`: write {"has": {"relation": …, "filters": […]}} or has_no`
	}
	return nil, nil, p.at(column, ReportFanOut, message)
}

func (p *reportParser) operator(node int32, known []string, of string) (string, error) {
	if err := p.want(node, jsonString); err != nil {
		return "", err
	}
	if op := p.nodes[node].text; slices.Contains(known, op) {
		return op, nil
	}
	err := p.at(node, ReportType, "the operator does not exist or does not fit the "+of+"'s type")
	err.Choices = slices.Clone(known)
	return "", err
}

// operands reads the values of an operator and gives them names.
func (p *reportParser) operands(cond, value int32, op string, t reportType) ([]string, error) {
	if op == "is_null" || op == "not_null" {
		if value != 0 {
			return nil, p.at(value, ReportField, "the operator "+op+" has no value; leave the field out")
		}
		return nil, nil
	}
	if value == 0 {
		return nil, p.at(cond, ReportField, "the field value is missing")
	}
	if rel, ok := reportRelative[op]; ok {
		n, err := strconv.Atoi(p.nodes[value].text)
		if p.nodes[value].kind != jsonNumber || err != nil || n < 1 || n > reportMaxRelative {
			return nil, p.at(value, ReportType, "write how many, a whole number from 1 to 1200")
		}
		r := &relativeRange{unit: rel.unit, n: n, ahead: rel.ahead, typ: t, zone: p.plan.zone}
		return []string{p.arg(planArg{relative: r}), p.arg(planArg{relative: r, upper: true})}, nil
	}
	switch op {
	case "in", "not_in":
		return p.values(value, t)
	case "between":
		if p.nodes[value].kind != jsonArray || p.nodes[value].count != 2 {
			return nil, p.at(value, ReportType, "write the lowest and the highest value: an array of two")
		}
		low := p.nodes[value].first
		from, err := p.operand(low, t, false)
		if err != nil {
			return nil, err
		}
		to, err := p.operand(p.nodes[low].next, t, true)
		return []string{from, to}, err
	case "contains", "icontains", "starts_with":
		n := &p.nodes[value]
		v, why := t.value(n, p.plan.zone, dayStart)
		if why != "" {
			return nil, p.at(value, ReportType, why)
		}
		if v == "" {
			return nil, p.at(value, ReportType, "write the text to look for; an empty one would match every row")
		}
		return []string{p.arg(planArg{value: likePattern(v.(string), op)})}, nil
	case "eq", "ne":
		v, why := t.value(&p.nodes[value], p.plan.zone, dayRefused)
		if why != "" {
			return nil, p.wrongValue(value, why)
		}
		return []string{p.arg(planArg{value: v})}, nil
	}
	// A day stands for all of it: "up to Friday" includes Friday.
	name, err := p.operand(value, t, op == "le" || op == "gt")
	return []string{name}, err
}

func (p *reportParser) operand(node int32, t reportType, end bool) (string, error) {
	day := dayStart
	if end {
		day = dayEnd
	}
	v, why := t.value(&p.nodes[node], p.plan.zone, day)
	if why != "" {
		return "", p.wrongValue(node, why)
	}
	return p.arg(planArg{value: v}), nil
}

func (p *reportParser) wrongValue(node int32, why string) error {
	if p.nodes[node].kind == jsonNull {
		why = "null is not a value; use the operator is_null or not_null"
	}
	return p.at(node, ReportType, why)
}

// values reads a list. It is bound as one array of texts, so that the
// statement does not depend on the list's length.
func (p *reportParser) values(node int32, t reportType) ([]string, error) {
	if err := p.want(node, jsonArray); err != nil {
		return nil, err
	}
	if p.nodes[node].count == 0 {
		return nil, p.at(node, ReportType, "write at least one value; an empty list would match nothing or everything")
	}
	if p.nodes[node].count > reportMaxValues {
		return nil, p.at(node, ReportTooLarge, "more than 1000 values")
	}
	list := make([]string, 0, p.nodes[node].count)
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		v, why := t.value(&p.nodes[c], p.plan.zone, dayRefused)
		if why != "" {
			return nil, p.wrongValue(c, why)
		}
		if s, ok := v.(string); ok {
			list = append(list, s)
		} else {
			list = append(list, fmt.Sprint(v))
		}
	}
	return []string{p.arg(planArg{value: list})}, nil
}

// arg keeps a value under a name of its own.
func (p *reportParser) arg(a planArg) string {
	a.name = "v" + strconv.Itoa(len(p.plan.args)+1)
	p.plan.args = append(p.plan.args, a)
	return a.name
}

// likePattern escapes what LIKE reads as a wildcard.
func likePattern(text, op string) string {
	b := make([]byte, 0, len(text)+8)
	if op != "starts_with" {
		b = append(b, '%')
	}
	for i := range len(text) {
		if c := text[i]; c == '%' || c == '_' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, text[i])
	}
	return string(append(b, '%'))
}
