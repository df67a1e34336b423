package s3blob_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/internal/blobworld"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// A Store on S3: sealed and in parts, read from the middle, swept; and links, which need content that is not sealed.
func TestStoreOnS3(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.Text), blob.Relations())
	database := blobworld.Database(t, catalog, "")
	db := database.Open(t)
	s := newServer(t)
	driver := s.driver(nil)
	as := func(id string) tenant.Context {
		tc, err := tenant.Bind(t.Context(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "test"})
		require.NoError(t, err)
		return tc
	}
	mercy, stJohn := as("mercy"), as("stjohn")

	sealed, err := blob.New(blob.Config{DB: db, Driver: driver})
	require.NoError(t, err)
	want := random(12 << 20)
	ref, err := sealed.Put(mercy, bytes.NewReader(want), blob.Meta{Name: "scan.dcm"})
	require.NoError(t, err)
	r, err := sealed.Open(mercy, ref)
	require.NoError(t, err)
	_, err = r.Seek(7<<20, io.SeekStart)
	require.NoError(t, err)
	got := make([]byte, 1<<20)
	_, err = io.ReadFull(r, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want[7<<20:8<<20], got))
	_, err = r.Seek(0, io.SeekStart)
	require.NoError(t, err)
	all, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, all))
	require.NoError(t, r.Close())
	_, err = sealed.Link(mercy, ref)
	require.ErrorIs(t, err, blob.ErrConfig, "off by default")

	plain, err := blob.New(blob.Config{DB: db, Driver: driver, Plain: true, Links: time.Minute})
	require.NoError(t, err)
	off, err := blob.New(blob.Config{DB: db, Driver: driver, Plain: true})
	require.NoError(t, err)
	_, err = plain.Link(mercy, ref)
	require.ErrorIs(t, err, blob.ErrConfig, "sealed content can't be linked to")
	page, err := plain.Put(mercy, strings.NewReader("<html>"), blob.Meta{Name: "letter.html"})
	require.NoError(t, err)
	_, err = off.Link(mercy, page)
	require.ErrorIs(t, err, blob.ErrConfig, "off by default")
	url, err := plain.Link(mercy, page)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "<html>", string(body))
	require.Equal(t, "application/octet-stream", response.Header.Get("Content-Type"))
	_, err = plain.Link(stJohn, page)
	require.ErrorIs(t, err, blob.ErrNotFound, "a link is made for the owner alone")
	for name, c := range map[string]blob.Config{
		"global": {Scope: blob.Global, Plain: true, Links: time.Minute}, "sealed": {Links: time.Minute}, "long": {Plain: true, Links: 2 * time.Hour},
	} {
		c.DB, c.Driver = db, driver
		_, err := blob.New(c)
		require.ErrorIs(t, err, blob.ErrConfig, name)
	}

	require.NoError(t, sealed.Delete(mercy, ref))
	swept, err := sealed.Sweep(blobworld.Operator(t), slices.Values([]tenant.ID{mercy.Tenant(), stJohn.Tenant()}))
	require.NoError(t, err)
	require.Equal(t, int64(1), swept.Deleted)
	n := 0
	for _, err := range driver.List(t.Context()) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
}
