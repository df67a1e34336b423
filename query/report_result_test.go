package query

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fixedRows are rows without a server.
type fixedRows struct {
	rows   [][]any
	next   int
	err    error
	closed bool
}

func (r *fixedRows) Next() bool {
	r.next++
	return r.next <= len(r.rows)
}
func (r *fixedRows) Values() ([]any, error) { return r.rows[r.next-1], nil }
func (r *fixedRows) Err() error             { return r.err }
func (r *fixedRows) Close()                 { r.closed = true }

func TestReportCollect(t *testing.T) {
	t.Parallel()
	q, err := encountersReport(t).Parse([]byte(`{"dimensions": [{"column": "wards.name", "name": "Ward"}, {"column": "admitted_at", "bucket": "month"}],
		"measures": [{"fn": "count"}], "totals": "levels"}`))
	require.NoError(t, err)
	may := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	rows := &fixedRows{rows: [][]any{{nil, nil, int64(3), int32(3)}, {"A", nil, int64(3), int32(1)}, {"A", may, int64(2), int32(0)}, {"A", nil, int64(1), int32(0)}}}
	result, err := q.Collect(rows)
	require.NoError(t, err)
	require.True(t, rows.closed)
	require.Equal(t, []ReportItem{
		{Name: "Ward", Label: "Ward", Type: "text", Role: RoleDimension},
		{Name: "admitted_at", Label: "Admitted", Type: "date", Role: RoleDimension, Bucket: "month"},
		{Name: "count", Label: "count", Type: "bigint", Role: RoleMeasure},
	}, result.Items)
	require.Equal(t, []ReportRow{{Values: []any{"A", may, int64(2)}, Grouped: 2}, {Values: []any{"A", nil, int64(1)}, Grouped: 2}}, result.Rows)
	require.Equal(t, []ReportRow{{Values: []any{nil, nil, int64(3)}}, {Values: []any{"A", nil, int64(3)}, Grouped: 1}}, result.Totals)

	require.Equal(t, map[string]any{"Ward": "A"}, q.Dimensions(result.Totals[1]), "a subtotal is about its own dimensions")
	require.Equal(t, map[string]any{"Ward": "A", "admitted_at": nil}, q.Dimensions(result.Rows[1]), "a missing value is a value")
}

func TestReportCollectTooMany(t *testing.T) {
	t.Parallel()
	config := encountersConfig()
	config.MaxGroups, config.MaxRows = 2, 2
	r, err := NewReport(encountersReport(t).catalog, config)
	require.NoError(t, err)
	three := [][]any{{"a"}, {"b"}, {"c"}}
	for _, spec := range []string{`{"dimensions": [{"column": "status"}]}`, `{"columns": [{"column": "status"}]}`} {
		q, err := r.Parse([]byte(spec))
		require.NoError(t, err)
		require.Equal(t, int64(3), q.Args()[argLimit], "one more is asked for, so that too many can be seen")
		result, err := q.Collect(&fixedRows{rows: three[:2]})
		require.NoError(t, err)
		require.Len(t, result.Rows, 2)
		_, err = q.Collect(&fixedRows{rows: three})
		var refused *ReportError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "/limit", refused.Path)
		require.Equal(t, ReportLimit, refused.Reason)
	}
	// A limit is what the user wants to see: the rest is left out and no error.
	q, err := r.Parse([]byte(`{"dimensions": [{"column": "status"}], "measures": [{"fn": "count"}], "limit": 1, "totals": "grand"}`))
	require.NoError(t, err)
	require.Equal(t, int64(2), q.Args()[argLimit], "the group and the total")
}

func TestReportCollectFails(t *testing.T) {
	t.Parallel()
	q, err := encountersReport(t).Parse([]byte(`{"dimensions": [{"column": "status"}], "measures": [{"fn": "count"}], "totals": "grand"}`))
	require.NoError(t, err)
	broken := errors.New("the connection broke")
	_, err = q.Collect(&fixedRows{err: broken})
	require.ErrorIs(t, err, broken, "half an answer is no answer")
	for _, foreign := range [][]any{{"a", int64(1), "not a level"}, {"a"}, {}, {"a", int64(1), int64(2), int32(0)}} {
		_, err = q.Collect(&fixedRows{rows: [][]any{foreign}})
		require.ErrorIs(t, err, errForeignRows)
	}
	_, err = q.Collect(nil)
	require.Error(t, err)
}

type valuer struct{ v driver.Value }

func (v valuer) Value() (driver.Value, error) { return v.v, nil }

