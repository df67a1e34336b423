package cache_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// fill stores n entries of a tenant and gives how many it then has.
func fill(t testing.TB, p cache.Partition[string, int], n int) int {
	t.Helper()
	for i := range n {
		require.NoError(t, p.Set(fmt.Sprint(i), i))
	}
	return held(t, p)
}

func held(t testing.TB, p cache.Partition[string, int]) int {
	t.Helper()
	stats, err := p.Stats()
	require.NoError(t, err)
	return stats.Entries
}

// C04: below its share a tenant is safe from the others, and whoever is the most above pays.
func TestWhoIsTheMostAboveItsSharePays(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{Capacity: 100})
	quiet, loud := c.In(bound(t, "quiet")), c.In(bound(t, "loud"))
	require.Equal(t, 40, fill(t, quiet, 40))
	require.Equal(t, 60, fill(t, loud, 1000))
	require.Equal(t, 40, held(t, quiet))
	require.Equal(t, 50, fill(t, quiet, 1000), "a tenant can claim its share at any time")
	require.Equal(t, 50, held(t, loud))
	third := c.In(bound(t, "third"))
	require.Equal(t, 33, fill(t, third, 1000))
	require.InDelta(t, 33, held(t, quiet), 1)
	require.InDelta(t, 33, held(t, loud), 1)
	require.EqualValues(t, 100, c.Stats().Weight)
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	quotas := map[string]cache.Quota{
		"reserved": {Reserve: 40},
		"heavy":    {Weight: 3},
		"small":    {Max: 5},
	}
	c := newCache(t, cache.Options[string, int]{Capacity: 100, QuotaOf: func(id tenant.ID) cache.Quota { return quotas[id.String()] }})
	reserved, heavy, small := c.In(bound(t, "reserved")), c.In(bound(t, "heavy")), c.In(bound(t, "small"))
	require.Equal(t, 40, fill(t, reserved, 40))
	require.Equal(t, 5, fill(t, small, 100), "Max holds in an empty cache too")
	require.Equal(t, 55, fill(t, heavy, 1000))
	require.Equal(t, 40, held(t, reserved), "others don't go below a reserve")
	require.Equal(t, 5, held(t, small))
	plain := c.In(bound(t, "plain"))
	require.InDelta(t, 14, fill(t, plain, 1000), 1, "a quarter of what is free, beside a weight of 3")
	require.InDelta(t, 41, held(t, heavy), 1)
	require.Equal(t, 40, held(t, reserved))
}

func TestReservesThatDoNotFit(t *testing.T) {
	t.Parallel()
	var incidents []cache.Incident
	c := newCache(t, cache.Options[string, int]{
		Capacity: 100, Quota: cache.Quota{Reserve: 40}, OnIncident: func(i cache.Incident) { incidents = append(incidents, i) },
	})
	for i := range 4 {
		require.LessOrEqual(t, fill(t, c.In(bound(t, fmt.Sprint("t", i))), 200), 100)
	}
	require.Len(t, incidents, 2, "two reserves fit")
	require.Equal(t, cache.IncidentQuota, incidents[0].Kind)
	require.EqualValues(t, 100, c.Stats().Weight)
	require.GreaterOrEqual(t, held(t, c.In(bound(t, "t0"))), 40)
	require.GreaterOrEqual(t, held(t, c.In(bound(t, "t1"))), 40)
}

func TestWeights(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, string]{
		Capacity: 1000, Weigh: func(key, value string) int64 { return int64(len(key) + len(value)) },
	})
	p := c.In(bound(t, "a"))
	text := func(n int) string { return string(make([]byte, n)) }
	require.NoError(t, p.Set("x", text(599)))
	require.NoError(t, p.Set("y", text(399)))
	require.NoError(t, p.Set("y", text(99)), "lighter than before")
	require.EqualValues(t, 700, c.Stats().Weight)
	require.NoError(t, p.Set("y", text(899)), "heavier than before")
	require.LessOrEqual(t, c.Stats().Weight, int64(1000))
	_, err := p.Get("y")
	require.NoError(t, err)

	require.ErrorIs(t, p.Set("y", text(1000)), cache.ErrRefused)
	_, err = p.Get("y")
	require.ErrorIs(t, err, cache.ErrMiss, "a refused value must not leave the older one behind")
	require.EqualValues(t, 1, c.Stats().RefusedTooLarge)
	require.ErrorIs(t, p.Set("", ""), cache.ErrRefused)
	require.EqualValues(t, 1, c.Stats().RefusedWeight)
	got, err := p.GetOrLoad("z", gives(text(5000), nil))
	require.NoError(t, err, "what can't be stored is served all the same")
	require.Len(t, got, 5000)
	require.EqualValues(t, 3, c.Stats().Refused())
}

