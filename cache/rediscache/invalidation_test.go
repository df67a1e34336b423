package rediscache

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/redistest"
)

// two are two programs on one server, and a tenant.
func two(t *testing.T, change func(*Options[string, string])) (here, there *Cache[string, string], tc tcContext) {
	t.Helper()
	o := options(shared.Shared(t))
	if change != nil {
		change(&o)
	}
	return open(t, o), open(t, o), newTenant(t, "two")
}

// inProcess makes a program hold a key in process, and shows that it does.
func inProcess(t *testing.T, c *Cache[string, string], tc tcContext, key, want string) {
	t.Helper()
	require.Eventually(t, func() bool {
		v, err := c.In(tc).Get(key)
		require.NoError(t, err)
		require.Equal(t, want, v)
		before := c.Stats().Hits
		_, err = c.In(tc).Get(key)
		return err == nil && c.Stats().Hits == before
	}, 5*time.Second, time.Millisecond, "it is served without asking the server")
}

// C02: what another program changes reaches the tier in process, of that tenant and no other.
func TestOtherProgramsChangesReachTheTierInProcess(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p Partition[string, string]) error{
		"set":        func(p Partition[string, string]) error { return p.Set("k", "new") },
		"delete":     func(p Partition[string, string]) error { return p.Delete("k") },
		"invalidate": func(p Partition[string, string]) error { return p.InvalidateTenant() },
		"tag":        func(p Partition[string, string]) error { return p.InvalidateTag("no such tag", "t") },
	} {
		for _, buckets := range []int{1, 5} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				here, there, tc := two(t, func(o *Options[string, string]) { o.Buckets, o.Tags = buckets, oneTag })
				other := newTenant(t, "other")
				require.NoError(t, there.In(tc).Set("k", "old"))
				require.NoError(t, there.In(other).Set("k", "theirs"))
				inProcess(t, here, tc, "k", "old")
				inProcess(t, here, other, "k", "theirs")
				require.NoError(t, change(there.In(tc)))
				require.Eventually(t, func() bool {
					v, err := here.In(tc).Get("k")
					return err != nil || v == "new"
				}, 5*time.Second, 100*time.Microsecond)
				asked := here.Stats().Hits
				v, err := here.In(other).Get("k")
				require.NoError(t, err)
				require.Equal(t, "theirs", v)
				require.Equal(t, asked, here.Stats().Hits, "the other tenant's is still in process")
			})
		}
	}
}

// A lost connection and an emptied server empty the tier in process: changes may have gone unheard.
func TestALostConnectionEmptiesTheTierInProcess(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"connections cut": {"CLIENT", "KILL", "TYPE", "normal"},
		"flushed":         {"FLUSHALL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			c := open(t, options(s))
			tc := newTenant(t, "cut")
			require.NoError(t, c.In(tc).Set("k", "v"))
			inProcess(t, c, tc, "k", "v")
			held := func() bool {
				e, err := c.local.In(tc).Get("k")
				pt := c.parts.get(tc.Tenant().String())
				return err == nil && pt.shards[0].current.Load() == e.view
			}
			require.True(t, held())
			_, err := s.Do(context.Background(), command...)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return !held() }, 5*time.Second, 100*time.Microsecond)
			require.Eventually(t, func() bool { return c.In(tc).Set("k", "w") == nil }, 5*time.Second, time.Millisecond)
			inProcess(t, c, tc, "k", "w")
		})
	}
}

