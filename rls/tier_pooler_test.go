package rls_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// harbour is a town that is reached through a PgBouncer, with one connection to the server per login and database, so that
// all clients of a login meet on it; and a clinic's own database, through the same one.
type harbour struct {
	*town
	clinic   *rlstest.Database
	bouncer  *pgtest.Bouncer
	directTo map[string]bool // targets that are reached directly
}

var john = townID("St John")

// newHarbour is called when the town's tenants are there.
func newHarbour(t testing.TB, w *town, user string) *harbour {
	t.Helper()
	h := &harbour{town: w, directTo: map[string]bool{}}
	h.clinic = rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(strings.ReplaceAll(hospitalSeed, mary.String(), john.String())), rlstest.Catalog(hospital))
	w.directory.put(john, rls.Entry{Tier: rls.TierSilo, Target: "clinic"})
	urls := []string{w.AppURL, h.clinic.AppURL}
	w.mu.Lock()
	for login, password := range w.passwords {
		urls = append(urls, h.loginURL(t, login, password))
	}
	w.mu.Unlock()
	for _, d := range []*rlstest.Database{w.Database, h.clinic} {
		admin := d.Admin(t)
		for _, step := range rls.PoolerSettings(d.AppRole, rls.Limits{}) {
			_, err := admin.Exec(t.Context(), strings.Replace(step.SQL, " set ", " in database "+pgx.Identifier{d.Name}.Sanitize()+" set ", 1))
			require.NoError(t, err)
		}
	}
	b, err := pgtest.StartBouncer(t.Context(), pgtest.BouncerOptions{URLs: urls, User: user, Settings: map[string]string{"default_pool_size": "1"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	h.bouncer = b
	return h
}

func (h *harbour) loginURL(t testing.TB, login, password string) string {
	t.Helper()
	u, err := url.Parse(h.AppURL)
	require.NoError(t, err)
	u.User = url.UserPassword(login, password)
	return u.String()
}

// Credential implements rls.Credentials.
func (h *harbour) Credential(ctx context.Context, ask rls.CredentialRequest) (rls.Credential, error) {
	c, err := h.town.Credential(ctx, ask)
	if ask.Target == "clinic" {
		c = rls.Credential{URL: h.clinic.AppURL}
	}
	if !h.directTo[ask.Target] {
		c.URL, err = h.bouncer.URL(c.URL)
	}
	return c, err
}

func (h *harbour) open(t testing.TB, change ...func(*rls.Config)) *rls.DB {
	t.Helper()
	return h.town.open(t, append([]func(*rls.Config){func(c *rls.Config) { c.Credentials, c.MaxConns = h, 8 }}, change...)...)
}

// other is another program, on one of the logins and through the same pooler.
func (h *harbour) other(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	through, err := h.bouncer.URL(url)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), through+"&default_query_exec_mode=exec")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Each tier behind a PgBouncer whose sessions all clients of a login share: each tenant has its own rows, at its own place,
// and nothing of a tenant stays in a session (X05).
func TestTiersBehindAPooler(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 2), w.settle(t, "Bert", 3)
	h := newHarbour(t, w, "")
	for _, direct := range []string{"", "main", "clinic"} { // each target is found out by itself
		h.directTo = map[string]bool{direct: true}
		db := h.open(t)
		want := map[tenant.ID]string{mary: "Mary", paul: "Paul", john: "Mary", anna.Tenant(): "Anna", bert.Tenant(): "Bert"}
		var work sync.WaitGroup
		for id, name := range want {
			tc := bind(t, context.Background(), id)
			work.Go(func() {
				for i := range 6 {
					found, err := rls.All[patient](tc, db, allPatients)
					if !assert.NoError(t, err, name) {
						return
					}
					assert.Equal(t, name+" 1", found[0].Name)
					assert.NoError(t, db.InTx(tc, func(tx *rls.Tx) error {
						if err := tx.Exec(tc, rename, query.Args{"id": 2, "name": fmt.Sprint(name, " ", i)}); err != nil {
							return err
						}
						p, err := rls.One[patient](tc, tx, onePatient, query.Args{"id": 2})
						assert.Equal(t, fmt.Sprint(name, " ", i), p.Name)
						return err
					}))
				}
			})
		}
		work.Wait()
		require.Equal(t, rls.DetectPooler, db.Pooler(), "which is said per target")
		for id, target := range map[tenant.ID]string{john: "clinic", anna.Tenant(): "main"} {
			own, err := db.Own(bind(t, t.Context(), id))
			require.NoError(t, err)
			require.Equal(t, map[bool]string{true: id.String()}[direct == target], own, "a session keeps a scope only where it is our own")
		}
		db.Close()
	}
	for _, url := range []string{h.AppURL, h.clinic.AppURL, h.loginURL(t, mustEntry(t, w, "Anna").Login, w.passwords[mustEntry(t, w, "Anna").Login])} {
		var setting string
		require.NoError(t, h.other(t, url).QueryRow(t.Context(), `select coalesce(current_setting('septum.tenant', true), '')`).Scan(&setting))
		require.Empty(t, setting, "nothing is left in a session that others share")
	}
}

