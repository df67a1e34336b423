package rls_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// tenantTypes are the types that a tenant column can have (R20), each with two ids.
var tenantTypes = []struct {
	name, before, sql string
	typ               query.Type
	ids               [2]string
}{
	{"uuid", "", "uuid", query.UUID, [2]string{mary.String(), paul.String()}},
	{"text", "", "text", query.Text, [2]string{"st-mary", "st-paul"}},
	{"varchar", "", "varchar(8)", query.Varchar, [2]string{"st-mary", "st-paul"}},
	{"char", "", "char(8)", query.Char, [2]string{"mary", "st-paul8"}},
	{"bigint", "", "bigint", query.BigInt, [2]string{"7", "9007199254740993"}},
	{"integer", "", "integer", query.Integer, [2]string{"7", "2147483647"}},
	{"smallint", "", "smallint", query.SmallInt, [2]string{"7", "8"}},
	{"enum", `create schema app; create type app.site as enum ('paul', 'mary', 'john')`, "app.site", query.Enum("app.site"), [2]string{"mary", "paul"}},
	{"enum with an odd name", `create type "Order by" as enum ('mary', 'paul')`, `"Order by"`, query.Enum(`"Order by"`), [2]string{"mary", "paul"}},
	{"domain over uuid", `create domain hospital_id as uuid`, "hospital_id", query.Domain("hospital_id", query.UUID), [2]string{mary.String(), paul.String()}},
	{"domain over varchar, with conditions", `create domain code as varchar(20) not null check (value ~ '^st-')`, "code", query.Domain("code", query.Varchar), [2]string{"st-mary", "st-paul"}},
	{"domain over char", `create domain code as char(9)`, "code", query.Domain("code", query.Char), [2]string{"mary", "paul"}},
	{"domain over text", `create domain code as text`, "code", query.Domain("code", query.Text), [2]string{"mary", "paul"}},
	{"domain over a domain", `create domain number as integer; create schema app; create domain app."user" as number check (value > 0)`,
		`app."user"`, query.Domain("app.user", query.Integer), [2]string{"7", "8"}},
}

// annex is a database whose tenant columns have one of the types.
type annex struct {
	*rlstest.Database
	catalog      *query.Catalog
	first, other tenant.Context
}

func newAnnex(t *testing.T, before, sql string, typ query.Type, ids [2]string) *annex {
	t.Helper()
	const column = `"Tenant Id"`
	schema := strings.NewReplacer("TENANT", column, "TYPE", sql).Replace(`
		create table hospitals (id TYPE primary key);
		create table patients (TENANT TYPE not null references hospitals, id bigint not null, name text, primary key (TENANT, id));
		create table encounters (TENANT TYPE not null, id bigint generated always as identity, patient_id bigint not null, primary key (TENANT, id),
			foreign key (TENANT, patient_id) references patients (TENANT, id));
		create index on encounters (TENANT, patient_id);`)
	if before != "" {
		schema = before + ";" + schema
	}
	seed := fmt.Sprintf(`insert into hospitals values ('%s'), ('%s');
		insert into patients select h.id, n, h.id::text || ' ' || n from hospitals h, generate_series(1, 3) n;
		insert into encounters (%s, patient_id) select %[3]s, id from patients`, ids[0], ids[1], column)
	catalog, err := query.NewCatalog(query.TenantColumn(column, typ), query.Tenant("patients", "encounters"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}))
	require.NoError(t, err)
	return &annex{Database: rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(seed), rlstest.Catalog(catalog)), catalog: catalog,
		first: bind(t, context.Background(), tenant.MustParseID(ids[0])), other: bind(t, context.Background(), tenant.MustParseID(ids[1]))}
}

func eachType(t *testing.T, run func(t *testing.T, a *annex)) {
	t.Parallel()
	for _, of := range tenantTypes {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			run(t, newAnnex(t, of.before, of.sql, of.typ, of.ids))
		})
	}
}

