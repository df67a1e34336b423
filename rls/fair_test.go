package rls_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func tenantNumber(n int) tenant.ID { return tenant.MustParseID("t" + strconv.Itoa(n)) }

// mustEnter takes a slot that is there.
func mustEnter(t *testing.T, a rls.Admission, id tenant.ID, l rls.Limits) (leave func()) {
	t.Helper()
	leave, err := a.Enter(t.Context(), id, l)
	require.NoError(t, err)
	return leave
}

// A tenant that is alone may have all; once others come it gets no more than its part, and they wait for one turn at most.
func TestAdmissionKeepsRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, limits := rls.NewAdmission(10), rls.Limits{MaxWait: time.Second}
		var leaves []func()
		for range 10 {
			leaves = append(leaves, mustEnter(t, a, mary, limits))
		}
		start := time.Now()
		_, err := a.Enter(t.Context(), mary, limits)
		require.ErrorIs(t, err, rls.ErrPoolExhausted, "there are no more")
		require.Equal(t, time.Second, time.Since(start), "the deadline, on the dot")
		var second func()
		var work sync.WaitGroup
		work.Go(func() { second, err = a.Enter(t.Context(), mary, limits) })
		synctest.Wait()
		time.AfterFunc(100*time.Millisecond, leaves[0])
		start = time.Now()
		his := mustEnter(t, a, paul, limits)
		require.Equal(t, 100*time.Millisecond, time.Since(start), "the next one is his, though mary waits longer")
		for _, leave := range leaves[1:7] { // she has 3 now
			leave()
		}
		work.Wait()
		require.NoError(t, err)
		start = time.Now()
		_, err = a.Enter(t.Context(), mary, limits)
		require.ErrorIs(t, err, rls.ErrTenantBusy, "5 are free, and 4 are as many as she may have")
		for range 3 {
			leaves = append(leaves, mustEnter(t, a, paul, limits))
		}
		require.Equal(t, time.Second, time.Since(start), "no wait for him")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = a.Enter(ctx, mary, limits)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the caller's own deadline")
		for _, leave := range append(leaves[7:], second, his) {
			leave()
		}
		free, tenants, waiting := a.State()
		require.Equal(t, []int{10, 0, 0}, []int{free, tenants, waiting}, "idle tenants cost nothing")
		time.Sleep(2 * time.Second)
		for range 10 {
			defer mustEnter(t, a, mary, limits)() // alone again
		}
	})
}

// The next free slot goes to the tenant that holds the fewest for its weight, then to the one that waits longest.
func TestAdmissionOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := rls.NewAdmission(4)
		greedy, heavy, quiet := tenantNumber(1), tenantNumber(2), tenantNumber(3)
		limits := rls.Limits{MaxWait: time.Hour, MaxConns: 4}
		var leaves []func()
		for range 4 {
			leaves = append(leaves, mustEnter(t, a, greedy, limits))
		}
		var mu sync.Mutex
		var order []string
		var work sync.WaitGroup
		ask := func(name string, id tenant.ID, weight int) {
			work.Go(func() {
				l := limits
				l.Weight = weight
				leave, err := a.Enter(t.Context(), id, l)
				if err != nil {
					panic(err)
				}
				mu.Lock()
				order = append(order, name)
				leaves = append(leaves, leave)
				mu.Unlock()
			})
			synctest.Wait()
		}
		ask("greedy", greedy, 1)
		ask("quiet", quiet, 1)
		ask("heavy 1", heavy, 3)
		ask("heavy 2", heavy, 3)
		ask("quiet again", quiet, 1)
		for i := range 4 {
			leaves[i]()
			synctest.Wait()
		}
		require.Equal(t, []string{"quiet", "heavy 1", "heavy 2", "greedy"}, order,
			"nothing held: the first to come; then heavy, 1 of weight 3 against quiet's 1 of 1; greedy holds 0 by then")
		leaves[4]()
		work.Wait()
		require.Equal(t, "quiet again", order[4])
		for _, leave := range leaves[5:] {
			leave()
		}
		free, tenants, _ := a.State()
		require.Equal(t, []int{4, 0}, []int{free, tenants})
	})
}

