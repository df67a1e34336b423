package blob_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
)

func TestListPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	var put []blob.Ref
	for i := range 7 {
		put = append(put, w.put(mercy, content(10, byte(i))))
		w.put(stjohn, content(10, byte(i)))
	}
	var listed []blob.Ref
	var tokens []string
	for page := (blob.Page{Limit: 3}); ; {
		blobs, next, err := w.List(mercy, page)
		require.NoError(t, err)
		for _, b := range blobs {
			listed = append(listed, b.Ref)
		}
		if next == "" {
			break
		}
		tokens = append(tokens, next)
		page.Token = next
	}
	for i, ref := range listed {
		require.Equal(t, put[len(put)-1-i], ref, "the newest first")
	}
	require.Len(t, listed, 7)

	// J08: a token is of use to its tenant alone.
	_, _, err := w.List(stjohn, blob.Page{Limit: 3, Token: tokens[0]})
	require.ErrorIs(t, err, query.ErrPage)
	for _, p := range []blob.Page{{Limit: 4, Token: tokens[0]}, {Limit: 3, Token: "x"}, {Limit: -1}, {Limit: 1001}} {
		_, _, err = w.List(mercy, p)
		require.ErrorIs(t, err, query.ErrPage)
	}
	_, _, err = w.also(func(*blob.Config) {}).List(mercy, blob.Page{Limit: 3, Token: tokens[0]})
	require.ErrorIs(t, err, query.ErrPage, "without a Sealer tokens belong to one Store")
}
