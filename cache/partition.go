package cache

import (
	"errors"

	"github.com/septum-go/septum/tenant"
)

// Cache keeps values of many tenants in one process, under one budget. It has no method that takes a tenant's name, and
// none that reads or clears more than one tenant's part: work begins with [Cache.In].
//
// Safe for concurrent use. It needs no Close, and owns no goroutine while no load runs.
type Cache[K comparable, V any] struct {
	opts Options[K, V]
}

// New makes a cache. Errors: ErrOptions, with what is wrong.
func New[K comparable, V any](opts Options[K, V]) (*Cache[K, V], error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Cache[K, V]{opts: opts}, nil
}

// In is the context's tenant's part of the cache. It never fails: a context without a tenant gives a partition whose every
// method returns tenant.ErrUnbound.
func (c *Cache[K, V]) In(tc tenant.Context) Partition[K, V] {
	return Partition[K, V]{cache: c, tc: tc}
}

// Stats sums the counters over all tenants.
func (c *Cache[K, V]) Stats() Stats { return Stats{} }

// Partition is one tenant's part of a [Cache], on one context. It is a small value: take it anew for each request, or hold
// it as long as its context; it stays right when the partition is evicted, invalidated or gone in between.
//
// Every method returns tenant.ErrUnbound, in an error, when the context has no tenant. Safe for concurrent use.
type Partition[K comparable, V any] struct {
	cache *Cache[K, V]
	tc    tenant.Context
}

var errStub = errors.ErrUnsupported

// Get gives the value of a key. It never loads. Errors: ErrMiss when there is none, Options.NotFound when it is cached
// that there is none.
func (p Partition[K, V]) Get(key K) (V, error) {
	var none V
	return none, errStub
}

// GetMany gives the values of those keys that are cached; a key whose absence is cached is left out like one that isn't cached.
func (p Partition[K, V]) GetMany(keys []K) (map[K]V, error) { return nil, errStub }

// Set stores a value. A load of the key that is under way won't overwrite it. Errors: ErrRefused, with the reason.
func (p Partition[K, V]) Set(key K, value V) error { return errStub }

// Delete forgets keys. A load of one that is under way gives its callers what it finds, and won't store it.
func (p Partition[K, V]) Delete(keys ...K) error { return errStub }

// InvalidateTag forgets all entries that Options.Tags put under one of the tags, of this tenant; loads under way won't store such ones.
func (p Partition[K, V]) InvalidateTag(tags ...string) error { return errStub }

// InvalidateTenant forgets all of this tenant's entries at once: its cost does not depend on how many there are. Loads
// under way give their callers what they find, and won't store it (C06).
func (p Partition[K, V]) InvalidateTenant() error { return errStub }

// GetOrLoad gives the value of a key, and calls load when it is not cached. However many callers miss a key at once, one
// load runs, for this tenant only; the others wait for it, each until its own context ends.
//
// The loader's context is bound to the same tenant and principal as that of the caller who began it and has its values,
// but not its deadline or cancellation: it ends after Options.LoadTimeout, or when nobody waits any more. What the loader
// gives is served to all users of the tenant, so what a single user may see belongs into the key.
//
// Errors: the loader's own; Options.NotFound, also when cached; ErrLoad for a nil loader, a panic, a timeout; the context's
// own when it ends first. A value that could not be stored is returned all the same, and counted.
func (p Partition[K, V]) GetOrLoad(key K, load func(tc tenant.Context) (V, error)) (V, error) {
	var none V
	return none, errStub
}

// GetOrLoadMany is GetOrLoad for many keys: one call of load for all that are neither cached nor being loaded. The loader
// gives a map of what there is; a key that it leaves out is absent, and remembered so if NegativeTTL says so; keys that it
// was not asked for are ignored. The result holds what was found; the error is that of the first load that failed, and
// then the result still holds the rest.
func (p Partition[K, V]) GetOrLoadMany(keys []K, load func(tc tenant.Context, keys []K) (map[K]V, error)) (map[K]V, error) {
	return nil, errStub
}

// Stats are this tenant's own counters.
func (p Partition[K, V]) Stats() (Stats, error) { return Stats{}, errStub }
