package rls_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

const twoTables = `
create table parents (tenant_id bigint not null, id bigint primary key);
create table children (tenant_id bigint not null, id bigint primary key, parent_id bigint references parents);
insert into parents values (1, 1), (2, 2);
insert into children values (1, 1, 1);`

func planFor(t *testing.T, d *rlstest.Database, o rls.PlanOptions, relations ...string) *rls.Roadmap {
	t.Helper()
	catalog, err := query.NewCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant(relations...))
	require.NoError(t, err)
	o.AppRole = d.AppRole
	roadmap, err := rls.Plan(t.Context(), d.Owner(t), catalog, o)
	require.NoError(t, err)
	return roadmap
}

func steps(r *rls.Roadmap, prefix string) []rls.PlanStep {
	return slices.DeleteFunc(slices.Clone(r.Steps), func(s rls.PlanStep) bool { return !strings.HasPrefix(s.ID, prefix) })
}

// R18: under FORCE an owner for whom no policy holds sees no rows, and would find any foreign key right.
func TestPlanValidatesNothingThatPoliciesHide(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables))
	owner := d.Owner(t)
	_, err := owner.Exec(t.Context(), `insert into children values (1, 2, 2); -- another tenant's parent
		alter table children enable row level security; alter table children force row level security;
		alter table parents enable row level security; alter table parents force row level security`)
	require.NoError(t, err)
	roadmap := planFor(t, d, rls.PlanOptions{}, "parents", "children")
	failed := ""
	for _, s := range roadmap.Steps {
		if err := runStep(t.Context(), owner, s); err != nil {
			require.ErrorContains(t, err, "policies hide rows")
			failed = s.ID
			break
		}
	}
	require.Contains(t, failed, "validate")

	// Whom no policy binds finds the row.
	for _, s := range steps(roadmap, "validate") {
		err = runStep(t.Context(), d.Admin(t), s)
	}
	require.ErrorContains(t, err, "violates foreign key constraint")
}

// W08: a backfill that sees no rows must not pass for one that filled them.
func TestPlanFillsNothingThatPoliciesHide(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables))
	owner := d.Owner(t)
	_, err := owner.Exec(t.Context(), `create table notes (id bigint primary key, child_id bigint not null references children);
		insert into notes values (1, 1); alter table notes enable row level security; alter table notes force row level security`)
	require.NoError(t, err)
	roadmap := planFor(t, d, rls.PlanOptions{}, "parents", "children", "notes")
	for _, s := range steps(roadmap, "column") {
		require.NoError(t, runStep(t.Context(), owner, s))
	}
	for _, s := range steps(roadmap, "stamp") {
		require.NoError(t, runStep(t.Context(), owner, s))
	}
	fill := steps(roadmap, "backfill")
	require.Len(t, fill, 1)
	require.ErrorContains(t, runStep(t.Context(), owner, fill[0]), "policies hide rows")
	require.NoError(t, runStep(t.Context(), d.Admin(t), fill[0]))
}

func TestPlanNamesWhatItCantDo(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables+`
		create table settings (key text primary key);
		create table undeclared (parent_id bigint references parents);
		create table wrong (tenant_id integer, id bigint);
		create view a_view as select tenant_id from parents;`))
	what := func(r *rls.Roadmap) string {
		var out []string
		for _, o := range obstacles(r) {
			out = append(out, o.Object+": "+o.What)
		}
		return strings.Join(out, "\n")
	}
	text := what(planFor(t, d, rls.PlanOptions{}, "parents", "settings", "wrong", "missing", "a_view"))
	require.Contains(t, text, `"public"."settings": nothing says which tenant`)
	require.Contains(t, text, `"public"."wrong": its tenant column "tenant_id" is integer`)
	require.Contains(t, text, `"public"."missing": the catalog names it`)
	require.Contains(t, text, `"public"."a_view": it is no table`)
	require.Contains(t, text, `"parents_pkey" can't go, since`)
	text = what(planFor(t, d, rls.PlanOptions{ExistingTenant: tenant.MustParseID("7")}, "settings"))
	require.Empty(t, text)
}

// A database that is as it should be needs no step.
func TestPlanOfAWalledDatabaseIsEmpty(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("parents", "children"))
	d := rlstest.New(t, rlstest.Catalog(catalog), rlstest.Schema(`
		create table parents (tenant_id bigint not null, id bigint not null, primary key (tenant_id, id));
		create table children (tenant_id bigint not null, id bigint not null, parent_id bigint, primary key (tenant_id, id),
			foreign key (tenant_id, parent_id) references parents (tenant_id, id));
		create index on children (tenant_id, parent_id);`))
	roadmap := planFor(t, d, rls.PlanOptions{}, "parents", "children")
	require.Empty(t, slices.DeleteFunc(roadmap.Steps, func(s rls.PlanStep) bool { return strings.HasPrefix(s.ID, "SEP073") })) // TEMP of PUBLIC
	var script strings.Builder
	require.NoError(t, roadmap.WriteScript(&script))
}

