package query_test

import (
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

// TestSelectText shows where the predicates stand. Each text was proved, so it is sound; that it says what the builder
// said is what this table is for.
func TestSelectText(t *testing.T) {
	t.Parallel()
	for _, test := range selectTexts() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, text(t, test.b))
		})
	}
}

// textCase is a builder and what it writes.
type textCase struct {
	name string
	b    query.Builder
	want string
}

func selectTexts() []textCase {
	c := clinic
	on := query.On("e.patient_id = p.id")
	return []textCase{
		{"one relation", c.Select("id").From("patients"),
			`select "id" from "patients" where "patients"."tenant_id" = $1`},
		{"inner join", c.Select("p.id").From("patients p").Join("encounters e", on),
			`select "p"."id" from "patients" as "p" join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 where "p"."tenant_id" = $1`},
		{"left join: in ON for the side that may be absent", c.Select("p.id", "e.ward as w").From("patients p").LeftJoin("encounters e", on),
			`select "p"."id", "e"."ward" as "w" from "patients" as "p" left join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 where "p"."tenant_id" = $1`},
		{"right join: in ON for the left side", c.Select("p.id").From("patients p").RightJoin("encounters e", on),
			`select "p"."id" from "patients" as "p" right join "encounters" as "e" on (e.patient_id = p.id) and "p"."tenant_id" = $1 where "e"."tenant_id" = $1`},
		{"full join: in derived tables", c.Select("p.id").From("patients p").FullJoin("encounters e", on),
			`select "p"."id" from (select * from "patients" as "p" where "p"."tenant_id" = $1) as "p" full join (select * from "encounters" as "e" where "e"."tenant_id" = $1) as "e" on (e.patient_id = p.id)`},
		{"left join, then right join", c.Select("p.id").From("patients p").LeftJoin("encounters e", on).RightJoin("charges c", query.On("c.encounter_id = e.id")),
			`select "p"."id" from "patients" as "p" left join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 right join "charges" as "c" on (c.encounter_id = e.id) and "p"."tenant_id" = $1 where "c"."tenant_id" = $1`},
		{"cross join", c.Select("p.id").From("patients p").CrossJoin("encounters e"),
			`select "p"."id" from "patients" as "p" cross join "encounters" as "e" where "p"."tenant_id" = $1 and "e"."tenant_id" = $1`},
		{"global root, J01", c.Select("k.title").From("codes k").LeftJoin("charges c", query.On("c.code = k.code")),
			`select "k"."title" from "codes" as "k" left join "charges" as "c" on (c.code = k.code) and "c"."tenant_id" = $1`},
		{"global alone", c.Select("title").From("codes").Where(sq.Eq{"code": query.Arg("code")}),
			`select "title" from "codes" where ("code" = $1)`},
		{"the tenant's own table", c.Select("name").From("tenants"), `select "name" from "tenants" where "tenants"."id" = $1`},
		{"self join, J07", c.Select("a.id").From("patients a").Join("patients b", query.On("b.parent_id = a.id")),
			`select "a"."id" from "patients" as "a" join "patients" as "b" on (b.parent_id = a.id) and "b"."tenant_id" = $1 where "a"."tenant_id" = $1`},
		{"OR keeps to itself, Q01", c.Select("id").From("patients").Where(query.Expr("status = ? or status = ?", "a", "b")),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and (status = $2 or status = $3)`},
		{"lists", c.Select("id").From("patients").Where(sq.Eq{"status": []string{"a", "b"}, "ward": nil}, sq.NotEq{"note": nil}),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and ("status" in ($2, $3) and "ward" is null) and ("note" is not null)`},
		{"an empty list matches nothing", c.Select("id").From("patients").Where(sq.Eq{"status": []string{}}),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and ("status" is null and false)`},
		{"and, or, comparisons", c.Select("id").From("patients").Where(sq.Or{sq.And{sq.Gt{"born": "x"}, sq.LtOrEq{"born": "y"}}, sq.ILike{"name": "z%"}}),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and ((("born" > $2) and ("born" <= $3)) or ("name" ilike $4))`},
		{"one name, one parameter", c.Select("id").From("patients").Where(sq.Or{sq.Eq{"name": query.Arg("q")}, sq.Eq{"mrn": query.Arg("q")}}),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and (("name" = $2) or ("mrn" = $2))`},
		{"jsonb and arrays", c.Select("id").From("patients").Where(query.Expr("data ?? ? and tags && ? and data @> ?", "k", []string{"x"}, "{}")),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and (data ? $2 and tags && $3 and data @> $4)`},
		{"full text", c.Select("id").From("patients").Where(query.Expr("search @@ websearch_to_tsquery('simple', @q)")),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and (search @@ websearch_to_tsquery('simple', $2))`},
		{"exists, J03", c.Select("p.id").From("patients p").Where(query.Exists(c.Select("e.id").From("encounters e").Where(on))),
			`select "p"."id" from "patients" as "p" where "p"."tenant_id" = $1 and (exists (select "e"."id" from "encounters" as "e" where "e"."tenant_id" = $1 and (e.patient_id = p.id)))`},
		{"in", c.Select("p.id").From("patients p").Where(query.NotIn("p.id", c.Select("e.patient_id").From("encounters e"))),
			`select "p"."id" from "patients" as "p" where "p"."tenant_id" = $1 and (p.id not in (select "e"."patient_id" from "encounters" as "e" where "e"."tenant_id" = $1))`},
		{"scalar in the list, J06", c.Select("p.id").Columns(query.Scalar(c.Select().Columns(query.Count("*")).From("encounters e").Where(on)).As("n")).From("patients p").OrderBy("n desc"),
			`select "p"."id", ((select (count(*)) from "encounters" as "e" where "e"."tenant_id" = $1 and (e.patient_id = p.id))) as "n" from "patients" as "p" where "p"."tenant_id" = $1 order by "n" desc`},
		{"grouped", c.Select("ward").Columns(query.Expr("count(*) filter (where status = 'in')").As("n")).From("encounters").GroupBy("ward").Having(query.Expr("count(*) > ?", 3)).OrderBy("ward"),
			`select "ward", (count(*) filter (where status = 'in')) as "n" from "encounters" where "encounters"."tenant_id" = $1 group by "ward" having (count(*) > $2) order by "ward"`},
		{"rollup", c.Select("ward", "status").Columns(query.Count("*")).From("encounters").Rollup("ward", "status"),
			`select "ward", "status", (count(*)) from "encounters" where "encounters"."tenant_id" = $1 group by rollup ("ward", "status")`},
		{"grouping sets", c.Select("ward").Columns(query.Count("*")).From("encounters").GroupingSets([]string{"ward"}, nil),
			`select "ward", (count(*)) from "encounters" where "encounters"."tenant_id" = $1 group by grouping sets (("ward"), ())`},
		{"window", c.Select("id").Columns(query.Expr("row_number() over w").As("n")).From("encounters").Window("w", query.Over{}.PartitionBy("ward").OrderBy("admitted_at desc")),
			`select "id", (row_number() over w) as "n" from "encounters" where "encounters"."tenant_id" = $1 window "w" as (partition by "ward" order by "admitted_at" desc)`},
		{"distinct on", c.Select("patient_id", "id").From("encounters").DistinctOn("patient_id").OrderBy("patient_id", "admitted_at desc nulls last"),
			`select distinct on ("patient_id") "patient_id", "id" from "encounters" where "encounters"."tenant_id" = $1 order by "patient_id", "admitted_at" desc nulls last`},
		{"sorted by an expression", c.Select("id").From("patients").OrderByExpr(query.Expr("lower(name)").Desc().NullsFirst()).Limit(3).OffsetArg("skip"),
			`select "id" from "patients" where "patients"."tenant_id" = $1 order by (lower(name)) desc nulls first limit $2 offset $3`},
		{"a job queue", c.Select("e.id").From("encounters e").Limit(1).ForUpdate("e").SkipLocked(),
			`select "e"."id" from "encounters" as "e" where "e"."tenant_id" = $1 limit $2 for update of "e" skip locked`},
		{"lateral", c.Select("p.id", "x.ward").From("patients p").JoinSource(query.Left, query.Lateral(c.Select("e.ward").From("encounters e").Where(on).OrderBy("e.admitted_at desc").Limit(1), "x"), query.On("true")),
			`select "p"."id", "x"."ward" from "patients" as "p" left join lateral (select "e"."ward" from "encounters" as "e" where "e"."tenant_id" = $1 and (e.patient_id = p.id) order by "e"."admitted_at" desc limit $2) as "x" on (true) where "p"."tenant_id" = $1`},
		{"derived table", c.Select("x.ward").FromSource(query.Sub(c.Select("ward").From("encounters").Distinct(), "x")),
			`select "x"."ward" from (select distinct "ward" from "encounters" where "encounters"."tenant_id" = $1) as "x"`},
		{"function", c.Select("p.id").From("patients p").JoinSource(query.Inner, query.Func(query.Expr("unnest(?::text[])", []string{"a"}), "m", "mrn"), query.On("m.mrn = p.mrn")),
			`select "p"."id" from "patients" as "p" join unnest($2::text[]) as "m"("mrn") on (m.mrn = p.mrn) where "p"."tenant_id" = $1`},
		{"CTE", c.Select("w.ward").With("w", c.Select("ward").From("encounters")).From("w"),
			`with "w" as (select "ward" from "encounters" where "encounters"."tenant_id" = $1) select "w"."ward" from "w"`},
		{"recursive, J07", c.Select("id").WithRecursive("tree", []string{"id"},
			c.Select("id").From("patients").Where(sq.Eq{"id": query.Arg("root")}),
			c.Select("p.id").From("patients p").Join("tree t", query.On("p.parent_id = t.id"))).From("tree"),
			`with recursive "tree"("id") as ((select "id" from "patients" where "patients"."tenant_id" = $1 and ("id" = $2)) union all (select "p"."id" from "patients" as "p" join "tree" as "t" on (p.parent_id = t.id) where "p"."tenant_id" = $1)) select "id" from "tree"`},
		{"data-modifying CTE", c.Select("g.id").With("g", c.Delete("charges").Where(sq.Eq{"status": "void"}).Returning("id")).From("g"),
			`with "g" as (delete from "charges" where "charges"."tenant_id" = $1 and ("status" = $2) returning "id") select "g"."id" from "g"`},
		{"union, J07", c.Select("id").From("patients").Union(c.Select("id").From("encounters")).OrderBy("id").Limit(5),
			`(select "id" from "patients" where "patients"."tenant_id" = $1) union (select "id" from "encounters" where "encounters"."tenant_id" = $1) order by "id" limit $2`},
		{"left to right", c.Select("id").From("patients").Union(c.Select("id").From("encounters")).Intersect(c.Select("id").From("charges")),
			`((select "id" from "patients" where "patients"."tenant_id" = $1) union (select "id" from "encounters" where "encounters"."tenant_id" = $1)) intersect (select "id" from "charges" where "charges"."tenant_id" = $1)`},
		{"everything of one", c.Select("p.*").From("patients p"), `select "p".* from "patients" as "p" where "p"."tenant_id" = $1`},
		{"quoted and folded names", c.Select(`P."name" as "N m"`).From("Patients AS p"), `select "p"."name" as "N m" from "patients" as "p" where "p"."tenant_id" = $1`},
	}
}

// J04: what is added to a statement later never takes its predicate away.
func TestAdditionsKeepThePredicate(t *testing.T) {
	t.Parallel()
	base := clinic.Select("id").From("patients")
	for _, b := range []query.SelectBuilder{
		base.OrderBy("name"), base.Limit(1), base.Offset(1), base.Distinct(), base.ForUpdate(),
		base.Columns(query.Expr("count(*) over ()").As("n")), base.GroupBy("id"), base.DistinctOn("id"),
	} {
		require.Contains(t, text(t, b), `where "patients"."tenant_id" = $1`)
	}
}

func TestOtherSchema(t *testing.T) {
	t.Parallel()
	require.Equal(t, `select "a"."id" from "clinic"."audit" as "a" where "a"."tenant_id" = $1`,
		text(t, open.Select("a.id").From("clinic.audit a")))
	require.Equal(t, `select "audit"."id" from "clinic"."audit" where "audit"."tenant_id" = $1`,
		text(t, open.Select("audit.id").From("clinic.audit")))
}
