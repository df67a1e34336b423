package rediscache

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The vectors of the specification, https://c2sp.org/XAES-256-GCM.
func TestXAESVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key   byte
		extra string
		want  string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x, err := newXAES(bytes.Repeat([]byte{c.key}, keySize))
		require.NoError(t, err)
		nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		aead, err := x.derive(nonce[:12])
		require.NoError(t, err)
		require.Equal(t, c.want, hex.EncodeToString(aead.Seal(nil, nonce[12:], []byte("XAES-256-GCM"), []byte(c.extra))))
	}
}

func testKey(b byte) []byte {
	key := bytes.Repeat([]byte{b}, keySize)
	key[0]++
	return key
}

// C03: every byte counts, and so does the place.
func TestASealHoldsEveryByteAndThePlace(t *testing.T) {
	t.Parallel()
	r, hint := newRing([][]byte{testKey(1)})
	require.Empty(t, hint)
	sealed, err := r.seal("{t:a}:x", []byte("value"))
	require.NoError(t, err)
	plain, err := r.open("{t:a}:x", bytes.Clone(sealed))
	require.NoError(t, err)
	require.Equal(t, "value", string(plain))
	for i := range sealed {
		for bit := range 8 {
			forged := bytes.Clone(sealed)
			forged[i] ^= 1 << bit
			_, err := r.open("{t:a}:x", forged)
			require.ErrorIs(t, err, errForged, "byte %d, bit %d", i, bit)
		}
	}
	for cut := range sealed {
		_, err := r.open("{t:a}:x", bytes.Clone(sealed[:cut]))
		require.ErrorIs(t, err, errForged)
	}
	for _, place := range []string{"{t:b}:x", "{t:a}:y", "{t:a}:x ", ""} {
		_, err := r.open(place, bytes.Clone(sealed))
		require.ErrorIs(t, err, errForged)
	}
	again, err := r.seal("{t:a}:x", []byte("value"))
	require.NoError(t, err)
	require.NotEqual(t, sealed, again, "equal values don't look equal")
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	older, _ := newRing([][]byte{testKey(1)})
	both, _ := newRing([][]byte{testKey(2), testKey(1)})
	newer, _ := newRing([][]byte{testKey(2)})
	old, err := older.seal("n", []byte("old"))
	require.NoError(t, err)
	fresh, err := both.seal("n", []byte("new"))
	require.NoError(t, err)
	for _, c := range []struct {
		ring   ring
		sealed []byte
		opens  bool
	}{{older, old, true}, {both, old, true}, {newer, old, false}, {older, fresh, false}, {both, fresh, true}, {newer, fresh, true}} {
		_, err := c.ring.open("n", bytes.Clone(c.sealed))
		require.Equal(t, c.opens, err == nil)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][][]byte{
		"none":         nil,
		"empty":        {{}},
		"AES-128":      {testKey(1)[:16]},
		"31 bytes":     {testKey(1)[:31]},
		"33 bytes":     {append(testKey(1), 1)},
		"second short": {testKey(1), testKey(2)[:5]},
		"twice":        {testKey(1), testKey(1)},
		"zeroes":       {make([]byte, 32)},
	} {
		_, hint := newRing(keys)
		require.NotEmpty(t, hint, name)
	}
}

func TestTokensGoForward(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	first := newToken(now, token{})
	second := newToken(now.Add(-time.Hour), first) // a clock that was set back
	require.True(t, first.olderThan(second))
	require.False(t, second.olderThan(first))
	require.NotEqual(t, newToken(now, token{}), first)
	require.NotEqual(t, generation(first, "one"), generation(first, "two"), "another history, another generation")
}

func FuzzOpen(f *testing.F) {
	r, _ := newRing([][]byte{testKey(1)})
	sealed, _ := r.seal("n", []byte("value"))
	f.Add("n", sealed)
	f.Add("m", sealed)
	f.Add("", []byte{1})
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		plain, err := r.open(name, bytes.Clone(data))
		if name == "n" && err == nil { // sealed here, or with another nonce by the fuzzer's other process
			require.Equal(t, "value", string(plain))
			return
		}
		require.ErrorIs(t, err, errForged)
		require.Nil(t, plain)
		_, _ = parseRecord(data)
	})
}

// A first half of nonces is given up after its values; readers follow, and their table stays bounded.
func TestNoncesChangeBothHalves(t *testing.T) {
	t.Parallel()
	writer, _ := newRing([][]byte{testKey(1)})
	reader, _ := newRing([][]byte{testKey(1)})
	halves, nonces := map[string]bool{}, map[string]bool{}
	for range 3 * maxSalts {
		sealed, err := writer.seal("n", []byte("value"))
		require.NoError(t, err)
		nonce := string(sealed[1+markSize : headSize])
		require.False(t, nonces[nonce])
		nonces[nonce], halves[nonce[:12]] = true, true
		plain, err := reader.open("n", bytes.Clone(sealed))
		require.NoError(t, err)
		require.Equal(t, "value", string(plain))
		writer[0].salt.Load().uses.Add(salted / 2) // as if half of its values were sealed
	}
	require.InDelta(t, maxSalts*3/2, len(halves), 3)
	kept := 0
	reader[0].seen.Range(func(any, any) bool { kept++; return true })
	require.LessOrEqual(t, kept, maxSalts)
}
