package rls_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// One DB, one API, the same statements: tenants of shared tables and of schemas of their own.
func TestTiersSideBySide(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 2), w.settle(t, "Bert", 3)
	mary := bind(t, context.Background(), mary)
	db := w.open(t)
	for range 3 {
		require.Equal(t, []string{"Anna 1", "Anna 2"}, patientsOf(t, db, anna))
		require.Equal(t, []string{"Bert 1", "Bert 2", "Bert 3"}, patientsOf(t, db, bert))
		require.Len(t, patientsOf(t, db, mary), 20)
	}
	require.NoError(t, db.Exec(anna, rename, query.Args{"id": 1, "name": "Anna the first"}))
	require.NoError(t, db.InTx(bert, func(tx *rls.Tx) error {
		if err := tx.Exec(bert, admit, query.Args{"id": 9, "name": "Bert 9"}); err != nil {
			return err
		}
		return tx.Exec(bert, visit, query.Args{"id": 1, "patient": 9, "ward": "3"})
	}))
	require.Equal(t, []string{"Anna the first", "Anna 2"}, patientsOf(t, db, anna))
	require.Equal(t, []string{"Bert 1", "Bert 2", "Bert 3", "Bert 9"}, patientsOf(t, db, bert))
	require.Equal(t, "Mary 1", patientsOf(t, db, mary)[0])
	require.ErrorIs(t, db.Exec(anna, rename, query.Args{"id": 9, "name": "x"}), query.ErrNotFound)
}

// X10: more tenants than connections are slow and never stuck, none gets another's connection, and the server never sees
// more connections than the budget.
func TestMoreTenantsThanConnections(t *testing.T) { // alone, since it counts goroutines
	w := newTown(t)
	const budget = 3
	var tenants []tenant.Context
	for i := range 8 {
		tenants = append(tenants, w.settle(t, fmt.Sprint("T", i), 1+i))
	}
	db := w.open(t, func(c *rls.Config) { c.MaxConns, c.AcquireTimeout = budget, time.Minute })
	before := runtime.NumGoroutine()
	var work sync.WaitGroup
	most := 0
	stop := make(chan struct{})
	work.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				var seen int
				err := w.admin.QueryRow(context.Background(), `select count(*) from pg_stat_activity where application_name = 'septum' and datname = current_database()`).Scan(&seen)
				if err == nil {
					most = max(most, seen)
				}
			}
		}
	})
	var requests sync.WaitGroup
	for g := range 16 {
		requests.Go(func() {
			for i := range 10 {
				n := (g + i) % len(tenants)
				tc := tenants[n]
				found, err := rls.All[patient](tc, db, allPatients)
				if !assert.NoError(t, err) {
					return
				}
				assert.Len(t, found, n+1)
				for _, p := range found {
					assert.True(t, strings.HasPrefix(p.Name, fmt.Sprintf("T%d ", n)), p.Name)
				}
				assert.LessOrEqual(t, db.Stats().Open, budget)
			}
		})
	}
	requests.Wait()
	close(stop)
	work.Wait()
	require.LessOrEqual(t, most, budget+2, "one that was closed may be seen a moment longer")
	require.Zero(t, db.Stats().InUse)
	require.Equal(t, budget, db.Stats().Idle)
	require.LessOrEqual(t, runtime.NumGoroutine(), before+5, "no goroutine per tenant")
}

// A request that holds its tenant's connection lets nobody else wait for longer than AcquireTimeout, and what waited
// and gave up leaves nothing behind.
func TestWaitingForABerthHasAnEnd(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 1), w.settle(t, "Bert", 1)
	db := w.open(t, func(c *rls.Config) { c.MaxConns, c.AcquireTimeout = 1, time.Second })
	require.NoError(t, read(db, anna))
	require.NoError(t, db.InTx(anna, func(tx *rls.Tx) error {
		if err := tx.Exec(anna, rename, query.Args{"id": 1, "name": "x"}); err != nil {
			return err
		}
		require.ErrorIs(t, read(db, bert), rls.ErrPoolExhausted)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, read(db, bind(t, ctx, bert.Tenant())), context.DeadlineExceeded)
		var waiting sync.WaitGroup
		for range 5 {
			waiting.Go(func() { assert.ErrorIs(t, read(db, bert), rls.ErrPoolExhausted) })
		}
		waiting.Wait()
		return nil
	}))
	require.Equal(t, []string{"Bert 1"}, patientsOf(t, db, bert), "the idle connection of another tenant makes room")
	require.Equal(t, []string{"x"}, patientsOf(t, db, anna))
	require.Equal(t, rls.Stats{Max: 1, Open: 1, Idle: 1, Waits: db.Stats().Waits}, db.Stats())
}

