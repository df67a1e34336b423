package rls_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

var (
	exampleCatalog = query.MustCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("patients"), query.Global("codes"))

	insert   = query.MustStatic(exampleCatalog, `insert into patients (tenant_id, id, name) values (@tenant, @id, @name)`)
	names    = query.MustStatic(exampleCatalog, `select name from patients where tenant_id = @tenant order by id`)
	byID     = query.MustStatic(exampleCatalog, `select id, name from patients where tenant_id = @tenant and id = @id`)
	renameIt = query.MustStatic(exampleCatalog, `update patients set name = @name where tenant_id = @tenant and id = @id`)
)

// Each hospital has its own patient 1.
func Example() {
	db, stMary, stPaul := exampleHospital()
	defer db.Close()

	for _, tc := range []tenant.Context{stMary, stPaul} {
		found, err := rls.All[string](tc, db, names)
		fmt.Println(tc.Tenant(), found, err)
	}
	// Output:
	// st-mary [Ann] <nil>
	// st-paul [Bob] <nil>
}

func ExampleDB_Query() {
	db, stMary, _ := exampleHospital()
	defer db.Close()

	rows, err := db.Query(stMary, byID, query.Args{"id": 1})
	if err != nil {
		log.Fatal(err)
	}
	patients, err := pgx.CollectRows(rows, pgx.RowToStructByName[patient])
	fmt.Println(patients, err)
	// Output: [{1 Ann}] <nil>
}

func ExampleDB_QueryRow() {
	db, stMary, _ := exampleHospital()
	defer db.Close()

	var p patient
	err := db.QueryRow(stMary, byID, query.Args{"id": 2}).Scan(&p.ID, &p.Name)
	fmt.Println(errors.Is(err, query.ErrNotFound))
	// Output: true
}

// A write that wrote nothing is never a success.
func ExampleDB_Exec() {
	db, stMary, _ := exampleHospital()
	defer db.Close()

	fmt.Println(db.Exec(stMary, renameIt, query.Args{"id": 1, "name": "Anna"}))
	fmt.Println(db.Exec(stMary, renameIt.Named("rename"), query.Args{"id": 2, "name": "Bert"}))
	n, err := db.Affected(stMary, renameIt, query.Args{"id": 2, "name": "Bert"})
	fmt.Println(n, err)
	// Output:
	// <nil>
	// rls: Exec rename: query: not found
	// 0 <nil>
}

func ExampleDB_InTx() {
	db, stMary, _ := exampleHospital()
	defer db.Close()

	err := db.InTx(stMary, func(tx *rls.Tx) error {
		if err := tx.Exec(stMary, renameIt, query.Args{"id": 1, "name": "Anna"}); err != nil {
			return err
		}
		return errors.New("second thoughts")
	}, rls.Isolation(pgx.Serializable), rls.Repeatable(3))
	fmt.Println(err)
	name, _ := rls.One[string](stMary, db, names)
	fmt.Println(name)
	// Output:
	// second thoughts
	// Ann
}

func ExampleTx_Savepoint() {
	db, stMary, _ := exampleHospital()
	defer db.Close()

	err := db.InTx(stMary, func(tx *rls.Tx) error {
		for id, name := range []string{"Zoe", "Ann again", "Ben"} {
			err := tx.Savepoint(stMary, func(tx *rls.Tx) error {
				return tx.Exec(stMary, insert, query.Args{"id": id, "name": name})
			})
			if err != nil {
				fmt.Println("left out:", name)
			}
		}
		return nil
	})
	all, _ := rls.All[string](stMary, db, names)
	fmt.Println(all, err)
	// Output:
	// left out: Ann again
	// [Zoe Ann Ben] <nil>
}

func ExampleDB_Batch() {
	db, stMary, _ := exampleHospital()
	defer db.Close()

	var b rls.Batch
	var all []string
	b.Exec(insert, query.Args{"id": 2, "name": "Ben"})
	rls.Collect(&b, &all, names)
	err := db.Batch(stMary, &b)
	fmt.Println(all, err)
	// Output: [Ann Ben] <nil>
}

func ExampleEachTenant() {
	db, stMary, stPaul := exampleHospital()
	defer db.Close()

	op, err := tenant.AsOperator(context.Background(), tenant.Mandate{
		Actor: "ops@example.org", Purpose: "ticket 8812", For: time.Hour,
		Observer: func(_ context.Context, e tenant.OperatorEvent) error {
			fmt.Print(strings.TrimSpace(e.Action+" "+e.Tenant.String()), "\n")
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	err = rls.EachTenant(op, slices.Values([]tenant.ID{stMary.Tenant(), stPaul.Tenant()}), func(tc tenant.Context) error {
		return db.Exec(tc, renameIt, query.Args{"id": 1, "name": "swept"})
	})
	fmt.Println(err)
	_ = op.Close()
	// Output:
	// begin
	// enter st-mary
	// enter st-paul
	// <nil>
	// end
}

func ExampleOpen() {
	db, err := rls.Open(context.Background(), rls.Config{URL: "postgres://app@db.example.org/hms?sslmode=prefer&search_path=hms"}, exampleCatalog)
	var refused *rls.OpenError
	if errors.As(err, &refused) {
		for _, reason := range refused.Reasons {
			fmt.Println(reason.Code, reason.Object)
		}
		return
	}
	defer db.Close()
	// Output:
	// connection_plain db.example.org
	// url_setting search_path
}

func ExampleWriteSQL() {
	err := rls.WriteSQL(os.Stdout, query.MustCatalog(query.Global("codes")), rls.Options{AppRole: "hms_app"})
	fmt.Println(err)
	// Output:
	// -- Tenant isolation by row-level security. Written by Septum; run it as the owner of the tables, in one transaction.
	// grant usage on schema "public" to "hms_app";
	//
	// -- codes
	// revoke all on table "public"."codes" from "hms_app";
	// grant select on table "public"."codes" to "hms_app";
	// <nil>
}

// The tenant is the context's: the rows don't name it.
func ExampleDB_CopyIn() {
	db, stMary, _ := exampleHospital()
	defer db.Close()

	n, err := db.CopyIn(stMary, "patients", []string{"id", "name"}, pgx.CopyFromRows([][]any{{2, "Cas"}, {3, "Dee"}}))
	fmt.Println(n, err)
	found, err := rls.All[string](stMary, db, names)
	fmt.Println(found, err)
	// Output:
	// 2 <nil>
	// [Ann Cas Dee] <nil>
}
