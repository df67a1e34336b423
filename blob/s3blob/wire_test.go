package s3blob_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/s3blob"
)

// recorder is a proxy in front of the real server that keeps what was asked, and may tamper with it.
type recorder struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []*http.Request // with the body's SHA-256 in X-Body
	tamper func(r *http.Request, body []byte) []byte
}

func (s *server) record() *recorder {
	s.t.Helper()
	target := &url.URL{Scheme: "http", Host: s.address}
	own := &http.Transport{}
	proxy := &httputil.ReverseProxy{Transport: own, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // as it was signed
	}}
	p := &recorder{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		kept := r.Clone(s.t.Context())
		sum := sha256.Sum256(body)
		kept.Header.Set("X-Body", base64.StdEncoding.EncodeToString(sum[:]))
		p.mu.Lock()
		p.asked = append(p.asked, kept)
		tamper := p.tamper
		p.mu.Unlock()
		if tamper != nil {
			body = tamper(r, body)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(func() { p.Close(); own.CloseIdleConnections() })
	return p
}

// requests of a kind: the method and a parameter that only they have.
func (p *recorder) requests(method, parameter string) (out []*http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.asked {
		_, has := r.URL.Query()[parameter]
		if r.Method == method && (parameter == "" && !r.URL.Query().Has("partNumber") || has) {
			out = append(out, r)
		}
	}
	return out
}

func (s *server) through(p *recorder, configure ...func(*s3blob.Config)) *s3blob.Driver {
	return s.driver(nil, append(configure, func(c *s3blob.Config) { c.Endpoint = p.URL })...)
}

// B04: each request that stores bytes carries our own SHA-256 of them, and the condition that nothing is there.
func TestWhatGoesOverTheWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := s.record()
	d := s.through(p)
	require.NoError(t, d.Put(t.Context(), blob.NewKey(), bytes.NewReader(random(1000))))
	whole := p.requests(http.MethodPut, "")
	require.Len(t, whole, 1)
	require.Equal(t, whole[0].Header.Get("X-Body"), whole[0].Header.Get("X-Amz-Checksum-Sha256"))
	require.Equal(t, "*", whole[0].Header.Get("If-None-Match"))

	require.NoError(t, d.Put(t.Context(), blob.NewKey(), bytes.NewReader(random(6<<20))))
	parts := p.requests(http.MethodPut, "partNumber")
	require.Len(t, parts, 2)
	for _, part := range parts {
		require.Equal(t, part.Header.Get("X-Body"), part.Header.Get("X-Amz-Checksum-Sha256"))
	}
	begun := p.requests(http.MethodPost, "uploads")
	require.Len(t, begun, 1)
	require.Equal(t, "SHA256", begun[0].Header.Get("X-Amz-Checksum-Algorithm"))
	done := p.requests(http.MethodPost, "uploadId")
	require.Len(t, done, 1)
	require.Equal(t, "*", done[0].Header.Get("If-None-Match"))
}

// The checksum is the server's to compare. Here it is all there is to tell that a byte turned on the way: the bodies are not
// signed, as over TLS.
func TestAByteThatTurnsOnTheWay(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := s.record()
	p.tamper = func(r *http.Request, body []byte) []byte {
		if r.Method == http.MethodPut && len(body) > 0 {
			body = bytes.Clone(body)
			body[len(body)/2] ^= 1
		}
		return body
	}
	for _, size := range []int{1000, 6 << 20} {
		key := blob.NewKey()
		err := s.through(p, func(c *s3blob.Config) {
			c.AWS.APIOptions = append(c.AWS.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
		}).Put(t.Context(), key, bytes.NewReader(random(size)))
		var refused *s3blob.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, http.StatusBadRequest, refused.Status)
		s.requireNothing(key)
	}
}

// What is under a key is never written over, also when it came between the question and the upload.
func TestATakenKeyOnTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := s.record()
	for _, size := range []int{1000, 6 << 20} {
		key, first := blob.NewKey(), random(100)
		taken := false
		p.mu.Lock()
		p.tamper = func(r *http.Request, body []byte) []byte {
			if !taken && r.Method == http.MethodPut { // another process was faster
				taken = true
				if err := s.driver(nil).Put(t.Context(), key, bytes.NewReader(first)); err != nil {
					t.Error(err)
				}
			}
			return body
		}
		p.mu.Unlock()
		require.ErrorIs(t, s.through(p).Put(t.Context(), key, bytes.NewReader(random(size))), blob.ErrExist)
		body, err := s.driver(nil).Get(t.Context(), key, 0)
		require.NoError(t, err)
		got, err := io.ReadAll(body)
		require.NoError(t, errors.Join(err, body.Close()))
		require.Equal(t, first, got)
	}
}

// Encryption by the server is asked for with the upload. What versitygw makes of it: it takes the headers and ignores them;
// Amazon encrypts.
func TestServerSideEncryptionIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, c := range map[string]struct {
		configure      func(*s3blob.Config)
		algorithm, key string
	}{
		"none":                           {func(*s3blob.Config) {}, "", ""},
		"SSE-S3":                         {func(c *s3blob.Config) { c.Encryption = types.ServerSideEncryptionAes256 }, "AES256", ""},
		"SSE-KMS":                        {func(c *s3blob.Config) { c.Encryption, c.KMSKey = types.ServerSideEncryptionAwsKms, "key-1" }, "aws:kms", "key-1"},
		"SSE-KMS with the account's key": {func(c *s3blob.Config) { c.Encryption = types.ServerSideEncryptionAwsKms }, "aws:kms", ""},
	} {
		p := s.record()
		d := s.through(p, c.configure)
		for _, size := range []int{10, 6 << 20} {
			require.NoError(t, d.Put(t.Context(), blob.NewKey(), bytes.NewReader(random(size))), name)
		}
		asked := append(p.requests(http.MethodPut, ""), p.requests(http.MethodPost, "uploads")...)
		require.Len(t, asked, 2, name)
		for _, r := range asked {
			require.Equal(t, c.algorithm, r.Header.Get("X-Amz-Server-Side-Encryption"), name)
			require.Equal(t, c.key, r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"), name)
		}
	}
	for name, c := range map[string]s3blob.Config{
		"a key without KMS":  {Bucket: "b", KMSKey: "key-1"},
		"a key of SSE-S3":    {Bucket: "b", KMSKey: "key-1", Encryption: types.ServerSideEncryptionAes256},
		"no such encryption": {Bucket: "b", Encryption: "rot13"},
	} {
		_, err := s3blob.New(c)
		require.Error(t, err, name)
		require.True(t, strings.HasPrefix(err.Error(), "s3blob: "), name)
	}
}

// A server, or a proxy, that does not know Range gives the beginning for the middle: that is found.
func TestAServerWithoutRanges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	direct := &http.Transport{}
	t.Cleanup(direct.CloseIdleConnections)
	own := s.driver(roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := direct.RoundTrip(r)
		if err == nil {
			response.Header.Del("Content-Range")
		}
		return response, err
	}))
	key := blob.NewKey()
	require.NoError(t, own.Put(t.Context(), key, bytes.NewReader(random(1000))))
	body, err := own.Get(t.Context(), key, 0)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	_, err = own.Get(t.Context(), key, 500)
	require.ErrorContains(t, err, "another part")
	require.NotErrorIs(t, err, blob.ErrNotExist)
}
