package query_test

import (
	"context"
	"fmt"

	"github.com/septum-go/septum/query/testdata/sqlc/clinicdb"
	"github.com/septum-go/septum/tenant"
)

// Queries that sqlc generated are registered beside its output (testdata/sqlc/clinicdb/statements.go) and run through
// package rls, with sqlc's own parameter structs. A query that is not bound to the tenant is refused at the start.
func ExamplePositional() {
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("7"), Subject: "dr.grey"})
	if err != nil {
		panic(err)
	}
	fmt.Println(clinicdb.PatientsInWard.SQL())
	values, err := clinicdb.PatientsInWard.Bind(tc, clinicdb.PatientsInWardParams{Statuses: []string{"in"}})
	fmt.Println(len(values), values[0], err)

	_, err = clinicdb.AddPatient.Bind(tc, clinicdb.AddPatientParams{TenantID: 8, ID: 1, Name: "Zoe"})
	fmt.Println(err)
	fmt.Println(clinicdb.FindByName())
	// Output:
	// -- name: PatientsInWard :many
	// SELECT p.id, p.name, e.status
	// FROM patients p
	// LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND e.patient_id = p.id
	// WHERE p.ward = $2 AND p.tenant_id = $1 AND e.status = ANY($3::text[])
	//
	// 3 7 <nil>
	// query: AddPatient: argument @tenant_id holds another tenant; the value was read under a tenant other than the one that writes it
	// query: refused SEP-T01: "patients" is not bound to the tenant (line 2, column 22)
	//   nothing ties its tenant column to the tenant, so rows of every tenant take part
	//   write: WHERE patients.tenant_id = $2 AND (…)
}
