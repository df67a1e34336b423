package rls_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// resettle makes a bridge tenant's next place, under another prefix of its login, with other rows.
func (w *town) resettle(t testing.TB, name string) rls.Entry {
	t.Helper()
	o := w.provisioning(t)
	o.LoginPrefix = "n_"
	id := townID(name)
	old, err := w.directory.Resolve(context.Background(), id)
	require.NoError(t, err)
	schema := pgx.Identifier{old.Schema}.Sanitize()
	w.exec(t, "alter schema "+schema+" rename to the_old_place")
	w.exec(t, "comment on schema the_old_place is null")
	entry, err := rls.Provision(context.Background(), o, id)
	require.NoError(t, err)
	w.exec(t, fmt.Sprintf("insert into %s.patients values ($1::text::uuid, 1, 'moved')", schema), id.String())
	return entry
}

// A tenant that moves while requests are under way: the one that finds its place gone says so, and the next one goes to
// the new place.
func TestMovedMidFlight(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	db := w.open(t, func(c *rls.Config) { c.Cache.UnknownTTL = time.Millisecond })
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna))
	old := pgx.Identifier{mustEntry(t, w, "Anna").Schema}.Sanitize()
	err := db.InTx(anna, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(anna, rename, query.Args{"id": 1, "name": "x"}))
		// While it waits, the tenant moves; the old place goes.
		w.directory.change(anna.Tenant(), func(e *rls.Entry) { e.Schema = "elsewhere" })
		db.Invalidate(anna.Tenant())
		return tx.Exec(anna, visit, query.Args{"id": 1, "patient": 1, "ward": "3"})
	})
	require.ErrorIs(t, err, rls.ErrMoved, "what it wrote would stay behind")
	w.directory.change(anna.Tenant(), func(e *rls.Entry) { e.Schema = mustUnquote(old) })
	db.Invalidate(anna.Tenant())
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna))

	entry := w.resettle(t, "Anna") // the directory does not say so yet
	w.exec(t, "drop schema the_old_place cascade")
	w.directory.put(anna.Tenant(), entry)
	// The cached entry leads to the old login, whose search_path names a schema in which it has no rights any more.
	err = read(db, anna)
	require.ErrorIs(t, err, rls.ErrMoved)
	require.Equal(t, []string{"moved"}, patientsOf(t, db, anna))
	require.Eventually(t, func() bool { return db.Stats().Open == 1 }, 10*time.Second, time.Millisecond, "the old place's connections are closed")
}

func mustEntry(t testing.TB, w *town, name string) rls.Entry {
	t.Helper()
	e, err := w.directory.Resolve(context.Background(), townID(name))
	require.NoError(t, err)
	return e
}

func mustUnquote(name string) string { return name[1 : len(name)-1] }

// A tenant whose old login does not work any more is served at the new place by the same request.
func TestMovedBeforeConnecting(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	db := w.open(t)
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna))
	old := mustEntry(t, w, "Anna")
	entry := w.resettle(t, "Anna")
	w.directory.put(anna.Tenant(), entry)
	w.exec(t, "alter role "+pgx.Identifier{old.Login}.Sanitize()+" nologin")
	w.exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = '"+old.Login+"'")
	time.Sleep(1100 * time.Millisecond) // an idle connection is asked after a second whether it lives
	require.Equal(t, []string{"moved"}, patientsOf(t, db, anna))
}

// What a place lacks is told by what is missing, nothing falls through to the tables that others share, and when it is
// mended the next request works.
func TestPlacesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	entry := mustEntry(t, w, "Anna")
	s, login := pgx.Identifier{entry.Schema}.Sanitize(), pgx.Identifier{entry.Login}.Sanitize()
	harmless, _ := w.Login(t, "")
	for name, test := range map[string]struct {
		do, undo string
		code     rls.Code
	}{
		"schema missing":              {"alter schema " + s + " rename to away", "alter schema away rename to " + s, rls.RelationMissing},
		"table missing":               {"alter table " + s + ".patients rename to away", "alter table " + s + ".away rename to patients", rls.RelationMissing},
		"row security off":            {"alter table " + s + ".patients disable row level security", "alter table " + s + ".patients enable row level security", rls.RLSDisabled},
		"rights on the shared tables": {"grant select on public.patients to " + login, "revoke select on public.patients from " + login, rls.PlaceShared},
		"rights of everybody":         {"grant update (name) on public.patients to public", "revoke update (name) on public.patients from public", rls.PlaceShared},
		"R01 another role":            {"grant " + w.AppRole + " to " + login, "revoke " + w.AppRole + " from " + login, rls.PlaceShared},
		"R01 a role without rights":   {"grant " + harmless + " to " + login, "revoke " + harmless + " from " + login, rls.PlaceShared},
		"R01 bypassrls":               {"alter role " + login + " bypassrls", "alter role " + login + " nobypassrls", rls.RoleBypassRLS},
		"R01 superuser":               {"alter role " + login + " superuser", "alter role " + login + " nosuperuser", rls.RoleSuperuser},
		"R01 owner":                   {"alter table " + s + ".patients owner to " + login, "alter table " + s + ".patients owner to " + ownerOf(t, w) + "; grant select, insert, update, delete on " + s + ".patients to " + login, rls.RoleOwner},
		"R09 a stored tenant":         {"alter role " + login + " set septum.tenant = 'x'", "alter role " + login + " reset septum.tenant", rls.SettingStored},
	} {
		w.exec(t, test.do)
		db := w.open(t, func(c *rls.Config) { c.Cache.UnknownTTL = time.Millisecond })
		err := read(db, anna)
		var open *rls.OpenError
		require.ErrorAs(t, err, &open, name)
		require.True(t, open.Has(test.code), "%s: %v", name, err)
		require.ErrorAs(t, write(db, anna), &open, name)
		w.exec(t, test.undo)
		require.Eventually(t, func() bool { return read(db, anna) == nil }, 10*time.Second, time.Millisecond, name)
		require.NoError(t, read(db, bind(t, t.Context(), mary)), name)
		db.Close()
	}
}

