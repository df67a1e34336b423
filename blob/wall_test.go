package blob_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// B01: on the application's login, beside the library, nothing shows content, and rows come in by no other way than
// through finish.
func TestTheLoginSeesNoContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.put(w.as("mercy"), content(100, 1))
	app := w.database.App(t)
	for _, table := range []string{"content", "links", "tenants", "data_keys", "uploads", "loose", "fresh", "garbage", "usage", "rates", "versions"} {
		_, err := app.Exec(t.Context(), "select * from septum_blob."+table)
		require.ErrorContains(t, err, "permission denied", table)
	}
	as := func(id, sql string, args ...any) error {
		return pgx.BeginFunc(t.Context(), app, func(tx pgx.Tx) error {
			if id != "" {
				if _, err := tx.Exec(t.Context(), "select set_config('septum.tenant', $1, true)", id); err != nil {
					return err
				}
			}
			_, err := tx.Exec(t.Context(), sql, args...)
			return err
		})
	}
	insert := "insert into septum_blob.blobs (tenant_id, ref, size, media_type, name) values ('stjohn', $1, 1, '', '')"
	require.ErrorContains(t, as("stjohn", insert, ref.String()), "written by blob.Store alone")
	require.ErrorContains(t, as("mercy", insert, ref.String()), "written by blob.Store alone")
	require.ErrorContains(t, as("mercy", "update septum_blob.blobs set size = 0"), "written by blob.Store alone")
	require.NoError(t, as("stjohn", "update septum_blob.blobs set size = 0"), "no row of another tenant is met")
	for _, call := range []string{
		"select * from septum_blob.locate('x')", "select * from septum_blob.usage()", "select * from septum_blob.sweep_garbage('', 10)",
		"select * from septum_blob.alone('', 10)",
	} {
		require.ErrorContains(t, as("", call), "no tenant is set", call)
	}
	for _, call := range []string{"select septum_blob.current_tenant()", "select septum_blob.loosen()"} {
		require.ErrorContains(t, as("mercy", call), "permission denied", call)
	}
	// A shadow of a name on the login's own path changes nothing.
	require.NoError(t, as("mercy", `set local search_path = pg_temp, public; select 1`))
	require.Error(t, as("mercy", "create function septum_blob.current_tenant2() returns text language sql as $$ select 'stjohn' $$"))
}

// R11: each definer function has a pinned path that ends with pg_temp, belongs to the owner, and is nobody's by default.
func TestDefinerFunctions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows, err := w.database.Admin(t).Query(t.Context(), `select proname, prosecdef, coalesce(array_to_string(proconfig, ';'), ''),
			pg_get_userbyid(proowner), has_function_privilege('public', p.oid, 'execute')
		from pg_proc p where pronamespace = 'septum_blob'::regnamespace`)
	require.NoError(t, err)
	n := 0
	for rows.Next() {
		var name, config, owner string
		var definer, public bool
		require.NoError(t, rows.Scan(&name, &definer, &config, &owner, &public))
		require.Equal(t, "search_path=pg_catalog, septum_blob, pg_temp", config, name)
		require.Equal(t, w.database.OwnerRole, owner, name)
		require.False(t, public, name)
		n++
	}
	require.NoError(t, rows.Err())
	require.Greater(t, n, 17)
}

// The audit finds nothing in blob's schema, by rights or by what statements do; and it would (R11, R04).
func TestTheAuditFindsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	for _, id := range []string{"mercy", "stjohn"} {
		w.put(w.as(id), content(100, 1))
	}
	found := func() (texts []string) {
		report, err := w.database.Audit(t.Context(), rls.AuditOptions{
			ProbeRows: true, Tenants: []tenant.ID{tenant.MustParseID("mercy"), tenant.MustParseID("stjohn")}})
		require.NoError(t, err)
		for _, f := range report.Open(rls.Info) {
			if f.Rule != "SEP090" && f.Rule != "SEP091" { // about the test's server
				texts = append(texts, fmt.Sprint(f.Rule, " ", f.Severity, " ", f.Object, ": ", f.What))
			}
		}
		return texts
	}
	require.Empty(t, found())
	_, err := w.database.Owner(t).Exec(t.Context(), `alter function septum_blob.locate reset search_path;
		create policy opening on septum_blob.blobs using (true)`)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(found()), 2)
}

func TestMigrationsAreVersioned(t *testing.T) {
	t.Parallel()
	catalog := catalogOf(t, query.UUID)
	list, err := blob.Migrations(catalog)
	require.NoError(t, err)
	for i, m := range list {
		require.Equal(t, i+1, m.Version)
		require.NotContains(t, m.SQL, "{{")
	}
	d := rlstest.New(t)
	owner := d.Owner(t)
	o := blob.Options{AppRole: d.AppRole}
	pending, err := blob.Pending(t.Context(), owner, catalog, o)
	require.NoError(t, err)
	require.Greater(t, len(pending), 2*len(list)+15, "migrations, their records, and grants")
	require.Contains(t, pending[0].Purpose, "migration 1")
	again, err := blob.Pending(t.Context(), owner, catalog, o)
	require.NoError(t, err)
	require.Equal(t, pending, again, "asking changes nothing")
	for range 2 {
		require.NoError(t, blob.Apply(t.Context(), owner, catalog, o))
		pending, err = blob.Pending(t.Context(), owner, catalog, o)
		require.NoError(t, err)
		require.Empty(t, pending)
	}
	_, err = owner.Exec(t.Context(), "revoke execute on function septum_blob.finish from "+d.AppRole)
	require.NoError(t, err)
	pending, err = blob.Pending(t.Context(), owner, catalog, o)
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Contains(t, pending[0].SQL, "grant execute on function septum_blob.finish to ")
	require.NoError(t, blob.Apply(t.Context(), owner, catalog, o))
	_, err = blob.Pending(t.Context(), owner, catalog, blob.Options{AppRole: "nobody_there"})
	require.Error(t, err)
	var version int
	require.NoError(t, owner.QueryRow(t.Context(), "select max(version) from septum_blob.versions").Scan(&version))
	require.Equal(t, len(list), version)

	require.ErrorIs(t, blob.Apply(t.Context(), owner, catalog, blob.Options{}), blob.ErrConfig)
	other := query.MustCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("patients"))
	require.ErrorIs(t, blob.Apply(t.Context(), owner, other, o), blob.ErrConfig)
}
