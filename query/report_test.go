package query

import (
	"errors"
	"flag"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateReports = flag.Bool("update-reports", false, "write testdata/report_statements.golden")

func TestReportAccepts(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	var golden strings.Builder
	for _, example := range reportExamples(t, "report_accept.json") {
		q, err := r.Parse(example.Spec)
		require.NoError(t, err, example.Name)
		require.ElementsMatch(t, q.Statement().Params(), keys(q.Args()), "%s: the arguments are those of the statement", example.Name)
		golden.WriteString("-- " + example.Name + "\n" + q.Statement().SQL() + "\n\n")
	}
	const file = "testdata/report_statements.golden"
	if *updateReports {
		require.NoError(t, os.WriteFile(file, []byte(golden.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), golden.String(), "run the test with -update-reports and read the difference")
}

func keys(args Args) []string {
	var names []string
	for name := range args {
		names = append(names, name)
	}
	return names
}

func TestReportRefuses(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	for _, example := range reportExamples(t, "report_refuse.json") {
		t.Run(example.Name, func(t *testing.T) {
			_, err := r.Parse(example.Spec)
			var refused *ReportError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, example.Path, refused.Path, err)
			require.Equal(t, example.Reason, refused.Reason, err)
			require.NotEmpty(t, refused.Message)
			if example.Choices != nil {
				require.Equal(t, example.Choices, refused.Choices)
			}
		})
	}
}

// The statement may hold identifiers of the catalog and words of the package;
// nothing that the user wrote gets into it.
func TestReportStatementHoldsNothingOfTheUser(t *testing.T) {
	t.Parallel()
	q, err := encountersReport(t).Parse([]byte(`{"dimensions": [{"column": "status", "name": "zzname"}], "time_zone": "Europe/Vienna",
		"measures": [{"fn": "count", "name": "zzcount"}, {"fn": "percentile", "column": "days", "p": 0.98765}],
		"filters": [{"column": "status", "op": "in", "value": ["zzvalue"]}, {"column": "days", "op": "gt", "value": 98765}],
		"having": [{"item": "zzcount", "op": "gt", "value": 56789}], "sort": [{"item": "zzname"}], "limit": 345}`))
	require.NoError(t, err)
	for _, mine := range []string{"zz", "Vienna", "98765", "56789", "345"} {
		require.NotContains(t, q.Statement().SQL(), mine)
	}
}

// The prover judges reports like every other statement: without any one of the
// predicates that the builder adds, each of them is refused.
func TestReportWithoutAPredicate(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	for _, example := range reportExamples(t, "report_accept.json") {
		q, err := r.Parse(example.Spec)
		require.NoError(t, err)
		predicates := strings.Count(q.Statement().SQL(), `"tenant_id" = $1`)
		require.Positive(t, predicates)
		for drop := 1; drop <= predicates; drop++ {
			_, err := buildDropping(r.catalog, q.builder(), drop)
			require.ErrorIs(t, err, ErrRefused, "%s without predicate %d", example.Name, drop)
		}
	}
}

// Equal shapes share a statement; a cached one is what would be built anew.
func TestReportShapes(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	parse := func(spec string) *ReportQuery {
		q, err := r.Parse([]byte(spec))
		require.NoError(t, err)
		return q
	}
	one := parse(`{"measures":[{"fn":"count"}],"filters":[{"column":"days","op":"in","value":[1]}],"limit":3}`)
	other := parse(`{"measures":[{"fn":"count"}],"filters":[{"column":"days","op":"in","value":[1,2,3]}],"time_zone":"Asia/Tokyo"}`)
	require.Same(t, one.Statement(), other.Statement())
	for _, spec := range []string{
		`{"measures":[{"fn":"count"}],"filters":[{"column":"days","op":"not_in","value":[1]}]}`,
		`{"measures":[{"fn":"count"}],"filters":[{"any":[{"column":"days","op":"in","value":[1]}]}]}`,
		`{"measures":[{"fn":"count","filters":[{"column":"days","op":"in","value":[1]}]}]}`,
		`{"dimensions":[{"column":"days"}],"measures":[{"fn":"count"}],"filters":[{"column":"days","op":"in","value":[1]}]}`,
	} {
		q := parse(spec)
		fresh, err := q.build()
		require.NoError(t, err)
		require.Equal(t, fresh.SQL(), q.Statement().SQL())
	}
	// A text that looks like the fields behind it is still a text.
	count := parse(`{"measures":[{"fn":"count","name":"q1:column31:days"}]}`)
	days := parse(`{"measures":[{"fn":"count","name":"q","column":"days"}]}`)
	require.NotEqual(t, count.Statement().SQL(), days.Statement().SQL())
	for i := range 2 * reportMaxShapes {
		parse(`{"measures":[{"fn":"count","name":"` + strings.Repeat("n", 1+i%190) + strings.Repeat("m", i/190) + `"}]}`)
	}
	require.LessOrEqual(t, len(r.shapes.m), reportMaxShapes, "users must not fill the memory")
}

func TestReportDefinition(t *testing.T) {
	t.Parallel()
	catalog := encountersReport(t).catalog
	good := encountersConfig()
	tests := []struct {
		name, path string
		change     func(*ReportConfig)
	}{
		{"unknown root", "Root", func(c *ReportConfig) { c.Root = "secrets" }},
		{"no columns", "Columns", func(c *ReportConfig) { c.Columns = nil }},
		{"unknown column", "Columns[0]", func(c *ReportConfig) { c.Columns[0] = ReportColumn{Column: "pin"} }},
		{"unknown relation", "Columns[0]", func(c *ReportConfig) { c.Columns[0] = ReportColumn{Column: "secrets.pin"} }},
		{"SQL", "Columns[0]", func(c *ReportConfig) { c.Columns[0] = ReportColumn{Column: "status) from x --"} }},
		{"type that can't be shown", "Columns[0]", func(c *ReportConfig) { c.Columns[0] = ReportColumn{Column: "notes"} }},
		{"another type", "Columns[0]", func(c *ReportConfig) { c.Columns[0].Type = "date" }},
		{"name twice", "Columns[1]", func(c *ReportConfig) { c.Columns[1].Name = "status" }},
		{"unprintable label", "Columns[0]", func(c *ReportConfig) { c.Columns[0].Label = "a\x00" }},
		{"function that does not fit", "Columns[0]", func(c *ReportConfig) { c.Columns[0].Functions = []string{"sum"} }},
		{"unknown key", "Columns[0]", func(c *ReportConfig) { c.Columns[0].Via = []string{"encounters.secret_id"} }},
		{"key to elsewhere", "Columns[0]", func(c *ReportConfig) { c.Columns[0].Via = []string{"encounters.ward_id"} }},
		{"up and down again", "Columns[0]", func(c *ReportConfig) {
			c.Columns[0] = ReportColumn{Column: "encounters.status", Via: []string{"encounters.ward_id", "encounters.ward_id"}}
		}},
		{"path to elsewhere", "Paths[wards]", func(c *ReportConfig) { c.Paths = map[string][]string{"wards": {"encounters.patient_id"}} }},
		{"zone", "Zone", func(c *ReportConfig) { c.Zone = "Mars/Olympus" }},
		{"cap", "MaxRows", func(c *ReportConfig) { c.MaxGroups = 1_000_000 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := good
			config.Columns = append([]ReportColumn(nil), good.Columns...)
			tt.change(&config)
			_, err := NewReport(catalog, config)
			var refused *ReportError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.path, refused.Path, err)
			require.Equal(t, ReportBadConfig, refused.Reason)
		})
	}
	_, err := NewReport(nil, good)
	require.Error(t, err)
	_, err = (*Report)(nil).Parse([]byte(`{}`))
	require.Error(t, err)
}

// Paths settles for a whole relation what would be ambiguous.
func TestReportPaths(t *testing.T) {
	t.Parallel()
	config := encountersConfig()
	config.Paths = map[string][]string{"practitioners": {"encounters.referring_id"}}
	r, err := NewReport(encountersReport(t).catalog, config)
	require.NoError(t, err)
	q, err := r.Parse([]byte(`{"dimensions": [{"column": "practitioners.name"}]}`))
	require.NoError(t, err)
	require.Contains(t, q.Statement().SQL(), `"referring_id"`)
}

// The way down may have several steps: charges of a patient's encounters.
func TestReportManyStepsDown(t *testing.T) {
	t.Parallel()
	r, err := NewReport(encountersReport(t).catalog, ReportConfig{Root: "patients", Columns: []ReportColumn{
		{Column: "sex"}, {Column: "charges.amount"}, {Column: "encounters.days"},
	}})
	require.NoError(t, err)
	q, err := r.Parse([]byte(`{"dimensions": [{"column": "sex"}], "measures": [{"fn": "sum", "column": "charges.amount"}],
		"filters": [{"has": {"relation": "charges", "filters": [{"column": "charges.amount", "op": "gt", "value": 5}]}}]}`))
	require.NoError(t, err)
	require.Contains(t, q.Statement().SQL(), `group by`)
}

func TestReportErrorText(t *testing.T) {
	t.Parallel()
	_, err := encountersReport(t).Parse([]byte(`{"measures": [{"fn": "count"}], "filters": [{"column": "days", "op": "eq", "value": "sekret"}]}`))
	require.EqualError(t, err, "query: report: /filters/0/value: the column is a number: write a number")
	_, err = encountersReport(t).Parse([]byte(`{"dimensions": [{"column": "practitioners.name"}]}`))
	require.EqualError(t, err, `query: report: /dimensions/0/column: more than one way leads to the column's relation; `+
		`write "via" with the keys of one (choices: encounters.attending_id; encounters.referring_id)`)
	beneath := errors.New("beneath")
	require.ErrorIs(t, &ReportError{Err: beneath}, beneath)
}

// One report serves all requests.
func TestReportConcurrent(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	examples := reportExamples(t, "report_accept.json")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for _, example := range examples {
				q, err := r.Parse(example.Spec)
				if err != nil || len(q.Args()) != len(q.Statement().Params()) || len(q.Items()) == 0 {
					t.Error(example.Name, err)
				}
			}
		})
	}
	wait.Wait()
}

