package cache_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// model is what three tenants' maps would hold.
type model [3]map[byte]byte

// Each pair of bytes is a call. With room for all, the cache and three maps must agree on each; with little room the cache
// may know less, and never anything else.
func FuzzCacheIsThreeMaps(f *testing.F) {
	f.Add([]byte{0x00, 1, 0x10, 1, 0x20, 1, 0x30, 1, 0x40, 1, 0x50, 1, 0x60, 1, 0x70, 1}, byte(200))
	f.Add([]byte("set, get, drop, and all over again: the quick brown fox jumps over the lazy dog"), byte(3))
	f.Add(slices.Repeat([]byte{0x00, 0x07, 0x31, 0x08, 0x42, 0x09, 0x65, 0x0a}, 40), byte(1))
	f.Fuzz(func(t *testing.T, calls []byte, capacity byte) {
		room := int64(capacity) + 1
		c, err := cache.New(cache.Options[byte, byte]{
			Capacity: room * 10, Weigh: func(k, _ byte) int64 { return int64(k%10) + 1 },
			Tags: func(k, v byte) []string { return []string{fmt.Sprint(k % 4), fmt.Sprint(v % 4)} },
		})
		require.NoError(t, err)
		m := model{{}, {}, {}}
		var parts [3]cache.Partition[byte, byte]
		for i := range parts {
			parts[i] = c.In(bound(t, fmt.Sprint("t", i)))
		}
		all := room > 170 // 3 tenants, 32 keys, 5.5 on average
		for ; len(calls) >= 2; calls = calls[2:] {
			op, who, key, value := calls[0]>>4, int(calls[0]&15)%3, calls[1]%32, calls[1]
			play(t, parts[who], m[who], op, key, value, all)
			require.LessOrEqual(t, c.Stats().Weight, room*10)
		}
		if all {
			require.Equal(t, len(m[0])+len(m[1])+len(m[2]), c.Stats().Entries)
		}
	})
}

func play(t *testing.T, p cache.Partition[byte, byte], m map[byte]byte, op, key, value byte, all bool) {
	t.Helper()
	switch op {
	case 0, 1, 2, 3:
		if err := p.Set(key, value); err != nil {
			require.ErrorIs(t, err, cache.ErrRefused)
			require.False(t, all)
			delete(m, key)
			return
		}
		m[key] = value
	case 4, 5:
		require.NoError(t, p.Delete(key))
		delete(m, key)
	case 6:
		require.NoError(t, p.InvalidateTag(fmt.Sprint(key%4)))
		for k, v := range m {
			if k%4 == key%4 || v%4 == key%4 {
				delete(m, k)
			}
		}
	case 7:
		if key == 0 {
			require.NoError(t, p.InvalidateTenant())
			clear(m)
		}
	case 8, 9:
		want, known := m[key]
		got, err := p.GetOrLoad(key, func(tenant.Context) (byte, error) { return value, nil })
		require.NoError(t, err)
		if got != value || all && known {
			require.True(t, known)
			require.Equal(t, want, got)
		}
		m[key] = got
	default:
		want, known := m[key]
		got, err := p.Get(key)
		if err == nil {
			require.True(t, known, "a value came back that is not there")
			require.Equal(t, want, got)
			return
		}
		require.True(t, errors.Is(err, cache.ErrMiss) && !(all && known), "a value is lost")
	}
}
