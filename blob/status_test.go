package blob_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// register is a Directory with one status for all.
type register struct{ status atomic.Value }

func (r *register) Resolve(context.Context, tenant.ID) (rls.Entry, error) {
	status, _ := r.status.Load().(rls.Status)
	return rls.Entry{Tier: rls.TierPool, Target: "main", Status: status, Version: time.Now().UnixNano()}, nil
}

func (r *register) Tenants(context.Context) iter.Seq2[tenant.ID, error] {
	return func(func(tenant.ID, error) bool) {}
}

// governed is a world whose tenants have the status that the register says, and a way to change it.
func governed(t *testing.T, configure ...func(*blob.Config)) (*world, func(rls.Status)) {
	t.Helper()
	w := newWorld(t, configure...)
	r := &register{}
	db := w.database.Open(t, func(c *rls.Config) {
		c.Directory, c.Credentials = r, rls.CredentialsFunc(func(context.Context, rls.CredentialRequest) (rls.Credential, error) {
			return rls.Credential{URL: w.database.AppURL}, nil
		})
		c.URL = ""
	})
	w.Store = w.also(func(c *blob.Config) { c.DB = db })
	return w, func(s rls.Status) {
		r.status.Store(s)
		for _, id := range []string{"mercy", "stjohn"} {
			db.Invalidate(tenant.MustParseID(id))
		}
	}
}

// What a Directory refuses a tenant, its blobs refuse too: a tenant that may only read can't write by the functions behind
// a SELECT.
func TestTenantsThatMayNotWork(t *testing.T) {
	t.Parallel()
	w, set := governed(t, func(c *blob.Config) { c.Keys = keyDir(t) })
	tc := w.as("mercy")
	set(rls.StatusActive)
	ref := w.put(tc, content(1000, 1))
	for status, want := range map[rls.Status]struct{ read, write error }{
		rls.StatusReadOnly:  {nil, rls.ErrReadOnly},
		rls.StatusMoving:    {nil, rls.ErrMoving},
		rls.StatusSuspended: {rls.ErrSuspended, rls.ErrSuspended},
		rls.StatusErased:    {rls.ErrErased, rls.ErrErased},
	} {
		set(status)
		for name, try := range map[string]func() error{
			"open":  func() error { _, err := w.read(tc, ref); return err },
			"stat":  func() error { _, err := w.Stat(tc, ref); return err },
			"list":  func() error { _, _, err := w.List(tc, blob.Page{}); return err },
			"usage": func() error { _, err := w.Usage(tc); return err },
		} {
			require.ErrorIs(t, try(), want.read, "%s: %s", status, name)
		}
		for name, try := range map[string]func() error{
			"put":    func() error { _, err := w.Put(tc, strings.NewReader("x"), blob.Meta{}); return err },
			"delete": func() error { return w.Delete(tc, ref) },
			"sweep":  func() error { _, err := w.Sweep(operator(t), tenants("mercy")); return err },
		} {
			require.ErrorIs(t, try(), want.write, "%s: %s", status, name)
		}
	}
	set(rls.StatusActive)
	got, err := w.read(tc, ref)
	require.NoError(t, err)
	require.Equal(t, content(1000, 1), got)
	require.Len(t, w.files(), 1)
}

// A tenant that is suspended, or made read-only, while it uploads: there is no blob, and no doubt about it.
func TestATenantSuspendedWhileItPuts(t *testing.T) {
	t.Parallel()
	w, set := governed(t)
	tc := w.as("mercy")
	for status, want := range map[rls.Status]error{rls.StatusSuspended: rls.ErrSuspended, rls.StatusReadOnly: rls.ErrReadOnly} {
		set(rls.StatusActive)
		_, err := w.Put(tc, &hookReader{r: bytes.NewReader(content(1000, 1)), atEnd: func() { set(status) }}, blob.Meta{})
		require.ErrorIs(t, err, want)
		require.NotErrorIs(t, err, rls.ErrOutcomeUnknown)
	}
	set(rls.StatusActive)
	require.Zero(t, w.count("blobs"))
	hasty := w.also(func(c *blob.Config) { c.Grace = time.Nanosecond })
	require.Equal(t, int64(2), w.sweep(hasty, "mercy").Uploads, "a sweep does the rest when the tenant is back")
	w.requireNothingKept()
}

// R11: behind a login of one tenant (rls.FromLogin) blob's functions are that tenant's, whatever is set on it.
func TestALoginOfOneTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.database.Admin(t)
	_, err := admin.Exec(t.Context(), "grant create on database "+pgx.Identifier{w.database.Name}.Sanitize()+" to "+
		pgx.Identifier{w.database.OwnerRole}.Sanitize())
	require.NoError(t, err)
	owner := w.database.Owner(t)
	o := rls.Options{AppRole: w.database.AppRole, TenantFrom: rls.FromLogin}
	require.NoError(t, rls.Apply(t.Context(), owner, catalogOf(t, query.Text), o))
	require.NoError(t, rls.MapLogin(t.Context(), owner, w.database.AppRole, tenant.MustParseID("mercy")))
	app := w.database.App(t)
	as := func(id, sql string) error {
		return pgx.BeginFunc(t.Context(), app, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "select set_config('septum.tenant', $1, true)", id); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
	}
	for _, call := range []string{
		"select * from septum_blob.locate('x')", "select * from septum_blob.usage()", "select * from septum_blob.forget_keys()",
		"select * from septum_blob.alone('', 10)", "select * from septum_blob.sweep_garbage('', 10)",
		"select * from septum_blob.begin('k', sha256('x'), false, false)",
	} {
		require.ErrorContains(t, as("stjohn", call), "the login is another tenant's", call)
	}
	require.NoError(t, as("mercy", "select * from septum_blob.locate('x')"))

	_, err = rls.Open(t.Context(), rls.Config{URL: w.database.AppURL, TenantFrom: rls.FromLogin}, catalogOf(t, query.Text))
	require.ErrorContains(t, err, "septum_blob_owner", "a Store itself needs the setting")
}

// The database goes away between the bytes and the row: the connections are cut, and the upload's own is found dead.
func TestTheDatabaseBreaksOffBeforeTheRow(t *testing.T) {
	t.Parallel()
	d := &between{}
	w := newWorld(t, func(c *blob.Config) { d.Driver, c.Driver = c.Driver, d })
	admin := w.database.Admin(t)
	d.then = func() {
		_, err := admin.Exec(t.Context(), "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1 and datname = $2",
			w.database.AppRole, w.database.Name)
		require.NoError(t, err)
	}
	tc := w.as("mercy")
	ref, err := w.Put(tc, bytes.NewReader(content(1000, 1)), blob.Meta{})
	if err == nil { // the connection was found dead before it was used
		got, err := w.read(tc, ref)
		require.NoError(t, err)
		require.Equal(t, content(1000, 1), got)
		require.NoError(t, w.Delete(tc, ref))
		w.sweep(w.Store, "mercy")
	} else {
		require.NotErrorIs(t, err, rls.ErrOutcomeUnknown, "asking again decides")
		require.True(t, errors.Is(err, rls.ErrUnavailable), err)
	}
	w.requireNothingKept()
	d.then = func() {}
	w.put(tc, content(1000, 1))
}
