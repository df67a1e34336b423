package query_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// reportDatabase has hospital 1, always the same, and what else says. No
// policy stands behind the statements: they are the only wall in these tests.
func reportDatabase(t testing.TB, others string) *pgx.Conn {
	t.Helper()
	schema, err := os.ReadFile("testdata/report_schema.sql")
	require.NoError(t, err)
	return rlstest.New(t, rlstest.Schema(string(schema)), rlstest.Seed(`call hospital(1, 12, 1); `+others)).Owner(t)
}

func reportTenant(t testing.TB, id string) tenant.Context {
	t.Helper()
	parsed, err := tenant.ParseID(id)
	require.NoError(t, err)
	tc, err := tenant.Bind(t.Context(), tenant.Principal{Tenant: parsed, Subject: "test"})
	require.NoError(t, err)
	return tc
}

func runReport(t require.TestingT, conn *pgx.Conn, tc tenant.Context, q *query.ReportQuery) (*query.ReportResult, error) {
	args, err := q.Statement().Bind(tc, q.Args())
	require.NoError(t, err)
	rows, err := conn.Query(context.Background(), q.Statement().SQL(), args...)
	require.NoError(t, err)
	defer rows.Close()
	return q.Collect(rows)
}

func reportJSON(t require.TestingT, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestReportExamplesRun(t *testing.T) {
	t.Parallel()
	conn := reportDatabase(t, "")
	r := query.EncountersReport(t)
	for _, example := range query.ReportExamples(t, "report_accept.json") {
		q, err := r.Parse(example.Spec)
		require.NoError(t, err)
		result, err := runReport(t, conn, reportTenant(t, "1"), q)
		require.NoError(t, err, example.Name)
		for _, row := range append(result.Rows, result.Totals...) {
			require.Len(t, row.Values, len(result.Items))
		}
	}
}

// Each report says the same as SQL that a person wrote for it.
func TestReportNumbers(t *testing.T) {
	t.Parallel()
	conn := reportDatabase(t, "call hospital(2, 20, 3);")
	r := query.EncountersReport(t)
	tests := []struct{ name, spec, sql string }{
		{"many rows of two kinds do not multiply",
			`{"dimensions": [{"column": "status"}], "measures": [{"fn": "count"}, {"fn": "sum", "column": "charges.amount"}, {"fn": "count", "column": "observations.value"}, {"fn": "avg", "column": "charges.units"}, {"fn": "min", "column": "charges.billed_on"}]}`,
			`select status, count(*), (select sum(amount) from charges c join encounters f on c.tenant_id = 1 and f.tenant_id = 1 and f.id = c.encounter_id where f.status is not distinct from e.status),
				(select count(value) from observations o join encounters f on o.tenant_id = 1 and f.tenant_id = 1 and f.id = o.encounter_id where f.status is not distinct from e.status),
				(select avg(units) from charges c join encounters f on c.tenant_id = 1 and f.tenant_id = 1 and f.id = c.encounter_id where f.status is not distinct from e.status),
				(select min(billed_on) from charges c join encounters f on c.tenant_id = 1 and f.tenant_id = 1 and f.id = c.encounter_id where f.status is not distinct from e.status)
			from encounters e where tenant_id = 1 group by status order by status nulls last`},
		{"rows without a ward are counted",
			`{"dimensions": [{"column": "wards.name"}], "measures": [{"fn": "count"}], "sort": [{"item": "count", "order": "desc"}], "limit": 3}`,
			`select w.name, count(*) from encounters e left join wards w on w.tenant_id = 1 and w.id = e.ward_id where e.tenant_id = 1 group by w.name order by 2 desc, 1 nulls last limit 3`},
		{"months of Berlin",
			`{"dimensions": [{"column": "admitted_at", "bucket": "month"}], "measures": [{"fn": "count"}], "time_zone": "Europe/Berlin"}`,
			`select to_char(admitted_at at time zone 'Europe/Berlin', 'YYYY-MM-01')::date, count(*) from encounters where tenant_id = 1 group by 1 order by 1 nulls last`},
		{"filters",
			`{"measures": [{"fn": "count"}], "filters": [{"any": [{"column": "status", "op": "in", "value": ["planned", "finished"]}, {"column": "urgent", "op": "eq", "value": true}]}, {"column": "days", "op": "not_in", "value": [3, 4]},
				{"has": {"relation": "charges", "filters": [{"column": "charges.amount", "op": "gt", "value": 100}, {"column": "code_title", "op": "contains", "value": "Blood"}]}}, {"has_no": {"relation": "observations", "filters": [{"column": "observations.value", "op": "lt", "value": 16}]}}]}`,
			`select count(*) from encounters e where tenant_id = 1 and (status in ('planned', 'finished') or urgent) and days not in (3, 4)
				and id in (select encounter_id from charges c join codes k using (code) where c.tenant_id = 1 and amount > 100 and title like '%Blood%') and not exists (select from observations o where o.tenant_id = 1 and o.encounter_id = e.id and value < 16)`},
		{"filtered measures",
			`{"dimensions": [{"column": "urgent"}], "measures": [{"fn": "count", "filters": [{"column": "days", "op": "gt", "value": 5}]}, {"fn": "sum", "column": "charges.amount", "filters": [{"column": "charges.code", "op": "eq", "value": "LAB1"}]}]}`,
			`select urgent, (select count(*) from encounters f where f.tenant_id = 1 and f.days > 5 and f.urgent is not distinct from e.urgent),
				(select sum(amount) from charges c join encounters f on f.tenant_id = 1 and f.id = c.encounter_id where c.tenant_id = 1 and c.code = 'LAB1' and f.urgent is not distinct from e.urgent)
			from encounters e where tenant_id = 1 group by urgent order by urgent nulls last`},
		{"patients' ages count once for each stay, where that is meant",
			`{"measures": [{"fn": "avg", "column": "patients.height"}, {"fn": "median", "column": "patients.height"}, {"fn": "percentile", "column": "days", "p": 0.9}]}`,
			`select avg(height), percentile_cont(0.5) within group (order by height), percentile_cont(0.9) within group (order by days) from encounters e left join patients p on p.tenant_id = 1 and p.id = e.patient_id where e.tenant_id = 1`},
		{"having",
			`{"dimensions": [{"column": "days"}], "measures": [{"fn": "count", "name": "n"}], "having": [{"item": "n", "op": "between", "value": [6, 6]}]}`,
			`select days, count(*) from encounters where tenant_id = 1 group by days having count(*) = 6 order by days`},
		{"list",
			`{"columns": [{"column": "admitted_at"}, {"column": "ref"}, {"column": "patients.name"}], "filters": [{"column": "admitted_at", "op": "between", "value": ["2025-02-01", "2025-03-31"]}], "sort": [{"item": "ref"}]}`,
			`select admitted_at, ref::text, p.name from encounters e left join patients p on p.tenant_id = 1 and p.id = e.patient_id where e.tenant_id = 1 and admitted_at >= '2025-02-01Z' and admitted_at < '2025-04-01Z' order by ref, e.id`},
		{"steps down in the other direction have their totals",
			`{"dimensions": [{"column": "wards.name"}, {"column": "status"}], "measures": [{"fn": "sum", "column": "charges.amount"}], "totals": "levels", "having": [{"item": "sum charges.amount", "op": "lt", "value": 0}]}`,
			`select w.name, null, sum(amount) from encounters e left join wards w on w.tenant_id = 1 and w.id = e.ward_id left join charges c on c.tenant_id = 1 and c.encounter_id = e.id where e.tenant_id = 1 group by rollup (w.name) order by grouping(w.name) desc, w.name nulls last`},
	}
	for _, tt := range tests {
		q, err := r.Parse([]byte(tt.spec))
		require.NoError(t, err, tt.name)
		result, err := runReport(t, conn, reportTenant(t, "1"), q)
		require.NoError(t, err, tt.name)
		var got [][]any
		for _, row := range append(result.Totals, result.Rows...) {
			got = append(got, row.Values)
		}
		rows, err := conn.Query(t.Context(), tt.sql)
		require.NoError(t, err, tt.name)
		want, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		require.NoError(t, err, tt.name)
		require.NotEmpty(t, want)
		require.JSONEq(t, reportJSON(t, want), reportJSON(t, got), tt.name)
	}
}

// A report may start at what belongs to everybody; what hangs below it is
// still one hospital's (J01).
func TestReportOfAGlobalRelation(t *testing.T) {
	t.Parallel()
	conn := reportDatabase(t, "call hospital(2, 20, 3);")
	r, err := query.NewReport(query.EncountersReport(t).Catalog(), query.ReportConfig{Root: "codes", Columns: []query.ReportColumn{{Column: "title"}, {Column: "charges.amount"}, {Column: "observations.value"}}})
	require.NoError(t, err)
	q, err := r.Parse([]byte(`{"dimensions": [{"column": "title"}], "measures": [{"fn": "sum", "column": "charges.amount"}, {"fn": "count", "column": "observations.value"}],
		"filters": [{"has": {"relation": "charges"}}], "sort": [{"item": "sum charges.amount", "order": "desc"}], "limit": 2}`))
	require.NoError(t, err)
	result, err := runReport(t, conn, reportTenant(t, "1"), q)
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), `select title, (select sum(amount) from charges c where c.code = k.code and tenant_id = 1), (select count(value) from observations o where o.code = k.code and tenant_id = 1) from codes k order by 2 desc limit 2`)
	require.NoError(t, err)
	want, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	require.NoError(t, err)
	require.Len(t, result.Rows, 2)
	for i, row := range result.Rows {
		require.JSONEq(t, reportJSON(t, want[i]), reportJSON(t, row.Values))
	}
}

