package rls_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

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
