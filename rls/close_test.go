package rls_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// What waits for a slot when the admission closes is sent away at once, and what comes later isn't let in; slots that are held
// come back as ever.
func TestAdmissionCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, limits := rls.NewAdmission(2), rls.Limits{MaxWait: time.Hour, MaxConns: 2}
		leaves := []func(){mustEnter(t, a, mary, limits), mustEnter(t, a, mary, limits)}
		var work sync.WaitGroup
		start := time.Now()
		for range 5 {
			for _, id := range []int{1, 2, 3} {
				work.Go(func() {
					_, err := a.Enter(t.Context(), tenantNumber(id), limits)
					if !errors.Is(err, rls.ErrClosed) {
						panic(err)
					}
				})
			}
		}
		synctest.Wait()
		a.Close()
		a.Close()
		work.Wait()
		require.Zero(t, time.Since(start))
		_, err := a.Enter(t.Context(), mary, limits)
		require.ErrorIs(t, err, rls.ErrClosed)
		free, tenants, waiting := a.State()
		require.Equal(t, []int{0, 1, 0}, []int{free, tenants, waiting})
		for _, leave := range leaves {
			leave()
		}
		_, err = a.Enter(t.Context(), mary, limits)
		require.ErrorIs(t, err, rls.ErrClosed, "also when there is room")
		free, tenants, waiting = a.State()
		require.Equal(t, []int{2, 0, 0}, []int{free, tenants, waiting})
	})
}

// Close sends away at once what waits, waits itself for what is under way, and lets that end well.
func TestCloseWakesThoseThatWait(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	db := c.open(t, func(cfg *rls.Config) { cfg.MaxConns, cfg.AcquireTimeout = 1, time.Hour })
	rows, err := db.Query(c.mary, allPatients)
	require.NoError(t, err)
	waits := map[string]func() error{
		"Query": func() error { return failed(db.Query(c.paul, allPatients)) },
		"Exec":  func() error { return db.Exec(c.mary, rename, named(1, "too late")) },
		"InTx": func() error {
			return db.InTx(c.paul, func(tx *rls.Tx) error { return tx.Exec(c.paul, rename, named(1, "too late")) })
		},
		"Batch": func() error {
			var b rls.Batch
			var found []patient
			rls.Collect(&b, &found, allPatients)
			return db.Batch(c.paul, &b)
		},
		"CopyIn": func() error {
			_, err := db.CopyIn(c.paul, "patients", []string{"id", "name"}, pgx.CopyFromRows([][]any{{int64(900), "too late"}}))
			return err
		},
	}
	var mu sync.Mutex
	got := map[string]error{}
	var waiting sync.WaitGroup
	for name, wait := range waits {
		waiting.Go(func() {
			err := wait()
			mu.Lock()
			defer mu.Unlock()
			got[name] = err
		})
	}
	require.Eventually(t, func() bool { return db.Admission().Waiting() == len(waits) }, 10*time.Second, time.Millisecond)
	closed := make(chan string, 2)
	go func() { db.Close(); closed <- "first" }()
	waiting.Wait() // long before their hour has come
	for name, err := range got {
		require.ErrorIs(t, err, rls.ErrClosed, name)
	}
	go func() { db.Close(); closed <- "second" }()
	select {
	case which := <-closed:
		t.Fatal("the "+which, "did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[patient])
	require.NoError(t, err, "what was under way ends well")
	require.Len(t, found, 20)
	<-closed
	<-closed
	require.Zero(t, db.Stats().Open)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	_, err = db.Audit(t.Context(), rls.AuditOptions{})
	require.ErrorIs(t, err, rls.ErrClosed)
}

// A transaction that is under way when its DB is closed goes on and commits; one that has no connection yet gets none.
func TestCloseDuringATransaction(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	db := c.open(t)
	closed := make(chan struct{})
	require.NoError(t, db.InTx(c.mary, func(tx *rls.Tx) error {
		if err := tx.Exec(c.mary, rename, named(1, "before")); err != nil {
			return err
		}
		go func() { db.Close(); close(closed) }()
		require.Eventually(t, func() bool { return errors.Is(db.Exec(c.mary, rename, named(3, "x")), rls.ErrClosed) }, 10*time.Second, time.Millisecond)
		return tx.Exec(c.mary, rename, named(2, "after"))
	}))
	<-closed
	require.Equal(t, "before", c.nameOf(t, mary, 1))
	require.Equal(t, "after", c.nameOf(t, mary, 2))

	db = c.open(t)
	require.ErrorIs(t, db.InTx(c.mary, func(tx *rls.Tx) error {
		db.Close()
		return tx.Exec(c.mary, rename, named(3, "never"))
	}), rls.ErrClosed)
}

// A wait that its caller gives up leaves nothing behind: the slot goes to who comes after.
func TestCancelOfOneThatWaits(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	db := c.open(t, func(cfg *rls.Config) { cfg.MaxConns, cfg.AcquireTimeout = 1, time.Hour })
	rows, err := db.Query(c.mary, allPatients)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- db.Exec(bind(t, ctx, paul), rename, named(1, "given up")) }()
	require.Eventually(t, func() bool { return db.Admission().Waiting() == 1 }, 10*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.Zero(t, db.Admission().Waiting())
	rows.Close()
	one, err := rls.One[patient](c.paul, db, onePatient, query.Args{"id": 1})
	require.NoError(t, err)
	require.Equal(t, "Paul 1", one.Name)
}
