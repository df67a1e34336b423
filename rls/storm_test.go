package rls_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// Everything at once, for SEPTUM_STORM (a duration; some seconds by default): 64 goroutines work for 200 tenants, requests are
// cancelled and run out of time, callbacks panic, backends are killed, and the line delays, swallows and cuts. What must
// hold (X01, X05, X08, X09, X10):
//
//   - no row of another tenant is ever seen, by proved statements and by ones without a predicate;
//   - what was said to be written is there, what was said to have failed is not; only ErrOutcomeUnknown may be either;
//   - no connection, slot or goroutine is left over, and no session in anybody's scope or transaction.
func TestStormPostgres(t *testing.T) {
	t.Parallel()
	newStorm(t, false).rage(t)
}

// The same through PgBouncer in transaction mode, with fewer connections to the server than clients have.
func TestStormPgBouncer(t *testing.T) {
	t.Parallel()
	newStorm(t, true).rage(t)
}

const (
	stormTenants = 200
	stormWorkers = 64
	stormConns   = 16
	stormOwnRows = 12
)

// stormSeed has each tenant's rows carry its number, between two marks that no other number contains.
var stormSeed = fmt.Sprintf(`insert into patients select ('00000000-0000-0000-0000-' || lpad(t::text, 12, '0'))::uuid, n, '<' || t || '> ' || n
	from generate_series(1, %d) t, generate_series(1, %d) n`, stormTenants, stormOwnRows)

type storm struct {
	*clinic
	line   *proxy
	pooled bool
	next   atomic.Int64 // ids of new rows
	seen   atomic.Int64 // rows that were read
	wrong  atomic.Pointer[string]

	mu     sync.Mutex
	writes map[int64]outcomeOf // by id
	counts map[string]int
}

// outcomeOf is what a writer was told.
type outcomeOf struct {
	tenant  int
	said    error // nil: it was done
	unknown bool
}

func newStorm(t *testing.T, pooled bool) *storm {
	t.Helper()
	c := &clinic{Database: rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(stormSeed), rlstest.Catalog(hospital))}
	c.admin = c.Admin(t)
	s := &storm{clinic: c, pooled: pooled, writes: map[int64]outcomeOf{}, counts: map[string]int{}}
	s.next.Store(1000)
	url := c.AppURL
	if pooled {
		c.settle(t, rls.Limits{})
		url = c.newBouncer(t, map[string]string{"default_pool_size": "8", "query_wait_timeout": "5", "auth_type": "trust"})
	}
	s.line, url = newProxy(t, url)
	c.db = c.open(t, func(cfg *rls.Config) {
		cfg.URL, cfg.MaxConns, cfg.AcquireTimeout, cfg.PingAfter = url, stormConns, 2*time.Second, 50*time.Millisecond
		cfg.ConnectTimeout = 2 * time.Second
	})
	return s
}

func stormTenant(n int) tenant.ID {
	return tenant.MustParseID(fmt.Sprintf("00000000-0000-0000-0000-%012d", n))
}

func stormLength() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("SEPTUM_STORM")); err == nil && d > 0 {
		return d
	}
	if testing.Short() {
		return time.Second
	}
	return 3 * time.Second
}

func (s *storm) rage(t *testing.T) {
	t.Helper()
	seed := rand.Uint64()
	ctx, cancel := context.WithTimeout(context.Background(), stormLength())
	defer cancel()
	var work, weather sync.WaitGroup
	for g := range stormWorkers {
		work.Go(func() { s.worker(ctx, rand.New(rand.NewPCG(seed, uint64(g)))) })
	}
	weather.Go(func() { s.weather(ctx, rand.New(rand.NewPCG(seed, 1<<32))) })
	weather.Go(func() { s.killer(ctx, rand.New(rand.NewPCG(seed, 2<<32))) })
	work.Wait()
	cancel()
	weather.Wait()
	s.line.calm()
	if wrong := s.wrong.Load(); wrong != nil {
		t.Fatalf("seed %d: %s", seed, *wrong)
	}
	s.nothingIsLeft(t)
	done, failed, unknown := s.everyWord(t)
	t.Logf("seed %d: %d rows read; %d writes done, %d failed, %d unknown; %v", seed, s.seen.Load(), done, failed, unknown, s.counts)
	require.Positive(t, done)
	require.Greater(t, s.seen.Load(), int64(500))
}

