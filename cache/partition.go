package cache

import (
	"context"

	"github.com/septum-go/septum/tenant"
)

// Cache keeps values of many tenants in one process, under one budget. It has no method that takes a tenant's name, and
// none that reads or clears more than one tenant's part: work begins with [Cache.In].
//
// Safe for concurrent use. It needs no Close, and owns no goroutine while no load runs.
type Cache[K comparable, V any] struct{ core *core[K, V] }

// New makes a cache. Errors: ErrOptions, with what is wrong.
func New[K comparable, V any](opts Options[K, V]) (*Cache[K, V], error) {
	c, err := newCore(opts)
	if err != nil {
		return nil, err
	}
	return &Cache[K, V]{core: c}, nil
}

// In is the context's tenant's part of the cache. It never fails: a context without a tenant gives a partition whose every
// method returns tenant.ErrUnbound.
func (c *Cache[K, V]) In(tc tenant.Context) Partition[K, V] {
	id := tc.Tenant()
	if id.IsZero() || c == nil || c.core == nil {
		return Partition[K, V]{tc: tc}
	}
	return Partition[K, V]{tc: tc, chamber: c.core.chamber(id)}
}

// Stats sums the counters over all tenants.
func (c *Cache[K, V]) Stats() Stats {
	if c == nil || c.core == nil {
		return Stats{}
	}
	d := &c.core.directory
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := d.retired
	for _, ch := range d.all() {
		ch.mu.Lock()
		sum = sum.plus(ch.stats())
		ch.mu.Unlock()
	}
	return sum
}

// Partition is one tenant's part of a [Cache], on one context. It is a small value: take it anew for each request, or hold
// it as long as its context; it stays right when the partition is evicted, invalidated or gone in between.
//
// Every method returns tenant.ErrUnbound, in an error, when the context has no tenant. Safe for concurrent use.
type Partition[K comparable, V any] struct {
	chamber *chamber[K, V] // nil without a tenant
	tc      tenant.Context
}

// closed is why a partition without a chamber refuses.
func (p Partition[K, V]) closed(op string) error {
	if err := p.tc.Check(); err != nil {
		return err
	}
	return &Error{Op: op, Err: ErrOptions, Hint: "the cache or the partition is a zero value; take it from New and In"}
}

// Get gives the value of a key. It never loads. Errors: ErrMiss when there is none, Options.NotFound when it is cached
// that there is none.
func (p Partition[K, V]) Get(key K) (V, error) {
	ch := p.chamber
	if ch == nil {
		var none V
		return none, p.closed("Get")
	}
	if t := ch.table.Load(); t != nil {
		if e := ch.core.look(t, key); e != nil {
			return ch.serve(t, e)
		}
	} else if ch.dead.Load() {
		return Partition[K, V]{ch.core.chamber(ch.id), p.tc}.Get(key)
	}
	ch.miss()
	var none V
	return none, ErrMiss
}

// look finds a key's entry that may be served.
func (c *core[K, V]) look(t *table[K, V], key K) *entry[K, V] {
	if c.hash.guarded && !c.hash.usable(key) {
		return nil
	}
	e := t.find(c.hash.of(key), key)
	if e != nil && e.expires != 0 && e.expires <= c.now() {
		return nil
	}
	return e
}

// GetMany gives the values of those keys that are cached; a key whose absence is cached is left out like one that isn't cached.
func (p Partition[K, V]) GetMany(keys []K) (map[K]V, error) {
	if p.chamber == nil {
		return nil, p.closed("GetMany")
	}
	found := make(map[K]V, len(keys))
	for _, key := range keys {
		if value, err := p.Get(key); err == nil {
			found[key] = value
		}
	}
	return found, nil
}

// Set stores a value. A load of the key that is under way won't overwrite it. Errors: ErrRefused, with the reason; what was
// stored for the key before is then gone.
func (p Partition[K, V]) Set(key K, value V) error {
	if p.chamber == nil {
		return p.closed("Set")
	}
	return p.chamber.set(key, value)
}