// One heavy value does not take a tenant above the others.
func TestAHeavyValueDoesNotPushOthersBelowTheirShare(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{Capacity: 100, Weigh: func(_ string, v int) int64 { return int64(v) }})
	a, b, late := c.In(bound(t, "a")), c.In(bound(t, "b")), c.In(bound(t, "late"))
	for i := range 50 {
		require.NoError(t, a.Set(fmt.Sprint(i), 1))
		require.NoError(t, b.Set(fmt.Sprint(i), 1))
	}
	require.ErrorIs(t, late.Set("x", 90), cache.ErrRefused)
	require.EqualValues(t, 1, c.Stats().RefusedQuota)
	require.Equal(t, 50, held(t, a))
	require.NoError(t, late.Set("x", 30))
	require.InDelta(t, 35, held(t, a), 2)
	require.InDelta(t, 35, held(t, b), 2)
}

func TestMoreTenantsThanRoom(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{Capacity: 10})
	for i := range 1000 {
		p := c.In(bound(t, fmt.Sprint("t", i)))
		require.NoError(t, p.Set("x", i))
		got, err := p.Get("x")
		require.NoError(t, err)
		require.Equal(t, i, got)
		require.LessOrEqual(t, c.Stats().Weight, int64(10))
	}
}

// The entries of tenants who have gone home make room for those who work.
func TestIdleTenantsPayFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{
			Capacity: 100, IdleAfter: time.Minute,
			QuotaOf: func(id tenant.ID) cache.Quota {
				if id.String() == "reserved" {
					return cache.Quota{Reserve: 10}
				}
				return cache.Quota{}
			},
		})
		reserved, day, night := c.In(bound(t, "reserved")), c.In(bound(t, "day")), c.In(bound(t, "night"))
		require.Equal(t, 20, fill(t, reserved, 20))
		require.Equal(t, 40, fill(t, day, 40))
		require.Equal(t, 40, fill(t, night, 200))
		for range 10 {
			time.Sleep(20 * time.Second)
			_, err := day.Get("1")
			require.NoError(t, err)
		}
		night = c.In(bound(t, "night"))
		require.Equal(t, 40, held(t, night), "nothing goes as long as nobody needs it")
		require.Equal(t, 90, fill(t, day, 200))
		require.Equal(t, 0, held(t, night))
		require.Equal(t, 10, held(t, reserved), "a reserve stays")
	})
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]cache.Options[string, int]{
		"no capacity":            {},
		"a negative capacity":    {Capacity: -1},
		"a NaN weight":           {Capacity: 1, Quota: cache.Quota{Weight: math.NaN()}},
		"an infinite weight":     {Capacity: 1, Quota: cache.Quota{Weight: math.Inf(1)}},
		"a negative weight":      {Capacity: 1, Quota: cache.Quota{Weight: -1}},
		"a tiny weight":          {Capacity: 1, Quota: cache.Quota{Weight: 1e-300}},
		"a negative reserve":     {Capacity: 1, Quota: cache.Quota{Reserve: -1}},
		"a reserve above all":    {Capacity: 1, Quota: cache.Quota{Reserve: 2}},
		"a negative max":         {Capacity: 1, Quota: cache.Quota{Max: -1}},
		"a max below reserve":    {Capacity: 9, Quota: cache.Quota{Reserve: 2, Max: 1}},
		"a negative TTL":         {Capacity: 1, TTL: -1},
		"a negative stale time":  {Capacity: 1, TTL: 1, StaleIfError: -1},
		"stale without TTL":      {Capacity: 1, StaleIfError: 1},
		"a negative NegativeTTL": {Capacity: 1, NegativeTTL: -1},
		"a negative NegativeMax": {Capacity: 1, NegativeMax: -1},
		"a negative LoadTimeout": {Capacity: 1, LoadTimeout: -1},
		"a negative IdleAfter":   {Capacity: 1, IdleAfter: -1},
		"a NaN jitter":           {Capacity: 1, Jitter: math.NaN()},
		"a jitter of 1":          {Capacity: 1, Jitter: 1},
		"a NaN β":                {Capacity: 1, EarlyRefresh: math.NaN()},
		"an infinite β":          {Capacity: 1, EarlyRefresh: math.Inf(1)},
		"a negative β":           {Capacity: 1, EarlyRefresh: -1},
	} {
		_, err := cache.New(o)
		require.ErrorIs(t, err, cache.ErrOptions, name)
	}
}