// worker does one thing after another, each for another tenant.
func (s *storm) worker(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil && s.wrong.Load() == nil {
		n := r.IntN(stormTenants) + 1
		limit := time.Second
		if r.IntN(10) == 0 {
			limit = time.Duration(r.IntN(8000)) * time.Microsecond // runs out of time somewhere on the way
		}
		own, cancel := context.WithTimeout(context.Background(), limit)
		if r.IntN(12) == 0 {
			time.AfterFunc(time.Duration(r.IntN(5000))*time.Microsecond, cancel)
		}
		tc, err := tenant.Bind(own, tenant.Principal{Tenant: stormTenant(n), Subject: "storm"})
		if err != nil {
			panic(err)
		}
		s.one(tc, n, r)
		cancel()
	}
}

func (s *storm) one(tc tenant.Context, n int, r *rand.Rand) {
	switch r.IntN(9) {
	case 0, 1:
		found, err := rls.All[patient](tc, s.db, allPatients)
		s.look(n, "All", found, err)
	case 2: // the database wall alone
		rows, err := s.db.QueryUnproved(tc, `select id, name from patients`)
		if err != nil {
			s.count("QueryUnproved", err)
			return
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[patient])
		s.look(n, "QueryUnproved", found, err)
	case 3: // left in the middle
		rows, err := s.db.Query(tc, allPatients)
		for range r.IntN(stormOwnRows) {
			var p patient
			if err == nil && rows.Next() && rows.Scan(&p.ID, &p.Name) == nil {
				s.look(n, "Query", []patient{p}, nil)
			}
		}
		rows.Close()
	case 4, 5:
		id := s.next.Add(1)
		s.note(n, s.db.Exec(tc, admit, query.Args{"id": id, "name": mark(n, id)}), id)
	case 6:
		s.transaction(tc, n, r)
	case 7:
		b, one, two := &rls.Batch{}, s.next.Add(1), s.next.Add(1)
		b.Exec(admit, query.Args{"id": one, "name": mark(n, one)})
		b.Exec(admit, query.Args{"id": two, "name": mark(n, two)})
		s.note(n, s.db.Batch(tc, b), one, two)
	case 8:
		b := &rls.Batch{}
		var found []patient
		rls.Collect(b, &found, allPatients)
		s.look(n, "Batch", found, s.db.Batch(tc, b))
		s.look(n, "Batch", found, nil) // also what was read before an error
	}
}

var errStorm = errors.New("the function's own error")

// transaction ends in one of all the ways there are.
func (s *storm) transaction(tc tenant.Context, n int, r *rand.Rand) {
	one, two, inner := s.next.Add(1), s.next.Add(1), s.next.Add(1)
	end := r.IntN(5)
	err := func() (err error) {
		defer func() {
			if recover() != nil {
				err = errStorm
			}
		}()
		return s.db.InTx(tc, func(tx *rls.Tx) error {
			if err := tx.Exec(tc, admit, query.Args{"id": one, "name": mark(n, one)}); err != nil {
				return err
			}
			_ = tx.Savepoint(tc, func(tx *rls.Tx) error { // undone, whatever happens
				if err := tx.Exec(tc, admit, query.Args{"id": inner, "name": mark(n, inner)}); err != nil {
					return err
				}
				return errStorm
			})
			found, err := rls.All[patient](tc, tx, allPatients)
			s.look(n, "Tx", found, err)
			if err != nil {
				return err
			}
			switch end {
			case 0:
				return errStorm
			case 1:
				panic("in a callback")
			case 2:
				_, _ = tx.Query(tc, allPatients) // rows left open
			case 3:
				time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
			}
			return tx.Exec(tc, admit, query.Args{"id": two, "name": mark(n, two)})
		})
	}()
	s.note(n, err, one, two)
	s.note(n, errStorm, inner)
}

func mark(n int, id int64) string { return fmt.Sprintf("<%d> %d", n, id) }

// look takes every row that came to a tenant's request.
func (s *storm) look(n int, how string, found []patient, err error) {
	s.count(how, err)
	own := fmt.Sprintf("<%d> ", n)
	for _, p := range found {
		s.seen.Add(1)
		if !strings.HasPrefix(p.Name, own) {
			text := fmt.Sprintf("%s for tenant %d gave %q", how, n, p.Name)
			s.wrong.Store(&text)
		}
	}
	if err == nil && how != "Query" && how != "Batch" && len(found) < stormOwnRows {
		text := fmt.Sprintf("%s for tenant %d gave %d rows and no error", how, n, len(found))
		s.wrong.Store(&text)
	}
}

func (s *storm) note(n int, err error, ids ...int64) {
	s.count("write", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.writes[id] = outcomeOf{n, err, errors.Is(err, rls.ErrOutcomeUnknown)}
	}
}

