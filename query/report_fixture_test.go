package query

import (
	"embed"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/report_*.json
var reportTestdata embed.FS

// encountersReport is the report that the examples in testdata are about.
func encountersReport(t testing.TB) *Report {
	t.Helper()
	text, err := reportTestdata.ReadFile("testdata/report_catalog.json")
	require.NoError(t, err)
	catalog, err := ParseCatalog(text)
	require.NoError(t, err)
	r, err := NewReport(catalog, encountersConfig())
	require.NoError(t, err)
	return r
}

func encountersConfig() ReportConfig {
	return ReportConfig{
		Root: "encounters",
		Now:  func() time.Time { return time.Date(2026, 3, 10, 23, 30, 0, 0, time.UTC) },
		Columns: []ReportColumn{
			{Column: "status", Label: "Status"},
			{Column: "admitted_at", Label: "Admitted"},
			{Column: "recorded"},
			{Column: "urgent"},
			{Column: "ref"},
			{Column: "days"},
			{Column: "patients.name", Functions: []string{"count", "count_distinct"}},
			{Column: "patients.born"},
			{Column: "patients.balance"},
			{Column: "patients.height", PerRow: true},
			{Column: "wards.name"},
			{Column: "practitioners.name"},
			{Column: "practitioners.name", Name: "attending", Via: []string{"encounters.attending_id"}},
			{Column: "charges.code"},
			{Column: "charges.amount"},
			{Column: "charges.units"},
			{Column: "charges.billed_on"},
			{Column: "observations.value"},
			{Column: "codes.title", Name: "code_title", Via: []string{"charges.encounter_id", "charges.code"}},
		},
	}
}

type reportExample struct {
	Name    string          `json:"name"`
	Spec    json.RawMessage `json:"spec"`
	Path    string          `json:"path"`
	Reason  ReportReason    `json:"reason"`
	Choices []string        `json:"choices"`
	Schema  bool            `json:"schema"` // the JSON Schema refuses it too
}

func reportExamples(t testing.TB, file string) []reportExample {
	t.Helper()
	text, err := reportTestdata.ReadFile("testdata/" + file)
	require.NoError(t, err)
	var examples []reportExample
	require.NoError(t, json.Unmarshal(text, &examples))
	return examples
}
