package rediscache

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
)

func fails(tcContext) (string, error) { return "", errLoader }

// A value after its end stands in for a load that fails, also in a program that never had it; not after a deletion or an
// invalidation, not when the loader says that there is none, and not for ever.
func TestStaleIfError(t *testing.T) {
	t.Parallel()
	const ttl = 20 * time.Millisecond
	change := func(o *Options[string, string]) {
		o.TTL, o.StaleIfError, o.Tags = ttl, time.Hour, words
	}
	here, there, tc := two(t, change)
	p := here.In(tc)
	for _, key := range []string{"error", "panic", "slow", "none", "deleted", "tag", "refused", "many"} {
		require.NoError(t, p.Set(key, "old "+key))
	}
	time.Sleep(2 * ttl)
	_, err := p.Get("error")
	require.ErrorIs(t, err, cache.ErrMiss, "Get has no loader that could fail")
	for key, load := range map[string]func(tcContext) (string, error){
		"error": fails,
		"panic": func(tcContext) (string, error) { panic("boom") },
	} {
		for _, c := range []*Cache[string, string]{here, there} {
			v, err := c.In(tc).GetOrLoad(key, load)
			require.NoError(t, err, key)
			require.Equal(t, "old "+key, v)
		}
	}
	require.EqualValues(t, 2, here.Stats().StaleServed)
	hasty, _ := remote(t, func(o *Options[string, string]) { change(o); o.LoadTimeout = 50 * time.Millisecond })
	v, err := hasty.In(tc).GetOrLoad("slow", func(tc tcContext) (string, error) { <-tc.Done(); return "", tc.Err() })
	require.NoError(t, err)
	require.Equal(t, "old slow", v)
	many, err := p.GetOrLoadMany([]string{"many", "error"}, func(tcContext, []string) (map[string]string, error) { return nil, errLoader })
	require.NoError(t, err)
	require.Equal(t, map[string]string{"many": "old many", "error": "old error"}, many)
	many, err = p.GetOrLoadMany([]string{"many", "never"}, func(tcContext, []string) (map[string]string, error) { return nil, errLoader })
	require.ErrorIs(t, err, errLoader)
	require.Equal(t, map[string]string{"many": "old many"}, many)

	_, err = p.GetOrLoad("none", func(tcContext) (string, error) { return "", cache.ErrNotFound })
	require.ErrorIs(t, err, cache.ErrNotFound, "gone is an answer")
	_, err = p.GetOrLoad("none", fails)
	require.ErrorIs(t, err, errLoader, "and takes the old value with it")
	_, err = p.GetOrLoad("deleted", func(tcContext) (string, error) { return "", errorOf(there.In(tc).Delete("deleted")) })
	require.ErrorIs(t, err, errLoader, "it was deleted while the load ran")
	require.NoError(t, there.In(tc).InvalidateTag("tag"))
	_, err = there.In(tc).GetOrLoad("tag", fails)
	require.ErrorIs(t, err, errLoader)
	require.NoError(t, there.In(tc).InvalidateTenant())
	_, err = there.In(tc).GetOrLoad("error", fails)
	require.ErrorIs(t, err, errLoader)

	brief, _ := remote(t, func(o *Options[string, string]) { o.TTL, o.StaleIfError = ttl, ttl })
	require.NoError(t, brief.In(tc).Set("k", "old"))
	time.Sleep(3 * ttl)
	_, err = brief.In(tc).GetOrLoad("k", fails)
	require.ErrorIs(t, err, errLoader, "not for ever")
}

// errorOf is the loader's own error after what had to be done first.
func errorOf(err error) error {
	if err != nil {
		return err
	}
	return errLoader
}

// A load whose value can't be stored takes the older one with it: that is not what is true any more.
func TestALoadThatIsRefusedLeavesNothingOlder(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, func(o *Options[string, string]) {
		o.TTL, o.StaleIfError, o.MaxValue = 20*time.Millisecond, time.Hour, 10
	})
	tc := newTenant(t, "refused")
	require.NoError(t, c.In(tc).Set("k", "old"))
	time.Sleep(30 * time.Millisecond)
	v, err := c.In(tc).GetOrLoad("k", func(tcContext) (string, error) { return "too long to keep", nil })
	require.NoError(t, err)
	require.Equal(t, "too long to keep", v)
	_, err = c.In(tc).GetOrLoad("k", fails)
	require.ErrorIs(t, err, errLoader)
}

