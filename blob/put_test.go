package blob_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
)

// sizes stand on both sides of segments, chunks and buffers.
var sizes = []int{0, 1, 511, 512, 65479, 65480, 65481, 65535, 65536, 65537, 131000, 131016, 131017, 262143, 262144, 262145, 1 << 20, 3<<20 + 17}

func TestWhatIsPutIsRead(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*blob.Config){
		"sealed": func(*blob.Config) {},
		"plain":  func(c *blob.Config) { c.Plain = true },
		"global": func(c *blob.Config) { c.Scope = blob.Global },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, configure)
			tc := w.as("mercy")
			for i, size := range sizes {
				want := content(size, byte(i))
				ref := w.put(tc, want)
				got, err := w.read(tc, ref)
				require.NoError(t, err, size)
				require.True(t, bytes.Equal(want, got), size)
				info, err := w.Stat(tc, ref)
				require.NoError(t, err)
				require.Equal(t, int64(size), info.Size)
				require.Equal(t, "a.bin", info.Name)

				r, err := w.Open(tc, ref)
				require.NoError(t, err)
				if size < 1<<20 { // byte by byte, over all borders of segments that there are
					require.NoError(t, iotest.TestReader(r, want), size)
				}
				require.NoError(t, r.Close())
			}
			usage, err := w.Usage(tc)
			require.NoError(t, err)
			require.Equal(t, int64(len(sizes)), usage.Blobs)
		})
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *blob.Config) { c.Plain = plain })
			tc := w.as("mercy")
			want := content(700_000, 1)
			r, err := w.Open(tc, w.put(tc, want))
			require.NoError(t, err)
			defer r.Close()
			for _, from := range []int64{0, 1, 65479, 65480, 65481, 131015, 131016, 131017, 262144, 699_999, 300_000, 5} {
				at, err := r.Seek(from, io.SeekStart)
				require.NoError(t, err)
				require.Equal(t, from, at)
				length := min(70_000, len(want)-int(from))
				got := make([]byte, length)
				_, err = io.ReadFull(r, got)
				require.NoError(t, err, from)
				require.True(t, bytes.Equal(want[from:int(from)+length], got), from)
			}
			_, err = r.Seek(10, io.SeekEnd)
			require.NoError(t, err)
			n, err := r.Read(make([]byte, 1))
			require.Zero(t, n)
			require.Equal(t, io.EOF, err)
			_, err = r.Seek(-1, io.SeekStart)
			require.Error(t, err)
		})
	}
}

// J09, B01: a reference opens nothing for another tenant, and its error is that of a reference of nothing.
func TestAForeignReferenceIsAnAbsentOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	theirs := w.put(mercy, content(1000, 1))
	same := w.put(stjohn, content(1000, 1))
	require.NotEqual(t, theirs, same, "equal content has unrelated references in two tenants")
	absent, err := blob.ParseRef("blob_" + string(bytes.Repeat([]byte("B"), 42)) + "A")
	require.NoError(t, err)

	var texts []string
	for _, ref := range []blob.Ref{theirs, absent, {}} {
		for _, try := range []func() error{
			func() error { _, err := w.Open(stjohn, ref); return err },
			func() error { _, err := w.Stat(stjohn, ref); return err },
			func() error { return w.Delete(stjohn, ref) },
		} {
			err := try()
			require.ErrorIs(t, err, blob.ErrNotFound)
			require.ErrorIs(t, err, query.ErrNotFound)
			texts = append(texts, err.Error())
		}
	}
	require.Equal(t, texts[:3], texts[3:6])
	require.Equal(t, texts[:3], texts[6:])
	got, err := w.read(mercy, theirs)
	require.NoError(t, err)
	require.Equal(t, content(1000, 1), got)
}

func TestEqualContentIsOneBlobOfATenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	first := w.put(tc, content(1000, 1))
	again, err := w.Put(tc, bytes.NewReader(content(1000, 1)), blob.Meta{Name: "b.bin"})
	require.NoError(t, err)
	require.Equal(t, first, again)
	info, err := w.Stat(tc, first)
	require.NoError(t, err)
	require.Equal(t, "b.bin", info.Name)
	usage, err := w.Usage(tc)
	require.NoError(t, err)
	require.Equal(t, blob.Usage{Blobs: 1, Bytes: 1000}, usage)

	require.NoError(t, w.Delete(tc, first))
	require.ErrorIs(t, w.Delete(tc, first), blob.ErrNotFound)
	usage, err = w.Usage(tc)
	require.NoError(t, err)
	require.Zero(t, usage)
}

// A row of the application's keeps its blob.
func TestABlobInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	ref := w.put(tc, content(10, 1))
	insert, err := w.db.Catalog().Insert("reports").Set("id", 1).Set("scan", query.Arg("scan")).Build()
	require.NoError(t, err)
	require.NoError(t, w.db.Exec(tc, insert, query.Args{"scan": ref}))
	require.ErrorIs(t, w.Delete(tc, ref), blob.ErrInUse)
	_, err = w.read(tc, ref)
	require.NoError(t, err)
	require.Error(t, w.db.Exec(w.as("stjohn"), insert, query.Args{"scan": ref}), "another tenant's blob can't be referred to")
}
