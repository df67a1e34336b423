package rls_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
