// Package clinicdb shows sqlc's output beside the statements that are made of it. Everything but this file is what
// sqlc v1.31.1 wrote for queries.sql and schema.sql, unchanged.
package clinicdb

import "github.com/septum-go/septum/query"

// Catalog declares the relations of schema.sql.
var Catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("patients", "encounters"))

// The generated queries, proved when the program starts. Names stand for $1, $2 … in their order.
var (
	GetPatient     = query.MustPositional(Catalog, getPatient, "tenant", "id").Named("GetPatient")
	PatientsInWard = query.MustPositional(Catalog, patientsInWard, "ward", "tenant", "statuses").Named("PatientsInWard")
	AddPatient     = query.MustPositional(Catalog, addPatient, "tenant", "id", "name", "ward").Named("AddPatient")
	Discharge      = query.MustPositional(Catalog, discharge, "tenant", "id").Named("Discharge")
)

// FindByName is a generated query that forgot the tenant.
func FindByName() error {
	_, err := query.Positional(Catalog, findByName, "name")
	return err
}
