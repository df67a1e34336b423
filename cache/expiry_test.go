package cache_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

func TestTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{TTL: time.Minute, Jitter: -1})
		p := c.In(bound(t, "a"))
		require.NoError(t, p.Set("x", 1))
		time.Sleep(time.Minute - time.Nanosecond)
		_, err := p.Get("x")
		require.NoError(t, err)
		time.Sleep(time.Nanosecond)
		_, err = p.Get("x")
		require.ErrorIs(t, err, cache.ErrMiss)
		got, err := p.GetOrLoad("x", gives(2, nil))
		require.NoError(t, err)
		require.Equal(t, 2, got)
	})
}

// Entries that were stored together go one by one, and none after its TTL.
func TestJitterSpreadsExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{TTL: 100 * time.Second, Jitter: 0.5})
		p := c.In(bound(t, "a"))
		for i := range 100 {
			require.NoError(t, p.Set(fmt.Sprint(i), i))
		}
		left := func() (n int) {
			for i := range 100 {
				if _, err := p.Get(fmt.Sprint(i)); err == nil {
					n++
				}
			}
			return n
		}
		time.Sleep(50 * time.Second)
		require.Equal(t, 100, left())
		time.Sleep(25 * time.Second)
		require.InDelta(t, 50, left(), 35)
		time.Sleep(25 * time.Second)
		require.Zero(t, left())
	})
}

func TestLifetimeIsNeverLongerThanTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, time.Duration]{
			TTL: time.Minute, Jitter: -1, Lifetime: func(_ string, own time.Duration) time.Duration { return own },
		})
		p := c.In(bound(t, "a"))
		require.NoError(t, p.Set("short", time.Second))
		require.NoError(t, p.Set("long", time.Hour))
		require.ErrorIs(t, p.Set("over", 0), cache.ErrRefused)
		require.EqualValues(t, 1, c.Stats().RefusedLifetime)
		time.Sleep(time.Second)
		_, err := p.Get("short")
		require.ErrorIs(t, err, cache.ErrMiss)
		_, err = p.Get("long")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		_, err = p.Get("long")
		require.ErrorIs(t, err, cache.ErrMiss)
	})
}

// XFetch: near its expiry an entry is loaded anew by one of those who ask, and nobody waits.
func TestEarlyRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{TTL: time.Minute, Jitter: -1, EarlyRefresh: 1})
		p := c.In(bound(t, "a"))
		loads := 0
		load := func(tenant.Context) (int, error) {
			loads++
			time.Sleep(2 * time.Second)
			return loads, nil
		}
		_, err := p.GetOrLoad("x", load)
		require.NoError(t, err)
		for range 3 * 600 { // three minutes, ten requests a second
			began := time.Now()
			_, err := p.GetOrLoad("x", load)
			require.NoError(t, err)
			require.Zero(t, time.Since(began), "a caller waited")
			time.Sleep(100 * time.Millisecond)
		}
		stats := c.Stats()
		require.EqualValues(t, loads-1, stats.EarlyRefreshes)
		require.InDelta(t, 4, loads, 1, "and not on each request")
		time.Sleep(time.Minute)
	})
}

func TestARefreshThatFailsKeepsTheValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{TTL: time.Minute, Jitter: -1, EarlyRefresh: 1})
		p := c.In(bound(t, "a"))
		_, err := p.GetOrLoad("x", func(tenant.Context) (int, error) { time.Sleep(10 * time.Second); return 1, nil })
		require.NoError(t, err)
		for range 59 {
			time.Sleep(time.Second)
			got, err := p.GetOrLoad("x", gives(0, errBroken))
			require.NoError(t, err)
			require.Equal(t, 1, got)
		}
		require.Positive(t, c.Stats().LoadErrors)
	})
}

func TestStaleIfError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{TTL: time.Minute, Jitter: -1, StaleIfError: time.Hour, NegativeTTL: time.Second})
		p := c.In(bound(t, "a"))
		store := func(keys ...string) {
			for _, key := range keys {
				require.NoError(t, p.Set(key, 1))
			}
		}
		store("error", "panic", "none", "deleted", "late")
		time.Sleep(2 * time.Minute)

		_, err := p.Get("error")
		require.ErrorIs(t, err, cache.ErrMiss, "Get has no loader that could fail")
		got, err := p.GetOrLoad("error", gives(0, errBroken))
		require.NoError(t, err)
		require.Equal(t, 1, got)
		got, err = p.GetOrLoad("panic", func(tenant.Context) (int, error) { panic("x") })
		require.NoError(t, err)
		require.Equal(t, 1, got)
		require.EqualValues(t, 2, c.Stats().StaleServed)

		_, err = p.GetOrLoad("none", gives(0, cache.ErrNotFound))
		require.ErrorIs(t, err, cache.ErrNotFound, "gone is an answer")
		time.Sleep(2 * time.Second)
		_, err = p.GetOrLoad("none", gives(0, errBroken))
		require.ErrorIs(t, err, errBroken)

		require.NoError(t, p.Delete("deleted"))
		_, err = p.GetOrLoad("deleted", gives(0, errBroken))
		require.ErrorIs(t, err, errBroken)

		_, err = p.GetOrLoad("error", func(tenant.Context) (int, error) { return 0, p.InvalidateTenant() })
		require.NoError(t, err)
		_, err = p.GetOrLoad("panic", gives(0, errBroken))
		require.ErrorIs(t, err, errBroken, "an invalidation ends what is stale as well")

		store("late")
		time.Sleep(time.Hour + time.Minute)
		_, err = p.GetOrLoad("late", gives(0, errBroken))
		require.ErrorIs(t, err, errBroken, "not for ever")
	})
}

