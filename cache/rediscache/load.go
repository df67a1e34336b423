package rediscache

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// maxTries is how often a look into the tier in process is repeated that found what is no longer current.
const maxTries = 3

// GetOrLoad gives the value of a key, and calls load when neither tier has it. However many callers of this program miss
// a key at once, one load runs, for this tenant only. Other programs load for themselves; the first that stores wins. The
// loader's context and its end are as in cache.Partition.
//
// It works as long as the loader does, whatever the server does. A load that began before an invalidation of the tenant
// is never served from the cache; one that began before a Delete or a Set of the key, in any program, does not store,
// provided that it ends within LoadTimeout and that the server does not evict the mark of the deletion before that.
//
// Errors: the loader's own; Options.NotFound, also when cached; cache.ErrLoad for a nil loader, a panic, a timeout; the
// context's own when it ends first.
func (p Partition[K, V]) GetOrLoad(key K, load func(tc tenant.Context) (V, error)) (V, error) {
	var none V
	c := p.cache
	pt, err := c.of(p.tc)
	if err != nil {
		return none, err
	}
	if load == nil {
		return none, &cache.Error{Op: "GetOrLoad", Err: cache.ErrLoad, Hint: "the loader is nil"}
	}
	k, err := p.key("GetOrLoad", pt, key)
	if err != nil {
		return none, err
	}
	if e, ok := p.inProcess(pt, k); ok {
		p.refreshIfDue(pt, k, key, e, load)
		return p.result(e)
	}
	_, _ = c.view(p.tc, pt, c.shardOf(pt, k)) // before the flight: learning of a generation ends those that began before
	var looked atomic.Bool                    // this caller's flight found it on the server
	flight := func(tc tenant.Context) (entry[V], error) {
		look := c.readOne(tc, pt, k)
		if looked.Store(look.found); look.found {
			return c.weighed(look.entry()), nil
		}
		return p.load(tc, pt, &look, key, load)
	}
	for range maxTries {
		e, err := c.local.In(p.tc).GetOrLoad(k, flight)
		switch {
		case err != nil:
			return p.insteadOf(err, pt, k)
		case e.expires == 0: // it comes from a load, not from what was kept
			return p.result(e)
		case p.good(pt, k, e):
			if looked.Load() {
				p.refreshIfDue(pt, k, key, e, load)
			}
			return p.result(e)
		}
		c.dropLocal(pt, k)
	}
	e, err := flight(p.tc)
	if err != nil {
		return p.insteadOf(err, pt, k)
	}
	return p.result(e)
}

func (p Partition[K, V]) result(e entry[V]) (V, error) {
	if e.absent {
		var none V
		return none, p.cache.opts.NotFound
	}
	return e.value, nil
}

// load calls the loader for what a look did not find, and stores what it gives.
func (p Partition[K, V]) load(tc tenant.Context, pt *part, l *look[V], key K, load func(tenant.Context) (V, error)) (entry[V], error) {
	c := p.cache
	pt.count(loads)
	began := time.Now()
	value, err := load(tc)
	var it *item[V]
	switch {
	case err == nil:
		it = p.loaded(pt, l, key, value, time.Since(began))
	case errors.Is(err, c.opts.NotFound):
		if it = p.missing(l); c.opts.NegativeTTL == 0 {
			c.store(tc, pt, []*item[V]{it})
			return entry[V]{}, err
		}
	default:
		return entry[V]{}, err
	}
	c.store(tc, pt, []*item[V]{it})
	return c.weighed(it.entry), nil
}

// loaded prepares what a load gave. What can't be stored is given all the same, and counted.
func (p Partition[K, V]) loaded(pt *part, l *look[V], key K, value V, cost time.Duration) *item[V] {
	it, err := p.draft("GetOrLoad", pt, key, value)
	if err != nil {
		it = p.nothing(l)
		it.entry = entry[V]{value: value}
		return it
	}
	if it.look = l; p.cache.opts.EarlyRefresh > 0 {
		it.record.cost, it.entry.cost = min(cost, maxTTL), min(cost, maxTTL)
	}
	return it
}

// missing prepares that there is none.
func (p Partition[K, V]) missing(l *look[V]) *item[V] {
	if p.cache.opts.NegativeTTL == 0 {
		return p.nothing(l)
	}
	ttl := max(time.Millisecond, p.cache.jittered(p.cache.opts.NegativeTTL))
	return &item[V]{
		look: l, entry: entry[V]{absent: true}, ttl: ttl,
		record: record{kind: kindAbsent, expires: time.Now().Add(ttl).UnixMilli()},
	}
}

// nothing prepares that nothing is kept: a mark in place of an older value, if there is one.
func (p Partition[K, V]) nothing(l *look[V]) *item[V] {
	it := &item[V]{look: l}
	if l.found || l.late {
		it.ttl = p.cache.tombstoneTTL
		it.record = tombstone(it.ttl)
	}
	return it
}
