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
	"testing"
	"time"

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
	TTL         time.Duration                    // of values, exact to a quarter; absent: nothing expires during the test
	NegativeTTL time.Duration                    // of absences; absent: they are not remembered
	NotFound    error                            // the loader's "there is none"
	Tags        func(key, value string) []string // the groups of an entry
}

// Subject is the cache under test.
type Subject struct {
	// Open makes an empty cache and closes it at the test's end. Two caches opened by one test may stand on one store, or
	// not; the kit uses tenants and keys of its own in each test.
	Open func(t testing.TB, o Options) Cache
	// Sleep lets time pass for the cache. nil: time.Sleep.
	Sleep func(time.Duration)
	// NoTags says that the cache has no tags.
	NoTags bool
}

// Run runs all rules, each as a subtest.
func Run(t *testing.T, s Subject) {
	t.Helper()
	if s.Open == nil {
		t.Fatal("cachetest: Subject.Open is nil")
	}
}
