package rediscache

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

func TestOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := func() Options[string, string] {
		return Options[string, string]{
			Redis: rueidis.ClientOption{InitAddress: []string{"127.0.0.1:1"}}, Namespace: "n", Keys: [][]byte{testKey(1)},
		}
	}
	for name, change := range map[string]func(*Options[string, string]){
		"no address":            func(o *Options[string, string]) { o.Redis.InitAddress = nil },
		"no namespace":          func(o *Options[string, string]) { o.Namespace = "" },
		"namespace with :":      func(o *Options[string, string]) { o.Namespace = "a:b" },
		"namespace with }":      func(o *Options[string, string]) { o.Namespace = "a}" },
		"long namespace":        func(o *Options[string, string]) { o.Namespace = strings.Repeat("n", 65) },
		"no key":                func(o *Options[string, string]) { o.Keys = nil },
		"short key":             func(o *Options[string, string]) { o.Keys = [][]byte{testKey(1)[:16]} },
		"negative TTL":          func(o *Options[string, string]) { o.TTL = -1 },
		"tiny TTL":              func(o *Options[string, string]) { o.TTL = time.Microsecond },
		"endless TTL":           func(o *Options[string, string]) { o.TTL = 365 * 24 * time.Hour },
		"jitter of 1":           func(o *Options[string, string]) { o.Jitter = 1 },
		"NaN":                   func(o *Options[string, string]) { o.Jitter = math.NaN() },
		"negative times":        func(o *Options[string, string]) { o.Timeout = -1 },
		"negative NegativeTTL":  func(o *Options[string, string]) { o.NegativeTTL = -1 },
		"negative LoadTimeout":  func(o *Options[string, string]) { o.LoadTimeout = -1 },
		"negative BreakAfter":   func(o *Options[string, string]) { o.BreakAfter = -1 },
		"MaxValue":              func(o *Options[string, string]) { o.MaxValue = 1 << 40 },
		"buckets":               func(o *Options[string, string]) { o.Buckets = 257 },
		"negative capacity":     func(o *Options[string, string]) { o.Local.Capacity = -1 },
		"a quota that can't be": func(o *Options[string, string]) { o.Local.Quota.Weight = math.NaN() },
		"encode alone":          func(o *Options[string, string]) { o.Encode = func(string) ([]byte, error) { return nil, nil } },
		"replicas": func(o *Options[string, string]) {
			o.Redis.SendToReplicas = func(rueidis.Completed) bool { return true }
		},
		"another database": func(o *Options[string, string]) { o.Redis.SelectDB = 1 },
		"RESP2":            func(o *Options[string, string]) { o.Redis.AlwaysRESP2 = true },
		"own tracking":     func(o *Options[string, string]) { o.Redis.ClientTrackingOptions = []string{"BCAST"} },
	} {
		o := good()
		change(&o)
		_, err := New(o)
		require.ErrorIs(t, err, cache.ErrOptions, name)
	}
	_, err := New(Options[[2]string, string]{Redis: good().Redis, Namespace: "n", Keys: good().Keys})
	require.ErrorContains(t, err, "EncodeKey")
	c, err := New(good())
	require.NoError(t, err, "the server need not be there")
	c.Close()
}

// The options are the caller's: New neither changes them nor looks at them later.
func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	o := options(shared.Shared(t))
	c := open(t, o)
	tc := newTenant(t, "copied")
	require.Nil(t, o.Redis.OnInvalidations)
	clear(o.Keys[0])
	o.Redis.InitAddress[0] = "127.0.0.1:1"
	require.NoError(t, c.In(tc).Set("k", "v"))
	v, err := open(t, options(shared.Shared(t))).In(tc).Get("k")
	require.NoError(t, err)
	require.Equal(t, "v", v)
}

type chart struct {
	Name  string
	Score float64
}

