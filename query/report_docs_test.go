package query_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

// The examples and the tables of docs/reports.md hold.
func TestReportDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/reports.md")
	require.NoError(t, err)
	text := string(page)

	r, err := query.NewReport(query.EncountersReport(t).Catalog(), query.ReportConfig{
		Root: "encounters", Zone: "Europe/Berlin",
		Columns: []query.ReportColumn{
			{Column: "status", Label: "Status"},
			{Column: "admitted_at", Label: "Admitted"},
			{Column: "days", Label: "Length of stay"},
			{Column: "wards.name", Name: "ward"},
			{Column: "patients.born"},
			{Column: "practitioners.name", Name: "attending", Via: []string{"encounters.attending_id"}},
			{Column: "practitioners.name", Name: "referring", Via: []string{"encounters.referring_id"}},
			{Column: "charges.amount"},
		},
	})
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```json\n(\\{.*?)```").FindAllStringSubmatch(text, -1)
	require.Len(t, blocks, 2)
	for _, block := range blocks {
		_, err := r.Parse([]byte(block[1]))
		require.NoError(t, err, block[1])
	}
	for _, line := range query.ReportOperators() {
		require.Contains(t, text, "`"+line+"`")
	}
	for _, reason := range []query.ReportReason{
		query.ReportSyntax, query.ReportTooLarge, query.ReportField, query.ReportUnknown, query.ReportAmbiguous,
		query.ReportType, query.ReportFanOut, query.ReportLimit, query.ReportUnproved, query.ReportBadConfig,
	} {
		require.Contains(t, text, "| `"+string(reason)+"` |")
	}
	for _, field := range fieldNames(t, "report.go", "ReportConfig", "ReportColumn") {
		require.Contains(t, text, "`"+field+"`")
	}
}

// fieldNames lists the exported fields of structs in a file.
func fieldNames(t *testing.T, file string, structs ...string) []string {
	t.Helper()
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	var names []string
	for _, name := range structs {
		_, body, ok := strings.Cut(string(source), "type "+name+" struct {\n")
		require.True(t, ok)
		body, _, _ = strings.Cut(body, "\n}\n")
		for _, line := range regexp.MustCompile(`(?m)^\t([A-Z]\w+(?:, [A-Z]\w+)*) `).FindAllStringSubmatch(body, -1) {
			names = append(names, strings.Split(line[1], ", ")...)
		}
	}
	require.True(t, slices.Contains(names, "MaxGroups"))
	return names
}