// Delete forgets keys. A load of one that is under way gives its callers what it finds, and won't store it.
func (p Partition[K, V]) Delete(keys ...K) error {
	if p.chamber == nil {
		return p.closed("Delete")
	}
	p.chamber.delete(keys)
	return nil
}

// InvalidateTag forgets all entries that Options.Tags put under one of the tags, of this tenant. Loads under way won't be
// stored: nobody knows yet which tags they will have.
func (p Partition[K, V]) InvalidateTag(tags ...string) error {
	if p.chamber == nil {
		return p.closed("InvalidateTag")
	}
	p.chamber.invalidateTags(tags)
	return nil
}

// InvalidateTenant forgets all of this tenant's entries at once: its cost does not depend on how many there are. Loads
// under way give their callers what they find, and won't store it (C06).
func (p Partition[K, V]) InvalidateTenant() error {
	if p.chamber == nil {
		return p.closed("InvalidateTenant")
	}
	p.chamber.invalidate()
	return nil
}

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
	ch := p.chamber
	if ch == nil {
		var none V
		return none, p.closed("GetOrLoad")
	}
	if load == nil {
		var none V
		return none, &Error{Op: "GetOrLoad", Err: ErrLoad, Hint: "it is nil"}
	}
	if t := ch.table.Load(); t != nil {
		if e := ch.core.look(t, key); e != nil {
			if ch.core.due(e) {
				ch.refresh(p.tc, key, e, one[K](load))
			}
			return ch.serve(t, e)
		}
	}
	return ch.load(p.tc, key, one[K](load))
}

// one makes a loader of one for a single key.
func one[K comparable, V any](load func(tc tenant.Context) (V, error)) loader[K, V] {
	return func(ctx context.Context, _ []K) (func(K) (V, bool), error) {
		tc, err := tenant.From(ctx)
		if err != nil {
			return nil, err
		}
		value, err := load(tc)
		return func(K) (V, bool) { return value, true }, err
	}
}

// GetOrLoadMany is GetOrLoad for many keys: one call of load for all that are neither cached nor being loaded. The loader
// gives a map of what there is; a key that it leaves out is absent, and remembered so if NegativeTTL says so; keys that it
// was not asked for are ignored. The result holds what was found; the error is that of the first load that failed, and
// then the result still holds the rest.
func (p Partition[K, V]) GetOrLoadMany(keys []K, load func(tc tenant.Context, keys []K) (map[K]V, error)) (map[K]V, error) {
	ch := p.chamber
	if ch == nil {
		return nil, p.closed("GetOrLoadMany")
	}
	if load == nil {
		return nil, &Error{Op: "GetOrLoadMany", Err: ErrLoad, Hint: "it is nil"}
	}
	found := make(map[K]V, len(keys))
	asked := make(map[K]struct{}, len(keys))
	var missing []K
	var first error
	for _, key := range keys {
		if !ch.core.hash.usable(key) {
			first = ch.refuse(countRefusedKey, "the key does not equal itself, or can't be compared", nil)
			continue
		}
		if _, again := asked[key]; again {
			continue
		}
		asked[key] = struct{}{}
		if t := ch.table.Load(); t != nil {
			if e := ch.core.look(t, key); e != nil {
				if value, err := ch.serve(t, e); err == nil {
					found[key] = value
				}
				continue
			}
		}
		missing = append(missing, key)
	}
	if len(missing) > 0 {
		if err := ch.loadMany(p.tc, missing, found, many(load)); err != nil {
			first = err
		}
	}
	return found, first
}

// many makes a loader of one for many keys.
func many[K comparable, V any](load func(tc tenant.Context, keys []K) (map[K]V, error)) loader[K, V] {
	return func(ctx context.Context, keys []K) (func(K) (V, bool), error) {
		tc, err := tenant.From(ctx)
		if err != nil {
			return nil, err
		}
		values, err := load(tc, keys)
		return func(key K) (V, bool) { value, ok := values[key]; return value, ok }, err
	}
}

// Stats are this tenant's own counters.
func (p Partition[K, V]) Stats() (Stats, error) {
	if p.chamber == nil {
		return Stats{}, p.closed("Stats")
	}
	ch := p.chamber.lock()
	defer ch.mu.Unlock()
	return ch.stats(), nil
}
