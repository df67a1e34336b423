package main

import (
	"context"
	"fmt"
	"log"
	"os"

	sq "github.com/Masterminds/squirrel"
	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

const schema = `create table if not exists patients
	(tenant_id text, id bigint, name text not null, primary key (tenant_id, id))`

// One place says what belongs to a tenant.
var catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("patients"))

// Statements are values: the tenant's predicate is added, the text is proved, and the program does not start when it can't be.
var admit = query.Must(catalog.Insert("patients").Set("id", query.Arg("id")).Set("name", query.Arg("name")))
var byName = query.Must(catalog.Select("p.id", "p.name").From("patients p").Where(sq.ILike{"p.name": query.Arg("name")}))

type Patient struct {
	ID   int64
	Name string
}

func main() { run(os.Getenv("OWNER_URL"), os.Getenv("DATABASE_URL"), "app") }

func run(ownerURL, appURL, appRole string) {
	ctx := context.Background()
	owner, err := pgx.Connect(ctx, ownerURL) // migrates; the application never has this login
	check(err)
	_, err = owner.Exec(ctx, schema)
	check(err)
	check(rls.Apply(ctx, owner, catalog, rls.Options{AppRole: appRole})) // row-level security, grants
	check(owner.Close(ctx))

	db, err := rls.Open(ctx, rls.Config{URL: appURL}, catalog) // refuses a database that would let rows through
	check(err)
	defer db.Close()
	for _, hospital := range []string{"st-mary", "north"} {
		// In a server tenanthttp makes the context, from a verified token.
		tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID(hospital), Subject: "dr.grey"})
		check(err)
		check(db.Exec(tc, admit, Patient{1, "Ann of " + hospital})) // both have a patient 1
		patients, err := rls.All[Patient](tc, db, byName, query.Args{"name": "ann%"})
		check(err)
		fmt.Println(hospital, patients)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
