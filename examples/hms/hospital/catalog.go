// Package hospital is the data access of the demo's backend: the schema, the catalog that says what belongs to a hospital, the
// statements, and the functions that the rest of the backend calls. Every function takes a tenant.Context; there is no
// other way to the data.
package hospital

import (
	_ "embed"

	"github.com/septum-go/septum/query"
)

// Schema is the SQL that makes the tables. The owner of the database runs it; policies and grants come from rls.Apply.
//
//go:embed schema.sql
var Schema string

// Catalog says which relations are a hospital's own: all of them, but for the list of codes.
var Catalog = query.MustCatalog(
	query.TenantColumn("tenant_id", query.Text),
	query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}),
	query.Tenant("counters", "locations", "practitioners", "medications", "patients", "encounters", "conditions", "observations",
		"prescriptions", "appointments", "charges"),
	query.Global("codes"),
)
