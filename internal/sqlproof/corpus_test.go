package sqlproof

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/internal/sqltext"
)

// corpusCatalog declares the relations that the corpus files name. The columns are unknown, as in a catalog that a user
// writes by hand.
func corpusCatalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := NewCatalog([]Relation{
		{Name: "patients", Kind: Tenant, Column: "tenant_id", Type: "bigint"},
		{Name: "visits", Kind: Tenant, Column: "tenant_id", Type: "bigint"},
		{Name: "invoices", Kind: Tenant, Column: "tenant_id", Type: "bigint"},
		{Name: "tenants", Kind: Tenant, Column: "id", Type: "bigint"},
		{Name: "icd10_codes", Kind: Global},
	}, nil)
	require.NoError(t, err)
	return c
}

// closedCatalog is the same with all columns known.
func closedCatalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := NewCatalog([]Relation{
		{Name: "patients", Kind: Tenant, Column: "tenant_id", Type: "bigint",
			Columns: strings.Fields("tenant_id id name mrn status note parent_id created_at deleted_at")},
		{Name: "visits", Kind: Tenant, Column: "tenant_id", Type: "bigint",
			Columns: strings.Fields("tenant_id id patient_id code note created_at")},
		{Name: "invoices", Kind: Tenant, Column: "tenant_id", Type: "bigint",
			Columns: strings.Fields("tenant_id id visit_id patient_id total status")},
		{Name: "tenants", Kind: Tenant, Column: "id", Type: "bigint", Columns: strings.Fields("id name plan")},
		{Name: "icd10_codes", Kind: Global, Columns: strings.Fields("code title")},
	}, nil)
	require.NoError(t, err)
	return c
}

type corpusCase struct {
	verdict, reason, sql string
	line                 int
}

// readCorpus reads a file of "-- accept: reason" and "-- refuse: [class] reason" lines, each before one statement.
func readCorpus(t testing.TB, path string) []corpusCase {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var cases []corpusCase
	for _, block := range strings.Split(string(data), "\n\n") {
		var c corpusCase
		var sql []string
		for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
			switch {
			case strings.HasPrefix(line, "-- accept:"):
				c.verdict, c.reason = "accept", strings.TrimSpace(line[len("-- accept:"):])
			case strings.HasPrefix(line, "-- refuse:"):
				c.verdict, c.reason = "refuse", strings.TrimSpace(line[len("-- refuse:"):])
			case strings.HasPrefix(line, "-- "):
			default:
				sql = append(sql, line)
			}
		}
		if c.verdict == "" {
			continue
		}
		c.sql = strings.TrimSpace(strings.TrimSuffix(strings.Join(sql, "\n"), ";"))
		line, _ := sqltext.Position(string(data), strings.Index(string(data), block))
		c.line = line
		cases = append(cases, c)
	}
	return cases
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, file := range corpusFiles {
		for name, c := range map[string]*Catalog{"open": corpusCatalog(t), "closed": closedCatalog(t)} {
			for _, tc := range readCorpus(t, file) {
				var options []Option
				if strings.HasSuffix(file, "hostile.txt") {
					options = append(options, AllowMerge)
				}
				proof, err := Prove(tc.sql, c, 1, options...)
				if tc.verdict == "accept" && err != nil {
					t.Errorf("%s:%d (%s): %s: %v\n%s", file, tc.line, name, tc.reason, err, tc.sql)
				}
				if tc.verdict == "refuse" && err == nil {
					t.Errorf("%s:%d (%s): accepted, though %s\n%s\n%s", file, tc.line, name, tc.reason, tc.sql, proof)
				}
				if rule := ruleName.FindString(tc.reason); err != nil && rule != "" && name == "open" {
					require.Contains(t, err.Error(), rule, tc.sql)
				}
			}
		}
	}
}

// ruleName is the rule that a reason names, in hostile.txt.
var ruleName = regexp.MustCompile(`SEP-[A-Z]\d\d`)

var corpusFiles = []string{"testdata/corpus.txt", "testdata/corpus2.txt", "testdata/hostile.txt"}
