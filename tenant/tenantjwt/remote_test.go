package tenantjwt_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant/tenantjwt"
)

// jwksServer is an issuer's key server, with faults on demand.
type jwksServer struct {
	*httptest.Server
	fetches atomic.Int64
	answer  atomic.Pointer[func(http.ResponseWriter, *http.Request)]
}

func newJWKSServer(t *testing.T, keys ...claims) *jwksServer {
	t.Helper()
	s := &jwksServer{}
	s.publish(keys...)
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *jwksServer) answers(f func(http.ResponseWriter, *http.Request)) { s.answer.Store(&f) }

func (s *jwksServer) publish(keys ...claims) {
	s.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keySet(keys...)) })
}

func (s *jwksServer) fails() {
	s.answers(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusBadGateway) })
}

// settableClock is a clock that a test moves.
type settableClock struct{ offset atomic.Int64 }

func (c *settableClock) now() time.Time          { return now.Add(time.Duration(c.offset.Load())) }
func (c *settableClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func (s *jwksServer) verifier(t *testing.T) (*tenantjwt.Verifier, *settableClock) {
	t.Helper()
	clock := &settableClock{}
	client := s.Client()
	t.Cleanup(client.CloseIdleConnections)
	c := config()
	c.Keys, c.JWKSURL, c.Client, c.Now = nil, s.URL+"/jwks", client, clock.now
	c.MaxAge, c.RefreshEvery, c.MinInterval, c.KeepFor = 30*24*time.Hour, 15*time.Minute, 10*time.Second, 24*time.Hour
	return newVerifier(t, c), clock
}

func requireAccepted(t *testing.T, v *tenantjwt.Verifier, token string, about ...any) {
	t.Helper()
	principal, err := v.Verify(t.Context(), token)
	require.NoError(t, err, about...)
	require.Equal(t, "st-mary", principal.Tenant.String())
}

func forAMonth() claims { return good().with("exp", now.Add(30*24*time.Hour).Unix()) }

func TestKeysAreFetchedOnceAndWhenNeeded(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t, jwkOf("ed", edKey()))
	v, clock := server.verifier(t)
	require.Zero(t, server.fetches.Load(), "New fetches nothing")
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() { requireAccepted(t, v, edToken(forAMonth())) })
	}
	wait.Wait()
	require.EqualValues(t, 1, server.fetches.Load(), "all wait for one fetch")
	clock.advance(14 * time.Minute)
	requireAccepted(t, v, edToken(forAMonth()))
	require.EqualValues(t, 1, server.fetches.Load())
	clock.advance(2 * time.Minute)
	requireAccepted(t, v, edToken(forAMonth()), "the keys at hand serve while they are fetched again")
	require.Eventually(t, func() bool { return server.fetches.Load() == 2 }, 5*time.Second, time.Millisecond)
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t, jwkOf("ed", edKey()))
	v, clock := server.verifier(t)
	requireAccepted(t, v, edToken(forAMonth()))

	server.publish(jwkOf("ed", edKey()), jwkOf("new", otherEdKey()))
	rotated := sign("EdDSA", "new", otherEdKey(), forAMonth())
	requireRefused(t, v, rotated, tenantjwt.ReasonKeyUnknown, "within MinInterval of the last fetch")
	clock.advance(10 * time.Second)
	requireAccepted(t, v, rotated, "an unknown key is a reason to fetch")
	require.EqualValues(t, 2, server.fetches.Load())

	server.publish(jwkOf("new", otherEdKey())) // the old one was withdrawn
	clock.advance(15 * time.Minute)
	requireAccepted(t, v, rotated)
	require.Eventually(t, func() bool {
		_, err := v.Verify(t.Context(), edToken(forAMonth()))
		return err != nil
	}, 5*time.Second, time.Millisecond)
	requireRefused(t, v, edToken(forAMonth()), tenantjwt.ReasonKeyUnknown)
}

