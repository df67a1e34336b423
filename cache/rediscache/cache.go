package rediscache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// The incidents that this package tells of, besides those of package cache.
const (
	// IncidentForged: bytes on the server were not sealed under their name by a key of the ring: changed, moved, or written by
	// somebody else. They were not served.
	IncidentForged cache.IncidentKind = "forged"
	// IncidentFallback: the server holds an older generation than one seen before. The tenant was invalidated anew.
	IncidentFallback cache.IncidentKind = "fallback"
	// IncidentOutage: the server is left alone for a while; the error is the last failure. It has no tenant.
	IncidentOutage cache.IncidentKind = "outage"
	// IncidentRecovery: the outage is over. It has no tenant.
	IncidentRecovery cache.IncidentKind = "recovery"
)

// Cache keeps values of many tenants on a Redis or Valkey server or cluster, and the busiest of them in process. Like
// cache.Cache it has no method that takes a tenant's name, and none that reads or clears more than one tenant's part.
//
// Safe for concurrent use. Close it.
type Cache[K comparable, V any] struct {
	opts          Options[K, V]
	names         names
	ring          ring
	generationTTL time.Duration
	tombstoneTTL  time.Duration
	link          *link
	local         *cache.Cache[string, entry[V]]
	parts         parts
	total         counters
}

// entry is what the tier in process holds.
type entry[V any] struct {
	value   V
	absent  bool
	view    *view
	expires int64         // Unix time in milliseconds; 0: not to be kept
	cost    time.Duration // of the load that gave it
	tags    []*tagView
	weight  int64
	cloned  bool // on its way in, its value is nobody else's
}

const (
	minGenerationTTL = 24 * time.Hour
	tombstoneMargin  = 5 * time.Second
)

// New makes a cache. It does not connect: that happens when the cache is first used, and again after it failed, so a
// program starts while its server is away. Errors: cache.ErrOptions, with what is wrong.
func New[K comparable, V any](opts Options[K, V]) (*Cache[K, V], error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	keys, hint := newRing(opts.Keys)
	if hint != "" {
		return nil, optionError(hint)
	}
	opts.Keys = nil // the ring has what it needs of them
	c := &Cache[K, V]{
		opts:          opts,
		names:         names{opts.Namespace, opts.Buckets},
		ring:          keys,
		generationTTL: max(minGenerationTTL, 2*(opts.TTL+opts.StaleIfError), 2*opts.NegativeTTL),
		// Until then a load that began before the deletion may try to store.
		tombstoneTTL: opts.LoadTimeout + opts.Timeout + tombstoneMargin,
	}
	client, err := opts.client(c.invalidated)
	if err != nil {
		return nil, err
	}
	c.opts.Redis = rueidis.ClientOption{}
	c.link = &link{option: client, watch: watch{timeout: opts.Timeout}, breaker: breaker{
		limit: int32(opts.BreakAfter), rest: opts.BreakFor, now: time.Now, changed: c.outage,
	}}
	if c.local, err = cache.New(c.localOptions()); err != nil {
		return nil, err
	}
	return c, nil
}

// localOptions are those of the tier in process.
func (c *Cache[K, V]) localOptions() cache.Options[string, entry[V]] {
	o := cache.Options[string, entry[V]]{
		Capacity: c.opts.Local.Capacity, Quota: c.opts.Local.Quota, QuotaOf: c.opts.Local.QuotaOf,
		TTL: c.opts.TTL, Jitter: -1, // the server's TTL has it
		LoadTimeout: c.opts.LoadTimeout, FinishLoads: c.opts.FinishLoads,
		Lifetime: func(_ string, e entry[V]) time.Duration {
			if c.opts.Local.Off || e.expires == 0 {
				return 0
			}
			return time.Until(time.UnixMilli(e.expires))
		},
	}
	if limit := c.opts.Local.TTL; limit > 0 {
		o.TTL = min(o.TTL, limit)
	}
	// The user's hooks run before, since the tier may be filled under a lock.
	if c.opts.Local.Weigh != nil {
		o.Weigh = func(_ string, e entry[V]) int64 { return e.weight }
	}
	if c.opts.Clone != nil {
		o.Clone = func(e entry[V]) entry[V] {
			if !e.cloned && !e.absent {
				e.value = c.opts.Clone(e.value)
			}
			e.cloned = false
			return e
		}
	}
	if tell := c.opts.OnIncident; tell != nil {
		o.OnIncident = tell
	}
	return o
}

// In is the context's tenant's part of the cache. It never fails: a context without a tenant gives a partition whose every
// method returns tenant.ErrUnbound.
func (c *Cache[K, V]) In(tc tenant.Context) Partition[K, V] { return Partition[K, V]{c, tc} }

