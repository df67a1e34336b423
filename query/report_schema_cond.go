package query

import (
	"maps"
	"slices"
)

// conditions is the schema of a condition on the root's rows, or on the many
// rows below one. It refers to itself by its name.
func (s *schemaWriter) conditions(name string, many bool) schemaMap {
	list := schemaArray(schemaRef(name), reportMaxConditions)
	forms := []any{schemaObject([]string{"any"}, schemaMap{"any": list}), schemaObject([]string{"all"}, schemaMap{"all": list})}
	if !many && s.some(true) {
		forms = append(forms,
			schemaObject([]string{"has"}, schemaMap{"has": schemaRef("has")}), schemaObject([]string{"has_no"}, schemaMap{"has_no": schemaRef("has")}))
	}
	types := map[string]reportType{}
	for _, col := range s.report.columns {
		types[col.typ.sql] = col.typ
	}
	for _, sql := range slices.Sorted(maps.Keys(types)) {
		t := types[sql]
		columns := s.columns(many, func(other reportType) bool { return other == t })
		if len(columns) > 0 {
			forms = append(forms, comparisons(t, columns)...)
		}
	}
	return schemaAnyOf(forms)
}

func (s *schemaWriter) has() schemaMap {
	var names []string
	for _, path := range s.report.children {
		if name := path.end(s.report.root).Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return schemaObject([]string{"relation"}, schemaMap{
		"relation": schemaEnum(names), "via": schemaRef("via"), "filters": schemaArray(schemaRef("below"), reportMaxConditions),
	})
}

// comparisons gives one schema for each form that the value can have.
func comparisons(t reportType, columns []string) []any {
	one, day := valueSchema(t), rangeSchema(t)
	values := []struct {
		ops   []string
		value any
	}{
		{[]string{"is_null", "not_null"}, nil},
		{[]string{"eq", "ne"}, one},
		{[]string{"lt", "le", "gt", "ge"}, day},
		{[]string{"between"}, schemaMap{"type": "array", "items": day, "minItems": 2, "maxItems": 2}},
		{[]string{"in", "not_in"}, schemaArray(one, reportMaxValues)},
		{[]string{"contains", "icontains", "starts_with"}, schemaMap{"type": "string", "minLength": 1}},
		{slices.Sorted(maps.Keys(reportRelative)), schemaMap{"type": "integer", "minimum": 1, "maximum": reportMaxRelative}},
	}
	known := t.operators()
	var forms []any
	for _, v := range values {
		ops := slices.DeleteFunc(v.ops, func(op string) bool { return !slices.Contains(known, op) })
		if len(ops) == 0 {
			continue
		}
		p := schemaMap{"column": schemaEnum(columns), "via": schemaRef("via"), "op": schemaEnum(ops)}
		required := []string{"column", "op"}
		if v.value != nil {
			p["value"] = v.value
			required = append(required, "value")
		}
		forms = append(forms, schemaObject(required, p))
	}
	return forms
}

const (
	dayPattern  = `[0-9]{4}-[0-9]{2}-[0-9]{2}`
	timePattern = dayPattern + `T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?`
	zonePattern = `(Z|[+-][0-9]{2}:[0-9]{2})`
)

// valueSchema is how one value is written.
func valueSchema(t reportType) schemaMap {
	text := func(pattern string) schemaMap { return schemaMap{"type": "string", "pattern": "^" + pattern + "$"} }
	// JavaScript editors can't hold a bigint or a numeric in a number.
	number := func(kind, digits string) schemaMap {
		return schemaMap{"anyOf": []any{schemaMap{"type": kind}, text(digits)}}
	}
	switch t.family {
	case famText:
		return schemaMap{"type": "string", "maxLength": reportMaxText}
	case famBool:
		return schemaMap{"type": "boolean"}
	case famUUID:
		return text(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
	case famInt:
		return number("integer", `-?[0-9]+`)
	case famDate:
		return text(dayPattern)
	case famTimestamp:
		return text(timePattern)
	case famInstant:
		return text(timePattern + zonePattern)
	}
	return number("number", `-?[0-9]+(\.[0-9]+)?`)
}

// rangeSchema also takes a day where the column holds times.
func rangeSchema(t reportType) schemaMap {
	one := valueSchema(t)
	if t.family != famTimestamp && t.family != famInstant {
		return one
	}
	return schemaMap{"anyOf": []any{one, schemaMap{"type": "string", "pattern": "^" + dayPattern + "$"}}}
}