// Whoever sends tokens with invented key names must not make us hammer the issuer.
func TestUnknownKeysFetchAtALimitedRate(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t, jwkOf("ed", edKey()))
	v, clock := server.verifier(t)
	for range 50 {
		requireRefused(t, v, sign("EdDSA", "invented", edKey(), forAMonth()), tenantjwt.ReasonKeyUnknown)
		clock.advance(time.Second)
	}
	require.EqualValues(t, 5, server.fetches.Load())
	requireAccepted(t, v, edToken(forAMonth()))
}

func TestAnIssuerOutOfReach(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t)
	server.fails()
	v, clock := server.verifier(t)
	for range 3 {
		requireRefused(t, v, edToken(forAMonth()), tenantjwt.ReasonKeys)
	}
	require.EqualValues(t, 1, server.fetches.Load(), "failed fetches are limited too")
	var refusal *tenantjwt.Error
	require.ErrorAs(t, v.Ready(t.Context()), &refusal)
	require.Equal(t, tenantjwt.ReasonKeys, refusal.Reason)
	require.ErrorContains(t, refusal, "502")

	server.publish(jwkOf("ed", edKey()))
	clock.advance(10 * time.Second)
	require.NoError(t, v.Ready(t.Context()))
	requireAccepted(t, v, edToken(forAMonth()))
	clock.advance(time.Minute)
	require.NoError(t, v.Ready(t.Context()))
	require.EqualValues(t, 2, server.fetches.Load(), "a probe fetches nothing while there are keys")

	server.fails() // the keys at hand are used on …
	clock.advance(23 * time.Hour)
	requireAccepted(t, v, edToken(forAMonth()))
	clock.advance(2 * time.Hour) // … but not for ever
	requireRefused(t, v, edToken(forAMonth()), tenantjwt.ReasonKeys)
	server.publish(jwkOf("ed", edKey()))
	clock.advance(10 * time.Second)
	requireAccepted(t, v, edToken(forAMonth()))
}

func TestBadKeyServers(t *testing.T) {
	t.Parallel()
	elsewhere := newJWKSServer(t, jwkOf("ed", edKey()))
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"nothing":    func(http.ResponseWriter, *http.Request) {},
		"no key set": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
		"null":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`null`)) },
		"201": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(keySet(jwkOf("ed", edKey())))
		},
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"more than 1 MiB": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(keySet(jwkOf("ed", edKey())))
			_, _ = w.Write([]byte(strings.Repeat(" ", 1<<20))) // what fits is a whole key set all the same
		},
		"more than 256 keys": func(w http.ResponseWriter, _ *http.Request) {
			keys := make([]claims, 257)
			for i := range keys {
				keys[i] = jwkOf("ed", edKey())
			}
			_, _ = w.Write(keySet(keys...))
		},
	} {
		server := newJWKSServer(t)
		server.answers(answer)
		v, _ := server.verifier(t)
		requireRefused(t, v, edToken(good()), tenantjwt.ReasonKeys, name)
	}
	require.Zero(t, elsewhere.fetches.Load())
}

// The issuer's set is taken as it is: what is wrong or ambiguous in it is left out, and withdrawing all keys is an answer.
func TestFaultyKeysOfAnIssuerAreLeftOut(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t, jwkOf("twice", edKey()), jwkOf("twice", otherEdKey()), jwkOf("secret", hmacKey),
		jwkOf("private", edKey()).with("d", b64(edKey().Seed())), jwkOf("weak", weakRSAKey()), jwkOf("ed", edKey()))
	v, clock := server.verifier(t)
	requireAccepted(t, v, edToken(forAMonth()))
	for kid, key := range map[string]any{"twice": edKey(), "private": edKey()} {
		requireRefused(t, v, sign("EdDSA", kid, key, forAMonth()), tenantjwt.ReasonKeyUnknown, kid)
	}
	requireRefused(t, v, sign("HS256", "secret", hmacKey, forAMonth()), tenantjwt.ReasonAlgorithm)
	requireRefused(t, v, sign("RS256", "weak", weakRSAKey(), forAMonth()), tenantjwt.ReasonKeyUnknown)

	server.publish()
	clock.advance(15 * time.Minute)
	requireRefused(t, v, sign("EdDSA", "other", edKey(), forAMonth()), tenantjwt.ReasonKeyUnknown)
	requireRefused(t, v, edToken(forAMonth()), tenantjwt.ReasonKeyUnknown)
}

