package cache_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

var errBroken = errors.New("no connection")

func newCache[V any](t testing.TB, o cache.Options[string, V]) *cache.Cache[string, V] {
	t.Helper()
	if o.Capacity == 0 {
		o.Capacity = 100
	}
	c, err := cache.New(o)
	require.NoError(t, err)
	return c
}

func gives[V any](value V, err error) func(tenant.Context) (V, error) {
	return func(tenant.Context) (V, error) { return value, err }
}

// cancellable derives a context of the tenant that the test can end.
func cancellable(t testing.TB, tc tenant.Context) (tenant.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(tc)
	derived, err := tenant.From(ctx)
	require.NoError(t, err)
	return derived, cancel
}

func TestALoadThatNobodyWaitsForIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{})
		tc := bound(t, "a")
		first, cancel := cancellable(t, tc)
		ended := make(chan error, 1)
		go func() {
			_, err := c.In(first).GetOrLoad("x", func(tc tenant.Context) (int, error) {
				<-tc.Done()
				ended <- tc.Err()
				return 1, nil // it does not even say so
			})
			require.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		synctest.Wait()
		_, err := c.In(tc).Get("x")
		require.ErrorIs(t, err, cache.ErrMiss, "an abandoned load is not stored")
		stats := c.Stats()
		require.EqualValues(t, 1, stats.Abandoned)
		require.Zero(t, stats.LoadErrors, "nobody saw an error")
	})
}

func TestFinishLoadsKeepsWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{FinishLoads: true})
		tc := bound(t, "a")
		first, cancel := cancellable(t, tc)
		go func() {
			_, err := c.In(first).GetOrLoad("x", func(tc tenant.Context) (int, error) {
				time.Sleep(time.Second)
				return 1, tc.Err()
			})
			require.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		cancel()
		time.Sleep(2 * time.Second)
		got, err := c.In(tc).Get("x")
		require.NoError(t, err)
		require.Equal(t, 1, got)
	})
}

func TestALoadEndsAfterLoadTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, int]{LoadTimeout: time.Second})
		tc := bound(t, "a")
		for name, load := range map[string]func(tc tenant.Context) (int, error){
			"that minds its context": func(tc tenant.Context) (int, error) { <-tc.Done(); return 0, tc.Err() },
			"that does not":          func(tenant.Context) (int, error) { time.Sleep(time.Hour); return 7, nil },
		} {
			began := time.Now()
			_, err := c.In(tc).GetOrLoad("x", load)
			require.ErrorIs(t, err, cache.ErrLoad, name)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.Equal(t, time.Second, time.Since(began), name)
		}
		time.Sleep(2 * time.Hour)
		_, err := c.In(tc).Get("x")
		require.ErrorIs(t, err, cache.ErrMiss, "what comes after the timeout is not stored")
		require.EqualValues(t, 2, c.Stats().LoadErrors)
	})
}

func TestTheLoadersContextHasNoDeadlineOfTheCaller(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{LoadTimeout: time.Hour})
	ctx, cancel := context.WithTimeout(bound(t, "a"), time.Minute)
	defer cancel()
	tc, err := tenant.From(ctx)
	require.NoError(t, err)
	_, err = c.In(tc).GetOrLoad("x", func(tc tenant.Context) (int, error) {
		deadline, ok := tc.Deadline()
		require.True(t, ok)
		require.Greater(t, time.Until(deadline), 30*time.Minute)
		require.Equal(t, "test", tc.Principal().Subject)
		return 1, nil
	})
	require.NoError(t, err)
}

func TestAnEndedContextBeginsNoLoad(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{})
	tc, cancel := cancellable(t, bound(t, "a"))
	cancel()
	load := func(tenant.Context) (int, error) { t.Error("it was called"); return 0, nil }
	_, err := c.In(tc).GetOrLoad("x", load)
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.In(tc).GetOrLoadMany([]string{"x"}, func(tenant.Context, []string) (map[string]int, error) { t.Error("it was called"); return nil, nil })
	require.ErrorIs(t, err, context.Canceled)
}

