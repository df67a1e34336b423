package query

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"
)

func TestReportSchema(t *testing.T) {
	t.Parallel()
	r := encountersReport(t)
	schema, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(r.Schema()))
	require.NoError(t, err)
	for _, example := range reportExamples(t, "report_accept.json") {
		result, err := schema.Validate(gojsonschema.NewBytesLoader(example.Spec))
		require.NoError(t, err)
		require.True(t, result.Valid(), "%s: %v", example.Name, result.Errors())
	}
	for _, example := range reportExamples(t, "report_refuse.json") {
		result, err := schema.Validate(gojsonschema.NewBytesLoader(example.Spec))
		require.NoError(t, err)
		require.Equal(t, example.Schema, !result.Valid(), "%s: the example says whether a schema can see it", example.Name)
	}
}

// A report without many rows below it has a schema too.
func TestReportSchemaOfOneRelation(t *testing.T) {
	t.Parallel()
	r, err := NewReport(encountersReport(t).catalog, ReportConfig{Root: "wards", Columns: []ReportColumn{{Column: "name"}}})
	require.NoError(t, err)
	schema, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(r.Schema()))
	require.NoError(t, err)
	for spec, want := range map[string]bool{
		`{"dimensions": [{"column": "name"}]}`:                                              true,
		`{"dimensions": [{"column": "name", "bucket": "day"}]}`:                             false,
		`{"measures": [{"fn": "count"}], "filters": [{"has": {"relation": "encounters"}}]}`: false,
	} {
		result, err := schema.Validate(gojsonschema.NewStringLoader(spec))
		require.NoError(t, err)
		require.Equal(t, want, result.Valid(), spec)
		_, err = r.Parse([]byte(spec))
		require.Equal(t, want, err == nil, spec)
	}
}
