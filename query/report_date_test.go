package query

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReportRelativeDates(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	// 2026-03-29 is the day on which Berlin's clocks go forward; it is a Sunday.
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, berlin)
	tests := []struct {
		op       string
		n        int
		typ      string
		from, to string
	}{
		{"last_n_days", 1, "timestamptz", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"last_n_days", 7, "date", "2026-03-23", "2026-03-30"},
		{"last_n_weeks", 1, "date", "2026-03-23", "2026-03-30"},
		{"last_n_weeks", 2, "timestamptz", "2026-03-15T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"last_n_months", 1, "date", "2026-03-01", "2026-04-01"},
		{"last_n_months", 14, "timestamp", "2025-02-01", "2026-04-01"},
		{"last_n_years", 2, "date", "2025-01-01", "2027-01-01"},
		{"next_n_days", 2, "date", "2026-03-29", "2026-03-31"},
		{"next_n_weeks", 1, "date", "2026-03-23", "2026-03-30"},
		{"next_n_months", 2, "date", "2026-03-01", "2026-05-01"},
	}
	for _, tt := range tests {
		op := reportRelative[tt.op]
		r := relativeRange{unit: op.unit, ahead: op.ahead, n: tt.n, zone: berlin, typ: reportTypes[tt.typ]}
		from, to := r.bounds(now)
		require.Equal(t, tt.from, from, tt.op)
		require.Equal(t, tt.to, to, tt.op)
	}
}

// A query that is kept counts from the time of each run.
func TestReportRelativeDatesAreComputedLate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	config := encountersConfig()
	config.Now = func() time.Time { return now }
	r, err := NewReport(encountersReport(t).catalog, config)
	require.NoError(t, err)
	q, err := r.Parse([]byte(`{"measures": [{"fn": "count"}], "filters": [{"column": "admitted_at", "op": "last_n_days", "value": 1}]}`))
	require.NoError(t, err)
	require.Equal(t, "2026-01-01T00:00:00Z", q.Args()["v1"])
	now = now.AddDate(0, 0, 1)
	require.Equal(t, "2026-01-02T00:00:00Z", q.Args()["v1"])
}

// A day stands for all of it, in the report's time zone.
func TestReportDaysAsRanges(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	tests := []struct {
		op, value string
		want      []any
	}{
		{"ge", `"2026-03-29"`, []any{"2026-03-28T23:00:00Z"}},
		{"lt", `"2026-03-29"`, []any{"2026-03-28T23:00:00Z"}},
		{"le", `"2026-03-29"`, []any{"2026-03-29T21:59:59.999999Z"}},
		{"gt", `"2026-03-29"`, []any{"2026-03-29T21:59:59.999999Z"}},
		{"between", `["2026-03-29", "2026-03-29"]`, []any{"2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z"}},
		{"between", `["2026-03-29T01:00:00+01:00", "2026-03-29T01:00:00Z"]`, []any{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"}},
	}
	for _, tt := range tests {
		q, err := r.Parse([]byte(`{"time_zone": "Europe/Berlin", "measures": [{"fn": "count"}],
			"filters": [{"column": "admitted_at", "op": "` + tt.op + `", "value": ` + tt.value + `}]}`))
		require.NoError(t, err)
		var got []any
		for _, name := range q.Statement().Params() {
			if name != argLimit {
				got = append(got, q.Args()[name])
			}
		}
		require.Equal(t, tt.want, got, tt.op)
	}
}

func TestReportLikePattern(t *testing.T) {
	t.Parallel()
	require.Equal(t, `%50\%\_\\%`, likePattern(`50%_\`, "contains"))
	require.Equal(t, `50\%%`, likePattern(`50%`, "starts_with"))
}
