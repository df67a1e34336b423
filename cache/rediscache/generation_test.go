package rediscache

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/redistest"
)

// restore writes copies of values back under their names.
func restore(t *testing.T, client rueidis.Client, copies map[string][]byte) {
	t.Helper()
	for name, value := range copies {
		put(t, client, name, value)
	}
}

func copies(t *testing.T, client rueidis.Client, names []string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range names {
		all[name] = get(t, client, name)
	}
	return all
}

// The server loses the generation (eviction, FLUSHALL, an impatient operator): the values it kept, or somebody puts back, stay
// out of reach, since the next generation is one that never was.
func TestALostGenerationDoesNotReviveValues(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, client rueidis.Client, generation string){
		"evicted": func(t *testing.T, client rueidis.Client, generation string) {
			require.NoError(t, client.Do(context.Background(), client.B().Del().Key(generation).Build()).Error())
		},
		"flushed": func(t *testing.T, client rueidis.Client, _ string) {
			require.NoError(t, client.Do(context.Background(), client.B().Flushall().Build()).Error())
		},
		"expired": func(t *testing.T, client rueidis.Client, generation string) {
			require.NoError(t, client.Do(context.Background(), client.B().Pexpire().Key(generation).Milliseconds(1).Build()).Error())
			time.Sleep(30 * time.Millisecond) // nobody asks meanwhile, who would prolong it
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			client := raw(t, s)
			tc := newTenant(t, "lost")
			c := open(t, options(s))
			require.NoError(t, c.In(tc).Set("k", "old"))
			values, generations := stored(t, client, tc)
			kept := copies(t, client, values)
			lose(t, client, generations[0])
			restore(t, client, kept)
			require.Eventually(t, func() bool {
				_, err := c.In(tc).Get("k")
				return err != nil
			}, 5*time.Second, time.Millisecond)
			other := open(t, options(s)) // a program that never saw the old generation
			_, err := other.In(tc).Get("k")
			require.ErrorIs(t, err, cache.ErrMiss)
			require.NoError(t, c.In(tc).Set("k", "new"))
			v, err := other.In(tc).Get("k")
			require.NoError(t, err, "both agree on the new one")
			require.Equal(t, "new", v)
		})
	}
}

// An older generation comes back on a running server: whoever saw the newer one invalidates anew, and tells of it.
func TestAGenerationThatGoesBackIsRefused(t *testing.T) {
	t.Parallel()
	c, d := remote(t, nil)
	client := raw(t, shared.Shared(t))
	tc := newTenant(t, "back")
	require.NoError(t, c.In(tc).Set("k", "old"))
	values, generations := stored(t, client, tc)
	kept := copies(t, client, append(values, generations...))
	require.NoError(t, c.In(tc).InvalidateTenant())
	_, err := c.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	restore(t, client, kept)
	require.Eventually(t, func() bool {
		_, err := c.In(tc).Get("k")
		require.ErrorIs(t, err, cache.ErrMiss)
		return d.count(IncidentFallback) == 1
	}, 5*time.Second, time.Millisecond)
	require.NotEqual(t, kept[generations[0]], get(t, client, generations[0]), "a newer one stands there")
}

// A server that starts from an old snapshot has lost an invalidation and a deletion. A program that starts after it, and so
// remembers nothing, must not read what it holds: the server's history is another one.
func TestARestartFromAnOldSnapshotIsAnEmptyCache(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--dbfilename", "old.rdb")
	client := raw(t, s)
	invalidated, deleted := newTenant(t, "snapshot"), newTenant(t, "snapshot")
	before := open(t, options(s))
	for _, tc := range []tcContext{invalidated, deleted} {
		require.NoError(t, before.In(tc).Set("k", "old"))
	}
	require.NoError(t, client.Do(context.Background(), client.B().Save().Build()).Error())
	require.NoError(t, before.In(invalidated).InvalidateTenant())
	require.NoError(t, before.In(deleted).Delete("k"))
	require.NoError(t, s.Kill())
	require.NoError(t, s.Restart(context.Background()))
	client = raw(t, s)
	after := open(t, options(s))
	for _, tc := range []tcContext{invalidated, deleted} {
		values, generations := stored(t, client, tc)
		require.Len(t, values, 1, "the snapshot does hold the old value")
		require.Len(t, generations, 1)
		_, err := after.In(tc).Get("k")
		require.ErrorIs(t, err, cache.ErrMiss)
		require.Eventually(t, func() bool { return before.In(tc).Set("l", "v") == nil }, 10*time.Second, 10*time.Millisecond)
		_, err = before.In(tc).Get("k")
		require.ErrorIs(t, err, cache.ErrMiss)
		_, err = after.In(tc).Get("l")
		require.NoError(t, err, "both go on, and agree")
	}
}

// A replica that lags behind is promoted: it has lost the same.
func TestAFailoverToALaggingReplicaIsAnEmptyCache(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	host, port := primary.Address[:len("127.0.0.1")], primary.Address[len("127.0.0.1:"):]
	replica := redistest.Start(t, "--replicaof", host, port, "--masterauth", primary.Password)
	tc := newTenant(t, "failover")
	before := open(t, options(primary))
	require.NoError(t, before.In(tc).Set("k", "old"))
	there := raw(t, replica)
	require.Eventually(t, func() bool {
		values, generations := stored(t, there, tc)
		return len(values) == 1 && len(generations) == 1
	}, 20*time.Second, 20*time.Millisecond, "the replica has caught up")
	require.NoError(t, replica.Pause())
	require.NoError(t, before.In(tc).InvalidateTenant())
	require.NoError(t, primary.Kill())
	require.NoError(t, replica.Resume())
	require.NoError(t, there.Do(context.Background(), there.B().Arbitrary("REPLICAOF", "NO", "ONE").Build()).Error())
	// The pause ended before the primary's last words were read, or it did not: then there is nothing to show.
	after := open(t, options(replica))
	_, err := after.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.NoError(t, after.In(tc).Set("k", "new"))
}

// Many programs meet a tenant without a generation at once: one of theirs wins, and all use it.
func TestGenerationsMadeAtOnceConverge(t *testing.T) {
	t.Parallel()
	s := shared.Shared(t)
	tc := newTenant(t, "at-once")
	const programs = 8
	done := make(chan error, programs)
	caches := make([]*Cache[string, string], programs)
	for i := range caches {
		caches[i] = open(t, options(s))
	}
	for i, c := range caches {
		go func() { done <- c.In(tc).Set(string(rune('a'+i)), "v") }()
	}
	for range programs {
		require.NoError(t, <-done)
	}
	for i := range caches {
		for _, c := range caches {
			_, err := c.In(tc).Get(string(rune('a' + i)))
			require.NoError(t, err)
		}
	}
}

// A generation that is used does not expire.
func TestAGenerationIsProlonged(t *testing.T) {
	t.Parallel()
	s := shared.Shared(t)
	client := raw(t, s)
	tc := newTenant(t, "prolong")
	require.NoError(t, open(t, options(s)).In(tc).Set("k", "v"))
	_, generations := stored(t, client, tc)
	require.NoError(t, client.Do(context.Background(), client.B().Pexpire().Key(generations[0]).Milliseconds(60_000).Build()).Error())
	v, err := open(t, options(s)).In(tc).Get("k")
	require.NoError(t, err)
	require.Equal(t, "v", v)
	left, err := client.Do(context.Background(), client.B().Pttl().Key(generations[0]).Build()).AsInt64()
	require.NoError(t, err)
	require.Greater(t, left, int64(60_000))
}