// R20: with each type of tenant column the policies are what the posture expects, and every way to rows works and stays inside
// the tenant.
func TestEveryTypeOfTenantColumn(t *testing.T) {
	eachType(t, func(t *testing.T, a *annex) {
		ctx := t.Context()
		loader, loaderURL := a.Login(t, "BYPASSRLS NOINHERIT")
		require.NoError(t, rls.Apply(ctx, a.Owner(t), a.catalog, rls.Options{AppRole: a.AppRole, LoaderRole: loader}))
		db, err := rls.Open(ctx, rls.Config{URL: a.AppURL, MaxConns: 1, CheckEvery: 1, LoaderURL: loaderURL}, a.catalog)
		require.NoError(t, err)
		defer db.Close()
		all := query.MustStatic(a.catalog, `select "Tenant Id"::text as name, id from patients where "Tenant Id" = @tenant order by id`)
		id := a.first.Tenant().String()
		found, err := rls.All[patient](a.first, db, all)
		require.NoError(t, err)
		require.Equal(t, []patient{{1, id}, {2, id}, {3, id}}, found)

		visits := query.Must(a.catalog.Select("p.name", "e.id").From("patients p").Join("encounters e", query.Expr("e.patient_id = p.id")))
		rows, err := rls.All[patient](a.other, db, visits)
		require.NoError(t, err)
		require.Len(t, rows, 3)

		admit := query.MustStatic(a.catalog, `insert into patients ("Tenant Id", id, name) values (@tenant, @id, @name)`)
		err = db.Exec(a.first, admit, query.Args{"id": 10, "name": "x"})
		require.NoError(t, err)
		n, err := db.CopyIn(a.first, "patients", nameColumns, newcomers(20, 5))
		require.NoError(t, err)
		require.EqualValues(t, 5, n)
		plain := a.Open(t)
		n, err = plain.CopyIn(a.first, "patients", nameColumns, newcomers(30, 5))
		require.NoError(t, err)
		require.EqualValues(t, 5, n)
		seen, err := readAll(db.QueryUnproved(a.first, `select id, "Tenant Id" from patients`))
		require.NoError(t, err, "its own rows are no incident")
		require.Len(t, seen, 14)
		seen, err = readAll(db.QueryUnproved(a.other, `select id from patients`))
		require.NoError(t, err)
		require.Len(t, seen, 3)

		// Generated code has Go types of its own for enums and numbers.
		generated := rls.NewGenerated(db, a.catalog)
		const count = `select count(*) from patients where "Tenant Id" = $1`
		type site string
		args := []any{site(id)}
		if n, err := strconv.ParseInt(id, 10, 16); err == nil {
			args = append(args, int16(n), int32(n), n)
		}
		for _, arg := range args {
			require.NoError(t, generated.QueryRow(a.first, count, arg).Scan(&n))
			require.EqualValues(t, 14, n)
			require.ErrorIs(t, generated.QueryRow(a.other, count, arg).Scan(&n), tenant.ErrConflict)
		}

		// Without a tenant there are no rows, and no error (R05, X06).
		for _, scope := range []string{"", "set septum.tenant = ''"} {
			app := a.App(t)
			_, err = app.Exec(ctx, scope)
			require.NoError(t, err)
			var count int
			require.NoError(t, app.QueryRow(ctx, `select count(*) from patients`).Scan(&count))
			require.Zero(t, count)
		}

		// Nothing is cast but the setting, so that an index leads to the rows (R06).
		app := a.App(t)
		_, err = app.Exec(ctx, `set enable_seqscan = off; set septum.tenant = '`+id+`'`)
		require.NoError(t, err)
		plan, err := app.Query(ctx, `explain select * from patients`)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(plan, pgx.RowTo[string])
		require.NoError(t, err)
		require.Contains(t, strings.Join(lines, "\n"), "Index Cond")

		// The independent check knows the type's form on the wire.
		admin := a.Admin(t)
		_, err = admin.Exec(ctx, `alter table patients disable row level security`)
		require.NoError(t, err)
		_, err = readAll(db.QueryUnproved(a.first, `select id, "Tenant Id" from patients`))
		require.ErrorIs(t, err, rls.ErrForeignRow)
	})
}

// The evidence is the same for each type: a right database has no findings and needs no plan, whichever way its policies learn
// the tenant, its catalog is found again, and without its policies the probes find what is open.
func TestEvidenceForEveryType(t *testing.T) {
	eachType(t, func(t *testing.T, a *annex) {
		ctx := t.Context()
		owner, admin := a.Owner(t), a.Admin(t)
		clean := func() {
			t.Helper()
			report, err := rls.Audit(ctx, admin, a.catalog, rls.AuditOptions{Login: a.AppRole, ProbeRows: true})
			require.NoError(t, err)
			for _, f := range report.Findings {
				require.Equal(t, "SEP090", f.Rule, f.What)
			}
			for _, gap := range report.Incomplete {
				require.Contains(t, gap.What, "login", gap)
			}
		}
		clean()
		plan, err := rls.Plan(ctx, admin, a.catalog, rls.PlanOptions{AppRole: a.AppRole})
		require.NoError(t, err)
		for _, o := range plan.Obstacles {
			require.Equal(t, "server", o.Object, o.What) // which is old
		}
		require.Empty(t, plan.Steps)

		schema, err := rls.ReadSchema(ctx, owner)
		require.NoError(t, err)
		proposal := query.Inspect(schema, query.Inspection{Column: `"Tenant Id"`})
		text, err := proposal.CatalogJSON()
		require.NoError(t, err)
		again, err := query.ParseCatalog(text)
		require.NoError(t, err, string(text))
		for _, name := range []string{"patients", "encounters"} {
			want, _ := a.catalog.Relation(name)
			got, ok := again.Relation(name)
			require.True(t, ok, string(text))
			require.Equal(t, want.Type, got.Type)
		}

		_, err = admin.Exec(ctx, `alter table patients disable row level security`)
		require.NoError(t, err)
		report, err := rls.Audit(ctx, admin, a.catalog, rls.AuditOptions{Login: a.AppRole, ProbeRows: true})
		require.NoError(t, err)
		for _, rule := range []string{"SEP100", "SEP102", "SEP103", "SEP104"} {
			require.True(t, hasFinding(report, rule, "public.patients"), "%s: %v", rule, report.Incomplete)
		}
		_, err = admin.Exec(ctx, `alter table patients enable row level security`)
		require.NoError(t, err)

		require.NoError(t, rls.Apply(ctx, owner, a.catalog, rls.Options{AppRole: a.AppRole, TenantFrom: rls.FromLogin}))
		report, err = rls.Audit(ctx, admin, a.catalog, rls.AuditOptions{Login: a.AppRole})
		require.NoError(t, err)
		for _, f := range report.Findings {
			require.Equal(t, "SEP090", f.Rule, f.What)
		}
	})
}

func hasFinding(report *rls.Report, rule, object string) bool {
	for _, f := range report.Findings {
		if f.Rule == rule && f.Object == object {
			return true
		}
	}
	return false
}
