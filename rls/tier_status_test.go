package rls_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

// What the Directory says of a tenant while a transaction of it is under way holds for its next statement: when it was told,
// and when nobody told, after the TTL.
func TestStatusReachesTransactions(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	tests := map[string]struct {
		change func(*rls.Entry)
		want   error
	}{
		"read-only": {func(e *rls.Entry) { e.Status = rls.StatusReadOnly }, rls.ErrReadOnly},
		"suspended": {func(e *rls.Entry) { e.Status = rls.StatusSuspended }, rls.ErrSuspended},
		"erased":    {func(e *rls.Entry) { e.Status = rls.StatusErased }, rls.ErrErased},
		"moved":     {func(e *rls.Entry) { e.Target = "elsewhere" }, rls.ErrMoved},
		"unusable":  {func(e *rls.Entry) { e.Tier = "nowhere" }, rls.ErrEntry},
		"unknown":   {nil, rls.ErrUnknownTenant},
		"down":      {nil, rls.ErrUnavailable},
	}
	tc := bind(t, t.Context(), mary)
	for _, told := range []bool{true, false} {
		cache := rls.DirectoryCache{TTL: 30 * time.Millisecond, StaleFor: -1, UnknownTTL: time.Millisecond}
		if told {
			cache.TTL = time.Hour
		}
		db := w.open(t, func(c *rls.Config) { c.Cache = cache })
		for name, test := range tests {
			if told && name == "down" {
				continue // what is known is good for the TTL
			}
			err := db.InTx(tc, func(tx *rls.Tx) error {
				require.NoError(t, tx.Exec(tc, rename, query.Args{"id": 1, "name": "x"}))
				switch {
				case test.change != nil:
					w.directory.change(mary, test.change)
				case name == "down":
					w.directory.fail(errors.New("down"))
				default:
					w.directory.remove(mary)
				}
				if told {
					db.Invalidate(mary)
				} else {
					time.Sleep(cache.TTL + time.Millisecond)
				}
				return tx.Exec(tc, rename, query.Args{"id": 1, "name": "y"})
			})
			require.ErrorIs(t, err, test.want, "%s, told %v", name, told)
			w.directory.fail(nil)
			w.directory.put(mary, poolEntry)
			db.Invalidate(mary)
			require.Eventually(t, func() bool { return read(db, tc) == nil }, 10*time.Second, time.Millisecond)
			require.Equal(t, "Mary 1", patientsOf(t, db, tc)[0], "it was rolled back")
		}
	}
}

// Connections of a tenant that may not even read are closed: idle ones when it is known, one in use when it comes back. So
// a database can be dropped.
func TestConnectionsOfWhoMayNotReadAreClosed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 1), w.settle(t, "Bert", 1)
	entry := mustEntry(t, w, "Anna")
	for _, gone := range []func(e *rls.Entry){
		func(e *rls.Entry) { e.Status = rls.StatusErased }, func(e *rls.Entry) { e.Status = rls.StatusSuspended }, nil,
	} {
		w.directory.put(anna.Tenant(), entry)
		db := w.open(t, func(c *rls.Config) { c.Cache.UnknownTTL = time.Millisecond })
		require.NoError(t, read(db, bert))
		require.NoError(t, read(db, anna))
		leaves := func() {
			if gone != nil {
				w.directory.change(anna.Tenant(), gone)
			} else {
				w.directory.remove(anna.Tenant())
			}
			db.Invalidate(anna.Tenant())
			require.Error(t, read(db, anna))
		}
		require.NoError(t, db.InTx(anna, func(tx *rls.Tx) error { // and one in use
			require.NoError(t, tx.Exec(anna, rename, query.Args{"id": 1, "name": "x"}))
			require.NoError(t, read(db, anna))
			require.Equal(t, 3, db.Stats().Open)
			leaves()
			require.Eventually(t, func() bool { return db.Stats().Open == 2 }, 10*time.Second, time.Millisecond, "the idle one")
			return nil
		}))
		require.Eventually(t, func() bool { return db.Stats() == rls.Stats{Max: 4, Open: 1, Idle: 1} }, 10*time.Second, time.Millisecond, "both")
		require.NoError(t, read(db, bind(t, context.Background(), bert.Tenant())))
		db.Close()
	}
}

// What changes while a request waits for its connection holds for the request.
func TestStatusChangesWhileConnecting(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	for name, test := range map[string]struct {
		change func(*rls.Entry)
		want   error
	}{
		"suspended": {func(e *rls.Entry) { e.Status = rls.StatusSuspended }, rls.ErrSuspended},
		"moving":    {func(e *rls.Entry) { e.Status = rls.StatusMoving }, rls.ErrMoving},
		"moved":     {func(e *rls.Entry) { e.Login = "nobody" }, rls.ErrCredentials}, // it went on to the new place
	} {
		entry := mustEntry(t, w, "Anna")
		var db *rls.DB
		changed := false
		db = w.open(t, func(c *rls.Config) {
			c.Credentials = rls.CredentialsFunc(func(ctx context.Context, ask rls.CredentialRequest) (rls.Credential, error) {
				if !changed {
					changed = true
					w.directory.change(anna.Tenant(), test.change)
					db.Invalidate(anna.Tenant())
					_ = db.Remembers(ctx, anna.Tenant())
				}
				return w.Credential(ctx, ask)
			})
		})
		require.ErrorIs(t, write(db, anna), test.want, name)
		db.Close()
		w.directory.put(anna.Tenant(), entry)
		var left string
		require.NoError(t, w.admin.QueryRow(t.Context(), `select name from "`+entry.Schema+`".patients`).Scan(&left))
		require.Equal(t, "Anna 1", left)
	}
}

// A tenant that moved leaves no connection at its old place, and one with a login of its own on shared tables no scope in its
// session, where SQL beside the library would find it.
func TestOldPlacesAreLeft(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	db := w.open(t)
	require.NoError(t, read(db, anna))
	w.directory.put(anna.Tenant(), w.resettle(t, "Anna"))
	db.Invalidate(anna.Tenant())
	require.Equal(t, []string{"moved"}, patientsOf(t, db, anna))
	require.Eventually(t, func() bool { return db.Stats() == rls.Stats{Max: 4, Open: 1, Idle: 1} }, 10*time.Second, time.Millisecond)

	role, url := w.Login(t, "IN ROLE "+w.AppRole)
	w.mu.Lock()
	w.passwords[role] = passwordOf(t, url)
	w.mu.Unlock()
	w.directory.put(paul, rls.Entry{Tier: rls.TierPool, Target: "main", Login: role})
	tc := bind(t, t.Context(), paul)
	require.Len(t, patientsOf(t, db, tc), 20)
	own, err := db.Own(tc)
	require.NoError(t, err)
	require.Empty(t, own)
}