// XFetch: what a load took is known to all programs, and one that reads a value near its end loads it anew without waiting.
func TestEarlyRefresh(t *testing.T) {
	t.Parallel()
	slow := func(value string) func(tcContext) (string, error) {
		return func(tcContext) (string, error) { time.Sleep(time.Millisecond); return value, nil }
	}
	eager := func(o *Options[string, string]) { o.EarlyRefresh, o.TTL = 1e9, time.Minute } // each look finds it near its end
	for name, c := range map[string]struct {
		load  func(tcContext) (string, error)
		after string // "": a miss
	}{
		"new value":      {slow("new"), "new"},
		"error":          {fails, "old"},
		"panic":          {func(tcContext) (string, error) { panic("boom") }, "old"},
		"there is none":  {func(tcContext) (string, error) { return "", cache.ErrNotFound }, ""},
		"what is for me": {func(tc tcContext) (string, error) { return tc.Principal().Subject, tc.Check() }, "test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there, tc := two(t, eager)
			_, err := here.In(tc).GetOrLoad("k", slow("old"))
			require.NoError(t, err)
			v, err := there.In(tc).GetOrLoad("k", c.load)
			require.NoError(t, err)
			require.Equal(t, "old", v, "nobody waits")
			awaitRefreshes(t, there, tc)
			require.EqualValues(t, 1, there.Stats().EarlyRefreshes)
			for _, program := range []*Cache[string, string]{there, open(t, options(shared.Shared(t)))} {
				require.Eventually(t, func() bool {
					v, err := program.In(tc).Get("k")
					return err == nil && v == c.after || err != nil && c.after == ""
				}, 5*time.Second, time.Millisecond)
			}
		})
	}
	for name, change := range map[string]func(p Partition[string, string]) error{
		"delete":     func(p Partition[string, string]) error { return p.Delete("k") },
		"set":        func(p Partition[string, string]) error { return p.Set("k", "newer") },
		"invalidate": func(p Partition[string, string]) error { return p.InvalidateTenant() },
		"tag":        func(p Partition[string, string]) error { return p.InvalidateTag("t") },
	} {
		t.Run("overtaken by "+name, func(t *testing.T) { // C06
			t.Parallel()
			here, there, tc := two(t, func(o *Options[string, string]) { eager(o); o.Tags = oneTag })
			_, err := here.In(tc).GetOrLoad("k", slow("old"))
			require.NoError(t, err)
			begun, release := make(chan struct{}), make(chan struct{})
			for range 10 { // one refresh for all
				_, err = here.In(tc).GetOrLoad("k", func(tcContext) (string, error) { close(begun); <-release; return "outdated", nil })
				require.NoError(t, err)
			}
			<-begun
			require.NoError(t, change(there.In(tc)))
			close(release)
			awaitRefreshes(t, here, tc)
			for _, c := range []*Cache[string, string]{here, there} {
				require.Eventually(t, func() bool { // the message of the change may still be on its way
					v, err := c.In(tc).Get("k")
					require.NotEqual(t, "outdated", v)
					return err == nil && v == "newer" || name != "set" && errors.Is(err, cache.ErrMiss)
				}, 5*time.Second, time.Millisecond)
			}
		})
	}
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		c, _ := remote(t, nil)
		require.False(t, c.due(entry[string]{cost: time.Hour, expires: time.Now().UnixMilli()}))
	})
}

// awaitRefreshes waits until a program loads nothing in the background.
func awaitRefreshes(t *testing.T, c *Cache[string, string], tc tcContext) {
	t.Helper()
	pt := c.parts.get(tc.Tenant().String())
	require.Eventually(t, func() bool {
		pt.mu.Lock()
		defer pt.mu.Unlock()
		return len(pt.refreshes) == 0
	}, 5*time.Second, time.Millisecond)
}