// A quota that comes later and can't work gives no room: an error on each Set, never a share of somebody else's.
func TestABadQuotaRefuses(t *testing.T) {
	t.Parallel()
	incidents := 0
	c := newCache(t, cache.Options[string, int]{
		QuotaOf: func(id tenant.ID) cache.Quota {
			if id.String() == "panic" {
				panic("boom")
			}
			return cache.Quota{Weight: math.NaN()}
		},
		OnIncident: func(cache.Incident) { incidents++ },
	})
	for i, id := range []string{"nan", "panic"} {
		p := c.In(bound(t, id))
		require.ErrorIs(t, p.Set("x", 1), cache.ErrRefused)
		got, err := p.GetOrLoad("x", gives(1, nil))
		require.NoError(t, err, "the application goes on from the loader")
		require.Equal(t, 1, got)
		require.Equal(t, i+1, incidents)
	}
	require.EqualValues(t, 4, c.Stats().RefusedQuota)
}

// A tenant that was idle and reads again is none any more: at once, and also after the next sweep.
func TestATenantThatReadsAgainIsNotIdle(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]time.Duration{"at once": 0, "after a sweep": 16 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, cache.Options[string, int]{Capacity: 100, IdleAfter: time.Minute})
				quiet, loud := c.In(bound(t, "quiet")), c.In(bound(t, "loud"))
				require.Equal(t, 30, fill(t, quiet, 30))
				time.Sleep(3 * time.Minute)
				_, err := quiet.Get("0")
				require.NoError(t, err)
				time.Sleep(later)
				require.Equal(t, 70, fill(t, loud, 1000))
				require.Equal(t, 30, held(t, quiet))
			})
		})
	}
}

// A tenant that was idle and stores again pays like any other.
func TestATenantThatStoresAgainIsNotIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{Capacity: 100, IdleAfter: time.Minute})
		quiet, loud := c.In(bound(t, "quiet")), c.In(bound(t, "loud"))
		require.Equal(t, 20, fill(t, quiet, 20))
		time.Sleep(3 * time.Minute)
		require.Equal(t, 80, fill(t, loud, 80))
		require.NoError(t, quiet.Set("new", 1))
		require.Equal(t, 21, held(t, quiet))
		require.Equal(t, 79, held(t, loud))
	})
}

// What a tenant had reserved is there for others when its empty partition has gone.
func TestAReserveGoesWithItsPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		incidents := 0
		c := newCache(t, cache.Options[string, int]{
			Capacity: 100, Quota: cache.Quota{Reserve: 60}, IdleAfter: time.Minute, OnIncident: func(cache.Incident) { incidents++ },
		})
		for i := range 5 {
			p := c.In(bound(t, fmt.Sprint("t", i)))
			require.NoError(t, p.Set("x", 1))
			require.NoError(t, p.Delete("x"))
			time.Sleep(3 * time.Minute)
		}
		require.Zero(t, incidents)
	})
}

// One entry in all: the last who stores has it, and nothing waits or panics.
func TestACapacityOfOne(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{Capacity: 1, NegativeTTL: time.Hour})
	for i := range 30 {
		p := c.In(bound(t, fmt.Sprint("t", i%3)))
		got, err := p.GetOrLoad(fmt.Sprint(i), gives(i, nil))
		require.NoError(t, err)
		require.Equal(t, i, got)
		_, err = p.GetOrLoad(fmt.Sprint("none", i), gives(0, cache.ErrNotFound))
		require.ErrorIs(t, err, cache.ErrNotFound)
		require.LessOrEqual(t, c.Stats().Weight, int64(1))
	}
}

// An entry of more than 4 Gi does not fit its counter, and would be taken for a light one.
func TestAnEntryOfMoreThan4GiIsRefused(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{Capacity: 1 << 40, Weigh: func(_ string, v int) int64 { return int64(v) }})
	p := c.In(bound(t, "a"))
	require.ErrorIs(t, p.Set("x", 1<<32), cache.ErrRefused)
	require.NoError(t, p.Set("x", 1<<32-1))
	require.EqualValues(t, 1<<32-1, c.Stats().Weight)
	require.EqualValues(t, 1, c.Stats().RefusedTooLarge)
}
