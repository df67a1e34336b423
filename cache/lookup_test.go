package cache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

func newLookup[V any](t testing.TB, o cache.LookupOptions[V]) *cache.Lookup[V] {
	t.Helper()
	l, err := cache.NewLookup(o)
	require.NoError(t, err)
	return l
}

func finds[V any](value V, err error) func(context.Context) (V, error) {
	return func(context.Context) (V, error) { return value, err }
}

// C05: what an API key opens is remembered for a while, under no key that a neighbour could guess.
func TestLookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLookup(t, cache.LookupOptions[tenant.ID]{TTL: time.Minute})
		mary := tenant.MustParseID("st-mary")
		loads := 0
		load := func(context.Context) (tenant.ID, error) { loads++; return mary, nil }
		for range 3 {
			got, err := l.Get(t.Context(), "key-1", load)
			require.NoError(t, err)
			require.Equal(t, mary, got)
		}
		require.Equal(t, 1, loads)
		_, err := l.Get(t.Context(), "key-2", finds(tenant.ID{}, cache.ErrNotFound))
		require.ErrorIs(t, err, cache.ErrNotFound)
		_, err = l.Get(t.Context(), "key-2", load)
		require.ErrorIs(t, err, cache.ErrNotFound, "a wrong key is remembered")
		time.Sleep(5 * time.Second)
		_, err = l.Get(t.Context(), "key-2", load)
		require.NoError(t, err, "but not for long, it may be made any moment")
		l.Forget("key-1")
		_, err = l.Get(t.Context(), "key-1", finds(tenant.ID{}, cache.ErrNotFound))
		require.ErrorIs(t, err, cache.ErrNotFound, "revoked")
		time.Sleep(time.Minute)
		_, err = l.Get(t.Context(), "key-2", finds(tenant.ID{}, errBroken))
		require.ErrorIs(t, err, errBroken, "nothing is for ever")
	})
}

func TestLookupVerifiesEachTime(t *testing.T) {
	t.Parallel()
	revoked := errors.New("revoked")
	bad := map[string]bool{}
	seen := map[string]string{}
	l := newLookup(t, cache.LookupOptions[string]{Verify: func(secret, value string) error {
		seen[value] = secret
		if bad[value] {
			return revoked
		}
		return nil
	}})
	got, err := l.Get(t.Context(), "s", finds("v", nil))
	require.NoError(t, err)
	require.Equal(t, "v", got)
	require.Equal(t, "s", seen["v"])
	bad["v"] = true
	got, err = l.Get(t.Context(), "s", finds("v", nil))
	require.ErrorIs(t, err, revoked)
	require.Empty(t, got)
	require.Zero(t, l.Stats().Entries, "it is forgotten")
	_, err = l.Get(t.Context(), "s", finds("v", nil))
	require.ErrorIs(t, err, revoked, "also right after it was loaded")
}

func TestLookupVerifyThatPanicsRefuses(t *testing.T) {
	t.Parallel()
	l := newLookup(t, cache.LookupOptions[string]{Verify: func(string, string) error { panic("boom") }})
	got, err := l.Get(t.Context(), "s", finds("v", nil))
	require.ErrorIs(t, err, cache.ErrMiss)
	require.Empty(t, got)
}

// Who guesses pushes out guesses.
func TestGuessesDoNotPushOutValidSecrets(t *testing.T) {
	t.Parallel()
	l := newLookup(t, cache.LookupOptions[int]{Entries: 100, NegativeMax: 10, NegativeTTL: time.Hour})
	for i := range 100 {
		_, err := l.Get(t.Context(), fmt.Sprint("valid", i), finds(i, nil))
		require.NoError(t, err)
	}
	for i := range 10_000 {
		_, err := l.Get(t.Context(), fmt.Sprint("guess", i), finds(0, cache.ErrNotFound))
		require.ErrorIs(t, err, cache.ErrNotFound)
	}
	for i := range 100 {
		got, err := l.Get(t.Context(), fmt.Sprint("valid", i), finds(-1, errBroken))
		require.NoError(t, err)
		require.Equal(t, i, got)
	}
	require.Equal(t, 10, l.Stats().Negatives)
	require.Equal(t, 110, l.Stats().Entries)
}

func TestLookupForgetIf(t *testing.T) {
	t.Parallel()
	l := newLookup(t, cache.LookupOptions[int]{})
	for i := range 10 {
		_, err := l.Get(t.Context(), fmt.Sprint(i), finds(i, nil))
		require.NoError(t, err)
	}
	l.ForgetIf(func(v int) bool {
		if v == 9 {
			panic("boom")
		}
		return v < 4
	})
	require.Equal(t, 5, l.Stats().Entries)
	_, err := l.Get(t.Context(), "loading", func(context.Context) (int, error) {
		l.ForgetIf(func(int) bool { return false })
		return 1, nil
	})
	require.NoError(t, err)
	require.Equal(t, 5, l.Stats().Entries, "what was being loaded is not kept (C06)")
}

func TestLookupBadInput(t *testing.T) {
	t.Parallel()
	for _, o := range []cache.LookupOptions[int]{{Entries: -1}, {NegativeMax: -1}, {TTL: -1}, {LoadTimeout: -1}} {
		_, err := cache.NewLookup(o)
		require.ErrorIs(t, err, cache.ErrOptions)
	}
	l := newLookup(t, cache.LookupOptions[int]{NegativeTTL: -1})
	_, err := l.Get(t.Context(), "", finds(1, nil))
	require.ErrorIs(t, err, cache.ErrNotFound, "an empty secret opens nothing")
	_, err = l.Get(t.Context(), "s", nil)
	require.ErrorIs(t, err, cache.ErrLoad)
	_, err = l.Get(nil, "s", finds(1, nil)) //nolint:staticcheck // a nil context is what this is about
	require.ErrorIs(t, err, cache.ErrLoad)
	_, err = l.Get(t.Context(), "s", func(context.Context) (int, error) { panic("boom") })
	require.ErrorIs(t, err, cache.ErrLoad)
	_, err = l.Get(t.Context(), "s", finds(0, cache.ErrNotFound))
	require.ErrorIs(t, err, cache.ErrNotFound)
	require.Zero(t, l.Stats().Entries, "a negative NegativeTTL remembers no wrong secrets")
	var zero cache.Lookup[int]
	_, err = zero.Get(t.Context(), "s", finds(1, nil))
	require.ErrorIs(t, err, cache.ErrOptions)
	zero.Forget("s")
	zero.ForgetIf(func(int) bool { return true })
	require.Zero(t, zero.Stats())
}
