package rls_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// A clinic that shares nothing: its only tenant's entry comes with the deployment, its password with the environment.
func ExampleNewStaticDirectory() {
	directory, err := rls.NewStaticDirectory(map[tenant.ID]rls.Entry{
		tenant.MustParseID("st-mary"): {Tier: rls.TierSilo, Target: "clinic", Status: rls.StatusSuspended},
	})
	if err != nil {
		log.Fatal(err)
	}
	db, err := rls.Open(context.Background(), rls.Config{
		Directory:   directory,
		Credentials: rls.EnvCredentials{"clinic": "CLINIC_DATABASE_URL"},
	}, exampleCatalog)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	names := query.MustStatic(exampleCatalog, "select name from patients where tenant_id = @tenant")
	for _, id := range []string{"st-mary", "st-paul"} {
		tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "dr.grey"})
		if err != nil {
			log.Fatal(err)
		}
		_, err = rls.All[string](tc, db, names)
		fmt.Println(errors.Is(err, rls.ErrSuspended), errors.Is(err, rls.ErrUnknownTenant))
	}
	// Output:
	// true false
	// false true
}

func ExampleReadMigrations() {
	migrations, err := rls.ReadMigrations(fstest.MapFS{ // or os.DirFS, or an embed.FS
		"2_index.sql":  {Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently if not exists i on patients (tenant_id, name);\n-- +goose Down\ndrop index i;")},
		"1_tables.sql": {Data: []byte("create table patients (tenant_id text, id bigint, name text, primary key (tenant_id, id));")},
	})
	fmt.Println(migrations.Names(), err)
	_, err = rls.ReadMigrations(fstest.MapFS{"1.sql": {Data: []byte("create table t ();\ncommit;")}})
	fmt.Println(err)
	// Output:
	// [1_tables.sql 2_index.sql] <nil>
	// rls: ReadMigrations: the migrations can't be applied: 1.sql: "COMMIT" controls the transaction (line 2 of the way up); take it out
}

func ExampleCredential() {
	secret := rls.Credential{URL: "postgres://app@db.example.org/app?sslmode=verify-full", Password: rls.NewPassword()}
	fmt.Printf("%v %+v %s\n", secret, secret, secret)
	// Output: rls.Credential(hidden) rls.Credential(hidden) rls.Credential(hidden)
}

// A tenant gets a schema and a login of its own, a directory says so, and the program's statements run there.
func ExampleProvision() {
	ctx := context.Background()
	server, err := pgtest.Shared()
	if err != nil {
		log.Fatal(err)
	}
	d, err := server.Database(ctx, pgtest.Template{})
	if err != nil {
		log.Fatal(err)
	}
	// The owner of everything; the application never logs in as this.
	owner, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		log.Fatal(err)
	}
	defer owner.Close(ctx)
	if err := rls.InstallDirectory(ctx, owner, d.AppRole); err != nil {
		log.Fatal(err)
	}
	vault := map[string]string{} // of passwords, by login
	migrations, err := rls.ReadMigrations(fstest.MapFS{"1.sql": {Data: []byte(`
		create table patients (tenant_id text not null, id bigint not null, name text not null, primary key (tenant_id, id));
		create table codes (code text primary key)`)}})
	if err != nil {
		log.Fatal(err)
	}
	owners := rls.CredentialsFunc(func(context.Context, rls.CredentialRequest) (rls.Credential, error) {
		return rls.Credential{URL: d.AdminURL}, nil
	})
	id := tenant.MustParseID("st-mary")
	entry, err := rls.Provision(ctx, rls.ProvisionOptions{
		Catalog: exampleCatalog, Migrations: migrations, Target: "main", Credentials: owners,
		Password: func(_ context.Context, login string) (string, error) {
			vault[login] = rls.NewPassword()
			return vault[login], nil
		},
	}, id)
	if err != nil {
		log.Fatal(err)
	}
	if entry, err = rls.PutEntry(ctx, owner, id, entry); err != nil {
		log.Fatal(err)
	}
	fmt.Println(entry.Tier, entry.Schema, entry.Status, entry.Version)

	directory, err := rls.OpenDirectory(ctx, rls.PostgresDirectoryConfig{URL: d.AppURL})
	if err != nil {
		log.Fatal(err)
	}
	defer directory.Close()
	db, err := rls.Open(ctx, rls.Config{Directory: directory, Credentials: rls.CredentialsFunc(
		func(_ context.Context, ask rls.CredentialRequest) (rls.Credential, error) {
			return rls.Credential{URL: d.AppURL, Password: vault[ask.Login]}, nil
		})}, exampleCatalog)
	if err != nil {
		log.Fatal(err)
	}
	tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: id, Subject: "dr.grey"})
	if err != nil {
		log.Fatal(err)
	}
	add := query.MustStatic(exampleCatalog, "insert into patients (tenant_id, id, name) values (@tenant, @id, @name)")
	names := query.MustStatic(exampleCatalog, "select name from patients where tenant_id = @tenant")
	fmt.Println(db.Exec(tc, add, query.Args{"id": 1, "name": "Ann"}))
	fmt.Println(rls.All[string](tc, db, names))

	// A rotation: the vault and the server; no restart.
	vault[entry.Login] = rls.NewPassword()
	fmt.Println(rls.SetPassword(ctx, owner, entry.Login, vault[entry.Login]))

	// The next version of the program: every tenant, one failure stops nobody else.
	op, err := tenant.AsOperator(ctx, tenant.Mandate{Actor: "ops@example.org", Purpose: "release 2", For: time.Hour,
		Observer: func(context.Context, tenant.OperatorEvent) error { return nil }})
	if err != nil {
		log.Fatal(err)
	}
	report, err := rls.MigrateAll(op, rls.MigrateOptions{
		Directory: directory, Credentials: owners, Catalog: exampleCatalog, Migrations: migrations,
	})
	for _, outcome := range report.Outcomes {
		fmt.Println(outcome.Tenant, outcome.Applied, outcome.Err)
	}
	fmt.Println(err, op.Close())
	db.Close()
	_ = d.Drop(ctx)
	_ = dropRole(ctx, server.URL(), entry.Login)
	// Output:
	// bridge t_st-mary active 1
	// <nil>
	// [Ann] <nil>
	// <nil>
	// st-mary [] <nil>
	// <nil> <nil>
}

func dropRole(ctx context.Context, url, role string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "drop role if exists "+pgx.Identifier{role}.Sanitize())
	return err
}
