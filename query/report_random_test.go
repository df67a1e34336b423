package query_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"
	"pgregory.net/rapid"

	"github.com/septum-go/septum/query"
)

// specGenerator draws specifications that are mostly right and sometimes not.
type specGenerator struct{ *rapid.T }

func (g specGenerator) one(options ...any) any { return rapid.SampledFrom(options).Draw(g.T, "one") }

func (g specGenerator) rarely() bool { return rapid.IntRange(0, 39).Draw(g.T, "rarely") == 0 }

func (g specGenerator) list(most int, draw func() any) []any {
	var out []any
	for range rapid.IntRange(1, most).Draw(g.T, "n") {
		out = append(out, draw())
	}
	return out
}

func (g specGenerator) value(column string) any {
	if g.rarely() {
		return g.one(nil, "x' or 1=1 --", -1, []any{}, true, 1e300, "2026-13-01")
	}
	switch column {
	case "days", "charges.units":
		return rapid.IntRange(-3, 40).Draw(g.T, "int")
	case "patients.balance", "charges.amount":
		return g.one("10.25", 100, -3.5, 0, "99999999999999999999")
	case "patients.height", "observations.value":
		return g.one(17, 160.5, -1e5, 1e-7)
	case "urgent":
		return g.one(true, false)
	case "ref":
		return g.one("00000000-0000-4000-8000-000000000001", "AAAAAAAA-0000-4000-8000-000000000002")
	case "patients.born", "charges.billed_on":
		return g.one("1960-05-05", "2026-01-01", "0001-01-01")
	case "recorded":
		return g.one("2026-01-05T11:00:00", "2026-01-03T00:00:00")
	case "admitted_at":
		return g.one("2025-06-01T12:00:00+02:00", "2025-06-01T00:00:00.5Z")
	}
	return g.one("finished", "planned", "Patient 3", "LAB", "%", "\\", "é", "Blood")
}

var (
	rootColumns  = []any{"status", "admitted_at", "recorded", "urgent", "ref", "days", "patients.name", "patients.born", "patients.balance", "patients.height", "wards.name", "attending"}
	childColumns = map[string][]any{"charges": {"charges.code", "charges.amount", "charges.units", "charges.billed_on", "code_title"}, "observations": {"observations.value"}}
)

func (g specGenerator) comparison(columns []any) any {
	column := g.one(columns...).(string)
	if g.rarely() {
		column = g.one("practitioners.name", "tenant_id", "charges.amount", "nothing").(string)
	}
	ops := []any{"eq", "ne", "in", "not_in", "lt", "le", "gt", "ge", "between", "is_null", "not_null"}
	switch column {
	case "urgent":
		ops = []any{"eq", "ne", "is_null"}
	case "ref":
		ops = []any{"eq", "ne", "in", "not_in", "is_null"}
	case "patients.height", "observations.value":
		ops = ops[4:]
	case "admitted_at", "recorded":
		ops = append(ops[4:], "last_n_days", "last_n_months", "next_n_weeks")
	case "patients.born", "charges.billed_on":
		ops = append(ops, "last_n_days", "last_n_months", "next_n_weeks")
	case "days", "charges.units", "patients.balance", "charges.amount":
	default:
		ops = append(ops, "contains", "icontains", "starts_with")
	}
	op := g.one(ops...).(string)
	c := map[string]any{"column": column, "op": op}
	switch op {
	case "is_null", "not_null":
	case "in", "not_in":
		c["value"] = g.list(3, func() any { return g.value(column) })
	case "between":
		c["value"] = []any{g.value(column), g.value(column)}
	case "last_n_days", "last_n_months", "next_n_weeks":
		c["value"] = rapid.IntRange(1, 400).Draw(g.T, "n")
	default:
		c["value"] = g.value(column)
	}
	return c
}

func (g specGenerator) condition(columns []any, root bool, depth int) any {
	kind := rapid.IntRange(0, 7).Draw(g.T, "kind")
	switch {
	case kind <= 1 && depth > 0:
		return map[string]any{g.one("any", "all").(string): g.list(3, func() any { return g.condition(columns, root, depth-1) })}
	case kind == 2 && root:
		relation := g.one("charges", "observations").(string)
		has := map[string]any{"relation": relation}
		if rapid.Bool().Draw(g.T, "filtered") {
			has["filters"] = g.list(2, func() any { return g.condition(childColumns[relation], false, depth-1) })
		}
		return map[string]any{g.one("has", "has_no").(string): has}
	}
	return g.comparison(columns)
}

func (g specGenerator) item(dim bool) any {
	column := g.one(rootColumns...).(string)
	item := map[string]any{"column": column}
	if g.rarely() {
		item = map[string]any{"column": "practitioners.name", "via": []any{"encounters.referring_id"}}
	}
	if rapid.IntRange(0, 3).Draw(g.T, "bucket") > 0 && (column == "admitted_at" || column == "recorded" || column == "patients.born") {
		item["bucket"] = g.one("day", "week", "month", "quarter", "year")
	}
	item["name"] = rapid.StringMatching(`[a-z"';é]{4,6}`).Draw(g.T, "name")
	return item
}

