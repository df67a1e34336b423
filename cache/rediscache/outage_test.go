package rediscache

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/redistest"
	"github.com/septum-go/septum/tenant"
)

// impatient are options for servers that fail.
func impatient(s *redistest.Server, d *diary) Options[string, string] {
	o := options(s)
	o.Timeout, o.BreakAfter, o.BreakFor = 100*time.Millisecond, 3, 50*time.Millisecond
	o.OnIncident = d.write
	return o
}

// outage is a server of a test's own and one program on it, whose incidents stand in the diary.
func outage(t *testing.T, change func(*Options[string, string])) (*redistest.Server, *Cache[string, string], *diary) {
	t.Helper()
	s, d := redistest.Start(t), &diary{}
	o := impatient(s, d)
	if change != nil {
		change(&o)
	}
	return s, open(t, o), d
}

// worksAgain waits until a write is taken, without anybody's doing, and reads it back.
func worksAgain(t *testing.T, c *Cache[string, string], tc tcContext) {
	t.Helper()
	require.Eventually(t, func() bool { return c.In(tc).Set("k", "newer") == nil }, 10*time.Second, time.Millisecond)
	v, err := c.In(tc).Get("k")
	require.NoError(t, err)
	require.Equal(t, "newer", v)
}

// The server is away when the program starts, and comes, and goes, and comes back: reads are misses, loads go on, writes say
// that they failed, and nobody has to do anything.
func TestAServerThatComesAndGoes(t *testing.T) {
	t.Parallel()
	s, c, d := outage(t, nil)
	require.NoError(t, s.Kill())
	tc := newTenant(t, "away")
	load, _ := counted("v")
	for round := range 2 {
		require.Eventually(t, func() bool { return c.In(tc).Set("k", "v") != nil }, 10*time.Second, time.Millisecond)
		for range 10 {
			v, err := c.In(tc).GetOrLoad("k", load)
			require.NoError(t, err)
			require.Equal(t, "v", v)
		}
		many, err := c.In(tc).GetOrLoadMany([]string{"a", "b"}, func(tcContext, []string) (map[string]string, error) {
			return map[string]string{"a": "1"}, nil
		})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "1"}, many)
		many, err = c.In(tc).GetMany([]string{"a"})
		require.NoError(t, err)
		require.Empty(t, many)
		_, err = c.In(tc).Get("k")
		require.ErrorIs(t, err, cache.ErrMiss)
		for name, err := range map[string]error{
			"Set": c.In(tc).Set("k", "v"), "Delete": c.In(tc).Delete("k"), "InvalidateTenant": c.In(tc).InvalidateTenant(),
		} {
			require.ErrorIs(t, err, cache.ErrUnavailable, name)
			require.NotContains(t, err.Error(), tc.Tenant().String())
		}
		require.Equal(t, round+1, d.count(IncidentOutage), "told of once")
		require.False(t, c.Stats().Available)
		require.Positive(t, c.Stats().Errors)
		require.Positive(t, c.Stats().Skipped)

		require.NoError(t, s.Restart(context.Background()))
		worksAgain(t, c, tc)
		require.Equal(t, round+1, d.count(IncidentRecovery))
		require.True(t, c.Stats().Available)
		require.NoError(t, s.Kill())
	}
}

// The server hangs: no call takes longer than a few timeouts, and once the breaker is open none is spent on it.
func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	s, c, d := outage(t, func(o *Options[string, string]) { o.BreakFor = 10 * time.Second })
	tc := newTenant(t, "hang")
	require.NoError(t, c.In(tc).Set("k", "v"))
	require.NoError(t, s.Pause())
	load, loads := counted("loaded")
	begin := time.Now()
	for i := range 50 {
		_, err := c.In(tc).GetOrLoad("other"+string(rune('a'+i)), load)
		require.NoError(t, err)
	}
	require.Less(t, time.Since(begin), 4*time.Second, "50 loads spend no more than a few timeouts")
	require.Equal(t, 50, *loads)
	require.Equal(t, 1, d.count(IncidentOutage))
	begin = time.Now()
	for range 1000 {
		_, err := c.In(tc).Get("another")
		require.ErrorIs(t, err, cache.ErrMiss)
	}
	require.Less(t, time.Since(begin), time.Second, "an open breaker costs nothing")
	require.NoError(t, s.Resume())
}