// The largest specification that the bounds let through still has a statement.
func TestReportLargest(t *testing.T) {
	t.Parallel()
	dims, measures, filters := []string{}, []string{}, []string{}
	for i := range reportMaxDims {
		dims = append(dims, `{"column": "admitted_at", "bucket": "day", "name": "d`+strconv.Itoa(i)+`"}`)
	}
	for i := range reportMaxMeasures {
		measures = append(measures, `{"fn": "avg", "column": "charges.amount", "name": "m`+strconv.Itoa(i)+`", "filters": [{"column": "code_title", "op": "icontains", "value": "x"}]}`)
	}
	for range (reportMaxConditions - reportMaxMeasures) / 2 {
		filters = append(filters, `{"has": {"relation": "charges", "filters": [{"column": "charges.amount", "op": "between", "value": [1, 2]}]}}`)
	}
	spec := `{"dimensions": [` + strings.Join(dims, ",") + `], "measures": [` + strings.Join(measures, ",") + `], "filters": [` + strings.Join(filters, ",") + `], "totals": "levels"}`
	_, err := encountersReport(t).Parse([]byte(spec))
	require.NoError(t, err)
	_, err = encountersReport(t).Parse([]byte(strings.Replace(spec, `"filters": [{"has"`, `"filters": [{"column": "days", "op": "gt", "value": 1}, {"has"`, 1)))
	var refused *ReportError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, ReportTooLarge, refused.Reason)
}
