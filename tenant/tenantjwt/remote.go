package tenantjwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	fetchTimeout   = 10 * time.Second
	maxKeySetBytes = 1 << 20
)

// remote is a key source that fetches its key set. A fetch serves every request that waits for it, whichever tenant they
// are of: keys are the issuer's. It is bound to none of their contexts.
type remote struct {
	config Config
	client *http.Client
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	fetch  sync.WaitGroup

	mu        sync.Mutex
	set       keySet
	fetched   time.Time // when set was fetched; zero when there is none
	attempted time.Time // when the last fetch began
	flight    *flight   // the fetch under way, or nil
	failure   error     // of the last fetch
}

// flight is one fetch; done is closed when it ended.
type flight struct{ done chan struct{} }

func newRemote(config Config) *remote {
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	if config.Client != nil {
		client = *config.Client
	}
	// A redirect would let whoever controls one path of the issuer's host choose the keys.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithCancel(context.Background())
	return &remote{config: config, client: &client, ctx: ctx, cancel: cancel}
}

func (r *remote) close() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock() // no fetch begins from here on
	r.fetch.Wait()
}

func (r *remote) find(ctx context.Context, kid string) (*key, error) {
	k, wait, err := r.look(kid, true)
	if wait == nil {
		return k, err
	}
	select {
	case <-wait.done:
	case <-ctx.Done():
		return nil, &Error{Reason: ReasonKeys, Text: "gave up waiting for the key set", Err: context.Cause(ctx)}
	}
	k, _, err = r.look(kid, false)
	return k, err
}

func (r *remote) ready(ctx context.Context) error {
	_, err := r.find(ctx, "")
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Reason == ReasonKeyUnknown {
		return nil // there is a set; that it has no key without a name is right
	}
	return err
}

// look finds the key in the set at hand. When that is not enough and a fetch may begin or is under way, it gives the
// fetch to wait for.
func (r *remote) look(kid string, mayFetch bool) (*key, *flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	age := r.config.Now().Sub(r.fetched)
	usable := r.set != nil && age < r.config.KeepFor
	if usable && r.set[kid] != nil {
		if age < 0 || age >= r.config.RefreshEvery {
			r.start() // in the background: this request has its key
		}
		return r.set[kid], nil, nil
	}
	if mayFetch && !(usable && kid == "") {
		if wait := r.start(); wait != nil {
			return nil, wait, nil
		}
	}
	switch {
	case usable:
		return nil, nil, refuse(ReasonKeyUnknown, "the issuer's key set has no such key")
	case r.ctx.Err() != nil:
		return nil, nil, refuse(ReasonClosed, "the Verifier was closed")
	}
	return nil, nil, &Error{Reason: ReasonKeys, Text: "the issuer's key set could not be fetched", Err: r.failure}
}

// start gives the fetch under way, or begins one unless the last began too short a time ago. The caller holds mu.
func (r *remote) start() *flight {
	if r.ctx.Err() != nil {
		return nil
	}
	if r.flight != nil {
		return r.flight
	}
	now := r.config.Now()
	if since := now.Sub(r.attempted); !r.attempted.IsZero() && since >= 0 && since < r.config.MinInterval {
		return nil
	}
	r.attempted = now
	current := &flight{make(chan struct{})}
	r.flight = current
	r.fetch.Go(func() {
		defer close(current.done)
		set, err := r.load()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flight, r.failure = nil, err
		if err == nil {
			r.set, r.fetched = set, now // as old as the question, not as the answer
		}
	})
	return current
}

// load fetches the key set once. An issuer's set without usable keys is an answer too: all were withdrawn.
func (r *remote) load() (keySet, error) {
	ctx, cancel := context.WithTimeout(r.ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.config.JWKSURL, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answered with status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeySetBytes {
		return nil, errors.New("the issuer's answer is larger than 1 MiB")
	}
	set, _, err := parseKeySet(text, r.config.Algorithms) // faulty keys are the issuer's to correct; the others work
	return set, err
}
