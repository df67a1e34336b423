package rediscache

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
)

// words puts a value under each of its words.
func words(_, value string) []string { return strings.Fields(value) }

// tagName is where a tag's generation stands, without buckets.
func tagName(tc tcContext, tag string) string {
	return names{namespace: "test", buckets: 1}.tagGeneration("{t:"+tc.Tenant().String()+"}", keyText(tag))
}

// The server loses a tag's generation, or holds one that is none: the tag's values are out of reach, whoever asks, and others are not.
func TestALostTagTakesItsValuesWithIt(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, name string){
		"evicted": func(t *testing.T, name string) {
			client := raw(t, shared.Shared(t))
			require.NoError(t, client.Do(context.Background(), client.B().Del().Key(name).Build()).Error())
		},
		"forged": func(t *testing.T, name string) {
			client := raw(t, shared.Shared(t))
			bad := get(t, client, name)
			bad[len(bad)-1]++
			put(t, client, name, bad)
		},
		"of another type": func(t *testing.T, name string) {
			client := raw(t, shared.Shared(t))
			require.NoError(t, client.Do(context.Background(), client.B().Del().Key(name).Build()).Error())
			require.NoError(t, client.Do(context.Background(), client.B().Lpush().Key(name).Element("x").Build()).Error())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there, tc := two(t, func(o *Options[string, string]) { o.Tags = words })
			require.NoError(t, here.In(tc).Set("k", "red"))
			require.NoError(t, here.In(tc).Set("l", "blue"))
			inProcess(t, here, tc, "k", "red")
			lose(t, tagName(tc, "red"))
			_, err := there.In(tc).Get("k")
			require.ErrorIs(t, err, cache.ErrMiss)
			require.Eventually(t, func() bool {
				_, err := here.In(tc).Get("k")
				return err != nil
			}, 5*time.Second, time.Millisecond, "also who held it in process")
			v, err := there.In(tc).Get("l")
			require.NoError(t, err)
			require.Equal(t, "blue", v)
			if name != "evicted" {
				require.Positive(t, there.Stats().Incidents)
			}
			client := raw(t, shared.Shared(t))
			if left, err := client.Do(context.Background(), client.B().Pttl().Key(tagName(tc, "red")).Build()).AsInt64(); name != "evicted" {
				require.NoError(t, err)
				require.Positive(t, left, "it was replaced, and expires")
			}
			require.NoError(t, there.In(tc).Set("k", "red again"))
			v, err = here.In(tc).Get("k")
			require.NoError(t, err)
			require.Equal(t, "red again", v)
		})
	}
}

// C03, C06: an old generation of a tag is put back, and with it the values of its time. Who saw the newer one does not believe it.
func TestATagThatGoesBackIsRefused(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, func(o *Options[string, string]) { o.Tags = words })
	client := raw(t, shared.Shared(t))
	tc := newTenant(t, "back")
	require.NoError(t, c.In(tc).Set("k", "red"))
	name := tagName(tc, "red")
	old := get(t, client, name)
	require.NoError(t, c.In(tc).InvalidateTag("red"))
	require.NoError(t, c.In(tc).Set("l", "red")) // which learns of the new one
	put(t, client, name, old)
	require.Eventually(t, func() bool {
		_, err := c.In(tc).Get("k")
		require.ErrorIs(t, err, cache.ErrMiss)
		return string(get(t, client, name)) != string(old)
	}, 5*time.Second, time.Millisecond, "a newer one stands there")
	// Another tag's generation is none of this one's.
	require.NoError(t, c.In(tc).Set("k", "red blue"))
	put(t, client, name, get(t, client, tagName(tc, "blue")))
	require.Eventually(t, func() bool {
		_, err := c.In(tc).Get("k")
		return err != nil
	}, 5*time.Second, time.Millisecond)
	require.Positive(t, c.Stats().Forged)
}

