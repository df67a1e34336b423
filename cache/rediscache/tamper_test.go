package rediscache

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
)

// remote is a cache without the tier in process, so that each read is of the server.
func remote(t *testing.T, change func(*Options[string, string])) (*Cache[string, string], *diary) {
	t.Helper()
	d := &diary{}
	o := options(shared.Shared(t))
	o.Local.Off = true
	o.OnIncident = d.write
	if change != nil {
		change(&o)
	}
	return open(t, o), d
}

// C03: flip any byte of any stored value, of each kind: a miss and an incident, never a value.
func TestAnyByteFlippedIsAMissAndAnIncident(t *testing.T) {
	t.Parallel()
	c, d := remote(t, func(o *Options[string, string]) {
		o.NegativeTTL, o.Tags = time.Minute, func(_, v string) []string { return strings.Fields(v)[1:] }
	})
	client := raw(t, shared.Shared(t))
	for what, prepare := range map[string]func(p Partition[string, string]) error{
		"value":    func(p Partition[string, string]) error { return p.Set("k", "v") },
		"tagged":   func(p Partition[string, string]) error { return p.Set("k", "v tag") },
		"deletion": func(p Partition[string, string]) error { return p.Delete("k") },
		"absence": func(p Partition[string, string]) error {
			_, err := p.GetOrLoad("k", func(tcContext) (string, error) { return "", cache.ErrNotFound })
			require.ErrorIs(t, err, cache.ErrNotFound)
			return nil
		},
	} {
		tc := newTenant(t, "flip")
		require.NoError(t, prepare(c.In(tc)), what)
		values, generations := stored(t, client, tc)
		require.Len(t, values, 1, what)
		require.Len(t, generations, map[string]int{"tagged": 2, "value": 1, "deletion": 1, "absence": 1}[what], what)
		good := get(t, client, values[0])
		for i := range good {
			forged := bytes.Clone(good)
			forged[i] ^= 0x10
			put(t, client, values[0], forged)
			before := d.count(IncidentForged)
			v, err := c.In(tc).Get("k")
			require.ErrorIs(t, err, cache.ErrMiss, "%s, byte %d", what, i)
			require.Empty(t, v)
			require.Equal(t, before+1, d.count(IncidentForged), "%s, byte %d", what, i)
		}
		d.mu.Lock()
		require.Equal(t, tc.Tenant(), d.last.Tenant)
		d.mu.Unlock()
	}
	require.Equal(t, c.Stats().Forged, c.Stats().Incidents)
}

// The generation is a stored value too: forging it empties the tenant's cache, and tells of it.
func TestAForgedGenerationIsReplaced(t *testing.T) {
	t.Parallel()
	c, d := remote(t, nil)
	client := raw(t, shared.Shared(t))
	tc := newTenant(t, "flip")
	_ = c.In(tc).Set("k", "v")
	_, generations := stored(t, client, tc)
	size := len(get(t, client, generations[0]))
	for i := range size {
		require.NoError(t, c.In(tc).Set("k", "v"))
		forged := get(t, client, generations[0])
		forged[i] ^= 1
		put(t, client, generations[0], forged)
		require.Eventually(t, func() bool { // the server tells of the change on another connection than the one that made it
			_, err := c.In(tc).Get("k")
			return err != nil
		}, 5*time.Second, time.Millisecond)
		require.Equal(t, i+1, d.count(IncidentForged), "byte %d", i)
	}
	require.NoError(t, c.In(tc).Set("k", "again"))
	v, err := c.In(tc).Get("k")
	require.NoError(t, err)
	require.Equal(t, "again", v)
}

