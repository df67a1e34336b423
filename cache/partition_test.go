package cache_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// X02: no tenant, no partition; not the one of a tenant named "", nor one that all share.
func TestUnbound(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{})
	for name, p := range map[string]cache.Partition[string, int]{
		"a zero context":   c.In(tenant.Context{}),
		"a zero partition": {},
	} {
		require.ErrorIs(t, p.Set("x", 1), tenant.ErrUnbound, name)
		_, err := p.Get("x")
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		_, err = p.GetOrLoad("x", gives(1, nil))
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		_, err = p.GetMany(nil)
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		_, err = p.GetOrLoadMany(nil, nil)
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		_, err = p.Stats()
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		require.ErrorIs(t, p.Delete("x"), tenant.ErrUnbound, name)
		require.ErrorIs(t, p.InvalidateTag("x"), tenant.ErrUnbound, name)
		require.ErrorIs(t, p.InvalidateTenant(), tenant.ErrUnbound, name)
	}
	require.Zero(t, c.Stats())
}

func TestAZeroCacheIsAnError(t *testing.T) {
	t.Parallel()
	var c cache.Cache[string, int]
	require.ErrorIs(t, c.In(bound(t, "a")).Set("x", 1), cache.ErrOptions)
	require.Zero(t, c.Stats())
	var none *cache.Cache[string, int]
	_, err := none.In(bound(t, "a")).Get("x")
	require.ErrorIs(t, err, cache.ErrOptions)
}

func TestKeysThatCanNotBeFoundAgain(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	c, err := cache.New(cache.Options[any, int]{Capacity: 10})
	require.NoError(t, err)
	p := c.In(bound(t, "a"))
	loads := 0
	load := func(tenant.Context) (int, error) { loads++; return 1, nil }
	for i, key := range []any{nan, []int{1}, map[int]int{}, func() {}, [1]any{[]int{1}}, struct{ f float64 }{nan}} {
		require.ErrorIs(t, p.Set(key, 1), cache.ErrRefused, "%T", key)
		_, err := p.Get(key)
		require.ErrorIs(t, err, cache.ErrMiss, "%T", key)
		got, err := p.GetOrLoad(key, load)
		require.NoError(t, err, "%T", key)
		require.Equal(t, 1, got)
		require.Equal(t, i+1, loads)
		require.NoError(t, p.Delete(key))
		_, err = p.GetMany([]any{key})
		require.NoError(t, err)
		_, err = p.GetOrLoadMany([]any{key}, func(tenant.Context, []any) (map[any]int, error) { return nil, nil })
		require.ErrorIs(t, err, cache.ErrRefused)
	}
	require.EqualValues(t, 3*6, c.Stats().RefusedKey)
	require.Zero(t, c.Stats().Entries)
	numbers, err := cache.New(cache.Options[float64, int]{Capacity: 10})
	require.NoError(t, err)
	require.ErrorIs(t, numbers.In(bound(t, "a")).Set(nan, 1), cache.ErrRefused)
	require.NoError(t, p.Set("a text", 7))
	got, err := p.Get("a text")
	require.NoError(t, err)
	require.Equal(t, 7, got)
}

func TestHooksThatPanicRefuse(t *testing.T) {
	t.Parallel()
	incidents := 0
	boom := false
	c := newCache(t, cache.Options[string, int]{
		Clone:      func(v int) int { return 1 / map[bool]int{true: 0, false: 1}[boom] * v },
		OnIncident: func(cache.Incident) { incidents++; panic("the reporter's own") },
	})
	p := c.In(bound(t, "a"))
	require.NoError(t, p.Set("x", 1))
	boom = true
	_, err := p.Get("x")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.ErrorIs(t, p.Set("x", 2), cache.ErrRefused)
	require.Equal(t, 2, incidents)
	boom = false
	_, err = p.Get("x")
	require.ErrorIs(t, err, cache.ErrMiss, "the older value is gone")
}

// Without Clone a caller that sorts what it got sorts it for all.
func TestCloneKeepsCallersApart(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, []int]{Clone: slices.Clone[[]int]})
	p := c.In(bound(t, "a"))
	given := []int{1, 2, 3}
	require.NoError(t, p.Set("set", given))
	given[0] = 9
	loaded := []int{1, 2, 3}
	load := gives(loaded, nil)
	for _, read := range []func() ([]int, error){
		func() ([]int, error) { return p.Get("set") },
		func() ([]int, error) { return p.GetOrLoad("set", load) },
		func() ([]int, error) { return p.GetOrLoad("loaded", load) },
		func() ([]int, error) { return p.GetOrLoad("loaded", load) },
		func() ([]int, error) { m, err := p.GetMany([]string{"loaded"}); return m["loaded"], err },
		func() ([]int, error) {
			m, err := p.GetOrLoadMany([]string{"many"}, func(tenant.Context, []string) (map[string][]int, error) {
				return map[string][]int{"many": loaded}, nil
			})
			return m["many"], err
		},
		func() ([]int, error) { return p.Get("many") },
	} {
		got, err := read()
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 3}, got)
		got[0] = 9
	}
	require.Equal(t, []int{1, 2, 3}, loaded)
}

