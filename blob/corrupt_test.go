package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/tenant"
)

// B04: whatever is done to the stored bytes, reading fails before the last byte is handed out, and nothing wrong is
// handed out as far as segments go.
func TestStoredBytesAreVerified(t *testing.T) {
	t.Parallel()
	const size = 300_000
	damages := map[string]func(t *testing.T, file, other string){
		"a bit at the beginning": func(t *testing.T, file, _ string) { flip(t, file, 50) },
		"a bit of the header":    func(t *testing.T, file, _ string) { flip(t, file, 3) },
		"a bit in the middle":    func(t *testing.T, file, _ string) { flip(t, file, 150_000) },
		"a bit at the end":       func(t *testing.T, file, _ string) { flip(t, file, -1) },
		"a byte less":            func(t *testing.T, file, _ string) { cut(t, file, -1) },
		"half":                   func(t *testing.T, file, _ string) { cut(t, file, 140_000) },
		"whole segments":         func(t *testing.T, file, _ string) { cut(t, file, 65536*2) },
		"nothing":                func(t *testing.T, file, _ string) { cut(t, file, 0) },
		"a byte more": func(t *testing.T, file, _ string) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, append(text, 0), 0o600))
		},
		"another file of its length": func(t *testing.T, file, other string) {
			require.NoError(t, os.Rename(file, file+".x"))
			require.NoError(t, os.Rename(other, file))
			require.NoError(t, os.Rename(file+".x", other))
		},
		"no file": func(t *testing.T, file, _ string) { require.NoError(t, os.Remove(file)) },
	}
	for mode, configure := range map[string]func(*blob.Config){
		"plain":                  func(c *blob.Config) { c.Plain = true },
		"each under its own key": func(*blob.Config) {},
		"all under one key":      func(c *blob.Config) { c.Keys = keyDir(t) },
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, configure)
			for i, name := range slices.Sorted(maps.Keys(damages)) {
				if w.config.Plain && name == "a bit of the header" {
					continue
				}
				t.Run(name, func(t *testing.T) {
					tc := w.as(fmt.Sprintf("tenant-%d", i))
					want := content(size, 1)
					ref := w.put(tc, want)
					file := w.fileOf(tc, ref)
					damages[name](t, file, w.fileOf(tc, w.put(tc, content(size, 2))))
					w.requireCorrupt(t, tc, ref, want)
				})
			}
		})
	}
}

func (w *world) requireCorrupt(t *testing.T, tc tenant.Context, ref blob.Ref, want []byte) {
	t.Helper()
	got, err := w.read(tc, ref)
	require.ErrorIs(t, err, blob.ErrCorrupt)
	require.Less(t, len(got), len(want), "the last part is never handed out")
	if !w.config.Plain {
		require.True(t, bytes.HasPrefix(want, got), "what was handed out is right")
	}
	r, err := w.Open(tc, ref)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Seek(-1, io.SeekEnd)
	require.NoError(t, err)
	one := make([]byte, 1)
	if _, err := r.Read(one); err == nil {
		require.False(t, w.config.Plain)
		require.Equal(t, want[len(want)-1], one[0], "a range is right, or an error")
	}
	_, err = r.Seek(0, io.SeekStart)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, r)
	require.ErrorIs(t, err, blob.ErrCorrupt)
	_, again := r.Read(one)
	require.ErrorIs(t, again, blob.ErrCorrupt, "the error stays")

	scrubbed, err := w.Scrub(operator(t), tenants(tc.Tenant().String()))
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(scrubbed.Rot, func(r blob.Rot) bool { return r.Ref == ref && errors.Is(r.Err, blob.ErrCorrupt) }))

	require.Equal(t, ref, w.put(tc, want), "putting it again mends it")
	got, err = w.read(tc, ref)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

// fileOf finds where a blob is stored.
func (w *world) fileOf(tc tenant.Context, ref blob.Ref) string {
	w.t.Helper()
	var key string
	require.NoError(w.t, w.database.Admin(w.t).QueryRow(w.t.Context(), `select c.key from septum_blob.content c
		join septum_blob.links l on l.content_id = c.id where l.tenant_id::text = $1 and l.ref = $2`, tc.Tenant().String(), ref.String()).Scan(&key))
	return filepath.Join(w.dir, key[:2], key)
}

// B04, B03: of two copies a sweep keeps a good one, whichever it is.
func TestMergingKeepsTheGoodCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	a := w.put(mercy, content(1000, 1))
	flip(t, w.files()[0], 100)
	b := w.put(stjohn, content(1000, 1))
	swept := w.sweep(w.Store, "mercy", "stjohn")
	require.Equal(t, int64(1), swept.Rotten)
	w.sweep(w.Store, "mercy", "stjohn")
	require.Len(t, w.files(), 1)
	for tc, ref := range map[tenant.Context]blob.Ref{mercy: a, stjohn: b} {
		got, err := w.read(tc, ref)
		require.NoError(t, err)
		require.Equal(t, content(1000, 1), got)
	}
}

func flip(t *testing.T, file string, at int) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text[(at+len(text))%len(text)] ^= 4
	require.NoError(t, os.WriteFile(file, text, 0o600))
}

func cut(t *testing.T, file string, size int) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	if size < 0 {
		size += len(text)
	}
	require.NoError(t, os.WriteFile(file, text[:size], 0o600))
}

// The storage alone tells nothing: neither content nor whose it is.
func TestTheStorageTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := []byte("Name: Ann Example. Diagnosis: none of your business.")
	_, err := w.Put(w.as("mercy"), bytes.NewReader(text), blob.Meta{Name: "ann-example.txt"})
	require.NoError(t, err)
	file := w.files()[0]
	stored, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(stored), "Ann")
	require.Len(t, filepath.Base(file), 32)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(filepath.Dir(file))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func openFile(t *testing.T, file string) io.Reader {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return bytes.NewReader(text)
}
