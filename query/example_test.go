package query_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

var catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.Text),
	query.Tenant("patients", "encounters", "charges"),
	query.Global("codes"))

// request is the context that the border of an application gives to a handler.
func request() tenant.Context {
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("st-mary"), Subject: "dr.grey"})
	if err != nil {
		panic(err)
	}
	return tc
}

func ExampleCatalog_Select() {
	inWard := query.Must(catalog.Select("p.id", "p.name", "e.admitted_at").
		From("patients p").
		LeftJoin("encounters e", query.On("e.patient_id = p.id")).
		Where(sq.Eq{"e.ward": query.Arg("ward")}).
		OrderBy("p.name"))
	fmt.Println(inWard.SQL())

	values, err := inWard.Bind(request(), query.Args{"ward": "icu"})
	fmt.Println(values, err)
	// Output:
	// select "p"."id", "p"."name", "e"."admitted_at" from "patients" as "p" left join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 where "p"."tenant_id" = $1 and ("e"."ward" = $2) order by "p"."name"
	// [st-mary icu] <nil>
}

func ExampleStatic() {
	_, err := query.Static(catalog, `select p.name, e.ward
from patients p
left join encounters e on e.patient_id = p.id
where p.tenant_id = @tenant`)
	fmt.Println(err)

	var refusal *query.Refusal
	fmt.Println(errors.As(err, &refusal), refusal.Relation)
	// Output:
	// query: refused SEP-T05: "encounters e" is not bound to the tenant (line 3, column 11)
	//   it stands on the nullable side of an outer join and ON does not bind it, so rows of every tenant would join
	//   write: LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND …
	// true encounters e
}

func ExampleStatement_Explain() {
	s := query.MustStatic(catalog, `select p.name, e.ward from patients p join encounters e on e.tenant_id = p.tenant_id and e.patient_id = p.id where p.tenant_id = @tenant`)
	fmt.Println(s.Explain())
	// Output:
	// patients p (1:28): p.tenant_id = $1
	// encounters e (1:44): e.tenant_id = p.tenant_id = $1
}

func ExampleStatement_Bind() {
	addCharge := query.Must(catalog.Insert("charges").Columns("id", "code", "amount").
		Values(query.Arg("id"), query.Arg("code"), query.Arg("amount")))
	type charge struct {
		ID     int
		Code   string
		Amount float64 `db:"amount"`
	}
	values, err := addCharge.Bind(request(), charge{7, "A01", 12.5})
	fmt.Println(values, err)

	_, err = addCharge.Bind(request(), query.Args{"id": 7, "code": "A01"})
	fmt.Println(err)
	// Output:
	// [st-mary 7 A01 12.5] <nil>
	// query: insert charges: argument @amount is missing
}

func ExampleCatalog_Insert() {
	save := query.Must(catalog.Insert("patients").Columns("id", "name").Values(query.Arg("id"), query.Arg("name")).
		OnConflict("id").DoUpdate("name").Returning("id"))
	fmt.Println(save.SQL())
	// Output:
	// insert into "patients" ("tenant_id", "id", "name") values ($1, $2, $3) on conflict ("tenant_id", "id") do update set "name" = excluded."name" where "patients"."tenant_id" = $1 returning "id"
}

func ExampleCatalog_Update() {
	discharge := query.Must(catalog.Update("encounters").Set("status", "out").Where(sq.Eq{"id": query.Arg("encounter")}))
	fmt.Println(discharge.SQL())

	_, err := catalog.Update("encounters").Set("status", "out").Build()
	fmt.Println(err)
	// Output:
	// update "encounters" set "status" = $2 where "encounters"."tenant_id" = $1 and ("id" = $3)
	// query: refused SEP-B11: "encounters" would lose or change every row of the tenant
	//   a forgotten Where looks the same as a wish for all of them
	//   write: Where, or All when every row of the tenant is meant
}

func ExampleCatalog_Delete() {
	fmt.Println(query.Must(catalog.Delete("charges c").Using("encounters e").Where(query.Expr("e.id = c.encounter_id"), sq.Eq{"e.status": "void"})).SQL())
	// Output:
	// delete from "charges" as "c" using "encounters" as "e" where "c"."tenant_id" = $1 and "e"."tenant_id" = $1 and (e.id = c.encounter_id) and ("e"."status" = $2)
}

func ExampleCatalog_Merge() {
	fmt.Println(query.Must(catalog.Merge("charges c").Using("encounters e", query.On("e.id = c.encounter_id")).
		MatchedSet("status", query.Expr("e.status")).
		NotMatchedSet("encounter_id", query.Expr("e.id"))).SQL())
	// Output:
	// merge into "charges" as "c" using (select * from "encounters" as "e" where "e"."tenant_id" = $1) as "e" on (e.id = c.encounter_id) and "c"."tenant_id" = $1 when matched then update set "status" = (e.status) when not matched then insert ("tenant_id", "encounter_id") values ($1, (e.id))
}

func ExampleExists() {
	open := catalog.Select("c.id").From("charges c").Where(query.Expr("c.encounter_id = e.id"), sq.Eq{"c.status": "open"})
	fmt.Println(query.Must(catalog.Select("e.id").From("encounters e").Where(query.NotExists(open))).SQL())
	// Output:
	// select "e"."id" from "encounters" as "e" where "e"."tenant_id" = $1 and (not exists (select "c"."id" from "charges" as "c" where "c"."tenant_id" = $1 and (c.encounter_id = e.id) and ("c"."status" = $2)))
}