func TestPlanSaysWhatIsWrongWithItsInput(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables))
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("parents"))
	var typed *rls.Error
	_, err := rls.Plan(t.Context(), d.Owner(t), catalog, rls.PlanOptions{})
	require.ErrorIs(t, err, rls.ErrOptions)
	require.ErrorAs(t, err, &typed)
	_, err = rls.Plan(t.Context(), nil, catalog, rls.PlanOptions{AppRole: "x"})
	require.ErrorIs(t, err, rls.ErrOptions)
	roadmap, err := rls.Plan(t.Context(), d.Owner(t), catalog, rls.PlanOptions{AppRole: "no such role"})
	require.NoError(t, err)
	require.Equal(t, rls.StageRoles, roadmap.Steps[0].Stage, "the role is made first")
	gone := d.Owner(t)
	require.NoError(t, gone.Close(context.WithoutCancel(t.Context())))
	roadmap, err = rls.Plan(t.Context(), gone, catalog, rls.PlanOptions{AppRole: d.AppRole})
	require.True(t, errors.As(err, &typed), "%v", err)
	require.NotNil(t, roadmap)
	_, err = rls.ReadSchema(t.Context(), gone)
	require.ErrorAs(t, err, &typed)
}

func TestReadSchemaDescribesWhatIsThere(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(brownfield))
	schema, err := rls.ReadSchema(t.Context(), d.Owner(t))
	require.NoError(t, err)
	p := query.Inspect(schema, query.Inspection{})
	require.Empty(t, p.Column, "one table alone makes no tenant column")
	p = query.Inspect(schema, query.Inspection{Column: "hospital_id"})
	kinds := map[string]query.Kind{}
	for _, r := range p.Relations {
		kinds[r.Name] = r.Kind
	}
	require.Equal(t, map[string]query.Kind{"hospitals": query.TenantKind, "patients": query.TenantKind, "visits": query.TenantKind, `"Lab ""results"""`: query.TenantKind,
		"events": query.TenantKind, "icd10_codes": query.GlobalKind, "settings": query.Undecided}, kinds)
	data, err := p.CatalogJSON()
	require.NoError(t, err)
	catalog, err := query.ParseCatalog(data)
	require.NoError(t, err)
	visits, _ := catalog.Relation("visits")
	require.Equal(t, "bigint", visits.Columns[0].Type)
	require.Equal(t, "names", p.Views[0].Name)
}

// A plan is whole or there is none: what ends it early gives a typed error and no steps.
func TestPlanIsWholeOrNone(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables))
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("parents", "children"))
	fails := func(conn *pgx.Conn, catalog *query.Catalog, kind error) {
		t.Helper()
		roadmap, err := rls.Plan(t.Context(), conn, catalog, rls.PlanOptions{AppRole: d.AppRole})
		var typed *rls.Error
		require.ErrorAs(t, err, &typed)
		if kind != nil {
			require.ErrorIs(t, err, kind)
		}
		require.Empty(t, roadmap.Steps)
		require.Empty(t, roadmap.Obstacles)
	}

	// It needs no rights but to connect.
	_, url := d.Login(t, "NOINHERIT")
	nobody, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer nobody.Close(context.WithoutCancel(t.Context()))
	roadmap, err := rls.Plan(t.Context(), nobody, catalog, rls.PlanOptions{AppRole: d.AppRole})
	require.NoError(t, err)
	require.Equal(t, len(planFor(t, d, rls.PlanOptions{}, "parents", "children").Steps), len(roadmap.Steps))
	schema, err := rls.ReadSchema(t.Context(), nobody)
	require.NoError(t, err)
	require.Len(t, schema.Relations, 2)

	// The catalog of another database; a connection in a transaction; one that the server ends; a context that is over.
	owner := d.Owner(t)
	fails(owner, query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("elsewhere")), rls.ErrPlan)
	tx, err := owner.Begin(t.Context())
	require.NoError(t, err)
	fails(owner, catalog, rls.ErrPlan)
	_, err = rls.ReadSchema(t.Context(), owner)
	require.ErrorIs(t, err, rls.ErrPlan)
	require.NoError(t, tx.Rollback(t.Context()), "the caller's transaction was ended")
	gone := d.Owner(t)
	_, err = d.Admin(t).Exec(t.Context(), fmt.Sprintf("select pg_terminate_backend(%d, 10000)", gone.PgConn().PID()))
	require.NoError(t, err)
	fails(gone, catalog, rls.ErrUnavailable)
	_, err = rls.ReadSchema(t.Context(), gone)
	require.ErrorIs(t, err, rls.ErrUnavailable)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	roadmap, err = rls.Plan(ended, d.Owner(t), catalog, rls.PlanOptions{AppRole: d.AppRole})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, roadmap.Steps)
}

// Tables, indexes and constraints that come and go while the plan is made end in a plan or in a typed error, never in one
// about NULLs, and never in half a plan.
func TestPlanWhileTheSchemaChanges(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables))
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("parents", "children"))
	changer, stop := d.Owner(t), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := changer.Exec(context.Background(), `create index here_and_gone on children (parent_id) where id > 0; drop index here_and_gone;
				alter table children add constraint here_and_gone foreign key (parent_id) references parents; alter table children drop constraint here_and_gone;
				drop table children; create table children (tenant_id bigint not null, id bigint primary key, parent_id bigint references parents)`)
			if err != nil {
				done <- err
				return
			}
		}
	}()
	conn := d.Owner(t)
	for range 15 {
		roadmap, err := rls.Plan(t.Context(), conn, catalog, rls.PlanOptions{AppRole: d.AppRole})
		if err == nil {
			require.NotEmpty(t, roadmap.Steps)
			continue
		}
		var typed *rls.Error
		require.ErrorAs(t, err, &typed)
		require.Empty(t, roadmap.Steps)
		require.NotContains(t, err.Error(), "NULL")
		require.NotErrorIs(t, err, rls.ErrUnavailable)
		_, err = rls.ReadSchema(t.Context(), conn)
		if err != nil {
			require.ErrorAs(t, err, &typed)
		}
	}
	close(stop)
	require.NoError(t, <-done)
}
