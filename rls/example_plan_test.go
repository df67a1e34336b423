package rls_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

// What stands between a table that knows its tenants and one that keeps them apart.
func ExamplePlan() {
	ctx := context.Background()
	server, err := pgtest.Shared()
	if err != nil {
		log.Fatal(err)
	}
	d, err := server.Database(ctx, pgtest.Template{Key: "rls example of a plan", Prepare: func(ctx context.Context, d *pgtest.Database) error {
		owner, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer owner.Close(ctx)
		_, err = owner.Exec(ctx, `create table patients (tenant_id bigint not null, id bigint primary key, name text);
			revoke temporary on database `+pgx.Identifier{d.Name}.Sanitize()+` from public`)
		return err
	}})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)

	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("patients"))
	roadmap, err := rls.Plan(ctx, conn, catalog, rls.PlanOptions{AppRole: d.AppRole})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range roadmap.Steps {
		fmt.Printf("%s: %s (%s, %s)\n", s.Stage, s.Purpose, s.Lock, s.Time)
	}
	// Output:
	// keys: build "patients_pkey" anew with the tenant column in front (SHARE UPDATE EXCLUSIVE, build)
	// enforce: make the key with the tenant the table's own (ACCESS EXCLUSIVE, instant)
	// enforce: let the application reach the schema (none, instant)
	// enforce: policies and rights (ACCESS EXCLUSIVE, instant)
}
