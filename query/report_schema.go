package query

import (
	"encoding/json"
	"maps"
	"slices"
)

// Schema is the JSON Schema (draft 7) of this report's specifications, for
// editors: it has the names, types and operators of the allow-list. It accepts
// every specification that Parse accepts. Parse refuses more: what a schema
// can't see, such as an ambiguous way, a day that does not exist, or a sum
// that would count rows twice.
func (r *Report) Schema() []byte {
	s := schemaWriter{report: r, definitions: schemaMap{}}
	doc := s.document()
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil { // maps of strings and numbers always can be written
		return nil
	}
	return append(text, '\n')
}

type schemaMap = map[string]any

type schemaWriter struct {
	report      *Report
	definitions schemaMap
}

func schemaRef(name string) schemaMap { return schemaMap{"$ref": "#/definitions/" + name} }

func schemaObject(required []string, properties schemaMap) schemaMap {
	o := schemaMap{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func schemaArray(items any, most int) schemaMap {
	return schemaMap{"type": "array", "items": items, "minItems": 1, "maxItems": most}
}

func schemaEnum[T any](values []T) schemaMap { return schemaMap{"enum": values} }

func schemaDescribed(m schemaMap, text string) schemaMap {
	m = maps.Clone(m)
	m["description"] = text
	return m
}

// document is the schema itself.
func (s *schemaWriter) document() schemaMap {
	r := s.report
	s.definitions["name"] = schemaMap{"type": "string", "minLength": 1, "maxLength": 200}
	s.definitions["via"] = schemaDescribed(schemaArray(schemaMap{"type": "string"}, 2*reportMaxSteps), "the keys on the way, when more than one way leads there")
	s.definitions["condition"] = s.conditions("condition", false)
	if s.some(true) {
		s.definitions["below"] = s.conditions("below", true)
		s.definitions["has"] = s.has()
	}
	dims, columns := s.items(true), s.items(false)
	p := schemaMap{
		"version":    schemaMap{"const": 1},
		"columns":    schemaDescribed(schemaArray(columns, reportMaxShown), "a list: the columns of each row"),
		"detail":     schemaDescribed(schemaArray(columns, reportMaxShown), "the columns of the list behind a group"),
		"dimensions": schemaDescribed(schemaArray(dims, reportMaxDims), "what to group by"),
		"drill":      schemaDescribed(schemaArray(dims, reportMaxDims), "what to group by next, level by level"),
		"measures":   schemaDescribed(schemaArray(s.measures(), reportMaxMeasures), "what to count"),
		"filters":    schemaDescribed(schemaArray(schemaRef("condition"), reportMaxConditions), "conditions on the rows; all must hold"),
		"having":     schemaDescribed(schemaArray(havingSchema(), reportMaxHaving), "conditions on the groups; all must hold"),
		"sort": schemaArray(schemaObject([]string{"item"}, schemaMap{
			"item": schemaRef("name"), "order": schemaEnum([]string{"asc", "desc"}),
		}), reportMaxSort),
		"totals":    schemaEnum(reportTotalsNames),
		"time_zone": schemaMap{"type": "string", "minLength": 1, "maxLength": 64, "description": "IANA time zone in which days begin"},
		"limit":     schemaMap{"type": "integer", "minimum": 1, "maximum": max(r.maxRows, r.maxGrps)},
	}
	grouped := []any{}
	for _, field := range []string{"detail", "dimensions", "drill", "having", "measures", "totals"} {
		grouped = append(grouped, schemaMap{"required": []string{field}})
	}
	doc := schemaObject(nil, p)
	doc["$schema"] = "http://json-schema.org/draft-07/schema#"
	doc["title"] = "report " + r.root.Name
	doc["definitions"] = s.definitions
	doc["oneOf"] = []any{
		schemaMap{
			"required":   []string{"columns"},
			"properties": schemaMap{"limit": schemaMap{"maximum": r.maxRows}},
			"not":        schemaMap{"anyOf": grouped},
		},
		schemaMap{
			"not":        schemaMap{"required": []string{"columns"}},
			"properties": schemaMap{"limit": schemaMap{"maximum": r.maxGrps}},
			"anyOf":      []any{schemaMap{"required": []string{"dimensions"}}, schemaMap{"required": []string{"measures"}}},
		},
	}
	return doc
}

// some tells whether the allow-list has a column of many rows, or of one.
func (s *schemaWriter) some(many bool) bool { return len(s.columns(many, reportType.known)) > 0 }

func (t reportType) known() bool { return true }

// columns lists the names of columns, those of many rows below the root or
// the others, whose type fits.
func (s *schemaWriter) columns(many bool, fits func(reportType) bool) []string {
	var names []string
	for _, col := range s.report.columns {
		if fits(col.typ) && slices.ContainsFunc(col.paths, func(p reportPath) bool { return p.down() > 0 == many }) {
			names = append(names, col.Name)
		}
	}
	return names
}

func (s *schemaWriter) items(dims bool) schemaMap {
	var forms []any
	add := func(columns []string, bucket bool) {
		if len(columns) == 0 {
			return
		}
		p := schemaMap{"column": schemaEnum(columns), "via": schemaRef("via"), "name": schemaRef("name")}
		required := []string{"column"}
		if bucket {
			p["bucket"] = schemaEnum(reportBucketNames)
			required = append(required, "bucket")
		}
		forms = append(forms, schemaObject(required, p))
	}
	if dims {
		add(s.columns(false, reportType.groupable), false)
	} else {
		add(s.columns(false, reportType.known), false)
	}
	add(s.columns(false, reportType.temporal), true)
	return schemaAnyOf(forms)
}

// schemaAnyOf of nothing accepts nothing.
func schemaAnyOf(forms []any) schemaMap {
	if len(forms) == 0 {
		return schemaMap{"not": schemaMap{}}
	}
	return schemaMap{"anyOf": forms}
}

func (s *schemaWriter) measures() schemaMap {
	filters := []any{schemaArray(schemaRef("condition"), reportMaxConditions)}
	if s.some(true) {
		filters = append(filters, schemaArray(schemaRef("below"), reportMaxConditions))
	}
	common := func(p schemaMap) schemaMap {
		p["name"], p["filters"] = schemaRef("name"), schemaAnyOf(filters)
		return p
	}
	forms := []any{schemaObject([]string{"fn"}, common(schemaMap{"fn": schemaEnum([]string{"count"})}))}
	byFunctions := map[string][]string{} // columns by their functions, so that editors offer what fits
	for _, col := range s.report.columns {
		key, _ := json.Marshal(slices.DeleteFunc(slices.Clone(col.functions), func(fn string) bool { return fn == "percentile" }))
		byFunctions[string(key)] = append(byFunctions[string(key)], col.Name)
		if slices.Contains(col.functions, "percentile") {
			byFunctions[`["percentile"]`] = append(byFunctions[`["percentile"]`], col.Name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(byFunctions)) {
		p := common(schemaMap{"fn": schemaMap{"enum": json.RawMessage(key)}, "column": schemaEnum(byFunctions[key]), "via": schemaRef("via")})
		required := []string{"fn", "column"}
		if key == `["percentile"]` {
			p["p"] = schemaMap{"type": "number", "minimum": 0, "maximum": 1}
			required = append(required, "p")
		}
		if key != "[]" {
			forms = append(forms, schemaObject(required, p))
		}
	}
	return schemaAnyOf(forms)
}

func havingSchema() schemaMap {
	scalar := schemaMap{"type": []string{"string", "number", "boolean"}}
	item := func(ops []string, value any) schemaMap {
		p := schemaMap{"item": schemaRef("name"), "op": schemaEnum(ops)}
		required := []string{"item", "op"}
		if value != nil {
			p["value"] = value
			required = append(required, "value")
		}
		return schemaObject(required, p)
	}
	return schemaAnyOf([]any{
		item([]string{"eq", "ne", "lt", "le", "gt", "ge"}, scalar),
		item([]string{"between"}, schemaMap{"type": "array", "items": scalar, "minItems": 2, "maxItems": 2}),
		item([]string{"is_null", "not_null"}, nil),
	})
}
