package query

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a specification may have many of, it may not have too many of.
func TestReportBounds(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	many := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	nested := func(n int) string {
		return `{"measures": [{"fn": "count"}], "filters": [` + strings.Repeat(`{"any": [`, n) + `{"column": "days", "op": "is_null"}` + strings.Repeat(`]}`, n) + `]}`
	}
	filter := func(column, op, value string) string {
		return `{"measures": [{"fn": "count"}], "filters": [{"column": "` + column + `", "op": "` + op + `", "value": ` + value + `}]}`
	}
	tests := []struct {
		name, good, bad, path string
		reason                ReportReason
	}{
		{"nesting", nested(4), nested(5), "/filters/0" + strings.Repeat("/any/0", 4) + "/any", ReportTooLarge},
		{"values", filter("days", "in", "["+many(1000, "1")+"]"), filter("days", "in", "["+many(1001, "1")+"]"), "/filters/0/value", ReportTooLarge},
		{"text", filter("status", "eq", `"`+strings.Repeat("é", 5000)+`"`), filter("status", "eq", `"`+strings.Repeat("é", 5000)+`x"`), "/filters/0/value", ReportType},
		{"columns", `{"columns": [{"column": "days"}]}`, `{"columns": [` + many(51, `{"column": "days"}`) + `]}`, "/columns", ReportTooLarge},
		{"dimensions", `{"dimensions": [{"column": "days"}]}`, `{"dimensions": [` + many(9, `{"column": "days"}`) + `]}`, "/dimensions", ReportTooLarge},
		{"measures", `{"measures": [{"fn": "count"}]}`, `{"measures": [` + many(17, `{"fn": "count"}`) + `]}`, "/measures", ReportTooLarge},
		{"sort", `{"dimensions": [{"column": "days"}], "sort": [{"item": "days"}]}`, `{"dimensions": [{"column": "days"}], "sort": [` + many(9, `{"item": "days"}`) + `]}`, "/sort", ReportTooLarge},
	}
	for _, tt := range tests {
		_, err := r.Parse([]byte(tt.good))
		require.NoError(t, err, tt.name)
		_, err = r.Parse([]byte(tt.bad))
		var refused *ReportError
		require.ErrorAs(t, err, &refused, tt.name)
		require.Equal(t, tt.path, refused.Path, tt.name)
		require.Equal(t, tt.reason, refused.Reason, tt.name)
	}
}