func (g specGenerator) measure() any {
	m := map[string]any{"fn": "count"}
	columns := rootColumns
	root := true
	switch rapid.IntRange(0, 3).Draw(g.T, "of") {
	case 0:
	case 1:
		relation := g.one("charges", "observations").(string)
		columns, root = childColumns[relation], false
		m["column"], m["fn"] = "observations.value", g.one("sum", "count", "min", "max", "avg")
		if relation == "charges" {
			m["column"] = g.one("charges.amount", "charges.units")
		}
	default:
		column := g.one(columns...)
		m["column"] = column
		m["fn"] = g.one("min", "max", "count_distinct")
		switch column {
		case "urgent", "ref", "patients.name":
			m["fn"] = "count_distinct"
		case "days", "patients.height":
			m["fn"] = g.one("sum", "count", "min", "max", "avg", "median", "count_distinct", "percentile")
		}
		if m["fn"] == "percentile" {
			m["p"] = g.one(0, 0.5, 0.99, 1)
		}
	}
	if rapid.Bool().Draw(g.T, "filtered") {
		m["filters"] = g.list(2, func() any { return g.condition(columns, root, 1) })
	}
	m["name"] = rapid.StringMatching(`[A-Z]{4,6}`).Draw(g.T, "name")
	return m
}

// having fits a number, which most measures are.
func (g specGenerator) having() []any {
	h := map[string]any{"item": "first", "op": g.one("ge", "lt", "is_null", "not_null", "between")}
	switch h["op"] {
	case "ge", "lt":
		h["value"] = g.one(2, 10)
	case "between":
		h["value"] = []any{1, g.one(5, 500)}
	}
	return []any{h}
}

func (g specGenerator) spec() []byte {
	spec := map[string]any{}
	if rapid.IntRange(0, 3).Draw(g.T, "listing") == 0 {
		spec["columns"] = g.list(4, func() any { return g.item(false) })
	} else {
		if rapid.IntRange(0, 4).Draw(g.T, "grouped") > 0 {
			spec["dimensions"] = g.list(3, func() any { return g.item(true) })
			spec["totals"] = g.one("none", "grand", "levels")
		}
		spec["measures"] = g.list(3, g.measure)
		if rapid.IntRange(0, 3).Draw(g.T, "having") == 0 {
			m := spec["measures"].([]any)[0].(map[string]any)
			m["name"] = "first"
			spec["having"] = g.having()
			spec["sort"] = []any{map[string]any{"item": "first", "order": g.one("asc", "desc")}}
		}
	}
	if rapid.Bool().Draw(g.T, "filtered") {
		spec["filters"] = g.list(3, func() any { return g.condition(rootColumns, true, 2) })
	}
	if rapid.IntRange(0, 3).Draw(g.T, "limited") == 0 && spec["totals"] != "levels" {
		spec["limit"] = rapid.IntRange(1, 500).Draw(g.T, "limit")
	}
	if rapid.Bool().Draw(g.T, "zoned") {
		spec["time_zone"] = g.one("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC")
	}
	if g.rarely() {
		spec[rapid.StringMatching(`[a-z]{1,8}`).Draw(g.T, "field")] = 1
	}
	text, err := json.Marshal(spec)
	require.NoError(g.T, err)
	return text
}

// Whatever a user composes is refused with its path, or is a statement that
// PostgreSQL runs and whose answer for one hospital does not depend on what
// stands in the tables for another (J01, J04, J06). The schema for editors
// never refuses what is accepted.
func TestReportRandom(t *testing.T) {
	t.Parallel()
	alone := reportDatabase(t, "")
	together := reportDatabase(t, "call hospital(2, 19, 3); call hospital(3, 5, 7);")
	tc, r := reportTenant(t, "1"), query.EncountersReport(t)
	schema, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(r.Schema()))
	require.NoError(t, err)
	accepted, refused, rows := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		body := specGenerator{t}.spec()
		q, err := r.Parse(body)
		if err != nil {
			var e *query.ReportError
			require.ErrorAs(t, err, &e)
			require.NotEqual(t, query.ReportUnproved, e.Reason, "%v\n%s", err, body)
			require.NotEmpty(t, e.Path, "%v\n%s", err, body)
			require.Empty(t, e.Err)
			refused++
			return
		}
		accepted++
		valid, err := schema.Validate(gojsonschema.NewBytesLoader(body))
		require.NoError(t, err)
		require.True(t, valid.Valid(), "%s\n%v", body, valid.Errors())

		want, err := runReport(t, alone, tc, q)
		if err != nil {
			var e *query.ReportError
			require.ErrorAs(t, err, &e, "%s\n%s", body, q.Statement().SQL())
			require.Equal(t, "/limit", e.Path)
		}
		got, err2 := runReport(t, together, tc, q)
		require.Equal(t, err, err2)
		if want != nil && len(want.Rows) > 0 {
			rows++
		}
		require.Equal(t, reportJSON(t, want), reportJSON(t, got), "%s\n%s", body, q.Statement().SQL())
	})
	t.Logf("%d accepted, %d refused", accepted, refused)
	require.Greater(t, rows, accepted/4, "the accepted ones show something")
	require.Greater(t, accepted, refused/2, "the generator draws what is accepted: %d accepted, %d refused", accepted, refused)
}