// A schema that goes while it is in use is an error of the server at first, then the inspection's; never other rows.
func TestSchemaGoesWhileInUse(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	s := pgx.Identifier{mustEntry(t, w, "Anna").Schema}.Sanitize()
	db := w.open(t, func(c *rls.Config) { c.Cache.UnknownTTL = time.Millisecond })
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna))
	fresh := w.open(t, func(c *rls.Config) { c.MaxConnLifetime = time.Nanosecond }) // a connection for each request
	require.NoError(t, read(fresh, anna))
	w.exec(t, "alter schema "+s+" rename to away")
	var open *rls.OpenError
	require.ErrorAs(t, read(fresh, anna), &open, "a further connection of a place that was good")
	require.True(t, open.Has(rls.RelationMissing))
	time.Sleep(2 * time.Millisecond)
	require.Equal(t, "42501", serverCode(read(db, anna)), "the names mean the shared tables now, in which the login has no rights")
	require.ErrorAs(t, read(db, anna), &open)
	require.True(t, open.Has(rls.RelationMissing))
	require.NoError(t, read(db, bind(t, t.Context(), mary)))
	w.exec(t, "alter schema away rename to "+s)
	time.Sleep(2 * time.Millisecond)
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna))
}

// A connection that is not the entry's login serves nobody.
func TestAnotherLoginThanTheEntrys(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 1), w.settle(t, "Bert", 1)
	other := mustEntry(t, w, "Bert").Schema
	w.directory.change(anna.Tenant(), func(e *rls.Entry) { e.Schema = other })
	db := w.open(t)
	var open *rls.OpenError
	require.ErrorAs(t, read(db, anna), &open, "its login has no rights in the other's schema")
	require.NoError(t, read(db, bert))
	// Even with the other's login and schema, row-level security inside the schema shows no row of the other.
	w.directory.put(anna.Tenant(), mustEntry(t, w, "Bert"))
	db.Invalidate(anna.Tenant())
	require.Empty(t, patientsOf(t, db, anna))
	require.Equal(t, []string{"Bert 1"}, patientsOf(t, db, bert))
	require.ErrorIs(t, write(db, anna), query.ErrNotFound)
}

// A silo is a database of its own; a StaticDirectory needs nobody else.
func TestSilo(t *testing.T) { // not parallel: it sets an environment variable
	d := rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(hospitalSeed), rlstest.Catalog(hospital))
	directory, err := rls.NewStaticDirectory(map[tenant.ID]rls.Entry{mary: {Tier: rls.TierSilo, Target: "clinic"}})
	require.NoError(t, err)
	t.Setenv("SILO_URL", d.AppURL)
	db, err := rls.Open(t.Context(), rls.Config{Directory: directory, Credentials: rls.EnvCredentials{"clinic": "SILO_URL"}}, hospital)
	require.NoError(t, err)
	defer db.Close()
	require.Len(t, patientsOf(t, db, bind(t, t.Context(), mary)), 20)
	require.ErrorIs(t, read(db, bind(t, t.Context(), paul)), rls.ErrUnknownTenant)
}

// ownerOf is the role that provisions.
func ownerOf(t testing.TB, w *town) string {
	t.Helper()
	config, err := pgx.ParseConfig(w.ownerURL)
	require.NoError(t, err)
	return config.User
}

// serverCode is the SQLSTATE of an error, "" when the server did not send it.
func serverCode(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