func TestReportDrill(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	q, err := r.Parse([]byte(`{"dimensions": [{"column": "admitted_at", "bucket": "quarter", "name": "quarter"}], "measures": [{"fn": "count", "name": "n"}],
		"filters": [{"column": "status", "op": "ne", "value": "planned"}], "having": [{"item": "n", "op": "gt", "value": 3}],
		"sort": [{"item": "quarter"}, {"item": "n", "order": "desc"}], "limit": 5, "totals": "grand", "time_zone": "Europe/Berlin",
		"drill": [{"column": "practitioners.name", "via": ["encounters.referring_id"], "name": "doctor"}], "detail": [{"column": "patients.name"}]}`))
	require.NoError(t, err)

	spec, err := q.Drill(map[string]any{"quarter": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.NoError(t, err)
	require.JSONEq(t, `{"dimensions": [{"column": "practitioners.name", "via": ["encounters.referring_id"], "name": "doctor"}], "measures": [{"fn": "count", "name": "n"}],
		"filters": [{"column": "status", "op": "ne", "value": "planned"}, {"column": "admitted_at", "op": "ge", "value": "2026-01-01"}, {"column": "admitted_at", "op": "lt", "value": "2026-04-01"}],
		"sort": [{"item": "n", "order": "desc"}], "totals": "grand", "time_zone": "Europe/Berlin", "detail": [{"column": "patients.name"}]}`, string(spec))

	next, err := r.Parse(spec)
	require.NoError(t, err)
	spec, err = next.Drill(map[string]any{"doctor": nil})
	require.NoError(t, err)
	require.JSONEq(t, `{"columns": [{"column": "patients.name"}], "time_zone": "Europe/Berlin",
		"filters": [{"column": "status", "op": "ne", "value": "planned"}, {"column": "admitted_at", "op": "ge", "value": "2026-01-01"}, {"column": "admitted_at", "op": "lt", "value": "2026-04-01"},
			{"column": "practitioners.name", "via": ["encounters.referring_id"], "op": "is_null"}]}`, string(spec))
	list, err := r.Parse(spec)
	require.NoError(t, err)
	_, err = list.Drill(nil)
	require.Error(t, err, "nothing lies behind a row of a list")
}

// Each kind of value that a driver or a browser gives back opens its group.
func TestReportDrillValues(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.FixedZone("", 3600))
	tests := []struct {
		dimension string
		value     any
		want      string
	}{
		{`{"column": "days"}`, int32(7), `[{"column": "days", "op": "eq", "value": 7}]`},
		{`{"column": "days"}`, 7.0, `[{"column": "days", "op": "eq", "value": 7}]`},
		{`{"column": "days"}`, json.Number("7"), `[{"column": "days", "op": "eq", "value": 7}]`},
		{`{"column": "patients.balance"}`, valuer{"12.50"}, `[{"column": "patients.balance", "op": "eq", "value": "12.50"}]`},
		{`{"column": "patients.balance"}`, 12.5, `[{"column": "patients.balance", "op": "eq", "value": "12.5"}]`},
		{`{"column": "urgent"}`, false, `[{"column": "urgent", "op": "eq", "value": false}]`},
		{`{"column": "status"}`, "", `[{"column": "status", "op": "eq", "value": ""}]`},
		{`{"column": "patients.born"}`, at, `[{"column": "patients.born", "op": "eq", "value": "2026-03-04"}]`},
		{`{"column": "patients.born"}`, "2026-03-04T00:00:00Z", `[{"column": "patients.born", "op": "eq", "value": "2026-03-04"}]`},
		{`{"column": "recorded"}`, "2026-03-04T05:06:07.000008Z", `[{"column": "recorded", "op": "eq", "value": "2026-03-04T05:06:07.000008"}]`},
		{`{"column": "admitted_at"}`, at, `[{"column": "admitted_at", "op": "eq", "value": "2026-03-04T05:06:07.000008+01:00"}]`},
		{`{"column": "admitted_at", "bucket": "day"}`, "2026-03-04T00:00:00Z", `[{"column": "admitted_at", "op": "ge", "value": "2026-03-04"}, {"column": "admitted_at", "op": "lt", "value": "2026-03-05"}]`},
		{`{"column": "admitted_at", "bucket": "week"}`, "2026-03-02", `[{"column": "admitted_at", "op": "ge", "value": "2026-03-02"}, {"column": "admitted_at", "op": "lt", "value": "2026-03-09"}]`},
		{`{"column": "patients.born", "bucket": "year"}`, "2026-01-01", `[{"column": "patients.born", "op": "ge", "value": "2026-01-01"}, {"column": "patients.born", "op": "lt", "value": "2027-01-01"}]`},
	}
	for _, tt := range tests {
		q, err := r.Parse([]byte(`{"dimensions": [` + tt.dimension + `]}`))
		require.NoError(t, err)
		spec, err := q.Drill(map[string]any{q.Items()[0].Name: tt.value})
		require.NoError(t, err)
		var got struct{ Filters json.RawMessage }
		require.NoError(t, json.Unmarshal(spec, &got))
		require.JSONEq(t, tt.want, string(got.Filters))
		_, err = r.Parse(spec)
		require.NoError(t, err, string(spec))
	}
	q, err := r.Parse([]byte(`{"dimensions": [{"column": "admitted_at", "bucket": "day"}]}`))
	require.NoError(t, err)
	for _, bad := range []map[string]any{{"admitted_at": "yesterday"}, {"admitted_at": []int{1}}, {"status": "x"}} {
		_, err := q.Drill(bad)
		var refused *ReportError
		require.ErrorAs(t, err, &refused)
	}
}