// C06: a load begins here, another program changes the key, the load ends: what it loaded is given to its caller, and
// neither stored nor served.
func TestALoadThatBeganBeforeAChangeElsewhereDoesNotStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(p Partition[string, string]) error
		change func(p Partition[string, string]) error
		after  string // "": a miss
	}{
		"delete":                 {nil, func(p Partition[string, string]) error { return p.Delete("k") }, ""},
		"delete, and before too": {func(p Partition[string, string]) error { return p.Delete("k") }, func(p Partition[string, string]) error { return p.Delete("k") }, ""},
		"set":                    {nil, func(p Partition[string, string]) error { return p.Set("k", "new") }, "new"},
		"set after delete":       {func(p Partition[string, string]) error { return p.Delete("k") }, func(p Partition[string, string]) error { return p.Set("k", "new") }, "new"},
		"invalidate":             {nil, func(p Partition[string, string]) error { return p.InvalidateTenant() }, ""},
		"tag":                    {nil, func(p Partition[string, string]) error { return p.InvalidateTag("t") }, ""},
		"tag that was met":       {func(p Partition[string, string]) error { return p.Set("l", "v") }, func(p Partition[string, string]) error { return p.InvalidateTag("t") }, ""},
		"tag after delete":       {func(p Partition[string, string]) error { return p.Delete("k") }, func(p Partition[string, string]) error { return p.InvalidateTag("t") }, ""},
		"invalidate after delete": {
			func(p Partition[string, string]) error { return p.Delete("k") },
			func(p Partition[string, string]) error { return p.InvalidateTenant() }, "",
		},
	} {
		for mode, load := range map[string]func(p Partition[string, string], inside func()) (string, error){
			"one": func(p Partition[string, string], inside func()) (string, error) {
				return p.GetOrLoad("k", func(tcContext) (string, error) { inside(); return "old", nil })
			},
			"many": func(p Partition[string, string], inside func()) (string, error) {
				m, err := p.GetOrLoadMany([]string{"k"}, func(tcContext, []string) (map[string]string, error) {
					inside()
					return map[string]string{"k": "old"}, nil
				})
				return m["k"], err
			},
		} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				here, there, tc := two(t, func(o *Options[string, string]) { o.Tags = oneTag })
				if c.before != nil {
					require.NoError(t, c.before(there.In(tc)))
					_, _ = here.In(tc).GetMany([]string{"k", "l"})
				}
				v, err := load(here.In(tc), func() { require.NoError(t, c.change(there.In(tc))) })
				require.NoError(t, err)
				require.Equal(t, "old", v, "the caller gets what it loaded")
				for _, program := range []*Cache[string, string]{here, there, open(t, options(shared.Shared(t)))} {
					v, err := program.In(tc).Get("k")
					if c.after == "" {
						require.ErrorIs(t, err, cache.ErrMiss)
					} else {
						require.NoError(t, err)
						require.Equal(t, c.after, v)
					}
				}
				// And it is not for ever: the next load is kept.
				if c.after == "" {
					again, loads := counted("fresh")
					for range 2 {
						v, err = here.In(tc).GetOrLoad("k", again)
						require.NoError(t, err)
						require.Equal(t, "fresh", v)
					}
					require.Equal(t, 1, *loads)
				}
			})
		}
	}
}

// Two programs load a key at once: the first that stores wins, and the other's tier in process does not keep its own.
func TestTwoLoadsOfAKeyAtOnce(t *testing.T) {
	t.Parallel()
	here, there, tc := two(t, nil)
	v, err := here.In(tc).GetOrLoad("k", func(tcContext) (string, error) {
		_, err := there.In(tc).GetOrLoad("k", func(tcContext) (string, error) { return "theirs", nil })
		require.NoError(t, err)
		return "ours", nil
	})
	require.NoError(t, err)
	require.Equal(t, "ours", v)
	for _, c := range []*Cache[string, string]{here, there} {
		v, err := c.In(tc).Get("k")
		require.NoError(t, err)
		require.Equal(t, "theirs", v)
	}
}

// A loader that ignores its context, and gives something after LoadTimeout, may not store it: the mark of a deletion may be
// gone by then.
func TestWhatIsLoadedTooLateIsNotStored(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, func(o *Options[string, string]) { o.LoadTimeout = 20 * time.Millisecond })
	tc := newTenant(t, "late")
	_, err := c.In(tc).GetOrLoad("k", func(tcContext) (string, error) {
		time.Sleep(60 * time.Millisecond)
		return "late", nil
	})
	require.ErrorIs(t, err, cache.ErrLoad)
	require.Eventually(t, func() bool { return c.Stats().RefusedStale == 1 }, 5*time.Second, time.Millisecond)
	_, err = c.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
}

// C04: a tenant's invalidation is followed by a rush; one load runs in each program.
func TestARushAfterAnInvalidationLoadsOnce(t *testing.T) {
	t.Parallel()
	here, _, tc := two(t, nil)
	require.NoError(t, here.In(tc).Set("k", "old"))
	require.NoError(t, here.In(tc).InvalidateTenant())
	load, loads := counted("new")
	const callers = 50
	begin, done := make(chan struct{}), make(chan string, callers)
	for range callers {
		go func() {
			<-begin
			v, _ := here.In(tc).GetOrLoad("k", func(tc tcContext) (string, error) {
				time.Sleep(20 * time.Millisecond)
				return load(tc)
			})
			done <- v
		}()
	}
	close(begin)
	for range callers {
		require.Equal(t, "new", <-done)
	}
	require.Equal(t, 1, *loads)
}

// C04: one tenant floods the tier in process; another's values stay there.
func TestAFloodDoesNotPushOthersOutOfTheTierInProcess(t *testing.T) {
	t.Parallel()
	c, _, quiet := two(t, func(o *Options[string, string]) { o.Local.Capacity = 200 })
	loud := newTenant(t, "loud")
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, c.In(quiet).Set(key, "v"))
		inProcess(t, c, quiet, key, "v")
	}
	keys := make([]string, 2000)
	for i := range keys {
		keys[i] = string(rune('a'+i%26)) + time.Duration(i).String()
	}
	_, err := c.In(loud).GetOrLoadMany(keys, func(_ tcContext, keys []string) (map[string]string, error) {
		found := map[string]string{}
		for _, k := range keys {
			found[k] = "v"
		}
		return found, nil
	})
	require.NoError(t, err)
	before := c.Stats().Hits
	for _, key := range []string{"a", "b", "c"} {
		_, err := c.In(quiet).Get(key)
		require.NoError(t, err)
	}
	require.Equal(t, before, c.Stats().Hits, "all from the tier in process")
}