func TestABadLoaderIsAnError(t *testing.T) {
	t.Parallel()
	var incidents []cache.Incident
	c := newCache(t, cache.Options[string, int]{OnIncident: func(i cache.Incident) { incidents = append(incidents, i) }})
	tc := bound(t, "a")
	_, err := c.In(tc).GetOrLoad("x", func(tenant.Context) (int, error) { panic("secret of a patient") })
	require.ErrorIs(t, err, cache.ErrLoad)
	require.Equal(t, "cache: GetOrLoad: the loader failed: it panicked", err.Error())
	var p *cache.PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "secret of a patient", p.Value)
	require.NotContains(t, p.Error(), "secret")
	require.Contains(t, string(p.Stack), "load_test.go")

	_, err = c.In(tc).GetOrLoad("x", func(tenant.Context) (int, error) { panic(errBroken) })
	require.ErrorIs(t, err, errBroken, "an error that was thrown can be found")
	_, err = c.In(tc).GetOrLoad("x", nil)
	require.EqualError(t, err, "cache: GetOrLoad: the loader failed: it is nil")

	stats := c.Stats()
	require.EqualValues(t, 2, stats.LoadPanics)
	require.EqualValues(t, 2, stats.LoadErrors)
	require.EqualValues(t, 2, stats.Incidents)
	require.Len(t, incidents, 2)
	require.Equal(t, cache.IncidentPanic, incidents[0].Kind)
	require.Equal(t, tc.Tenant(), incidents[0].Tenant)
}

func TestALoaderThatAsksForItselfIsAnError(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{})
	p := c.In(bound(t, "a"))
	var again func(tc tenant.Context) (int, error)
	depth := 0
	again = func(tc tenant.Context) (int, error) {
		depth++
		if depth == 2 { // by way of another key
			return c.In(tc).GetOrLoad("x", again)
		}
		return c.In(tc).GetOrLoad("y", again)
	}
	_, err := p.GetOrLoad("x", again)
	require.ErrorIs(t, err, cache.ErrLoad)
	require.ErrorContains(t, err, "that it is loading itself")
	require.Equal(t, 2, depth)

	_, err = p.GetOrLoadMany([]string{"x", "y"}, func(tc tenant.Context, _ []string) (map[string]int, error) {
		return c.In(tc).GetOrLoadMany([]string{"y"}, func(tenant.Context, []string) (map[string]int, error) { return nil, nil })
	})
	require.ErrorContains(t, err, "that it is loading itself")
}

// C06, C02: what one tenant does to its part outdates its own loads and nobody else's.
func TestRefusedStaleIsCounted(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{})
	a, b := c.In(bound(t, "a")), c.In(bound(t, "b"))
	got, err := a.GetOrLoad("x", func(tenant.Context) (int, error) {
		require.NoError(t, a.InvalidateTenant())
		require.NoError(t, b.InvalidateTenant())
		return 1, nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, got, "who asked before the invalidation gets what was found")
	_, err = a.Get("x")
	require.ErrorIs(t, err, cache.ErrMiss)
	stats, err := a.Stats()
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.RefusedStale)
	require.EqualValues(t, 1, stats.Refused())
	_, err = b.GetOrLoad("x", func(tenant.Context) (int, error) { return 2, a.InvalidateTenant() })
	require.NoError(t, err)
	got, err = b.Get("x")
	require.NoError(t, err)
	require.Equal(t, 2, got)
}

// A flight of many keys ends with its last waiter, not with the first that leaves.
func TestManyKeysAreOneFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Options[string, string]{})
		tc := bound(t, "a")
		first, cancel := cancellable(t, tc)
		loads := 0
		load := func(tc tenant.Context, keys []string) (map[string]string, error) {
			loads++
			out := map[string]string{}
			for _, key := range keys {
				out[key] = "v" + key
			}
			select {
			case <-time.After(time.Second):
				return out, nil
			case <-tc.Done():
				return nil, tc.Err()
			}
		}
		go func() {
			_, err := c.In(first).GetOrLoadMany([]string{"x", "y"}, load)
			require.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		joined := make(chan string)
		go func() {
			got, err := c.In(tc).GetOrLoad("y", gives("another load", nil))
			require.NoError(t, err)
			joined <- got
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, "vy", <-joined)
		got, err := c.In(tc).Get("x")
		require.NoError(t, err)
		require.Equal(t, "vx", got, "it was asked for, and came")
		require.Equal(t, 1, loads)
		stats := c.Stats()
		require.EqualValues(t, 1, stats.Loads)
		require.EqualValues(t, 1, stats.Joins)
		require.EqualValues(t, 3, stats.Misses)
	})
}

func TestAFailedLoadOfManyIsCountedOnce(t *testing.T) {
	t.Parallel()
	c := newCache(t, cache.Options[string, int]{})
	_, err := c.In(bound(t, "a")).GetOrLoadMany([]string{"x", "y", "z"}, func(tenant.Context, []string) (map[string]int, error) { return nil, errBroken })
	require.ErrorIs(t, err, errBroken)
	require.EqualValues(t, 1, c.Stats().LoadErrors)
	require.EqualValues(t, 3, c.Stats().Misses)
}
