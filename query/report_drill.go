package query

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Drill gives the specification of what lies behind a row: the next level of
// the specification's drill path, or, at its end, the list of the root's rows
// with the columns of detail. Values are the row's dimensions by name, as
// [ReportQuery.Dimensions] gives them or as they came back from a browser; a
// dimension that is left out is not narrowed, as for a total.
//
// The result is a specification like any other and is checked like any other
// when it is parsed, so it may go to the browser and come back.
func (q *ReportQuery) Drill(values map[string]any) ([]byte, error) {
	if q.plan.columns != nil {
		return nil, &ReportError{Path: "/columns", Reason: ReportField, Message: "a list has nothing behind its rows"}
	}
	spec := drillSpec{Zone: q.plan.zone.String(), Filters: q.doc.elements(q.plan.nodes.filters)}
	used := 0
	for _, item := range q.plan.dims {
		value, ok := values[item.name]
		if !ok {
			continue
		}
		used++
		filters, err := q.narrow(item, value)
		if err != nil {
			return nil, err
		}
		spec.Filters = append(spec.Filters, filters...)
	}
	if used != len(values) {
		return nil, &ReportError{Path: "/dimensions", Reason: ReportUnknown, Message: "a value is given for a dimension that the report does not have"}
	}
	levels := q.doc.elements(q.plan.nodes.drill)
	if len(levels) == 0 {
		spec.Columns = q.detail()
		return json.Marshal(spec)
	}
	spec.Dimensions, spec.Drill = levels[:1], levels[1:]
	spec.Measures = q.doc.elements(q.plan.nodes.measures)
	spec.Detail = q.doc.elements(q.plan.nodes.detail)
	if q.plan.totals != totalsNone {
		spec.Totals = reportTotalsNames[q.plan.totals]
	}
	for _, s := range q.plan.sort {
		if s.measure {
			order := "asc"
			if s.desc {
				order = "desc"
			}
			spec.Sort = append(spec.Sort, map[string]string{"item": q.plan.measures[s.index].name, "order": order})
		}
	}
	return json.Marshal(spec)
}

type drillSpec struct {
	Columns    []json.RawMessage   `json:"columns,omitempty"`
	Dimensions []json.RawMessage   `json:"dimensions,omitempty"`
	Measures   []json.RawMessage   `json:"measures,omitempty"`
	Filters    []json.RawMessage   `json:"filters,omitempty"`
	Sort       []map[string]string `json:"sort,omitempty"`
	Totals     string              `json:"totals,omitempty"`
	Zone       string              `json:"time_zone,omitempty"`
	Drill      []json.RawMessage   `json:"drill,omitempty"`
	Detail     []json.RawMessage   `json:"detail,omitempty"`
}

// elements gives the texts of an array's elements.
func (d *jsonDoc) elements(node int32) []json.RawMessage {
	if node == 0 {
		return nil
	}
	var out []json.RawMessage
	for c := d.nodes[node].first; c != 0; c = d.nodes[c].next {
		out = append(out, json.RawMessage(d.src[d.nodes[c].start:d.nodes[c].end]))
	}
	return out
}

// detail is what the specification says, or every column of the root.
func (q *ReportQuery) detail() []json.RawMessage {
	if given := q.doc.elements(q.plan.nodes.detail); given != nil {
		return given
	}
	var out []json.RawMessage
	for _, col := range q.report.columns {
		if len(col.paths) == 1 && len(col.paths[0]) == 0 && len(out) < reportMaxShown {
			out = append(out, mustJSON(map[string]string{"column": col.Name}))
		}
	}
	if out == nil { // the report opens no column of the root; its dimensions it does
		for _, item := range q.plan.dims {
			out = append(out, mustJSON(drillCondition{Column: item.col.Name, Via: item.via()}))
		}
	}
	return out
}

// drillCondition is a filter or an item in JSON.
type drillCondition struct {
	Column string   `json:"column"`
	Via    []string `json:"via,omitempty"`
	Op     string   `json:"op,omitempty"`
	Value  any      `json:"value,omitempty"`
}

func (i planItem) via() []string {
	if len(i.col.paths) == 1 {
		return nil
	}
	return i.path.keys()
}

// mustJSON writes what always can be written: strings and numbers.
func mustJSON(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // Parse refuses it with its path
	}
	return text
}

// narrow is the filter for the rows of one group.
func (q *ReportQuery) narrow(item planItem, value any) ([]json.RawMessage, error) {
	c := drillCondition{Column: item.col.Name, Via: item.via(), Op: "is_null"}
	value, err := plainValue(value)
	if err != nil {
		return nil, &ReportError{Path: q.doc.path(item.node), Reason: ReportType, Message: "the value given for the dimension is not one that the report gave", Err: err}
	}
	if value == nil {
		return []json.RawMessage{mustJSON(c)}, nil
	}
	if item.bucket != "" {
		return q.bucket(c, item, value)
	}
	c.Op = "eq"
	if text, ok := value.(string); ok && item.col.typ.temporal() { // as encoding/json writes time.Time
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			value = at
		}
	}
	switch v := value.(type) {
	case time.Time:
		c.Value = v.Format(map[reportFamily]string{
			famDate: time.DateOnly, famTimestamp: "2006-01-02T15:04:05.999999", famInstant: time.RFC3339Nano,
		}[item.col.typ.family])
	default:
		c.Value = value
	}
	return []json.RawMessage{mustJSON(c)}, nil
}

// bucket opens one day, week, month, quarter or year again.
func (q *ReportQuery) bucket(c drillCondition, item planItem, value any) ([]json.RawMessage, error) {
	first, ok := value.(time.Time)
	if text, is := value.(string); is {
		text, _, _ = strings.Cut(text, "T") // a date as encoding/json writes time.Time
		var err error
		first, err = time.Parse(time.DateOnly, text)
		ok = err == nil
	}
	if !ok {
		return nil, &ReportError{Path: q.doc.path(item.node), Reason: ReportType, Message: "the value given for a bucket is its first day, as 2006-01-02"}
	}
	years, months, days := 0, 0, 0
	switch item.bucket {
	case "day":
		days = 1
	case "week":
		days = 7
	case "month":
		months = 1
	case "quarter":
		months = 3
	default:
		years = 1
	}
	from, to := c, c
	from.Op, from.Value = "ge", first.Format(time.DateOnly)
	to.Op, to.Value = "lt", first.AddDate(years, months, days).Format(time.DateOnly)
	return []json.RawMessage{mustJSON(from), mustJSON(to)}, nil
}

// plainValue turns what a driver or a JSON decoder gives into what a
// specification can hold.
func plainValue(value any) (any, error) {
	if v, ok := value.(driver.Valuer); ok {
		plain, err := v.Value()
		if err != nil {
			return nil, err
		}
		value = plain
	}
	switch v := value.(type) {
	case nil, string, bool, time.Time, int64, json.Number:
		return v, nil
	case int, int16, int32:
		return v, nil
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return fmt.Sprint(v), nil
		}
		return int64(v), nil
	}
	return nil, fmt.Errorf("values of type %T are not known", value)
}
