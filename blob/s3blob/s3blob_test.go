package s3blob_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/blobtest"
	"github.com/septum-go/septum/blob/s3blob"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	require.NoError(t, blobtest.Check(t.Context(), s.driver(nil)))
	require.NoError(t, blobtest.Check(t.Context(), s.driver(nil, func(c *s3blob.Config) { c.Prefix = "blobs/of/mercy/" })))
}

// B04: what is changed on its way is refused by the server, and nothing is there afterwards.
func TestAWrongChecksumIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	for _, size := range []int{1000, 6 << 20} {
		var changed atomic.Int32
		d := s.driver(roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut && r.Body != nil {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				if len(body) > 0 {
					body[len(body)/2] ^= 1
					changed.Add(1)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
			}
			return own.RoundTrip(r)
		}))
		key := blob.NewKey()
		err := d.Put(t.Context(), key, bytes.NewReader(random(size)))
		require.Error(t, err)
		require.Positive(t, changed.Load())
		s.requireNothing(key)
	}
}

// A connection that is cut while it uploads is an error, and leaves nothing.
func TestAConnectionCutWhileUploading(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, size := range []int{1 << 20, 12 << 20} {
		for _, after := range []int64{100, 500_000, 7 << 20} {
			if after > int64(size) {
				continue
			}
			line := &cutLine{limit: after}
			own := &http.Transport{DialContext: line.dial, DisableKeepAlives: true}
			d := s.driver(own)
			key := blob.NewKey()
			err := d.Put(t.Context(), key, bytes.NewReader(random(size)))
			own.CloseIdleConnections()
			require.Error(t, err, "%d bytes, cut after %d", size, after)
			require.NoError(t, s.driver(nil).Delete(t.Context(), key), "what a sweep does")
			s.requireNothing(key)
		}
	}
}

// A connection that is cut while it downloads is not taken for the object's end.
func TestAConnectionCutWhileDownloading(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	key, want := blob.NewKey(), random(3<<20)
	require.NoError(t, s.driver(nil).Put(t.Context(), key, bytes.NewReader(want)))
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	d := s.driver(roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := own.RoundTrip(r)
		if err == nil && r.Method == http.MethodGet {
			response.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(response.Body, 1<<20), errReader{io.ErrUnexpectedEOF}), response.Body}
		}
		return response, err
	}))
	body, err := d.Get(t.Context(), key, 0)
	require.NoError(t, err)
	got, err := io.ReadAll(body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, body.Close())
	require.Len(t, got, 1<<20)
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// cutLine breaks connections after some bytes were written in sum.
type cutLine struct {
	limit   int64
	written atomic.Int64
}

func (l *cutLine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &cutConn{conn, l}, nil
}

type cutConn struct {
	net.Conn
	line *cutLine
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.line.written.Add(int64(len(p))) > c.line.limit {
		_ = c.Conn.Close()
		return 0, errors.New("cut")
	}
	return c.Conn.Write(p)
}

// The server is killed in the middle, comes back, and what was acknowledged is there.
func TestTheServerIsKilledAndRestarted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	d := s.driver(nil)
	before, want := blob.NewKey(), random(6<<20)
	require.NoError(t, d.Put(t.Context(), before, bytes.NewReader(want)))
	during := blob.NewKey()
	source := &hook{r: bytes.NewReader(random(12 << 20)), at: 7 << 20, do: s.kill}
	require.Error(t, d.Put(t.Context(), during, source))
	_, err := d.Get(t.Context(), before, 0)
	var failed *s3blob.Error
	require.ErrorAs(t, err, &failed)
	require.NotErrorIs(t, err, blob.ErrNotExist, "a server that does not answer has lost nothing")
	require.NotContains(t, err.Error(), s.address)

	s.start()
	body, err := d.Get(t.Context(), before, 0)
	require.NoError(t, err)
	got, err := io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	require.True(t, bytes.Equal(want, got))
	_, err = d.Stat(t.Context(), during)
	require.ErrorIs(t, err, blob.ErrNotExist)
	partial := false
	for object, err := range d.List(t.Context()) {
		require.NoError(t, err)
		partial = partial || object.Key == during && object.Partial
	}
	require.True(t, partial, "a sweep finds what the upload left behind")
	require.NoError(t, d.Delete(t.Context(), during))
	s.requireNothing(during)
	require.NoError(t, d.Put(t.Context(), blob.NewKey(), bytes.NewReader(want)))
}

// hook calls back once so many bytes were read.
type hook struct {
	r    io.Reader
	at   int
	do   func()
	read int
}

func (h *hook) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if h.read += n; h.do != nil && h.read >= h.at {
		h.do()
		h.do = nil
	}
	return n, err
}

// requireNothing looks for an object, whole or partial.
func (s *server) requireNothing(key blob.Key) {
	s.t.Helper()
	d := s.driver(nil)
	_, err := d.Stat(s.t.Context(), key)
	require.ErrorIs(s.t, err, blob.ErrNotExist)
	for object, err := range d.List(s.t.Context()) {
		require.NoError(s.t, err)
		require.NotEqual(s.t, key, object.Key)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]s3blob.Config{
		"no bucket":  {},
		"prefix":     {Bucket: "b", Prefix: "blobs"},
		"part":       {Bucket: "b", PartSize: 1 << 20},
		"part size":  {Bucket: "b", PartSize: 6 << 30},
		"root slash": {Bucket: "b", Prefix: "/blobs/"},
	} {
		_, err := s3blob.New(c)
		require.Error(t, err, name)
		require.True(t, strings.HasPrefix(err.Error(), "s3blob: "), name)
	}
}

// Links are short-lived, for one object, and give a download.
func TestLink(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	d := s.driver(nil)
	key, want := blob.NewKey(), random(1000)
	require.NoError(t, d.Put(t.Context(), key, bytes.NewReader(want)))
	url, err := d.Link(t.Context(), key, blob.LinkOptions{Name: `Röntgen "1".png`, MediaType: "image/png", For: 2 * time.Second})
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(url string) (int, http.Header, []byte) {
		response, err := client.Get(url)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, response.Header, body
	}
	status, header, body := get(url)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, want, body)
	require.Equal(t, "image/png", header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(header.Get("Content-Disposition"), "attachment"))
	other := blob.NewKey()
	require.NoError(t, d.Put(t.Context(), other, bytes.NewReader(want)))
	status, _, _ = get(strings.Replace(url, key.String(), other.String(), 1))
	require.Equal(t, http.StatusForbidden, status)
	require.Eventually(t, func() bool {
		status, _, _ := get(url)
		return status == http.StatusForbidden
	}, 10*time.Second, 200*time.Millisecond, "it does not expire")
}

func random(size int) []byte {
	out := make([]byte, size)
	_, _ = rand.Read(out)
	return out
}