// Opening every group of a report, level by level, finds each row once.
func TestReportDrillFindsTheRows(t *testing.T) {
	t.Parallel()
	conn := reportDatabase(t, "call hospital(2, 20, 3);")
	tc, r := reportTenant(t, "1"), query.EncountersReport(t)
	for _, dims := range []string{
		`[{"column": "admitted_at", "bucket": "week"}]`, `[{"column": "admitted_at", "bucket": "quarter"}, {"column": "urgent"}]`, `[{"column": "admitted_at"}]`, `[{"column": "recorded"}]`, `[{"column": "recorded", "bucket": "day"}]`,
		`[{"column": "ref"}]`, `[{"column": "patients.balance"}]`, `[{"column": "patients.born"}, {"column": "patients.name"}]`, `[{"column": "practitioners.name", "via": ["encounters.attending_id"]}]`, `[{"column": "days"}]`,
	} {
		q, err := r.Parse([]byte(`{"dimensions": ` + dims + `, "measures": [{"fn": "count", "name": "n"}], "totals": "levels", "drill": [{"column": "status"}], "time_zone": "America/New_York"}`))
		require.NoError(t, err)
		result, err := runReport(t, conn, tc, q)
		require.NoError(t, err)
		n := len(result.Items) - 1
		for _, row := range append(result.Rows, result.Totals...) {
			spec, err := q.Drill(q.Dimensions(row))
			require.NoError(t, err)
			next, err := r.Parse(spec)
			require.NoError(t, err, string(spec))
			level, err := runReport(t, conn, tc, next)
			require.NoError(t, err)
			require.Equal(t, row.Values[n], level.Totals[0].Values[1], "%s: the next level has the group's rows", spec)
			spec, err = next.Drill(nil)
			require.NoError(t, err)
			rows, err := r.Parse(spec)
			require.NoError(t, err)
			list, err := runReport(t, conn, tc, rows)
			require.NoError(t, err)
			require.Len(t, list.Rows, int(row.Values[n].(int64)), "%s: the list has the group's rows", spec)
		}
	}
}