// A partition that is held goes on after it was emptied, idle and gone, and finds what was stored by others since.
func TestAHeldPartitionOutlivesItsChamber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{IdleAfter: time.Minute})
		tc := bound(t, "a")
		old := c.In(tc)
		require.NoError(t, old.Set("x", 1))
		require.NoError(t, old.InvalidateTenant())
		time.Sleep(3 * time.Minute)
		require.EqualValues(t, 1, c.Stats().Sets, "totals keep what the partition had counted")
		stats, err := c.In(tc).Stats()
		require.NoError(t, err)
		require.Zero(t, stats.Sets, "it is another one now")

		require.NoError(t, c.In(tc).Set("x", 2))
		got, err := old.Get("x")
		require.NoError(t, err)
		require.Equal(t, 2, got)
		require.NoError(t, old.Set("y", 3))
		got, err = c.In(tc).Get("y")
		require.NoError(t, err)
		require.Equal(t, 3, got)
		got, err = old.GetOrLoad("z", gives(4, nil))
		require.NoError(t, err)
		require.Equal(t, 4, got)
		require.NoError(t, old.Delete("x"))
		_, err = c.In(tc).Get("x")
		require.ErrorIs(t, err, cache.ErrMiss)
		require.NoError(t, old.InvalidateTenant())
		_, err = c.In(tc).Get("y")
		require.ErrorIs(t, err, cache.ErrMiss)
		require.EqualValues(t, 4, c.Stats().Sets)
	})
}

// A load that is under way keeps the tenant's part: otherwise an invalidation would find nothing that it could outdate (C06).
func TestAPartitionWithALoadIsNotIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{IdleAfter: time.Minute, LoadTimeout: time.Hour})
		tc := bound(t, "a")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err := c.In(tc).GetOrLoad("x", func(tenant.Context) (int, error) { time.Sleep(10 * time.Minute); return 1, nil })
			require.NoError(t, err)
		}()
		time.Sleep(9 * time.Minute)
		joined := make(chan int, 1)
		go func() {
			got, err := c.In(tc).GetOrLoad("x", gives(2, nil))
			require.NoError(t, err)
			joined <- got
		}()
		synctest.Wait()
		require.NoError(t, c.In(tc).InvalidateTenant())
		defer func() { require.Equal(t, 1, <-joined, "one load") }()
		<-done
		_, err := c.In(tc).Get("x")
		require.ErrorIs(t, err, cache.ErrMiss)
	})
}

// C02: the API has no way to name or to clear other tenants.
func TestStatsAddUp(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{})
	var sum uint64
	for i := range 5 {
		p := c.In(bound(t, fmt.Sprint("t", i)))
		require.NoError(t, p.Set("x", 1))
		for range i {
			_, err := p.Get("x")
			require.NoError(t, err)
		}
		_, err := p.Get("y")
		require.ErrorIs(t, err, cache.ErrMiss)
		stats, err := p.Stats()
		require.NoError(t, err)
		require.EqualValues(t, i, stats.Hits)
		require.EqualValues(t, 1, stats.Misses)
		require.InDelta(t, float64(i)/float64(i+1), stats.HitRatio(), 1e-9)
		sum += stats.Hits
	}
	require.Equal(t, sum, c.Stats().Hits)
	require.EqualValues(t, 5, c.Stats().Misses)
	require.Equal(t, 5, c.Stats().Entries)
	require.Zero(t, cache.Stats{}.HitRatio())
}

// C01, C03: two tenants over one store.
func TestIsolation(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, string]{Capacity: 10_000})
	// The classic: tenant a, key b_x, and tenant a_b, key x.
	a, ab := c.In(bound(t, "a")), c.In(bound(t, "a_b"))
	require.NoError(t, a.Set("b_x", "a's"))
	_, err := ab.Get("x")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.NoError(t, ab.Set("x", "a_b's"))
	got, err := a.Get("b_x")
	require.NoError(t, err)
	require.Equal(t, "a's", got)
	// A context that was derived is still its tenant's.
	ctx, cancel := context.WithTimeout(bound(t, "a"), time.Minute)
	defer cancel()
	tc, err := tenant.From(ctx)
	require.NoError(t, err)
	got, err = c.In(tc).Get("b_x")
	require.NoError(t, err)
	require.Equal(t, "a's", got)
}

// A partition goes while others stay, and comes back: nobody finds the one that went.
func TestAPartitionGoesWhileOthersStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{IdleAfter: time.Minute})
		var stays [5]cache.Partition[string, int]
		for i := range stays {
			stays[i] = c.In(bound(t, fmt.Sprint("stays-", i)))
			require.NoError(t, stays[i].Set("x", 1))
		}
		goes := bound(t, "goes")
		for i := range 20 { // more often than the directory is rebuilt
			require.NoError(t, c.In(goes).Set("x", i))
			got, err := c.In(goes).Get("x")
			require.NoError(t, err)
			require.Equal(t, i, got)
			require.NoError(t, c.In(goes).Delete("x"))
			for range 3 {
				time.Sleep(time.Minute)
				for _, p := range stays {
					_, err = p.Get("x")
					require.NoError(t, err)
				}
			}
			stats, err := c.In(goes).Stats()
			require.NoError(t, err)
			require.Zero(t, stats.Sets, "it is a new one")
		}
	})
}