func ExampleLateral() {
	newest := catalog.Select("e.ward").From("encounters e").Where(query.Expr("e.patient_id = p.id")).OrderBy("e.admitted_at desc").Limit(1)
	fmt.Println(query.Must(catalog.Select("p.id", "last.ward").From("patients p").
		JoinSource(query.Left, query.Lateral(newest, "last"), query.On("true"))).SQL())
	// Output:
	// select "p"."id", "last"."ward" from "patients" as "p" left join lateral (select "e"."ward" from "encounters" as "e" where "e"."tenant_id" = $1 and (e.patient_id = p.id) order by "e"."admitted_at" desc limit $2) as "last" on (true) where "p"."tenant_id" = $1
}

func ExampleSelectBuilder_WithRecursive() {
	base := catalog.Select("id").From("patients").Where(sq.Eq{"id": query.Arg("mother")})
	step := catalog.Select("p.id").From("patients p").Join("family f", query.On("p.parent_id = f.id"))
	fmt.Println(query.Must(catalog.Select("id").WithRecursive("family", []string{"id"}, base, step).From("family")).SQL())
	// Output:
	// with recursive "family"("id") as ((select "id" from "patients" where "patients"."tenant_id" = $1 and ("id" = $2)) union all (select "p"."id" from "patients" as "p" join "family" as "f" on (p.parent_id = f.id) where "p"."tenant_id" = $1)) select "id" from "family"
}

func ExampleSelectBuilder_Union() {
	fmt.Println(query.Must(catalog.Select("id").From("patients").Union(catalog.Select("id").From("encounters")).OrderBy("id").Limit(10)).SQL())
	// Output:
	// (select "id" from "patients" where "patients"."tenant_id" = $1) union (select "id" from "encounters" where "encounters"."tenant_id" = $1) order by "id" limit $2
}

func ExampleSelectBuilder_Columns() {
	fmt.Println(query.Must(catalog.Select("ward").
		Columns(query.Count("*").As("n"), query.Expr("count(*) filter (where status = 'in')").As("present")).
		From("encounters").GroupBy("ward").Having(query.Expr("count(*) > ?", 3)).OrderBy("n desc")).SQL())
	// Output:
	// select "ward", (count(*)) as "n", (count(*) filter (where status = 'in')) as "present" from "encounters" where "encounters"."tenant_id" = $1 group by "ward" having (count(*) > $2) order by "n" desc
}

func ExampleFromSquirrel() {
	old := sq.Select("p.id").From("patients p").Where(sq.Eq{"p.tenant_id": query.TenantArg(), "p.ward": query.Arg("ward")})
	s, err := query.FromSquirrel(catalog, old)
	fmt.Println(s.SQL(), err)

	_, err = query.FromSquirrel(catalog, old.Where("p.status = 'in' OR p.status = 'out'"))
	fmt.Println(err != nil)
	// Output:
	// SELECT p.id FROM patients p WHERE p.tenant_id = $1 AND p.ward = $2 <nil>
	// true
}

func ExamplePaged() {
	list := query.MustPaged(catalog.Select("p.id", "p.name").From("patients p").Limit(50), "p.name", "p.id")
	sealer, err := query.NewSealer(bytes.Repeat([]byte("k"), 32)) // the application's secret
	if err != nil {
		panic(err)
	}
	token, err := list.Next(request(), sealer, query.Args{"name": "Zoe", "id": 7})
	if err != nil {
		panic(err)
	}
	stmt, args, err := list.Page(request(), sealer, token)
	fmt.Println(stmt.SQL(), args, err)

	_, _, err = list.Page(request(), sealer, token+"x")
	fmt.Println(err)
	// Output:
	// select "p"."id", "p"."name" from "patients" as "p" where "p"."tenant_id" = $1 and ((p.name, p.id) > ($2, $3)) order by "p"."name", "p"."id" limit $4 map[page_1:Zoe page_2:7] <nil>
	// query: the page token is not valid here; start again with the first page
}

func ExampleWithFilter() {
	c := query.MustCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("patients"),
		query.WithFilter("deleted", sq.Eq{"deleted_at": nil}, "patients"))
	list := c.Select("id").From("patients")
	fmt.Println(query.Must(list).SQL())
	fmt.Println(query.Must(list.Without("deleted")).SQL())
	_, err := list.Without("tenant").Build()
	fmt.Println(err)
	// Output:
	// select "id" from "patients" where "patients"."tenant_id" = $1 and ("patients"."deleted_at" is null)
	// select "id" from "patients" where "patients"."tenant_id" = $1
	// query: refused SEP-B14: there is no filter tenant to lift
	//   only filters that were declared can be lifted; the tenant's predicate is none of them
	//   write: a name given to WithFilter or Filter
}

func ExampleParseCatalog() {
	_, err := query.ParseCatalog([]byte(`{"tenant": {"column": "tenant_id", "type": "bigint"}, "relations": {"patients": "tennant"}}`))
	fmt.Println(err)
	// Output:
	// query: invalid catalog: $.relations.patients: must be "tenant" or "global", or an object whose kind is one of these
}