// C01, C02: tags are texts of any kind, and one tenant's.
func TestTagsOfAnyText(t *testing.T) {
	t.Parallel()
	hostile := []string{"", ":", "}", "{t:b}", "%", "%7D", "\x00", "\xff", "a:b", "a", "b", strings.Repeat("x", 1000), strings.Repeat("x", 1001)}
	here, there, tc := two(t, func(o *Options[string, string]) {
		o.Tags, o.Buckets = func(key, _ string) []string { return []string{key, "all", key} }, 3
	})
	other := newTenant(t, "two")
	for i, tag := range hostile {
		require.NoError(t, here.In(tc).Set(tag, fmt.Sprint(i)))
		require.NoError(t, here.In(other).Set(tag, fmt.Sprint(i)))
	}
	for i, tag := range hostile {
		require.NoError(t, here.In(tc).InvalidateTag(tag))
		require.Eventually(t, func() bool {
			found, err := there.In(tc).GetMany(hostile)
			require.NoError(t, err)
			return len(found) == len(hostile)-1-i
		}, 5*time.Second, time.Millisecond, "%q", tag)
	}
	found, err := there.In(other).GetMany(hostile)
	require.NoError(t, err)
	require.Len(t, found, len(hostile))
	require.NoError(t, there.In(tc).InvalidateTag())
	require.EqualValues(t, len(hostile), here.Stats().TagInvalidations)
	require.Zero(t, here.Stats().Errors)
}

func TestTagsThatAreRefused(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, func(o *Options[string, string]) {
		o.Tags = func(_, value string) []string {
			if value == "panic" {
				panic("boom")
			}
			return strings.Split(value, "")
		}
	})
	tc := newTenant(t, "refused")
	for i, value := range []string{"panic", "abcdefghijklmnopq"} {
		require.NoError(t, c.In(tc).Set("k", "abcdefghijklmnop"), "16 are allowed")
		require.ErrorIs(t, c.In(tc).Set("k", value), cache.ErrRefused)
		_, err := c.In(tc).Get("k")
		require.ErrorIs(t, err, cache.ErrMiss, "the older value is gone")
		require.EqualValues(t, i+1, c.Stats().RefusedEncoding)
	}
}

// A program remembers so many tags and no more; what it forgets it asks for again.
func TestKnownTagsAreBounded(t *testing.T) {
	t.Parallel()
	var table tagTable
	for i := range 3 * maxKnownTags {
		require.True(t, table.learn(map[string]*tagView{fmt.Sprint(i): {check: time.Now().Add(time.Hour)}}, 0))
		require.LessOrEqual(t, len(table.known), maxKnownTags)
	}
	last := fmt.Sprint(3*maxKnownTags - 1)
	views, missing, changes := table.current([]string{last, "0"}, time.Now())
	require.Len(t, views, 1)
	require.Equal(t, []string{"0"}, missing)
	table.change("another")
	require.False(t, table.learn(map[string]*tagView{"0": {}}, changes), "something changed since it was asked")
	table.change(last)
	require.True(t, views[last].gone.Load())
	_, missing, _ = table.current([]string{last}, time.Now())
	require.NotEmpty(t, missing)
}

// Tags keep their values alive: their generations live as long.
func TestATagIsProlonged(t *testing.T) {
	t.Parallel()
	here, there, tc := two(t, func(o *Options[string, string]) { o.Tags = words })
	client := raw(t, shared.Shared(t))
	require.NoError(t, here.In(tc).Set("k", "red"))
	name := tagName(tc, "red")
	require.NoError(t, client.Do(context.Background(), client.B().Pexpire().Key(name).Milliseconds(60_000).Build()).Error())
	require.NoError(t, there.In(tc).Set("l", "red"))
	left, err := client.Do(context.Background(), client.B().Pttl().Key(name).Build()).AsInt64()
	require.NoError(t, err)
	require.Greater(t, left, int64(60_000))
	v, err := there.In(tc).Get("k")
	require.NoError(t, err)
	require.Equal(t, "red", v)
}

func FuzzRecord(f *testing.F) {
	f.Add(record{kind: kindValue, expires: 1, cost: time.Second, tags: []stamp{{"t", token{1}}}, payload: []byte("v")}.append(nil))
	f.Add(record{kind: kindValue, expires: 1, payload: []byte("v")}.append(nil))
	f.Add([]byte{5, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, ok := parseRecord(data)
		if !ok {
			return
		}
		again, ok := parseRecord(r.append(nil))
		require.True(t, ok)
		require.Equal(t, r.kind, again.kind)
		require.Equal(t, r.tags, again.tags)
		require.Equal(t, r.cost, again.cost)
		require.Equal(t, string(r.payload), string(again.payload))
	})
}
