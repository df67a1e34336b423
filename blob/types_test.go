package blob_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/internal/blobworld"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// R20: all of a blob's life with each type of tenant column.
func TestTenantColumnTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ         query.Type
		types       string
		first, next string
	}{
		{query.UUID, "", "7d444840-9dc0-11d1-b245-5ffdce74fad2", "7d444840-9dc0-11d1-b245-5ffdce74fad3"},
		{query.BigInt, "", "42", "4"},
		{query.Text, "", "mercy", "Mercy"},
		{query.Char, "", "mercy", "merc"},
		{query.Enum("app.site"), "create schema app; grant usage on schema app to public; create type app.site as enum ('mercy', 'stjohn');", "mercy", "stjohn"},
		{query.Domain("code", query.Varchar), "create domain code as varchar(6) not null check (value <> '');", "mercy", "stjohn"},
		{query.Domain(`"Odd ward"`, query.Integer), `create domain "Odd ward" as integer not null;`, "42", "4"},
	} {
		t.Run(string(c.typ), func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, blobworld.DatabaseWith(t, c.types, catalogOf(t, c.typ), strings.Replace(reports, "text", c.typ.SQL(), 1)),
				func(config *blob.Config) { config.Keys = keyDir(t) })
			tc, other := w.as(c.first), w.as(c.next)
			same := content(100, 1)
			ref, theirs := w.put(tc, same), w.put(other, same)
			require.NotEqual(t, ref, theirs)
			w.put(other, content(100, 2))
			for _, tc := range []tenant.Context{tc, other} {
				_, err := w.Open(tc, map[tenant.Context]blob.Ref{tc: theirs, other: ref}[tc])
				require.ErrorIs(t, err, blob.ErrNotFound)
			}
			insert, err := w.db.Catalog().Insert("reports").Set("id", 1).Set("scan", query.Arg("scan")).Build()
			require.NoError(t, err)
			require.NoError(t, w.db.Exec(tc, insert, query.Args{"scan": ref}))
			require.ErrorIs(t, w.Delete(tc, ref), blob.ErrInUse)
			require.NoError(t, w.Delete(other, theirs))
			w.sweep(w.Store, c.first, c.next)
			got, err := w.read(tc, ref)
			require.NoError(t, err)
			require.Equal(t, same, got)
			blobs, next, err := w.List(other, blob.Page{})
			require.NoError(t, err)
			require.Len(t, blobs, 1)
			require.Empty(t, next)
			usage, err := w.Usage(other)
			require.NoError(t, err)
			require.EqualValues(t, 1, usage.Blobs)
			scrubbed, err := w.Scrub(operator(t), tenants(c.first, c.next))
			require.NoError(t, err, "%+v", scrubbed)
			require.NoError(t, w.Shred(operator(t), other.Tenant()))
			_, err = w.read(other, blobs[0].Ref)
			require.ErrorIs(t, err, blob.ErrShredded)
			_, err = w.read(tc, ref)
			require.NoError(t, err, "the erasure was another's")
		})
	}
}

// A tenant's id that the column can't hold is an error, and never another tenant's.
func TestAnIDThatIsTooLong(t *testing.T) {
	t.Parallel()
	code := query.Domain("code", query.Varchar)
	w := newWorldIn(t, blobworld.DatabaseWith(t, "create domain code as varchar(3);", catalogOf(t, code), strings.Replace(reports, "text", "code", 1)))
	short, long := w.as("abc"), w.as("abcd")
	ref := w.put(short, content(10, 1))
	_, err := w.Put(long, bytes.NewReader(content(10, 1)), blob.Meta{Name: "x"})
	require.Error(t, err)
	require.NotErrorIs(t, err, blob.ErrNotFound)
	_, err = w.Open(long, ref)
	require.ErrorIs(t, err, blob.ErrNotFound)
	require.ErrorIs(t, w.Delete(long, ref), blob.ErrNotFound)
	blobs, _, err := w.List(long, blob.Page{})
	require.NoError(t, err)
	require.Empty(t, blobs)
}
