package query_test

import (
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

func TestWriteText(t *testing.T) {
	t.Parallel()
	for _, test := range writeTexts() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, text(t, test.b))
		})
	}
}

func writeTexts() []textCase {
	c := clinic
	id := sq.Eq{"id": query.Arg("id")}
	return []textCase{
		{"insert", c.Insert("patients").Columns("id", "name").Values(query.Arg("id"), query.Arg("name")),
			`insert into "patients" ("tenant_id", "id", "name") values ($1, $2, $3)`},
		{"insert by Set", c.Insert("patients").Set("id", 1).Set("name", query.Expr("upper(?)", "x")).Returning("id"),
			`insert into "patients" ("tenant_id", "id", "name") values ($1, $2, (upper($3))) returning "id"`},
		{"insert many", c.Insert("patients").Columns("id").Values(1).Values(2),
			`insert into "patients" ("tenant_id", "id") values ($1, $2), ($1, $3)`},
		{"insert from a query, W07", c.Insert("charges").Columns("id", "encounter_id").Query(c.Select("e.id", "e.id").From("encounters e").Where(sq.Eq{"e.status": "out"})),
			`insert into "charges" ("tenant_id", "id", "encounter_id") select $1::uuid, "e"."id", "e"."id" from "encounters" as "e" where "e"."tenant_id" = $1 and ("e"."status" = $2)`},
		{"insert of the tenant itself", c.Insert("tenants").Columns("name").Values("x"),
			`insert into "tenants" ("id", "name") values ($1, $2)`},
		{"insert into a writable global relation", c.Insert("notices").Columns("id").Values(7), `insert into "notices" ("id") values ($1)`},
		{"do nothing", c.Insert("patients").Columns("id").Values(1).OnConflict("id").DoNothing(),
			`insert into "patients" ("tenant_id", "id") values ($1, $2) on conflict ("tenant_id", "id") do nothing`},
		{"upsert, W02", c.Insert("patients p").Columns("id", "name").Values(1, "x").OnConflict("id").DoUpdate("name").DoUpdateSet("note", query.Expr("p.note || excluded.name")).DoUpdateWhere(query.Expr("p.status <> 'closed'")),
			`insert into "patients" as "p" ("tenant_id", "id", "name") values ($1, $2, $3) on conflict ("tenant_id", "id") do update set "name" = excluded."name", "note" = (p.note || excluded.name) where "p"."tenant_id" = $1 and (p.status <> 'closed')`},
		{"upsert by the declared key", c.Insert("patients").Columns("id", "name").Values(1, "x").OnConflict().DoUpdate("name"),
			`insert into "patients" ("tenant_id", "id", "name") values ($1, $2, $3) on conflict ("tenant_id", "id") do update set "name" = excluded."name" where "patients"."tenant_id" = $1`},
		{"partial index", c.Insert("patients").Columns("id", "mrn").Values(1, "x").OnConflict("mrn").OnConflictWhere(query.Expr("deleted_at is null")).DoNothing(),
			`insert into "patients" ("tenant_id", "id", "mrn") values ($1, $2, $3) on conflict ("tenant_id", "mrn") where (deleted_at is null) do nothing`},
		{"update, W01", c.Update("patients").Set("name", query.Arg("name")).Set("note", nil).Where(id),
			`update "patients" set "name" = $2, "note" = $3 where "patients"."tenant_id" = $1 and ("id" = $4)`},
		{"update from, W03", c.Update("charges c").Set("status", "void").From("encounters e").LeftJoin("patients p", query.On("p.id = e.patient_id")).Where(query.Expr("e.id = c.encounter_id")),
			`update "charges" as "c" set "status" = $2 from "encounters" as "e" left join "patients" as "p" on (p.id = e.patient_id) and "p"."tenant_id" = $1 where "c"."tenant_id" = $1 and "e"."tenant_id" = $1 and (e.id = c.encounter_id)`},
		{"update by a query", c.Update("patients p").Set("note", query.Scalar(c.Select().Columns(query.Expr("max(e.status)")).From("encounters e").Where(query.Expr("e.patient_id = p.id")))).All(),
			`update "patients" as "p" set "note" = ((select (max(e.status)) from "encounters" as "e" where "e"."tenant_id" = $1 and (e.patient_id = p.id))) where "p"."tenant_id" = $1`},
		{"delete, W01", c.Delete("patients").Where(id).Returning("id", "name as n"),
			`delete from "patients" where "patients"."tenant_id" = $1 and ("id" = $2) returning "id", "name" as "n"`},
		{"delete using, W03", c.Delete("charges c").Using("encounters e").Where(query.Expr("e.id = c.encounter_id")),
			`delete from "charges" as "c" using "encounters" as "e" where "c"."tenant_id" = $1 and "e"."tenant_id" = $1 and (e.id = c.encounter_id)`},
		{"delete by a query, W03", c.Delete("charges").Where(query.In("encounter_id", c.Select("id").From("encounters"))),
			`delete from "charges" where "charges"."tenant_id" = $1 and (encounter_id in (select "id" from "encounters" where "encounters"."tenant_id" = $1))`},
		{"delete all of the tenant's", c.Delete("charges").All(), `delete from "charges" where "charges"."tenant_id" = $1`},
		{"archive", c.Insert("charges").With("gone", c.Delete("charges").Where(sq.Eq{"status": "old"}).Returning("id", "code")).Columns("id", "code").Query(c.Select("g.id", "g.code").From("gone g")),
			`with "gone" as (delete from "charges" where "charges"."tenant_id" = $1 and ("status" = $2) returning "id", "code") insert into "charges" ("tenant_id", "id", "code") select $1::uuid, "g"."id", "g"."code" from "gone" as "g"`},
		{"merge", c.Merge("patients p").Using("encounters e", query.On("e.patient_id = p.id")).MatchedSet("ward", query.Expr("e.ward")).NotMatchedSet("id", query.Expr("e.patient_id")).NotMatchedSet("name", "x"),
			`merge into "patients" as "p" using (select * from "encounters" as "e" where "e"."tenant_id" = $1) as "e" on (e.patient_id = p.id) and "p"."tenant_id" = $1 when matched then update set "ward" = (e.ward) when not matched then insert ("tenant_id", "id", "name") values ($1, (e.patient_id), $2)`},
		{"merge, deleting", c.Merge("charges c").UsingSource(query.Sub(c.Select("e.id").From("encounters e").Where(sq.Eq{"e.status": "void"}), "x"), query.On("x.id = c.encounter_id")).MatchedDelete(),
			`merge into "charges" as "c" using (select "e"."id" from "encounters" as "e" where "e"."tenant_id" = $1 and ("e"."status" = $2)) as "x" on (x.id = c.encounter_id) and "c"."tenant_id" = $1 when matched then delete`},
	}
}

func TestWritesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := clinic
	for _, test := range []struct {
		name, rule string
		b          query.Builder
	}{
		{"Q05 delete without Where", "SEP-B11", c.Delete("patients")},
		{"Q05 update without Where", "SEP-B11", c.Update("patients").Set("name", "x")},
		{"Q05 delete with a nil condition", "SEP-B01", c.Delete("patients").Where(nil)},
		{"Q06 delete with an empty Eq", "SEP-B01", c.Delete("patients").Where(sq.Eq{})},
		{"Q06 delete with an empty NotEq list", "SEP-B01", c.Delete("patients").Where(sq.NotEq{"id": []int{}})},
		{"no conditions at all in Where", "SEP-B11", c.Delete("patients").Where()},
		{"Q07 update of the tenant", "SEP-B10", c.Update("patients").Set("tenant_id", john).All()},
		{"Q07 in quotes", "SEP-B10", c.Update("patients").Set(`"tenant_id"`, john).All()},
		{"Q07 in capitals", "SEP-B10", c.Update("patients").Set("TENANT_ID", john).All()},
		{"W02 insert of a tenant", "SEP-B10", c.Insert("patients").Columns("tenant_id", "id").Values(john, 1)},
		{"W02 upsert of the tenant", "SEP-B10", c.Insert("patients").Columns("id").Values(1).OnConflict("id").DoUpdate("tenant_id")},
		{"W02 upsert of the tenant by Set", "SEP-B10", c.Insert("patients").Columns("id").Values(1).OnConflict("id").DoUpdateSet("tenant_id", john)},
		{"a global relation", "SEP-B12", c.Update("codes").Set("title", "x").All()},
		{"insert into a global relation", "SEP-B12", c.Insert("codes").Columns("code").Values("x")},
		{"an unknown relation", "SEP-B07", c.Delete("nobody").All()},
		{"Q14 a CTE as target", "SEP-B07", c.Delete("w").With("w", c.Select("id").From("patients")).All()},
		{"Q14 a CTE with the target's name", "SEP-B13", c.Delete("patients").With("patients", c.Select("id").From("encounters")).All()},
		{"nothing set", "SEP-B18", c.Update("patients").All()},
		{"set twice", "SEP-B09", c.Update("patients").Set("name", 1).Set("name", 2).All()},
		{"too few values", "SEP-B18", c.Insert("patients").Columns("id", "name").Values(1)},
		{"values and a query", "SEP-B18", c.Insert("patients").Columns("id").Values(1).Query(c.Select("id").From("patients"))},
		{"conflict without action", "SEP-B18", c.Insert("patients").Columns("id").Values(1).OnConflict("id")},
		{"action without conflict", "SEP-B18", c.Insert("patients").Columns("id").Values(1).DoNothing()},
		{"conflict without columns", "SEP-B18", c.Insert("charges").Columns("id").Values(1).OnConflict().DoNothing()},
		{"an unknown column", "SEP-B08", c.Update("patients").Set("salary", 1).All()},
		{"a column that is SQL", "SEP-B09", c.Update("patients").Set("name = 'x', tenant_id", 1).All()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refused(t, test.b, test.rule)
		})
	}
}
