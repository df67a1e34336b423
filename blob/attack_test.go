package blob_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
)

// A reference that is altered, or of another store, is one of nothing: no part of it means anything by itself.
func TestAlteredReferences(t *testing.T) {
	t.Parallel()
	w, elsewhere := newWorld(t), newWorld(t)
	tc := w.as("mercy")
	ref := w.put(tc, content(100, 1))
	foreign := elsewhere.put(elsewhere.as("mercy"), content(100, 1))
	require.NotEqual(t, ref, foreign, "references are secrets of each database")
	text := ref.String()
	texts := []string{foreign.String(), "blob_" + strings.ToUpper(text[5:]), "blob_" + strings.ToLower(text[5:])}
	for i := 5; i < len(text); i += 7 {
		c := byte('A')
		if text[i] == 'A' {
			c = 'E'
		}
		texts = append(texts, text[:i]+string(c)+text[i+1:])
	}
	for _, altered := range texts {
		other, err := blob.ParseRef(altered)
		if err != nil {
			require.ErrorIs(t, err, blob.ErrRef)
			continue
		}
		_, err = w.Open(tc, other)
		require.ErrorIs(t, err, blob.ErrNotFound, altered)
		require.ErrorIs(t, w.Delete(tc, other), blob.ErrNotFound)
	}
	require.Equal(t, 1, w.count("blobs"))
}

// Deletions at once: one is the first, and a reader that was under way comes to a good end or to an error.
func TestDeletingAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	want := content(500_000, 1)
	for range 5 {
		ref := w.put(tc, want)
		r, err := w.Open(tc, ref)
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 100_000))
		require.NoError(t, err)
		var all sync.WaitGroup
		var first atomic.Int32
		for range 4 {
			all.Go(func() {
				switch err := w.Delete(tc, ref); {
				case err == nil:
					first.Add(1)
				case !errors.Is(err, blob.ErrNotFound):
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Equal(t, int32(1), first.Load())
		w.sweep(w.Store, "mercy")
		rest, err := io.ReadAll(r)
		if err != nil {
			require.ErrorIs(t, err, blob.ErrNotFound)
		} else {
			require.True(t, bytes.Equal(want[100_000:], rest))
		}
		require.NoError(t, r.Close())
	}
	require.Empty(t, w.files())
	usage, err := w.Usage(tc)
	require.NoError(t, err)
	require.Zero(t, usage)
}

// B03: an upload whose reply was lost is asked about. By then the tenant may have deleted the blob, and a sweep may have led
// another tenant to its bytes: they stay.
func TestGivingUpLeavesWhatOthersOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	ref, theirs := w.put(mercy, content(1000, 1)), w.put(stjohn, content(1000, 1))
	var key string
	require.NoError(t, w.database.Admin(t).QueryRow(t.Context(), `select c.key from septum_blob.content c
		join septum_blob.links l on l.content_id = c.id where l.tenant_id = 'mercy'`).Scan(&key))
	require.Equal(t, int64(1), w.sweep(w.Store, "mercy", "stjohn").Merged)
	require.NoError(t, w.Delete(mercy, ref))
	abandon, err := query.Static(w.db.Catalog(), "select outcome from septum_blob.abandon(@key)")
	require.NoError(t, err)
	var outcome string
	require.NoError(t, w.db.QueryRow(mercy, abandon, query.Args{"key": key}).Scan(&outcome))
	require.Equal(t, "linked", outcome, "else its bytes would be deleted")
	w.sweep(w.Store, "mercy", "stjohn")
	got, err := w.read(stjohn, theirs)
	require.NoError(t, err)
	require.Equal(t, content(1000, 1), got)
}

// A progress callback that panics is the caller's own, and leaves nothing behind.
func TestAProgressThatPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.PanicsWithValue(t, "no more", func() {
		_, _ = w.Put(w.as("mercy"), bytes.NewReader(content(500_000, 1)), blob.Meta{Progress: func(n int64) {
			if n > 200_000 {
				panic("no more")
			}
		}})
	})
	w.requireNothingKept()
	w.put(w.as("mercy"), content(10, 1))
}