// One tenant asks for 20 times its share: the others wait for one turn at most, and each is served.
func TestAdmissionUnderAFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const service = 10 * time.Millisecond
		a, limits := rls.NewAdmission(8), rls.Limits{MaxWait: time.Hour}
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		client := func(id tenant.ID, weight int, think time.Duration, served func(wait time.Duration)) {
			work.Go(func() {
				l := limits
				l.Weight = weight
				for ctx.Err() == nil {
					start := time.Now()
					leave, err := a.Enter(ctx, id, l)
					if err != nil {
						return
					}
					served(time.Since(start))
					time.Sleep(service)
					leave()
					time.Sleep(think)
				}
			})
		}
		var mu sync.Mutex
		waits := map[tenant.ID][]time.Duration{}
		count := func(id tenant.ID) func(time.Duration) {
			return func(wait time.Duration) {
				mu.Lock()
				waits[id] = append(waits[id], wait)
				mu.Unlock()
			}
		}
		for range 160 {
			client(tenantNumber(0), 1, 0, count(tenantNumber(0)))
		}
		for n := range 8 {
			client(tenantNumber(n+1), 1, 30*time.Millisecond, count(tenantNumber(n+1)))
		}
		time.Sleep(10 * time.Second)
		cancel()
		work.Wait()
		for n := range 8 {
			w := waits[tenantNumber(n+1)]
			slices.Sort(w)
			require.Greater(t, len(w), 150, "tenant %d", n+1)
			require.LessOrEqual(t, w[len(w)/2], service, "the median wait")
			require.LessOrEqual(t, w[len(w)-1], 2*service, "the longest wait")
		}
		require.Greater(t, len(waits[tenantNumber(0)]), 2000, "the greedy one is served too, by what is left")
		free, tenants, _ := a.State()
		require.Equal(t, []int{8, 0}, []int{free, tenants})
	})
}

// Weights hold when all want more than there is.
func TestAdmissionWeights(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := rls.NewAdmission(8)
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		var mu sync.Mutex
		served := make([]int, 2)
		for i, weight := range []int{3, 1} {
			for range 20 {
				work.Go(func() {
					for ctx.Err() == nil {
						leave, err := a.Enter(ctx, tenantNumber(i), rls.Limits{Weight: weight, MaxConns: 8, MaxWait: time.Hour})
						if err != nil {
							return
						}
						mu.Lock()
						served[i]++
						mu.Unlock()
						time.Sleep(10 * time.Millisecond)
						leave()
					}
				})
			}
		}
		time.Sleep(10 * time.Second)
		cancel()
		work.Wait()
		require.InDelta(t, 3, float64(served[0])/float64(served[1]), 0.1)
	})
}

// Any order of coming, going and giving up loses no slot and leaves nobody waiting beside a free one.
func TestAdmissionInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		a := rls.NewAdmission(rapid.IntRange(1, 6).Draw(r, "slots"))
		type request struct {
			cancel context.CancelFunc
			done   chan func()
		}
		var held []func()
		var waiting []request
		collect := func() {
			kept := waiting[:0]
			for _, w := range waiting {
				select {
				case leave := <-w.done:
					if leave != nil {
						held = append(held, leave)
					}
					w.cancel()
				case <-time.After(200 * time.Microsecond):
					kept = append(kept, w)
				}
			}
			waiting = kept
			a.State()
		}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 3).Draw(r, "what") {
			case 0, 1:
				ctx, cancel := context.WithCancel(context.Background())
				w := request{cancel, make(chan func(), 1)}
				number := rapid.IntRange(0, 3).Draw(r, "tenant")
				id, l := tenantNumber(number), rls.Limits{MaxWait: time.Minute, MaxConns: number, Weight: number / 2}
				go func() {
					leave, err := a.Enter(ctx, id, l)
					if err != nil {
						leave = nil
					}
					w.done <- leave
				}()
				waiting = append(waiting, w)
			case 2:
				if len(held) > 0 {
					i := rapid.IntRange(0, len(held)-1).Draw(r, "who goes")
					held[i]()
					held = slices.Delete(held, i, i+1)
				}
			case 3:
				if len(waiting) > 0 {
					waiting[rapid.IntRange(0, len(waiting)-1).Draw(r, "who gives up")].cancel()
				}
			}
			collect()
		}
		for _, w := range waiting {
			w.cancel()
		}
		for _, w := range waiting {
			if leave := <-w.done; leave != nil {
				leave()
			}
		}
		for _, leave := range held {
			leave()
		}
		if _, tenants, queued := a.State(); tenants+queued != 0 {
			r.Fatal("somebody is remembered")
		}
	})
}

