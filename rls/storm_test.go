package rls_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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
//   - what the server refuses at the last word, or a callback swallows, is never said to be done;
//   - no reply is read by another request: while no byte is lost on the line, no reply is out of step;
//   - no connection, slot or goroutine is left over, and no session in anybody's scope or transaction.
//
// That it would see each of these was tried: docs/testing.md.
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

	stormPatience = 20 * time.Second // for what must come to rest when the storm is over
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
	lossy  atomic.Int64 // until when bytes could be lost on the line, in nanoseconds of time.Time.UnixNano
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
	c.sql(t, `alter table encounters drop constraint encounters_tenant_id_patient_id_fkey;
		alter table encounters add foreign key (tenant_id, patient_id) references patients deferrable initially deferred`)
	s := &storm{clinic: c, pooled: pooled, writes: map[int64]outcomeOf{}, counts: map[string]int{}}
	s.next.Store(1000)
	url := c.AppURL
	if pooled {
		c.settle(t, rls.Limits{})
		url = c.newBouncer(t, map[string]string{"default_pool_size": "8", "query_wait_timeout": "5", "auth_type": "trust"})
	}
	s.line, url = newProxy(t, url)
	var err error
	c.db, err = rls.Open(t.Context(), rls.Config{
		URL: url, MaxConns: stormConns, AcquireTimeout: 2 * time.Second, PingAfter: 50 * time.Millisecond, ConnectTimeout: 2 * time.Second,
	}, hospital)
	require.NoError(t, err)
	t.Cleanup(func() { s.inTime(t, "Close", stormPatience, s.db.Close) })
	return s
}

// inTime waits for what must come to an end soon after the storm. Close waits for every connection, so one that leaked would hold the
// test until its own limit; here it is said at once, with where everybody is.
func (s *storm) inTime(t *testing.T, what string, limit time.Duration, wait func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		stacks := make([]byte, 1<<20)
		free, tenants, waiting := s.db.Admission().State()
		t.Fatalf("%s did not end: %+v; slots: %d free, %d tenants in, %d waiting\n%s",
			what, s.db.Stats(), free, tenants, waiting, stacks[:runtime.Stack(stacks, true)])
	}
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
	s.inTime(t, "work", stormLength()+stormPatience, work.Wait)
	cancel()
	weather.Wait()
	s.line.calm()
	s.lossless()
	if wrong := s.wrong.Load(); wrong != nil {
		t.Fatalf("seed %d: %s", seed, *wrong)
	}
	s.nothingIsLeft(t)
	done, failed, unknown := s.everyWord(t)
	t.Logf("seed %d: %d rows read; %d writes done, %d failed, %d unknown; %v", seed, s.seen.Load(), done, failed, unknown, s.counts)
	require.Greater(t, done, unknown, "not knowing is the exception")
	require.Greater(t, s.seen.Load(), int64(500))
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
			s.lossy.Store(math.MaxInt64)
			s.line.silent.Store(true)
			sleepFor(ctx, time.Duration(r.IntN(20))*time.Millisecond)
			s.lossless()
		case 5: // single pieces are lost, in the middle of everything
			s.lossy.Store(math.MaxInt64)
			s.line.lose.Store(r.Int64N(40) + 2)
			sleepFor(ctx, time.Duration(r.IntN(30))*time.Millisecond)
			s.lossless()
		}
	}
}

// lossless has the line lose nothing more; connections on which something was lost are cut.
func (s *storm) lossless() {
	s.line.silent.Store(false)
	s.line.lose.Store(0)
	s.line.cut()
	s.lossy.Store(time.Now().UnixNano())
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
	require.Eventually(t, func() bool { return s.db.Stats().InUse == 0 }, stormPatience, time.Millisecond, "connections in use")
	free, tenants, waiting := s.db.Admission().State()
	require.Equal(t, []int{stormConns, 0, 0}, []int{free, tenants, waiting}, "slots")
	require.LessOrEqual(t, s.db.Stats().Open, stormConns)
	// Whatever is dead is found out, also by the pooler, whose servers were killed too; then nobody meets an error any more.
	end := time.Now().Add(stormPatience)
	for err := s.everybodyReads(t); err != nil; err = s.everybodyReads(t) {
		require.True(t, time.Now().Before(end), "the storm is over, and reads fail: %v", err)
		time.Sleep(time.Millisecond)
	}
	require.Nil(t, s.wrong.Load())
	if !s.pooled {
		require.Empty(t, s.db.LeftOver(t.Context()))
	}
	s.inTime(t, "Close", stormPatience, s.db.Close)
	backends := func() (all, within int) {
		require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*), count(*) filter (where state <> 'idle') from pg_stat_activity
			where datname = current_database() and usename = $1`, s.AppRole).Scan(&all, &within))
		return all, within
	}
	require.Eventually(t, func() bool {
		all, within := backends()
		return within == 0 && (all == 0 || s.pooled && all <= 8)
	}, stormPatience, 20*time.Millisecond, "sessions at the server")
}

// everybodyReads has more tenants read than there are connections, and gives the first error.
func (s *storm) everybodyReads(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stormPatience)
	defer cancel()
	for n := range 2 * stormConns {
		own := &caller{storm: s, tc: bind(t, ctx, stormTenant(n+1)), n: n + 1, began: time.Now().UnixNano()}
		found, err := rls.All[patient](own.tc, s.db, allPatients)
		own.look("All", found, err)
		if err != nil {
			return err
		}
	}
	return nil
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
	var orphans int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*) from encounters`).Scan(&orphans))
	require.Zero(t, orphans, "what the server refuses at the last word")
	return done, failed, unknown
}