// What is wrong with a value refuses its Set and is counted; a load gives it all the same.
func TestValuesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := shared.Shared(t)
	o := Options[string, chart]{
		Redis: login(s), Namespace: "refused", Keys: [][]byte{testKey(7)}, MaxValue: 100, Timeout: 2 * time.Second,
		Lifetime: func(key string, _ chart) time.Duration {
			switch key {
			case "over":
				return -time.Second
			case "panic":
				panic("a hook's own mistake")
			}
			return time.Minute
		},
	}
	c := open(t, o)
	tc := newTenant(t, "refused")
	for _, x := range []struct {
		key   string
		value chart
		count func(Stats) uint64
	}{
		{"long", chart{Name: strings.Repeat("x", 200)}, func(s Stats) uint64 { return s.RefusedTooLarge }},
		{"nan", chart{Score: math.NaN()}, func(s Stats) uint64 { return s.RefusedEncoding }},
		{"over", chart{}, func(s Stats) uint64 { return s.RefusedLifetime }},
		{"panic", chart{}, func(s Stats) uint64 { return s.RefusedEncoding }},
	} {
		before := x.count(c.Stats())
		require.ErrorIs(t, c.In(tc).Set(x.key, x.value), cache.ErrRefused, x.key)
		v, err := c.In(tc).GetOrLoad(x.key, func(tenant.Context) (chart, error) { return x.value, nil })
		require.NoError(t, err, x.key)
		require.Equal(t, x.value.Name, v.Name)
		_, err = c.In(tc).Get(x.key)
		require.ErrorIs(t, err, cache.ErrMiss, x.key)
		require.Equal(t, before+2, x.count(c.Stats()), x.key)
	}
	require.NoError(t, c.In(tc).Set("fine", chart{Name: "n", Score: 1.5}))
	v, err := open(t, o).In(tc).Get("fine")
	require.NoError(t, err)
	require.Equal(t, chart{"n", 1.5}, v)
}

// A value of a form that this program does not read is a miss, and the next load takes its place.
func TestAValueOfAnotherFormIsAMiss(t *testing.T) {
	t.Parallel()
	s := shared.Shared(t)
	tc := newTenant(t, "form")
	o := options(s)
	require.NoError(t, open(t, o).In(tc).Set("k", "no JSON"))
	c := open(t, Options[string, chart]{Redis: o.Redis, Namespace: o.Namespace, Keys: o.Keys, Timeout: o.Timeout})
	_, err := c.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.Equal(t, uint64(1), c.Stats().Unread)
	loads := 0
	for range 2 {
		_, err = c.In(tc).GetOrLoad("k", func(tenant.Context) (chart, error) { loads++; return chart{Name: "n"}, nil })
		require.NoError(t, err)
	}
	require.Equal(t, 1, loads)
}

// Callers that change what they were given don't change what others read.
func TestClone(t *testing.T) {
	t.Parallel()
	s := shared.Shared(t)
	c := open(t, Options[string, []byte]{
		Redis: login(s), Namespace: "clone", Keys: [][]byte{testKey(7)}, Clone: bytes.Clone, Timeout: 2 * time.Second,
		Local: Local[[]byte]{Weigh: func(v []byte) int64 { return int64(len(v)) }},
	})
	tc := newTenant(t, "clone")
	for range 4 {
		v, err := c.In(tc).GetOrLoad("k", func(tenant.Context) ([]byte, error) { return []byte("good"), nil })
		require.NoError(t, err)
		require.Equal(t, "good", string(v))
		copy(v, "evil")
		v, err = c.In(tc).Get("k")
		require.NoError(t, err)
		require.Equal(t, "good", string(v))
		copy(v, "evil")
	}
	stats, err := c.In(tc).Stats()
	require.NoError(t, err)
	require.Equal(t, int64(4), stats.Local.Weight)
}

// A hook that panics is a refused Set, a miss, or nothing; never the end of the program.
func TestHooksThatPanic(t *testing.T) {
	t.Parallel()
	o := options(shared.Shared(t))
	boom := errors.New("boom")
	o.EncodeKey = func(key string) string {
		if key == "panic" {
			panic(boom)
		}
		return key
	}
	o.Decode = func([]byte) (string, error) { panic(boom) }
	o.Encode = func(v string) ([]byte, error) { return []byte(v), nil }
	o.OnIncident = func(cache.Incident) { panic(boom) }
	c := open(t, o)
	tc := newTenant(t, "panic")
	require.ErrorIs(t, c.In(tc).Set("panic", "v"), boom)
	require.ErrorIs(t, c.In(tc).Set("panic", "v"), cache.ErrRefused)
	require.NoError(t, c.In(tc).Set("k", "v"))
	_, err := c.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	_, err = c.In(tc).GetOrLoad("k", nil)
	require.ErrorIs(t, err, cache.ErrLoad)
	_, err = c.In(tc).GetOrLoadMany([]string{"k"}, nil)
	require.ErrorIs(t, err, cache.ErrLoad)
	_, err = c.In(tc).GetOrLoad("k", func(tenant.Context) (string, error) { panic(boom) })
	require.ErrorIs(t, err, cache.ErrLoad)
}