// The grand total of an empty report is a total of nothing, not an error.
func TestReportOfNothing(t *testing.T) {
	t.Parallel()
	conn := reportDatabase(t, "")
	q, err := query.EncountersReport(t).Parse([]byte(`{"dimensions": [{"column": "status"}], "measures": [{"fn": "count"}], "totals": "grand"}`))
	require.NoError(t, err)
	result, err := runReport(t, conn, reportTenant(t, "7"), q)
	require.NoError(t, err)
	require.Empty(t, result.Rows)
	require.JSONEq(t, `[{"values": [null, 0]}]`, reportJSON(t, result.Totals))
}

func TestReportTooManyRows(t *testing.T) {
	t.Parallel()
	conn := reportDatabase(t, "")
	config := query.EncountersConfig()
	config.MaxRows, config.MaxGroups = 59, 3
	r, err := query.NewReport(query.EncountersReport(t).Catalog(), config)
	require.NoError(t, err)
	for _, spec := range []string{`{"columns": [{"column": "days"}]}`, `{"dimensions": [{"column": "days"}]}`} {
		q, err := r.Parse([]byte(spec))
		require.NoError(t, err)
		_, err = runReport(t, conn, reportTenant(t, "1"), q)
		var refused *query.ReportError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "/limit", refused.Path)
	}
	require.NoError(t, conn.Ping(t.Context()), "the rows were closed")
}