// A server's certificate that is not trusted is no issuer's.
func TestTheCertificateIsChecked(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t, jwkOf("ed", edKey()))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	c := config()
	c.Keys, c.JWKSURL = nil, server.URL
	v := newVerifier(t, c)
	requireRefused(t, v, edToken(good()), tenantjwt.ReasonKeys)
}

// X01: the fetch belongs to no request. The one that began it goes away; the one that waits gets its key.
func TestAFetchOutlivesTheRequestThatBeganIt(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	server.answers(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = w.Write(keySet(jwkOf("ed", edKey())))
	})
	v, _ := server.verifier(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() {
		_, err := v.Verify(ctx, edToken(good()))
		first <- err
	}()
	<-arrived
	second := make(chan error)
	go func() {
		_, err := v.Verify(t.Context(), edToken(good()))
		second <- err
	}()
	gone := errors.New("the browser was closed")
	cancel(gone)
	err := <-first
	var refusal *tenantjwt.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, tenantjwt.ReasonKeys, refusal.Reason)
	require.ErrorIs(t, err, gone)
	close(release)
	require.NoError(t, <-second)
	require.EqualValues(t, 1, server.fetches.Load())
}

func TestCloseEndsAFetch(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t)
	arrived := make(chan struct{})
	server.answers(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // an issuer that never answers
	})
	v, clock := server.verifier(t)
	result := make(chan error)
	go func() {
		_, err := v.Verify(t.Context(), edToken(good()))
		result <- err
	}()
	<-arrived
	require.NoError(t, v.Close())
	require.Error(t, <-result)
	clock.advance(time.Hour)
	requireRefused(t, v, edToken(good().with("exp", now.Add(2*time.Hour).Unix())), tenantjwt.ReasonClosed)
	require.NoError(t, v.Close(), "twice does no harm")
	require.EqualValues(t, 1, server.fetches.Load())
}

// slowToEnd is a transport that needs some time after its request was cancelled.
type slowToEnd struct {
	arrived chan struct{}
	ended   atomic.Bool
}

func (s *slowToEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	close(s.arrived)
	<-r.Context().Done()
	time.Sleep(20 * time.Millisecond)
	s.ended.Store(true)
	return nil, r.Context().Err()
}

func TestCloseWaitsForTheFetch(t *testing.T) {
	t.Parallel()
	transport := &slowToEnd{arrived: make(chan struct{})}
	c := config()
	c.Keys, c.JWKSURL, c.Client = nil, "https://login.example.org/jwks", &http.Client{Transport: transport}
	v := newVerifier(t, c)
	result := make(chan error)
	go func() { result <- v.Ready(t.Context()) }()
	<-transport.arrived
	require.NoError(t, v.Close())
	require.True(t, transport.ended.Load(), "nothing of it runs on")
	require.Error(t, <-result)
}

// A clock that was set back must not keep old keys for ever.
func TestAClockSetBackRefreshes(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t, jwkOf("ed", edKey()))
	v, clock := server.verifier(t)
	requireAccepted(t, v, edToken(forAMonth()))
	clock.advance(-10 * time.Second)
	requireAccepted(t, v, edToken(forAMonth()))
	require.Eventually(t, func() bool { return server.fetches.Load() == 2 }, 5*time.Second, time.Millisecond)
}