// No slot is lost by errors, cancels and panics, and the next request works.
func TestSlotsComeBack(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.Limits = rls.Limits{MaxWait: 50 * time.Millisecond, MaxConns: 3} })
	for range 5 {
		_ = c.db.Exec(c.mary, admit, query.Args{"id": 1, "name": "again"})
		_ = c.db.Exec(c.mary, admit, query.Args{"id": "no number", "name": "x"})
		ctx, cancel := context.WithCancel(context.Background())
		rows, _ := c.db.Query(bind(t, ctx, mary), allPatients)
		rows.Next()
		cancel()
		for rows.Next() {
		}
		require.Error(t, failed(c.db.Query(bind(t, ctx, mary), allPatients)))
		for _, gone := range []func(*rls.Tx) error{
			func(*rls.Tx) error { return errors.New("rolled back") },
			func(tx *rls.Tx) error { _, _ = tx.Query(c.mary, allPatients); panic("with rows open") },
			func(tx *rls.Tx) error { _ = tx.Exec(c.mary, admit, query.Args{"id": 1, "name": "x"}); return nil },
		} {
			func() {
				defer func() { _ = recover() }()
				_ = c.db.InTx(c.mary, gone)
			}()
		}
	}
	free, tenants, _ := c.db.Admission().State()
	require.Equal(t, []int{4, 0}, []int{free, tenants})

	open := make([]func(), 0, 3)
	for range 3 {
		rows, err := c.db.Query(c.mary, allPatients)
		require.NoError(t, err)
		open = append(open, rows.Close)
	}
	err := failed(c.db.Query(c.mary, allPatients))
	require.ErrorIs(t, err, rls.ErrTenantBusy)
	var status interface{ HTTPStatus() int }
	require.ErrorAs(t, err, &status)
	require.Equal(t, 429, status.HTTPStatus())
	found, err := rls.All[patient](c.paul, c.db, allPatients)
	require.NoError(t, err, "another tenant is not in its way")
	require.Len(t, found, 20)
	for _, close := range open {
		close()
	}
	c.healthy(t, c.db)
}

// A statement that is too slow, and a transaction that does nothing for too long, are ended by the server, as the tenant's
// limits say; and the next request works. On direct connections and behind a pooler.
func TestTooSlow(t *testing.T) {
	t.Parallel()
	limits := rls.Limits{StatementTimeout: 300 * time.Millisecond, IdleInTransaction: 300 * time.Millisecond}
	own := func(id tenant.ID) rls.Limits {
		if id == mary {
			return limits
		}
		return rls.Limits{}
	}
	all := func(cfg *rls.Config) { cfg.Limits = limits }
	each := func(cfg *rls.Config) { cfg.LimitsFor = own }
	for _, of := range []struct {
		name   string
		pooled bool
		set    func(*rls.Config)
	}{
		{"for all, direct", false, all}, {"for one tenant, direct", false, each},
		{"for all, behind a pooler", true, all}, {"for one tenant, behind a pooler", true, each},
	} {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			var cfg rls.Config
			of.set(&cfg)
			var c *clinic
			if of.pooled {
				c = newClinic(t)
				c.settle(t, cfg.Limits)
				url := c.newBouncer(t, map[string]string{"default_pool_size": "2"})
				c.db = c.open(t, of.set, func(cfg *rls.Config) { cfg.URL = url })
			} else {
				c = newClinic(t, of.set)
			}
			slow := func(tc tenant.Context, seconds float64) error {
				rows, err := c.db.QueryUnproved(tc, fmt.Sprintf(`select pg_sleep(%v)`, seconds))
				rows.Close()
				return errors.Join(err, rows.Err())
			}
			for range 2 {
				start := time.Now()
				require.ErrorIs(t, slow(c.mary, 30), rls.ErrTooSlow)
				require.Less(t, time.Since(start), 5*time.Second)
				require.NoError(t, slow(c.mary, 0.001))
			}
			require.ErrorIs(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
				if err := tx.Exec(c.mary, rename, query.Args{"id": 1, "name": "half done"}); err != nil {
					return err
				}
				time.Sleep(900 * time.Millisecond)
				return tx.Exec(c.mary, rename, query.Args{"id": 2, "name": "half done"})
			}), rls.ErrTooSlow)
			require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
			if cfg.LimitsFor != nil {
				require.NoError(t, slow(c.paul, 0.6), "another tenant's limit is its own")
				require.NoError(t, c.db.InTx(c.paul, func(tx *rls.Tx) error {
					for range 2 {
						if err := tx.Exec(c.paul, rename, query.Args{"id": 1, "name": "Paul 1"}); err != nil {
							return err
						}
						time.Sleep(600 * time.Millisecond)
					}
					return nil
				}))
			}
			for range c.db.Stats().Max { // the connection that the server ended is found out
				_, _ = rls.All[patient](c.mary, c.db, allPatients)
			}
			c.healthy(t, c.db)
		})
	}
}
