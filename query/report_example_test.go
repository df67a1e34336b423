package query_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/septum-go/septum/query"
)

var staysCatalog = query.MustCatalog(
	query.TenantColumn("tenant_id", query.UUID),
	query.WithRelation(query.Relation{
		Name: "wards", Kind: query.TenantKind, Key: []string{"id"},
		Columns: []query.Column{{Name: "tenant_id", Type: "uuid"}, {Name: "id", Type: "bigint"}, {Name: "name", Type: "text"}},
	}),
	query.WithRelation(query.Relation{
		Name: "stays", Kind: query.TenantKind, Key: []string{"id"},
		Columns: []query.Column{
			{Name: "tenant_id", Type: "uuid"}, {Name: "id", Type: "bigint"}, {Name: "ward_id", Type: "bigint"},
			{Name: "admitted_at", Type: "timestamptz"}, {Name: "days", Type: "integer"},
		},
		References: []query.Reference{{Column: "ward_id", To: "wards", ToColumn: "id"}},
	}),
)

// A program defines the report once: where it starts, and what may be named.
var staysReport = query.MustReport(staysCatalog, query.ReportConfig{
	Root: "stays",
	Zone: "Europe/Berlin",
	Columns: []query.ReportColumn{
		{Column: "admitted_at", Label: "Admitted"},
		{Column: "days", Label: "Length of stay"},
		{Column: "wards.name", Name: "ward", Label: "Ward"},
	},
})

// Users of the hospital write the specification.
func ExampleReport_Parse() {
	q, err := staysReport.Parse([]byte(`{
		"dimensions": [{"column": "ward"}, {"column": "admitted_at", "bucket": "month", "name": "month"}],
		"measures":   [{"fn": "count", "name": "stays"}, {"fn": "median", "column": "days", "name": "median days"}],
		"filters":    [{"column": "admitted_at", "op": "last_n_months", "value": 12}],
		"totals":     "grand"
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range q.Items() {
		fmt.Printf("%s %q %s\n", item.Role, item.Label, item.Type)
	}
	// rows, err := db.Query(tc, q.Statement(), q.Args())
	// result, err := q.Collect(rows)

	// Output:
	// dimension "Ward" text
	// dimension "month" date
	// measure "stays" bigint
	// measure "median days" double precision
}

// Every mistake has its place in the JSON.
func ExampleReportError() {
	_, err := staysReport.Parse([]byte(`{
		"measures": [{"fn": "count"}],
		"filters":  [{"column": "days", "op": "ge", "value": "a week"}]
	}`))
	var e *query.ReportError
	if errors.As(err, &e) {
		fmt.Println(e.Path)
		fmt.Println(e.Reason)
		fmt.Println(e.Message)
	}

	// Output:
	// /filters/0/value
	// type
	// the column is a number: write a number
}

// Drill opens a group: the next level, or in the end the rows.
func ExampleReportQuery_Drill() {
	q, err := staysReport.Parse([]byte(`{
		"dimensions": [{"column": "admitted_at", "bucket": "year", "name": "year"}],
		"measures":   [{"fn": "count"}],
		"drill":      [{"column": "ward"}]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := q.Drill(map[string]any{"year": "2026-01-01"})
	fmt.Println(string(spec), err)

	// Output:
	// {"dimensions":[{"column":"ward"}],"measures":[{"fn":"count"}],"filters":[{"column":"admitted_at","op":"ge","value":"2026-01-01"},{"column":"admitted_at","op":"lt","value":"2027-01-01"}],"time_zone":"Europe/Berlin"} <nil>
}

// The schema is for the editor in the browser.
func ExampleReport_Schema() {
	var schema struct {
		Title      string
		Properties struct {
			Totals struct{ Enum []string }
			Limit  struct{ Maximum int }
		}
	}
	err := json.Unmarshal(staysReport.Schema(), &schema)
	fmt.Println(schema.Title, schema.Properties.Totals.Enum, schema.Properties.Limit.Maximum, err)

	// Output:
	// report stays [none grand levels] 1000 <nil>
}
