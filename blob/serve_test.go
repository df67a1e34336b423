package blob_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/tenant"
)

// serve answers over a real connection.
func (w *world) serve(tc tenant.Context) (get func(ref string, header ...string) (*http.Response, []byte, error)) {
	w.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ref, err := blob.ParseRef(strings.TrimPrefix(r.URL.Path, "/"))
		if err == nil {
			err = w.Serve(tc, rw, r, ref)
		}
		if err != nil {
			http.Error(rw, "not found", http.StatusNotFound)
		}
	}))
	w.t.Cleanup(server.Close)
	return func(ref string, header ...string) (*http.Response, []byte, error) {
		w.t.Helper()
		request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, server.URL+"/"+ref, nil)
		require.NoError(w.t, err)
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := server.Client().Do(request)
		require.NoError(w.t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response, body, err
	}
}

// B07: what was uploaded is a download under its name, and never a page.
func TestServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	get := w.serve(tc)
	want := content(300_000, 1)
	ref, err := w.Put(tc, bytes.NewReader(want), blob.Meta{Name: `../../Röntgen "1"; filename=x.html`, MediaType: "application/dicom"})
	require.NoError(t, err)
	response, body, err := get(ref.String())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.True(t, bytes.Equal(want, body))
	require.Equal(t, "application/dicom", response.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"))
	require.Contains(t, response.Header.Get("Content-Security-Policy"), "sandbox")
	require.Contains(t, response.Header.Get("Cache-Control"), "private")
	require.Equal(t, `attachment; filename*=utf-8''..%2F..%2FR%C3%B6ntgen%20%221%22%3B%20filename%3Dx.html`, response.Header.Get("Content-Disposition"))

	response, body, err = get(ref.String(), "Range", "bytes=200000-200099")
	require.NoError(t, err)
	require.Equal(t, http.StatusPartialContent, response.StatusCode)
	require.Equal(t, want[200_000:200_100], body)
	response, _, err = get(ref.String(), "If-None-Match", response.Header.Get("ETag"))
	require.NoError(t, err)
	require.Equal(t, http.StatusNotModified, response.StatusCode)

	response, absent, err := get("blob_" + strings.Repeat("A", 42) + "E")
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	foreign := w.put(w.as("stjohn"), want)
	response, body, err = get(foreign.String())
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Equal(t, absent, body)

	// B04: a client that did not get all knows it.
	flip(t, w.fileOf(tc, ref), 250_000)
	_, _, err = get(ref.String())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// B07: the bytes say what they are, and the sender's word counts where they don't.
func TestMediaTypesArePinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	get := w.serve(tc)
	png := "\x89PNG\r\n\x1a\n"
	for name, c := range map[string]struct{ content, declared, pinned, served string }{
		"a picture":                    {png, "", "image/png", "image/png"},
		"a picture called a page":      {png + "1", "text/html", "image/png", "image/png"},
		"a page":                       {"<html><script>alert(1)</script>", "", "text/html; charset=utf-8", "application/octet-stream"},
		"a page called a picture":      {"<!DOCTYPE html>", "image/png", "text/html; charset=utf-8", "application/octet-stream"},
		"a drawing that runs":          {"<svg xmlns=...><script>", "image/svg+xml", "text/plain; charset=utf-8", "text/plain; charset=utf-8"},
		"XML that runs":                {"<?xml version='1.0'?><x>", "", "text/xml; charset=utf-8", "application/octet-stream"},
		"a script":                     {"alert(1)", "text/javascript", "text/plain; charset=utf-8", "text/plain; charset=utf-8"},
		"bytes with a name":            {"\x00\x01\x02\x03", "Application/DICOM", "application/dicom", "application/dicom"},
		"a document that is a zip":     {"PK\x03\x04", "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"},
		"a zip that calls itself page": {"PK\x03\x04.", "text/html", "application/zip", "application/zip"},
		"nothing":                      {"", "", "text/plain; charset=utf-8", "text/plain; charset=utf-8"},
	} {
		ref, err := w.Put(tc, strings.NewReader(c.content), blob.Meta{MediaType: c.declared})
		require.NoError(t, err, name)
		info, err := w.Stat(tc, ref)
		require.NoError(t, err, name)
		require.Equal(t, c.pinned, info.MediaType, name)
		response, _, err := get(ref.String())
		require.NoError(t, err, name)
		require.Equal(t, c.served, response.Header.Get("Content-Type"), name)
	}
}

// B07: names are data.
func TestNamesAreData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	for i, name := range []string{"", "a", "../../etc/passwd", `C:\x`, "a/b", "Röntgen – 1.png", "'; drop table blobs; --", strings.Repeat("x", 255)} {
		ref, err := w.Put(tc, bytes.NewReader(content(10, byte(i))), blob.Meta{Name: name})
		require.NoError(t, err, name)
		info, err := w.Stat(tc, ref)
		require.NoError(t, err)
		require.Equal(t, name, info.Name)
	}
	for _, m := range []blob.Meta{
		{Name: "a\x00b"}, {Name: "a\nb"}, {Name: "a\u202egpj.exe"}, {Name: "a\u2028b"}, {Name: "\xff"}, {Name: strings.Repeat("x", 256)},
		{MediaType: "x"}, {MediaType: "text/html\r\nSet-Cookie: a=b"}, {MediaType: "text/" + strings.Repeat("x", 200)},
	} {
		_, err := w.Put(tc, bytes.NewReader(content(10, 99)), m)
		require.ErrorIs(t, err, blob.ErrMeta, m.Name+m.MediaType)
	}
}
