package cache_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// An empty partition is small, has no goroutine, and goes.
func TestEmptyPartitions(t *testing.T) { //nolint:paralleltest // it measures the heap
	const n = 20_000
	contexts := make([]tenant.Context, n)
	for i := range contexts {
		contexts[i] = bound(t, fmt.Sprint("tenant-", i))
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{Capacity: n, IdleAfter: time.Minute})
		goroutines, before := runtime.NumGoroutine(), heapInUse()
		for i, tc := range contexts {
			switch p := c.In(tc); i % 3 {
			case 0:
				_, err := p.Get("x")
				require.ErrorIs(t, err, cache.ErrMiss)
			case 1:
				require.NoError(t, p.Set("x", 1))
				require.NoError(t, p.Delete("x"))
			default:
				_, err := p.GetOrLoad("x", gives(0, errBroken))
				require.ErrorIs(t, err, errBroken)
			}
		}
		synctest.Wait()
		each := float64(heapInUse()-before) / n
		t.Logf("an empty partition costs %.0f bytes", each)
		require.Less(t, each, 250.0)
		require.Equal(t, goroutines, runtime.NumGoroutine())
		time.Sleep(3 * time.Minute)
		require.Less(t, (float64(heapInUse())-float64(before))/n, 10.0, "they went away")
		require.EqualValues(t, n-n/3-1, c.Stats().Misses, "and what they counted did not")
		runtime.KeepAlive(c)
	})
	runtime.KeepAlive(contexts)
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAHitAllocatesNothing(t *testing.T) { //nolint:paralleltest // it counts allocations
	tc := bound(t, "a")
	c := newCache(t, cache.Options[string, int]{TTL: time.Hour, EarlyRefresh: 1})
	held := c.In(tc)
	require.NoError(t, held.Set("x", 1))
	load := gives(1, nil)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_, _ = held.Get("x")
		_, _ = c.In(tc).Get("x")
		_, _ = c.In(tc).GetOrLoad("x", load)
		_, _ = c.In(tc).Get("missing")
	}))
}

// Invalidating a tenant is one step, however much it has.
func TestInvalidateTenantDoesNotScan(t *testing.T) { //nolint:paralleltest // it measures time
	cost := func(entries int) time.Duration {
		best := time.Hour
		for range 5 {
			c := newCache(t, cache.Options[string, int]{Capacity: 1_000_000})
			p := c.In(bound(t, "a"))
			for i := range entries {
				require.NoError(t, p.Set(fmt.Sprint(i), i))
			}
			began := time.Now()
			require.NoError(t, p.InvalidateTenant())
			best = min(best, time.Since(began))
			require.Zero(t, c.Stats().Entries)
		}
		return best
	}
	few, most := cost(10), cost(50_000)
	require.Less(t, most, few+200*time.Microsecond, "few: %v", few)
}