// Many callers miss at once while the server is away: one load runs.
func TestLoadsRunOnceWithoutAServer(t *testing.T) {
	t.Parallel()
	s, c, _ := outage(t, nil)
	require.NoError(t, s.Kill())
	tc := newTenant(t, "once")
	load, loads := counted("v")
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range 100 {
		wg.Go(func() {
			<-begin
			v, err := c.In(tc).GetOrLoad("k", func(tc tcContext) (string, error) {
				time.Sleep(300 * time.Millisecond)
				return load(tc)
			})
			if err != nil || v != "v" {
				t.Errorf("%q, %v", v, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	require.Equal(t, 1, *loads)
}

// A write fails although the server can be read: the program does not read back what it tried to remove, and makes it good
// as soon as it can.
func TestAWriteThatFailedIsMadeGood(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p Partition[string, string]) error{
		"set":        func(p Partition[string, string]) error { return p.Set("k", "new") },
		"delete":     func(p Partition[string, string]) error { return p.Delete("k") },
		"invalidate": func(p Partition[string, string]) error { return p.InvalidateTenant() },
		"tag":        func(p Partition[string, string]) error { return p.InvalidateTag("t") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o Options[string, string]
			s, c, _ := outage(t, func(opts *Options[string, string]) {
				opts.BreakAfter, opts.Tags = 1000, oneTag // reads go on
				o = *opts
			})
			other := open(t, o)
			tc := newTenant(t, "owed")
			require.Eventually(t, func() bool { return c.In(tc).Set("k", "old") == nil }, 10*time.Second, time.Millisecond)
			inProcess(t, c, tc, "k", "old")
			inProcess(t, other, tc, "k", "old")
			_, err := s.Do(context.Background(), "ACL", "SETUSER", "default", "-set")
			require.NoError(t, err)
			require.ErrorIs(t, change(c.In(tc)), cache.ErrUnavailable)
			for range 3 {
				_, err = c.In(tc).Get("k")
				require.ErrorIs(t, err, cache.ErrMiss, "never the old value, though the server holds it")
			}
			v, err := c.In(tc).GetOrLoad("k", func(tcContext) (string, error) { return "loaded", nil })
			require.NoError(t, err)
			require.Equal(t, "loaded", v)
			_, err = s.Do(context.Background(), "ACL", "SETUSER", "default", "+set")
			require.NoError(t, err)
			_, err = c.In(tc).Get("k")
			require.ErrorIs(t, err, cache.ErrMiss)
			require.Eventually(t, func() bool {
				_, err := other.In(tc).Get("k")
				return err != nil
			}, 5*time.Second, time.Millisecond, "it reached the other program")
		})
	}
}

// A caller that goes away is no failure of the server.
func TestACallerThatGoesAwayDoesNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	s, c, d := outage(t, func(o *Options[string, string]) { o.Timeout = 10 * time.Second })
	tc := newTenant(t, "gone")
	require.NoError(t, c.In(tc).Set("k", "v"))
	require.NoError(t, s.Pause())
	for range 10 {
		ctx, cancel := context.WithTimeout(tc, time.Millisecond)
		short, err := tenant.From(ctx)
		require.NoError(t, err)
		_, err = c.In(short).Get("other")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
	}
	require.NoError(t, s.Resume())
	require.Zero(t, d.count(IncidentOutage))
	v, err := c.In(tc).Get("k")
	require.NoError(t, err)
	require.Equal(t, "v", v)
}

// After Close nothing is stored, and programs that still run go on.
func TestAClosedCache(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, nil)
	tc := newTenant(t, "closed")
	require.NoError(t, c.In(tc).Set("k", "v"))
	c.Close()
	c.Close()
	_, err := c.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.ErrorIs(t, c.In(tc).Set("k", "v"), cache.ErrUnavailable)
	load, _ := counted("loaded")
	v, err := c.In(tc).GetOrLoad("k", load)
	require.NoError(t, err)
	require.Equal(t, "loaded", v)
	_, err = c.In(tc).GetOrLoad("k", func(tcContext) (string, error) { return "", errLoader })
	require.ErrorIs(t, err, errLoader)
}

// The breaker alone, with a clock of its own.
func TestBreaker(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var told []bool
	b := &breaker{limit: 2, rest: time.Second, now: func() time.Time { return now }, changed: func(open bool, _ error) { told = append(told, open) }}
	call := func(result outcome) bool {
		ok, trial := b.allow()
		if ok {
			b.done(trial, result, errLoader)
		}
		return ok
	}
	require.True(t, call(failed))
	require.True(t, call(worked))
	require.True(t, call(failed), "failures count in a row")
	require.True(t, call(unknown), "one that nobody waited for does not count")
	require.True(t, call(failed))
	require.False(t, call(worked), "open")
	now = now.Add(time.Second)
	ok, trial := b.allow()
	require.True(t, ok && trial)
	require.False(t, call(worked), "one tries, the others wait")
	b.done(true, unknown, nil)
	require.True(t, call(failed), "the next one tries")
	require.False(t, call(worked), "and again it rests")
	now = now.Add(time.Second)
	require.True(t, call(worked))
	require.True(t, call(worked))
	require.Equal(t, []bool{true, false}, told)
}
