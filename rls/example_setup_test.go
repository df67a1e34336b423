package rls_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// exampleHospital gives an example a database of two hospitals, each with a patient 1.
func exampleHospital() (db *rls.DB, stMary, stPaul tenant.Context) {
	ctx := context.Background()
	server, err := pgtest.Shared()
	if err != nil {
		log.Fatal(err)
	}
	d, err := server.Database(ctx, pgtest.Template{Key: "rls examples", Prepare: func(ctx context.Context, d *pgtest.Database) error {
		owner, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer owner.Close(ctx)
		_, err = owner.Exec(ctx, `
			create table patients (tenant_id text not null, id bigint not null, name text not null, primary key (tenant_id, id));
			create table codes (code text primary key);
			insert into patients values ('st-mary', 1, 'Ann'), ('st-paul', 1, 'Bob')`)
		if err != nil {
			return err
		}
		return rls.Apply(ctx, owner, exampleCatalog, rls.Options{AppRole: d.AppRole})
	}})
	if err != nil {
		log.Fatal(err)
	}
	db, err = rls.Open(ctx, rls.Config{URL: d.AppURL}, exampleCatalog)
	if err != nil {
		log.Fatal(err)
	}
	enter := func(id string) tenant.Context {
		tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "dr.grey"})
		if err != nil {
			log.Fatal(err)
		}
		return tc
	}
	return db, enter("st-mary"), enter("st-paul")
}