// What a reader says beside its bytes: some and an error at once are an error, some and the end are the end.
func TestBytesWithAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	give := func(err error) io.Reader {
		return liar(func(p []byte) (int, error) { return copy(p, "half a report"), err })
	}
	_, err := w.Put(w.as("mercy"), give(errScanner), blob.Meta{})
	require.ErrorIs(t, err, errScanner)
	w.requireNothingKept()
	ref, err := w.Put(w.as("mercy"), give(io.EOF), blob.Meta{})
	require.NoError(t, err)
	got, err := w.read(w.as("mercy"), ref)
	require.NoError(t, err)
	require.Equal(t, "half a report", string(got))
}

// Ranges as hostile clients write them: right bytes, all bytes, or 416; and the headers that make a download of it.
func TestRangesOverHTTP(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		w := newWorld(t, func(c *blob.Config) { c.Plain = plain })
		tc := w.as("mercy")
		get := w.serve(tc)
		want := content(200_000, 1)
		ref, err := w.Put(tc, bytes.NewReader(want), blob.Meta{Name: "a.bin"})
		require.NoError(t, err)
		empty := w.put(tc, nil)
		for header, part := range map[string][2]int{
			"bytes=0-0": {0, 1}, "bytes=-1": {199_999, 200_000}, "bytes=199999-": {199_999, 200_000}, "bytes=65479-65481": {65479, 65482},
			"bytes=100-900000000000": {100, 200_000}, "bytes=-900000": {0, 200_000}, "bytes= 5-6": {5, 7},
		} {
			response, body, err := get(ref.String(), "Range", header)
			require.NoError(t, err, header)
			require.Equal(t, http.StatusPartialContent, response.StatusCode, header)
			require.True(t, bytes.Equal(want[part[0]:part[1]], body), header)
			require.Equal(t, "attachment; filename=a.bin", response.Header.Get("Content-Disposition"), header)
			require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"), header)
		}
		for _, header := range []string{
			"bytes=5-2", "bytes=200000-", "bytes=900000-", "bytes=--1", "bytes=a-b", "bytes=99999999999999999999-", "bytes=-99999999999999999999", "lines=1-2",
		} {
			response, body, err := get(ref.String(), "Range", header)
			require.NoError(t, err, header)
			require.Equal(t, http.StatusRequestedRangeNotSatisfiable, response.StatusCode, header)
			require.NotContains(t, string(body), string(want[:4]), header)
		}
		response, body, err := get(ref.String(), "Range", "bytes=0-0,-1,100-101")
		require.NoError(t, err)
		require.Equal(t, http.StatusPartialContent, response.StatusCode)
		kind, params, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, "multipart/byteranges", kind)
		parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		for _, piece := range [][]byte{want[:1], want[199_999:], want[100:102]} {
			part, err := parts.NextPart()
			require.NoError(t, err)
			got, err := io.ReadAll(part)
			require.NoError(t, err)
			require.Equal(t, piece, got)
		}
		// So many ranges that they are more than the whole are answered with the whole.
		response, body, err = get(ref.String(), "Range", "bytes="+strings.Repeat("0-,", 50)+"0-")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Len(t, body, len(want))
		for _, header := range []string{"bytes=0-0", "bytes=-1", "bytes=5-"} {
			response, body, err = get(empty.String(), "Range", header)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode, header)
			require.Empty(t, body)
		}
	}
}

// Another tenant's row for the same bytes is not touched by anything that one tenant does, at the level of SQL either: the
// content's id is what links refer to, and no hash or reference is (B01).
func TestLinksReferToAnIDAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.as("mercy"), content(100, 1))
	rows, err := w.database.Admin(t).Query(t.Context(), `select pg_get_constraintdef(oid) from pg_constraint
		where contype = 'f' and confrelid = 'septum_blob.content'::regclass`)
	require.NoError(t, err)
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	for _, key := range keys {
		require.Contains(t, key, "FOREIGN KEY (content_id) REFERENCES septum_blob.content(id)")
	}
	var ids, versions int
	require.NoError(t, w.database.Admin(t).QueryRow(t.Context(), `select count(*), count(*) filter (where substr(id::text, 15, 1) = '4')
		from septum_blob.content`).Scan(&ids, &versions))
	require.Equal(t, ids, versions, "the id is drawn at random (version 4), and follows from nothing")
}
