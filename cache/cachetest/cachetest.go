// Package cachetest is the conformance kit of tenant caches: the cache in process, its remote tiers, and caches of your
// own run the same tests.
//
//	func TestConformance(t *testing.T) {
//		cachetest.Run(t, cachetest.Subject{Open: func(t testing.TB, o cachetest.Options) cachetest.Cache {
//			c, err := mycache.New(…)
//			…
//			return func(tc tenant.Context) cachetest.Partition { return c.In(tc) }
//		}})
//	}
package cachetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// Partition is one tenant's part of a cache of texts. cache.Partition[string, string] is one. What each method promises
// is written there; the kit holds every cache to it:
//
//   - Without a tenant every method is tenant.ErrUnbound.
//   - Get is cache.ErrMiss when there is nothing, and Options.NotFound for a cached absence. A cache that can't look
//     (a server is gone) misses.
//   - GetOrLoad and GetOrLoadMany work as long as the loader does, whatever the cache's own storage does.
//   - Set, Delete and the invalidations may fail with cache.ErrUnavailable when storage is gone, never silently.
type Partition interface {
	Get(key string) (string, error)
	GetMany(keys []string) (map[string]string, error)
	Set(key, value string) error
	Delete(keys ...string) error
	InvalidateTag(tags ...string) error
	InvalidateTenant() error
	GetOrLoad(key string, load func(tc tenant.Context) (string, error)) (string, error)
	GetOrLoadMany(keys []string, load func(tc tenant.Context, keys []string) (map[string]string, error)) (map[string]string, error)
}

// Cache gives the part of a context's tenant: the method value or a closure around a cache's In.
type Cache func(tc tenant.Context) Partition

// Options are what a test of the kit needs of the cache that it opens. Zero fields are left at the cache's defaults.
// The capacity must be at least 10,000 small entries.
type Options struct {
	TTL         time.Duration // of values, exact to a quarter; absent: nothing expires during the test
	NegativeTTL time.Duration // of absences; absent: they are not remembered
	// StaleIfError is how long after its TTL a value stands in for a load that fails; absent: not at all.
	StaleIfError time.Duration
	NotFound     error                            // the loader's "there is none"
	Tags         func(key, value string) []string // the groups of an entry
}

// Subject is the cache under test.
type Subject struct {
	// Open makes an empty cache and closes it at the test's end. Two caches opened by one test may stand on one store, or
	// not; the kit uses tenants and keys of its own in each test.
	Open func(t testing.TB, o Options) Cache
	// Sleep lets time pass for the cache. nil: time.Sleep.
	Sleep func(time.Duration)
	// NoTags says that the cache has no tags, NoStale that it has no StaleIfError.
	NoTags, NoStale bool
}

// Run runs all rules, each as a subtest whose name is the rule.
func Run(t *testing.T, s Subject) {
	t.Helper()
	if s.Open == nil {
		t.Fatal("cachetest: Subject.Open is nil")
	}
	for _, r := range rules() {
		if r.tags && s.NoTags || r.stale && s.NoStale {
			continue
		}
		t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			if err := r.check(&room{tb: t, s: s, patience: 10 * time.Second}); err != nil {
				t.Errorf("the cache breaks the rule %q (%s): %v", r.name, r.threat, err)
			}
		})
	}
}

// rule is one promise. Its check gives an error that says how it was broken.
type rule struct {
	name   string
	threat string // the ids of docs/threats.md, or what else it is about
	tags   bool   // it needs InvalidateTag
	stale  bool   // it needs StaleIfError
	check  func(r *room) error
}

func rules() []rule {
	return slices.Concat(isolationRules(), valueRules(), loadRules(), raceRules(), manyRules())
}

// room is what a rule works with.
type room struct {
	tb       testing.TB
	s        Subject
	patience time.Duration // how long to wait for what should come at once
}

func (r *room) open(o Options) Cache {
	r.tb.Helper()
	return r.s.Open(r.tb, o)
}

func (r *room) sleep(d time.Duration) {
	if r.s.Sleep != nil {
		r.s.Sleep(d)
		return
	}
	time.Sleep(d)
}

// tenants gives contexts of tenants that no other rule uses, named after the texts given.
func (r *room) tenants(names ...string) ([]tenant.Context, error) {
	prefix := strconv.FormatUint(rand.Uint64(), 36)
	contexts := make([]tenant.Context, len(names))
	for i, name := range names {
		id, err := tenant.ParseID(prefix + name)
		if err != nil {
			return nil, err
		}
		contexts[i], err = tenant.Bind(context.Background(), tenant.Principal{Tenant: id, Subject: "cachetest"})
		if err != nil {
			return nil, err
		}
	}
	return contexts, nil
}

// two opens a cache and gives the parts of two tenants, the first one's name being the start of the second one's.
func (r *room) two(o Options) (Partition, Partition, error) {
	contexts, err := r.tenants("a", "a_b")
	if err != nil {
		return nil, nil, err
	}
	c := r.open(o)
	return c(contexts[0]), c(contexts[1]), nil
}

// expect is an error unless the key has the value; want "" stands for "nothing cached".
func expect(p Partition, key, want string) error {
	got, err := p.Get(key)
	switch {
	case want == "" && errors.Is(err, cache.ErrMiss):
		return nil
	case want == "" && err == nil:
		return fmt.Errorf("there is a value of %d bytes where there must be none", len(got))
	case err != nil:
		return wrong(err, "a value that was stored did not come back")
	case got != want:
		return errors.New("another value came back than the one that was stored")
	}
	return nil
}

// wrong says how a rule was broken, with the error that came instead of the expected outcome, if any.
func wrong(err error, how string) error {
	if err == nil {
		return errors.New(how + " (there was no error)")
	}
	return fmt.Errorf("%s: %w", how, err)
}