// Q14: what another program on a tenant's login leaves in the session leads its statements nowhere else, neither those of a
// connection that is there nor of the next one.
func TestSpoiledSessionOfABridge(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	h := newHarbour(t, w, "")
	entry := mustEntry(t, w, "Anna")
	w.exec(t, `create schema evil; create table evil.patients (like public.patients); insert into evil.patients values ('`+anna.Tenant().String()+`', 1, 'evil');
		grant usage on schema evil to public; grant all on evil.patients to public`)
	db := h.open(t)
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna))
	other := h.other(t, h.loginURL(t, entry.Login, w.passwords[entry.Login]))
	for _, path := range []string{"evil, pg_catalog", "''", "public"} {
		_, err := other.Exec(t.Context(), "set search_path = "+path)
		require.NoError(t, err)
		require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna), path)
		require.NoError(t, db.Exec(anna, rename, query.Args{"id": 1, "name": "Anna 1"}), path)
		n, err := db.CopyIn(anna, "patients", []string{"id", "name"}, pgx.CopyFromRows([][]any{{100 + len(path), "loaded"}}))
		require.NoError(t, err, path)
		require.EqualValues(t, 1, n)
		w.exec(t, fmt.Sprintf(`delete from %q.patients where name = 'loaded'`, entry.Schema))
		require.NoError(t, db.InTx(anna, func(tx *rls.Tx) error { // holds the only connection to the server
			_, err := rls.All[patient](anna, tx, allPatients)
			return err
		}))
	}
	again := h.open(t, func(c *rls.Config) { c.MaxConnLifetime = time.Nanosecond }) // a connection for each request
	_, err := other.Exec(t.Context(), "reset search_path")
	require.NoError(t, err)
	require.NoError(t, read(again, anna))
	_, err = other.Exec(t.Context(), "set search_path = evil")
	require.NoError(t, err)
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, again, anna), "the place is known, and its next connection is looked at by its own path")
	fresh := h.open(t)
	var open *rls.OpenError
	require.ErrorAs(t, read(fresh, anna), &open, "a place is inspected in the state in which it is found")
	require.True(t, open.Has(rls.SessionSetting))
	_, err = other.Exec(t.Context(), "reset search_path")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return read(fresh, anna) == nil }, 10*time.Second, 10*time.Millisecond)
	var strayed int
	require.NoError(t, w.admin.QueryRow(t.Context(), `select count(*) from evil.patients`).Scan(&strayed))
	require.Equal(t, 1, strayed)
}

// What can't work behind a pooler is refused with its reason, and what is wrong at the pooler has the kind of error that it
// has without one.
func TestPoolersThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	mary := bind(t, t.Context(), mary)
	entry := mustEntry(t, w, "Anna")
	h := newHarbour(t, w, "")
	refused := func(h *harbour, tc tenant.Context, code rls.Code, change ...func(*rls.Config)) {
		t.Helper()
		var open *rls.OpenError
		err := read(h.open(t, change...), tc)
		require.ErrorAs(t, err, &open)
		require.True(t, open.Has(code), err)
	}
	refused(h, mary, rls.PoolerFound, func(c *rls.Config) { c.Pooler = rls.Direct })
	refused(h, mary, rls.StickyScope, func(c *rls.Config) { c.StickyScope = true })
	refused(h, mary, rls.SessionSetting, func(c *rls.Config) { c.Limits.StatementTimeout = time.Second })

	// A pooler that logs in as one role for all of its clients: the entry's login is not who is there.
	forced := newHarbour(t, w, w.AppRole)
	refused(forced, anna, rls.PlaceLogin)

	// A bridge login that has not what a direct connection pins.
	w.exec(t, fmt.Sprintf("alter role %q reset search_path", entry.Login))
	refused(newHarbour(t, w, ""), anna, rls.SessionSetting)

	w.mu.Lock()
	right := w.passwords[entry.Login]
	w.passwords[entry.Login] = "wrong one"
	w.mu.Unlock()
	require.ErrorIs(t, read(h.open(t), anna), rls.ErrCredentials)
	w.mu.Lock()
	w.passwords[entry.Login] = right
	w.mu.Unlock()
	w.directory.change(anna.Tenant(), func(e *rls.Entry) { e.Login = "nobody" })
	require.ErrorIs(t, read(h.open(t), anna), rls.ErrCredentials)
}

// A pooler that comes in between later, by a change of DNS, is found: the connection is refused, and the next one inspected.
func TestAPoolerComesInBetween(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	h := newHarbour(t, w, "")
	mary := bind(t, t.Context(), mary)
	h.directTo["main"] = true
	db := h.open(t, func(c *rls.Config) { c.MaxConnLifetime = time.Nanosecond }) // a connection for each request
	require.NoError(t, read(db, mary))
	h.directTo["main"] = false
	require.ErrorIs(t, read(db, mary), rls.ErrUnavailable)
	require.NoError(t, read(db, mary))
	h.directTo["main"] = true
	require.NoError(t, read(db, mary), "what is right behind a pooler is right without one")
}