// C01, C03: swap any two stored values of two tenants, two keys, two namespaces, two kinds.
func TestAnyTwoValuesSwappedAreMissesAndIncidents(t *testing.T) {
	t.Parallel()
	one, d := remote(t, nil)
	two, d2 := remote(t, func(o *Options[string, string]) { o.Namespace = "test2" })
	client := raw(t, shared.Shared(t))
	type place struct {
		c    *Cache[string, string]
		tc   tcContext
		key  string
		name string
		good []byte
	}
	a, b := newTenant(t, "swap"), newTenant(t, "swap")
	places := []place{{c: one, tc: a, key: "k"}, {c: one, tc: a, key: "l"}, {c: one, tc: b, key: "k"}, {c: two, tc: a, key: "k"}, {c: one, tc: b, key: "deleted"}}
	for i := range places {
		p := &places[i]
		before, _ := stored(t, client, p.tc)
		if p.key == "deleted" {
			require.NoError(t, p.c.In(p.tc).Delete(p.key))
		} else {
			require.NoError(t, p.c.In(p.tc).Set(p.key, "mine"))
		}
		after, _ := stored(t, client, p.tc)
		for _, name := range after {
			if !contains(before, name) {
				p.name = name
			}
		}
		p.good = get(t, client, p.name)
	}
	forgedAt := func() int { return d.count(IncidentForged) + d2.count(IncidentForged) }
	for i, x := range places {
		for j, y := range places {
			if i == j {
				continue
			}
			put(t, client, x.name, y.good)
			before := forgedAt()
			_, err := x.c.In(x.tc).Get(x.key)
			require.ErrorIs(t, err, cache.ErrMiss, "%d in place of %d", j, i)
			require.Equal(t, before+1, forgedAt(), "%d in place of %d", j, i)
			put(t, client, x.name, x.good)
		}
	}
	v, err := one.In(a).Get("k")
	require.NoError(t, err, "back in its place it is good")
	require.Equal(t, "mine", v)
}

// A value under its own name, after its end: the server forgot the time to live, or somebody kept a copy.
func TestAValueAfterItsEndIsAMiss(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, func(o *Options[string, string]) { o.TTL = 100 * time.Millisecond })
	client := raw(t, shared.Shared(t))
	tc := newTenant(t, "late")
	require.NoError(t, c.In(tc).Set("k", "v"))
	values, _ := stored(t, client, tc)
	copied := get(t, client, values[0])
	time.Sleep(120 * time.Millisecond)
	put(t, client, values[0], copied)
	_, err := c.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.Equal(t, uint64(1), c.Stats().Expired)
	load, loads := counted("new")
	v, err := c.In(tc).GetOrLoad("k", load)
	require.NoError(t, err)
	require.Equal(t, "new", v)
	v, err = c.In(tc).Get("k")
	require.NoError(t, err, "the load took its place")
	require.Equal(t, "new", v)
	require.Equal(t, 1, *loads)
}

// Every key has a time to live, also after everything that can be done.
func TestEveryKeyExpires(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, func(o *Options[string, string]) { o.NegativeTTL, o.Buckets, o.Tags = time.Minute, 3, oneTag })
	client := raw(t, shared.Shared(t))
	tc := newTenant(t, "ttl")
	p := c.In(tc)
	load, _ := counted("v")
	absent := func(tcContext) (string, error) { return "", cache.ErrNotFound }
	require.NoError(t, p.Set("a", "v"))
	_, _ = p.GetOrLoad("b", load)
	require.NoError(t, p.Delete("b", "c"))
	_, _ = p.GetOrLoad("b", load)
	_, _ = p.GetOrLoad("d", absent)
	_, _ = p.GetOrLoadMany([]string{"e", "f"}, func(_ tcContext, keys []string) (map[string]string, error) { return map[string]string{"e": "v"}, nil })
	expire := func(names []string) {
		for _, name := range names {
			left, err := client.Do(context.Background(), client.B().Pttl().Key(name).Build()).AsInt64()
			require.NoError(t, err)
			require.Positive(t, left, name)
		}
	}
	values, generations := stored(t, client, tc)
	expire(append(values, generations...))
	require.NoError(t, p.InvalidateTag("t", "u"))
	require.NoError(t, p.InvalidateTenant())
	_, _ = p.GetOrLoad("a", load)
	values, generations = stored(t, client, tc)
	require.Len(t, generations, 3*3, "the tenant's and two tags', in three buckets")
	expire(append(values, generations...))
}

// What the server holds is not readable: neither the value nor that two are equal.
func TestValuesAreNotReadableOnTheServer(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, nil)
	client := raw(t, shared.Shared(t))
	tc := newTenant(t, "sealed")
	require.NoError(t, c.In(tc).Set("k", "the diagnosis"))
	values, _ := stored(t, client, tc)
	first := get(t, client, values[0])
	require.NotContains(t, string(first), "diagnosis")
	require.NoError(t, c.In(tc).Set("k", "the diagnosis"))
	require.NotEqual(t, first, get(t, client, values[0]))
}

func contains(list []string, text string) bool {
	for _, other := range list {
		if other == text {
			return true
		}
	}
	return false
}