// C04: a tenant that asks for what there isn't fills its own small part with that.
func TestAbsencesHaveAQuota(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{Capacity: 100, NegativeTTL: time.Hour, NegativeMax: 10})
	p := c.In(bound(t, "a"))
	for i := range 50 {
		require.NoError(t, p.Set(fmt.Sprint("v", i), i))
	}
	for i := range 1000 {
		_, err := p.GetOrLoad(fmt.Sprint("none", i), gives(0, cache.ErrNotFound))
		require.ErrorIs(t, err, cache.ErrNotFound)
	}
	stats := c.Stats()
	require.Equal(t, 10, stats.Negatives)
	require.Equal(t, 60, stats.Entries)
	for i := range 50 {
		_, err := p.Get(fmt.Sprint("v", i))
		require.NoError(t, err)
	}
	_, err := p.Get("none999")
	require.ErrorIs(t, err, cache.ErrNotFound)
	require.EqualValues(t, 1, c.Stats().NegativeHits)
}

func TestAbsencesAreNotKeptByDefault(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{})
	p := c.In(bound(t, "a"))
	require.NoError(t, p.Set("x", 1))
	require.NoError(t, p.Delete("x"))
	_, err := p.GetOrLoad("x", gives(0, cache.ErrNotFound))
	require.ErrorIs(t, err, cache.ErrNotFound)
	got, err := p.GetOrLoad("x", gives(2, nil))
	require.NoError(t, err)
	require.Equal(t, 2, got)
}

// What has expired does not stay in memory, also when nobody asks any more.
func TestExpiredEntriesGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{Capacity: 10_000, TTL: time.Minute, IdleAfter: 4 * time.Minute})
		p := c.In(bound(t, "a"))
		for i := range 5000 {
			require.NoError(t, p.Set(fmt.Sprint(i), i))
		}
		time.Sleep(3 * time.Minute)
		stats := c.Stats()
		require.Zero(t, stats.Entries)
		require.Zero(t, stats.Weight)
		require.EqualValues(t, 5000, stats.Expirations)
	})
}

// Absences that keep a flood from the database are few and stay; when they are more than an eighth, they go first.
func TestAbsencesAndValuesPayInProportion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ absences, left int }{"few": {5, 5}, "many": {40, 11}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCache(t, cache.Options[string, int]{Capacity: 100, NegativeTTL: time.Hour, NegativeMax: 50})
			p := c.In(bound(t, "a"))
			for i := range test.absences {
				_, err := p.GetOrLoad(fmt.Sprint("none", i), gives(0, cache.ErrNotFound))
				require.ErrorIs(t, err, cache.ErrNotFound)
			}
			for i := range 300 {
				require.NoError(t, p.Set(fmt.Sprint(i), i))
			}
			require.Equal(t, test.left, c.Stats().Negatives)
			require.Equal(t, 100, c.Stats().Entries)
		})
	}
}

// C06: a refresh began before a Set that takes the entry's place.
func TestARefreshOlderThanASetIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{TTL: time.Minute, Jitter: -1, EarlyRefresh: 1e6})
		p := c.In(bound(t, "a"))
		slow := func(value int) func(tenant.Context) (int, error) {
			return func(tenant.Context) (int, error) { time.Sleep(time.Second); return value, nil }
		}
		_, err := p.GetOrLoad("x", slow(1))
		require.NoError(t, err)
		_, err = p.GetOrLoad("x", slow(2)) // which begins a refresh
		require.NoError(t, err)
		synctest.Wait()
		require.EqualValues(t, 1, c.Stats().EarlyRefreshes)
		require.NoError(t, p.Set("x", 3))
		time.Sleep(2 * time.Second)
		got, err := p.Get("x")
		require.NoError(t, err)
		require.Equal(t, 3, got)
		require.EqualValues(t, 1, c.Stats().RefusedStale)
	})
}

// What loads in place of an expired value and can't be kept takes it along: that is not what is true any more.
func TestALoadThatIsRefusedLeavesNothingStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{
			Capacity: 10, TTL: time.Minute, StaleIfError: time.Hour, Weigh: func(_ string, v int) int64 { return int64(v) },
		})
		p := c.In(bound(t, "a"))
		require.NoError(t, p.Set("x", 1))
		time.Sleep(2 * time.Minute)
		got, err := p.GetOrLoad("x", gives(11, nil))
		require.NoError(t, err)
		require.Equal(t, 11, got)
		_, err = p.GetOrLoad("x", gives(0, errBroken))
		require.ErrorIs(t, err, errBroken)
	})
}

func TestATTLOfCenturies(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{TTL: 1<<63 - 1, Jitter: -1})
	p := c.In(bound(t, "a"))
	require.NoError(t, p.Set("x", 1))
	_, err := p.Get("x")
	require.NoError(t, err)
}

// C04: absences that take the place of expired values count as well.
func TestAbsencesInPlaceOfValuesHaveAQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{
			Capacity: 100, TTL: time.Minute, StaleIfError: time.Hour, NegativeTTL: time.Hour, NegativeMax: 2,
		})
		p := c.In(bound(t, "a"))
		for i := range 10 {
			require.NoError(t, p.Set(fmt.Sprint(i), i))
		}
		time.Sleep(2 * time.Minute)
		for i := range 10 {
			_, err := p.GetOrLoad(fmt.Sprint(i), gives(0, cache.ErrNotFound))
			require.ErrorIs(t, err, cache.ErrNotFound)
		}
		require.Equal(t, 2, c.Stats().Negatives)
	})
}
