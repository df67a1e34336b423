package blob_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
)

// B02: whether another tenant has the content already can't be told by the time that Put takes. Known and fresh content is
// put in turn; were there a difference, one would win more often than the other. Large content is tried as often as small
// content only in "make storm", beside other tests: what disturbs, disturbs both of a pair.
func TestKnownContentTakesAsLongAsFresh(t *testing.T) {
	pairs := map[int]int{16 << 10: 400, 1 << 20: 30}
	if os.Getenv("SEPTUM_STORM") != "" {
		t.Parallel()
		pairs[1<<20] = 400
	}
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	for size, n := range pairs {
		bytesOf := func(i uint64, known byte) []byte {
			out := content(size, known)
			binary.LittleEndian.PutUint64(out, i)
			return out
		}
		for i := range n {
			w.put(mercy, bytesOf(uint64(i), 1))
		}
		w.sweep(w.Store, "mercy")
		timed := func(content []byte) time.Duration {
			r := bytes.NewReader(content)
			start := time.Now()
			_, err := w.Put(stjohn, r, blob.Meta{})
			took := time.Since(start)
			require.NoError(t, err)
			return took
		}
		faster := 0
		for i := range n {
			known, fresh := bytesOf(uint64(i), 1), bytesOf(uint64(i), 2)
			var a, b time.Duration
			if i%2 == 0 {
				a, b = timed(known), timed(fresh)
			} else {
				b, a = timed(fresh), timed(known)
			}
			if a < b {
				faster++
			}
		}
		p := float64(faster) / float64(n)
		t.Logf("P(known content faster than fresh) = %.3f over %d pairs of %d bytes", p, n, size)
		if n >= 400 { // by chance alone one in 15,000 leaves the bounds; fewer pairs say little
			require.InDelta(t, .5, p, .1, "the time tells what others have, at %d bytes", size)
		}
	}
}

// B01: whether a reference is another tenant's or nobody's can't be told by the time that asking for it takes. Each of the others'
// references is asked for beside one that was made up, and were there a difference, one would win more often than the other.
func TestAForeignReferenceTakesAsLongAsNone(t *testing.T) {
	const pairs = 1000 // by chance alone fewer than one in a million leaves the bounds
	w := newWorld(t)
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	var foreign []blob.Ref
	for i := range 20 {
		foreign = append(foreign, w.put(mercy, content(100, byte(i+1))))
	}
	text := []byte("blob_" + strings.Repeat("B", 42) + "A")
	timed := func(ref blob.Ref) time.Duration {
		start := time.Now()
		_, err := w.Open(stjohn, ref)
		took := time.Since(start)
		require.ErrorIs(t, err, blob.ErrNotFound)
		return took
	}
	faster := 0
	for i := range pairs {
		text[5], text[6] = 'A'+byte(i%26), 'A'+byte(i/26%26)
		absent, err := blob.ParseRef(string(text))
		require.NoError(t, err)
		var a, b time.Duration
		if i%2 == 0 {
			a, b = timed(foreign[i%len(foreign)]), timed(absent)
		} else {
			b, a = timed(absent), timed(foreign[i%len(foreign)])
		}
		if a < b {
			faster++
		}
	}
	p := float64(faster) / pairs
	t.Logf("P(a foreign reference refused faster than one of nobody's) = %.3f over %d pairs", p, pairs)
	require.InDelta(t, .5, p, .1, "the time tells that somebody has it")
}

// B02: nor by what it answers, or by what is counted.
func TestResultsTellNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	w.put(w.as("mercy"), content(100_000, 1))
	var usages []blob.Usage
	var infos []blob.Info
	for seed, id := range map[byte]string{1: "knows", 2: "alone"} {
		tc := w.as(id)
		for _, swept := range []bool{false, true} {
			if swept {
				w.sweep(w.Store, "mercy", id)
			}
			ref := w.put(tc, content(100_000, seed))
			usage, err := w.Usage(tc)
			require.NoError(t, err)
			usages = append(usages, usage)
			info, err := w.Stat(tc, ref)
			require.NoError(t, err)
			info.Ref, info.Created = blob.Ref{}, time.Time{}
			infos = append(infos, info)
		}
	}
	for i := range usages {
		require.Equal(t, usages[0], usages[i])
		require.Equal(t, infos[0], infos[i])
	}
}

// B01: a hash opens nothing, and a reference of one tenant gives no right to another, whatever the scope.
func TestAHashIsNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	ref := w.put(mercy, content(100, 1))
	_, err := w.Open(stjohn, ref)
	require.ErrorIs(t, err, blob.ErrNotFound)
	usage, err := w.Usage(stjohn)
	require.NoError(t, err)
	require.Zero(t, usage)
}