// count keeps what happened, for the log.
func (s *storm) count(how string, err error) {
	if err == nil {
		return
	}
	kind := "other"
	for _, known := range []error{rls.ErrOutcomeUnknown, rls.ErrPoolExhausted, rls.ErrTenantBusy, rls.ErrTxAborted, rls.ErrBusy, rls.ErrTxDone,
		rls.ErrUnavailable, context.DeadlineExceeded, context.Canceled, errStorm} {
		if errors.Is(err, known) {
			kind = known.Error()
			break
		}
	}
	if kind == "other" {
		kind = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[how+": "+kind]++
}

// weather delays, swallows and cuts.
func (s *storm) weather(ctx context.Context, r *rand.Rand) {
	for sleepFor(ctx, time.Duration(r.IntN(200))*time.Millisecond) {
		switch r.IntN(9) {
		case 0, 1:
			s.line.delay.Store(r.Int64N(int64(3 * time.Millisecond)))
		case 2, 6, 7, 8:
			s.line.delay.Store(0)
		case 3:
			s.line.cut()
		case 4: // nothing arrives for a while, and then never
			s.line.silent.Store(true)
			sleepFor(ctx, time.Duration(r.IntN(20))*time.Millisecond)
			s.line.cut()
			s.line.silent.Store(false)
		case 5: // single pieces are lost, in the middle of everything
			s.line.lose.Store(r.Int64N(40) + 2)
			sleepFor(ctx, time.Duration(r.IntN(30))*time.Millisecond)
			s.line.lose.Store(0)
		}
	}
}

// killer ends backends of the application.
func (s *storm) killer(ctx context.Context, r *rand.Rand) {
	admin, err := pgx.Connect(ctx, s.AdminURL)
	if err != nil {
		panic(err)
	}
	defer admin.Close(context.Background())
	for sleepFor(ctx, time.Duration(r.IntN(300))*time.Millisecond) {
		_, _ = admin.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and usename = $1 order by random() limit $2`, s.AppRole, r.IntN(2)+1)
	}
}

// sleepFor reports whether the storm goes on.
func sleepFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// nothingIsLeft looks for connections, slots and scopes.
func (s *storm) nothingIsLeft(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return s.db.Stats().InUse == 0 }, 20*time.Second, time.Millisecond, "connections in use")
	free, tenants, waiting := s.db.Admission().State()
	require.Equal(t, []int{stormConns, 0, 0}, []int{free, tenants, waiting}, "slots")
	require.LessOrEqual(t, s.db.Stats().Open, stormConns)
	for range 3 * stormConns { // whatever is dead is found out
		tc := bind(t, t.Context(), stormTenant(1))
		_, _ = rls.All[patient](tc, s.db, allPatients)
	}
	for n := range 2 * stormConns {
		found, err := rls.All[patient](bind(t, t.Context(), stormTenant(n+1)), s.db, allPatients)
		s.look(n+1, "All", found, err)
		require.NoError(t, err, "the storm is over")
	}
	require.Nil(t, s.wrong.Load())
	if !s.pooled {
		require.Empty(t, s.db.LeftOver(t.Context()))
	}
	s.db.Close()
	backends := func() (all, within int) {
		require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*), count(*) filter (where state <> 'idle') from pg_stat_activity
			where datname = current_database() and usename = $1`, s.AppRole).Scan(&all, &within))
		return all, within
	}
	require.Eventually(t, func() bool {
		all, within := backends()
		return within == 0 && (all == 0 || s.pooled && all <= 8)
	}, 20*time.Second, 20*time.Millisecond, "sessions at the server")
}

// everyWord holds the database to what the writers were told.
func (s *storm) everyWord(t *testing.T) (done, failed, unknown int) {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), `select id, name from patients where id > 1000`)
	require.NoError(t, err)
	stored := map[int64]string{}
	for rows.Next() {
		var p patient
		require.NoError(t, rows.Scan(&p.ID, &p.Name))
		stored[p.ID] = p.Name
	}
	require.NoError(t, rows.Err())
	for id, w := range s.writes {
		name, there := stored[id]
		switch {
		case w.unknown:
			unknown++
		case w.said == nil:
			done++
			require.True(t, there, "%d was said to be written, and is not there", id)
		default:
			failed++
			require.False(t, there, "%d is there, and its writer was told: %v", id, w.said)
		}
		if there {
			require.Equal(t, mark(w.tenant, id), name)
		}
	}
	var misplaced int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*) from patients
		where name not like '<' || ltrim(right(tenant_id::text, 12), '0') || '> %'`).Scan(&misplaced))
	require.Zero(t, misplaced, "rows in another tenant's name")
	return done, failed, unknown
}
