package rls_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Names of schemas and logins are names and nothing else, whatever is in them: in the startup message, in the scope behind a
// pooler, and in the statements that a refusal says to run (X07).
func TestOddNames(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 2)
	id := anna.Tenant()
	suffix := loginSuffix(w.Name)
	w.exec(t, "create table public.other as select 1; create schema evil; grant usage on schema evil to public")
	for _, odd := range []string{`plain_name`, `we"ird, Ü' , evil, public\`, `E'\n'`, strings.Repeat("ü", 24)} {
		entry := mustEntry(t, w, "Anna")
		login := odd + suffix
		w.exec(t, "alter schema "+pgx.Identifier{entry.Schema}.Sanitize()+" rename to "+pgx.Identifier{odd}.Sanitize())
		w.exec(t, "alter role "+pgx.Identifier{entry.Login}.Sanitize()+" rename to "+pgx.Identifier{login}.Sanitize())
		w.mu.Lock()
		w.passwords[login] = w.passwords[entry.Login]
		w.mu.Unlock()
		w.directory.change(id, func(e *rls.Entry) { e.Schema, e.Login = odd, login })
		for i, pooler := range []rls.Pooler{rls.Direct, rls.Pooled} { // a direct connection, used as if there were a pooler
			db := w.open(t, func(c *rls.Config) { c.Pooler = pooler })
			err := read(db, anna)
			var open *rls.OpenError
			if errors.As(err, &open) && pooler == rls.Pooled && open.Has(rls.SessionSetting) { // the role's path names the old schema
				for _, reason := range open.Reasons {
					sql, _, found := strings.Cut(reason.Do, "; then RECONNECT")
					require.True(t, found, reason.Do)
					w.exec(t, sql)
				}
				db.Close()
				db = w.open(t, func(c *rls.Config) { c.Pooler = pooler })
				err = read(db, anna)
			}
			require.NoError(t, err, "%q %s", odd, pooler)
			require.NoError(t, db.Exec(anna, rename, query.Args{"id": 1, "name": odd}), odd)
			require.Equal(t, odd, patientsOf(t, db, anna)[0])
			require.NoError(t, db.InTx(anna, func(tx *rls.Tx) error { return tx.Exec(anna, rename, query.Args{"id": 2, "name": odd}) }))
			n, err := db.CopyIn(anna, "patients", nameColumns, pgx.CopyFromRows([][]any{{100 + i, odd}}))
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			db.Close()
		}
		w.exec(t, "delete from "+pgx.Identifier{odd}.Sanitize()+".patients where id >= 100")
	}
}

// Tenants whose ids differ by case, or by their end alone, get places of their own from the server as well, and two runs
// under prefixes that meet refuse the second.
func TestNamesDoNotMeetAtTheServer(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	o := w.provisioning(t)
	long := strings.Repeat("a", 61)
	seen := map[string]bool{}
	for _, text := range []string{"abc", "ABC", long + "x", long + "y"} {
		entry, err := rls.Provision(t.Context(), o, tenant.MustParseID(text))
		require.NoError(t, err, text)
		require.False(t, seen[entry.Schema] || seen[entry.Login], text)
		seen[entry.Schema], seen[entry.Login] = true, true
		var comment string
		require.NoError(t, w.admin.QueryRow(t.Context(), "select obj_description($1::text::regnamespace)", pgx.Identifier{entry.Schema}.Sanitize()).Scan(&comment))
		require.Equal(t, "Septum: tenant "+text, comment)
	}
	o.LoginPrefix = "t_a"
	_, err := rls.Provision(t.Context(), o, tenant.MustParseID("bc"))
	require.ErrorIs(t, err, rls.ErrProvision, "the login is the tenant's abc")
	o.LoginPrefix = "pg_"
	_, err = rls.Provision(t.Context(), o, tenant.MustParseID("bc"))
	require.ErrorIs(t, err, rls.ErrOptions)
}

// A relation that the catalog names with its schema would be the same one for all, so no bridge tenant is served with it.
func TestRelationsWithASchemaCantMove(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	w.exec(t, "create schema archive; create table archive.records (tenant_id uuid not null, id bigint, primary key (tenant_id, id))")
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients"), query.Tenant("archive.records"))
	db, err := rls.Open(t.Context(), rls.Config{Directory: w.directory, Credentials: w}, catalog)
	require.NoError(t, err)
	defer db.Close()
	_, err = rls.All[int64](anna, db, query.MustStatic(catalog, "select id from patients where tenant_id = @tenant"))
	var open *rls.OpenError
	require.ErrorAs(t, err, &open)
	require.True(t, open.Has(rls.PlaceShared), err)
	require.ErrorContains(t, err, "place_shared archive.records")
}