// Close waits for who works, and leaves nothing open.
func TestCloseWithRequestsUnderWay(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 1), w.settle(t, "Bert", 1)
	db := w.open(t)
	require.NoError(t, read(db, bert))
	closed := make(chan struct{})
	require.NoError(t, db.InTx(anna, func(tx *rls.Tx) error {
		if err := tx.Exec(anna, rename, query.Args{"id": 1, "name": "x"}); err != nil {
			return err
		}
		go func() { db.Close(); close(closed) }()
		require.Eventually(t, func() bool { return db.Stats().Open == 1 }, 10*time.Second, time.Millisecond)
		require.ErrorIs(t, read(db, bert), rls.ErrClosed)
		select {
		case <-closed:
			require.Fail(t, "it was closed under a transaction")
		default:
		}
		return nil
	}))
	<-closed
	require.ErrorIs(t, read(db, anna), rls.ErrClosed)
	require.Zero(t, db.Stats().Open)
}

// Connections that die, idle ones that nobody needs, and old ones leave their room.
func TestBerthsAreFreed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 1), w.settle(t, "Bert", 1)
	db := w.open(t, func(c *rls.Config) { c.MaxConnIdleTime, c.PingAfter = 300*time.Millisecond, time.Nanosecond })
	require.NoError(t, read(db, anna))
	require.NoError(t, read(db, bert))
	w.exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'septum' and datname = current_database()")
	require.NoError(t, read(db, anna), "a connection that was idle is asked whether it lives")
	require.Eventually(t, func() bool { return db.Stats() == rls.Stats{Max: 4} }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, read(db, bert))
}

// A transaction that began before its tenant became read-only writes no more.
func TestStatusChangesMidTransaction(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	db := w.open(t)
	err := db.InTx(anna, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(anna, rename, query.Args{"id": 1, "name": "x"}))
		w.directory.change(anna.Tenant(), func(e *rls.Entry) { e.Status = rls.StatusMoving })
		db.Invalidate(anna.Tenant())
		require.ErrorIs(t, write(db, anna), rls.ErrMoving)
		err := tx.Exec(anna, rename, query.Args{"id": 1, "name": "y"})
		require.ErrorIs(t, err, rls.ErrMoving)
		return err
	})
	require.ErrorIs(t, err, rls.ErrMoving)
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna), "reading goes on, and nothing was written")
}

// X10: a connection that has been one tenant's from its start takes no other's scope, and its session keeps the own one.
func TestATenantsConnectionIsItsOwn(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	db := w.open(t)
	require.NoError(t, db.QueryAs(anna, anna.Tenant().String(), "select name from patients"))
	require.Error(t, db.QueryAs(anna, mary.String(), "select name from patients"))
	require.Zero(t, db.Stats().Open, "it is closed")
	require.Equal(t, []string{"Anna 1"}, patientsOf(t, db, anna))
	require.Equal(t, 0, countOwn(t, w, "Anna", "insert into %s.patients values ('"+mary.String()+"', 1, 'x')"), "row-level security holds inside the schema too")
}

// countOwn runs SQL beside the library as a bridge tenant's login, in its own scope, and counts the rows written.
func countOwn(t testing.TB, w *town, name, sql string) int {
	t.Helper()
	entry := mustEntry(t, w, name)
	config, err := pgx.ParseConfig(w.AppURL)
	require.NoError(t, err)
	config.User, config.Password = entry.Login, w.passwords[entry.Login]
	conn, err := pgx.ConnectConfig(context.Background(), config)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(context.Background(), "select set_config('septum.tenant', $1, false)", townID(name).String())
	require.NoError(t, err)
	tag, err := conn.Exec(context.Background(), fmt.Sprintf(sql, pgx.Identifier{entry.Schema}.Sanitize()))
	require.ErrorContains(t, err, "row-level security")
	return int(tag.RowsAffected())
}
