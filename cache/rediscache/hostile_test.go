package rediscache

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// Somebody puts a list where a value or a generation stands: it is one forged value. It is replaced, and the breaker, which is all
// tenants', does not take it for an outage.
func TestSomethingOfAnotherTypeIsReplaced(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"value", "generation"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c, d := remote(t, func(o *Options[string, string]) { o.BreakAfter = 2 })
			client := raw(t, shared.Shared(t))
			tc := newTenant(t, "list")
			require.NoError(t, c.In(tc).Set("k", "v"))
			values, generations := stored(t, client, tc)
			name := map[string]string{"value": values[0], "generation": generations[0]}[what]
			require.NoError(t, client.Do(context.Background(), client.B().Del().Key(name).Build()).Error())
			require.NoError(t, client.Do(context.Background(), client.B().Lpush().Key(name).Element("v").Build()).Error())
			require.Eventually(t, func() bool {
				_, err := c.In(tc).Get("k")
				require.ErrorIs(t, err, cache.ErrMiss)
				return d.count(IncidentForged) > 0
			}, 5*time.Second, time.Millisecond)
			for range 4 {
				_, err := c.In(tc).GetMany([]string{"k", "l"})
				require.NoError(t, err)
			}
			load, loads := counted("new")
			for range 3 {
				v, err := c.In(tc).GetOrLoad("k", load)
				require.NoError(t, err)
				require.Equal(t, "new", v)
			}
			require.Equal(t, 1, *loads)
			require.Zero(t, c.Stats().Outages)
			require.Zero(t, c.Stats().Errors)
		})
	}
}

// A server that reads and does not write: its memory is full, or it has become a replica. What this program could not tell it, this program
// does not read back, and loads go on; afterwards all is well by itself.
func TestAServerThatDoesNotWrite(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][2][]string{
		"full":    {{"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "SET", "maxmemory", "0"}},
		"replica": {{"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c, _ := outage(t, func(o *Options[string, string]) { o.Timeout = 2 * time.Second })
			changed, untouched := newTenant(t, "full"), newTenant(t, "full")
			for _, tc := range []tcContext{changed, untouched} {
				require.NoError(t, c.In(tc).Set("k", "old"))
			}
			answer, err := s.Do(context.Background(), command[0]...)
			require.NoError(t, err)
			require.Equal(t, "+OK", answer)
			require.ErrorIs(t, c.In(changed).Set("k", "new"), cache.ErrUnavailable)
			_, err = c.In(changed).Get("k")
			require.ErrorIs(t, err, cache.ErrMiss)
			load, _ := counted("loaded")
			v, err := c.In(changed).GetOrLoad("k", load)
			require.NoError(t, err)
			require.Equal(t, "loaded", v)
			_, err = s.Do(context.Background(), command[1]...)
			require.NoError(t, err)
			worksAgain(t, c, changed)
		})
	}
}

// X02: a context that has ended asks nothing of the server.
func TestAContextThatEnded(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, nil)
	bound := newTenant(t, "ended")
	require.NoError(t, c.In(bound).Set("k", "v"))
	tc := ended(t, bound)
	p := c.In(tc)
	_, err := p.Get("k")
	require.ErrorIs(t, err, context.Canceled)
	_, err = p.GetMany([]string{"k"})
	require.ErrorIs(t, err, context.Canceled)
	load, loads := counted("v")
	_, err = p.GetOrLoad("k", load)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, *loads)
	for _, err := range []error{p.Set("k", "v"), p.Delete("k"), p.InvalidateTenant(), p.InvalidateTag("t")} {
		require.Error(t, err)
	}
	_, err = c.In(bound).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss, "a write that may not have arrived is owed")
	require.Zero(t, c.Stats().Outages)
}

func ended(t *testing.T, bound tcContext) tcContext {
	t.Helper()
	ctx, cancel := context.WithCancel(bound)
	cancel()
	tc, err := tenant.From(ctx)
	require.NoError(t, err)
	return tc
}
