package sqlc

import (
	"context"
	_ "embed"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/examples/sqlc/wards"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

var (
	//go:embed schema.sql
	schema string
	//go:embed catalog.json
	catalogJSON []byte
)

const seed = `
insert into patients (tenant_id, id, name, ward) values (1, 1, 'Ann of one', 'W'), (2, 1, 'Ann of two', 'W');
insert into visits (tenant_id, id, patient_id, note) values (1, 1, 1, 'note of one'), (2, 1, 1, 'note of two');
insert into codes values ('A', 'about A');`

func open(t *testing.T) (*query.Catalog, *rls.DB) {
	t.Helper()
	catalog, err := query.ParseCatalog(catalogJSON)
	require.NoError(t, err)
	return catalog, rlstest.Open(t, rlstest.Schema(schema), rlstest.Seed(seed), rlstest.Catalog(catalog))
}

func as(t *testing.T, id string) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "dr.grey"})
	require.NoError(t, err)
	return tc
}

func TestGeneratedCodeSeesItsTenantOnly(t *testing.T) {
	t.Parallel()
	catalog, db := open(t)
	q := wards.New(rls.NewGenerated(db, catalog))

	patients, err := q.ListWard(as(t, "1"), wards.ListWardParams{TenantID: 1, Ward: "W"})
	require.NoError(t, err)
	require.Equal(t, []wards.ListWardRow{{ID: 1, Name: "Ann of one"}}, patients)

	require.NoError(t, q.AddVisit(as(t, "2"), wards.AddVisitParams{TenantID: 2, ID: 2, PatientID: 1, Note: "second"}))
	chart, err := q.Chart(as(t, "2"), wards.ChartParams{TenantID: 2, ID: 1})
	require.NoError(t, err)
	title, err := q.Title(as(t, "2"), "A")
	require.NoError(t, err)
	require.Equal(t, "about A", title)
	require.Equal(t, []wards.ChartRow{{Name: "Ann of two", Note: "note of two"}, {Name: "Ann of two", Note: "second"}}, chart)
}

// W06, X02: the parameter that generated code exposes can't name a tenant that the context is not.
func TestGeneratedCodeCantNameAnotherTenant(t *testing.T) {
	t.Parallel()
	catalog, db := open(t)
	q := wards.New(rls.NewGenerated(db, catalog))

	_, err := q.ListWard(as(t, "1"), wards.ListWardParams{TenantID: 2, Ward: "W"})
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.ErrorIs(t, q.AddVisit(as(t, "1"), wards.AddVisitParams{TenantID: 2, ID: 9, PatientID: 1}), tenant.ErrConflict)
	_, err = q.ListWard(context.Background(), wards.ListWardParams{TenantID: 1, Ward: "W"})
	require.ErrorIs(t, err, tenant.ErrUnbound)
}

// Text that was not proved does not run, and neither does a tenant that is not $1.
func TestGeneratedCodeIsProved(t *testing.T) {
	t.Parallel()
	catalog, db := open(t)
	g := rls.NewGenerated(db, catalog)
	for _, sql := range []string{
		"select name from patients",
		"select name from patients where ward = $1",
		"select name from patients where ward = $1 and tenant_id = $2",
		"select name from patients where tenant_id = $1; delete from patients",
	} {
		_, err := g.Query(as(t, "1"), sql, int64(1))
		var refusal *query.Refusal
		require.ErrorAs(t, err, &refusal, sql)
	}
	var name string
	require.ErrorIs(t, g.QueryRow(as(t, "1"), "select name from patients where tenant_id = $1", 1.5).Scan(&name), rls.ErrArgument)
	require.NoError(t, g.QueryRow(as(t, "1"), "select name from patients where tenant_id = $1", int64(1)).Scan(&name))
	require.Equal(t, "Ann of one", name)
	require.NoError(t, g.QueryRow(as(t, "1"), "select title from codes where code = $1", "A").Scan(&name))
	require.Equal(t, "about A", name)
}