// A read began before a change of its key that was heard before its answer was put: it is not put.
func TestAReadOlderThanAChangeIsNotKept(t *testing.T) {
	t.Parallel()
	pt := &part{fills: map[string]*fill{}}
	first, second := pt.beginFill("k"), pt.beginFill("k")
	other := pt.beginFill("l")
	dropped := false
	pt.changed("k", func() { dropped = true })
	third := pt.beginFill("k")
	require.True(t, dropped)
	kept := map[string]bool{}
	pt.endFill("k", second, func() { kept["second"] = true })
	pt.endFill("k", third, func() { kept["third"] = true })
	pt.endFill("k", first, func() { kept["first"] = true })
	pt.endFill("l", other, func() { kept["other"] = true })
	require.Equal(t, map[string]bool{"third": true, "other": true}, kept)
	require.Empty(t, pt.fills)
}

// What was kept under another generation than the current one is not served, however it came there.
func TestAnEntryOfAnotherGenerationIsNotServed(t *testing.T) {
	t.Parallel()
	c, _, tc := two(t, nil)
	require.NoError(t, c.In(tc).Set("k", "new"))
	inProcess(t, c, tc, "k", "new")
	old := entry[string]{value: "old", view: &view{generation: someGeneration}, expires: time.Now().Add(time.Hour).UnixMilli(), weight: 1}
	for range 2 { // with the generation known, and not
		require.NoError(t, c.local.In(tc).Set("k", old))
		v, err := c.In(tc).Get("k")
		require.NoError(t, err)
		require.Equal(t, "new", v)
		require.NoError(t, c.local.In(tc).Set("k", old))
		v, err = c.In(tc).GetOrLoad("k", fails)
		require.NoError(t, err)
		require.Equal(t, "new", v)
		require.NoError(t, c.local.In(tc).Set("k", old))
		c.parts.get(tc.Tenant().String()).shards[0].forget(false)
	}
}

// C06: a load's tags are not known before it ends. One of them was invalidated elsewhere meanwhile, and this program has asked for the
// generation again since, which is the same.
func TestALoadWhoseTagWasInvalidatedMeanwhile(t *testing.T) {
	t.Parallel()
	here, there, tc := two(t, func(o *Options[string, string]) { o.Tags = oneTag })
	v, err := here.In(tc).GetOrLoad("k", func(tcContext) (string, error) {
		require.NoError(t, there.In(tc).InvalidateTag("t"))
		require.Eventually(t, func() bool { return here.Stats().Heard > 0 }, 5*time.Second, time.Millisecond)
		_, err := here.In(tc).Get("another")
		require.ErrorIs(t, err, cache.ErrMiss)
		return "old", nil
	})
	require.NoError(t, err)
	require.Equal(t, "old", v)
	require.EqualValues(t, 1, here.Stats().RefusedStale)
	_, err = here.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
}

// What was in process when the connection was lost is not taken up again, though the generation is the same: a read that was under
// way may put it there after all.
func TestWhatWasKeptBeforeALostConnectionIsNotServed(t *testing.T) {
	t.Parallel()
	c, _, tc := two(t, func(o *Options[string, string]) { o.Tags = oneTag })
	require.NoError(t, c.In(tc).Set("k", "new"))
	inProcess(t, c, tc, "k", "new")
	kept, err := c.local.In(tc).Get("k")
	require.NoError(t, err)
	require.False(t, kept.tags[0].gone.Load())
	c.lost()
	require.True(t, kept.tags[0].gone.Load(), "nor are its tags")
	kept.tags, kept.value = nil, "old"
	_, _ = c.In(tc).Get("another") // learns of the same generation
	require.NoError(t, c.local.In(tc).Set("k", kept))
	v, err := c.In(tc).Get("k")
	require.NoError(t, err)
	require.Equal(t, "new", v)
}

// A generation that was asked for before something changed is not the current one.
func TestAGenerationThatChangedWhileItWasAskedForIsNotPublished(t *testing.T) {
	t.Parallel()
	c, _, tc := two(t, nil)
	pt, err := c.of(tc)
	require.NoError(t, err)
	s := &pt.shards[0]
	found := foundGeneration{token: newToken(time.Now(), token{}), history: "h"}
	before := s.changed()
	s.forget(false)
	require.Nil(t, c.publish(pt, s, found, before))
	s.owe()
	require.Nil(t, c.publish(pt, s, found, s.changed()), "nor while a write is owed")
}