// Stats sums the counters over all tenants.
func (c *Cache[K, V]) Stats() Stats {
	s := c.total.stats()
	s.Local = c.local.Stats()
	s.Available = !c.link.breaker.open.Load()
	return s
}

// Close ends the connections and waits for the exchanges under way. Afterwards reads are misses, loads go on, and writes fail with
// cache.ErrUnavailable. It is safe to call twice.
func (c *Cache[K, V]) Close() { c.link.close() }

// use runs one exchange with the server and counts its failure.
func (c *Cache[K, V]) use(ctx context.Context, pt *part, exchange func(context.Context, rueidis.Client) error) error {
	err := c.link.use(ctx, exchange)
	switch {
	case err == nil:
	case errors.Is(err, errOpen):
		pt.count(skipped)
	case ctx.Err() == nil:
		pt.count(failures)
	}
	return err
}

// report tells of an incident; pt is nil for those of no tenant.
func (c *Cache[K, V]) report(kind cache.IncidentKind, pt *part, err error) {
	incident := cache.Incident{Kind: kind, Err: err}
	if pt != nil {
		incident.Tenant = pt.id
		pt.count(incidents)
	} else {
		c.total[incidents].Add(1)
	}
	if c.opts.OnIncident == nil {
		return
	}
	defer func() { _ = recover() }() // counted already; it must not end a request, or the client's own goroutine
	c.opts.OnIncident(incident)
}

func (c *Cache[K, V]) outage(open bool, err error) {
	if !open {
		c.report(IncidentRecovery, nil, nil)
		return
	}
	c.total[outages].Add(1)
	c.report(IncidentOutage, nil, fmt.Errorf("the remote cache is left alone for %v after %d failures: %w", c.opts.BreakFor, c.opts.BreakAfter, err))
}

// invalidated takes what the server tells of changes, in the goroutine that reads the connection: before any answer that
// the server sent later. Nil means that all may have changed: the server was emptied, or the connection is lost.
func (c *Cache[K, V]) invalidated(messages []rueidis.RedisMessage) {
	if messages == nil {
		c.lost()
		return
	}
	for _, m := range messages {
		name, err := m.ToString()
		if err != nil {
			c.lost()
			return
		}
		p, ok := c.names.parse(name)
		if !ok {
			continue // another namespace's, on a connection of our own: nothing of it was read
		}
		pt := c.parts.get(p.tenant)
		if pt == nil {
			continue // nothing of it is kept
		}
		pt.count(heard)
		switch s := &pt.shards[p.bucket]; p.kind {
		case nameGeneration: // the tenant was invalidated, or a tag will be
			s.forget(false)
			c.outdateLoads(pt)
		case nameTag:
			s.tags.change(p.key)
		default:
			pt.changed(p.key, func() { c.dropLocal(pt, p.key) })
		}
	}
}

// lost forgets all that depends on hearing of changes.
func (c *Cache[K, V]) lost() {
	c.parts.each(func(pt *part) {
		for i := range pt.shards {
			pt.shards[i].forget(true)
		}
		c.dropLocal(pt)
	})
}

// dropLocal removes keys, or without any all, of a tenant from the tier in process; loads under way won't store them.
func (c *Cache[K, V]) dropLocal(pt *part, keys ...string) {
	p := c.local.In(pt.bound)
	if len(keys) == 0 {
		_ = p.InvalidateTenant() // fails only without a tenant
		return
	}
	_ = p.Delete(keys...)
}

// outdateLoads keeps loads under way from being joined, and from the tier in process.
func (c *Cache[K, V]) outdateLoads(pt *part) {
	_ = c.local.In(pt.bound).InvalidateTag() // of no tag; it fails only without a tenant
}

// weighed gives an entry its weight. A Weigh that panics gives 0, which is refused.
func (c *Cache[K, V]) weighed(e entry[V]) entry[V] {
	e.weight = 1
	if weigh := c.opts.Local.Weigh; weigh != nil && !e.absent && e.expires != 0 {
		e.weight, _ = guardHook(func() (int64, error) { return weigh(e.value), nil })
	}
	return e
}

// copied gives an entry whose value is nobody else's.
func (c *Cache[K, V]) copied(e entry[V]) (entry[V], bool) {
	if c.opts.Clone == nil || e.absent {
		return e, true
	}
	value, err := guardHook(func() (V, error) { return c.opts.Clone(e.value), nil })
	e.value, e.cloned = value, true
	return e, err == nil
}

// guardHook runs a hook of the user's; a panic is an error.
func guardHook[T any](hook func() (T, error)) (result T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &cache.PanicError{Value: v}
		}
	}()
	return hook()
}
