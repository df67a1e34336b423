package rediscache

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// Partition is one tenant's part of a [Cache], on one context. It is a small value: take it anew for each request.
//
// Every method returns tenant.ErrUnbound, in an error, when the context has no tenant, and the context's error when it
// ended. Safe for concurrent use.
type Partition[K comparable, V any] struct {
	cache *Cache[K, V]
	tc    tenant.Context
}

func refused(op, hint string, cause error) error {
	return &cache.Error{Op: op, Err: cache.ErrRefused, Hint: hint, Cause: cause}
}

func unavailable(op, hint string, cause error) error {
	return &cache.Error{Op: op, Err: cache.ErrUnavailable, Hint: hint, Cause: cause}
}

const owedHint = "this program does not use what the server holds of the tenant until it is invalidated; other programs may"

// key gives a key's text and its shard.
func (p Partition[K, V]) key(op string, pt *part, key K) (string, error) {
	text, err := guardHook(func() (string, error) { return p.cache.opts.EncodeKey(key), nil })
	if err != nil {
		pt.count(encoding)
		return "", refused(op, "EncodeKey failed", err)
	}
	return keyText(text), nil
}

func (c *Cache[K, V]) shardOf(pt *part, key string) *shard { return &pt.shards[c.names.bucketOf(key)] }

// Get gives the value of a key, from the tier in process or from the server. It never loads. Errors: cache.ErrMiss when
// there is none or the server could not be asked, which is then the cause; Options.NotFound when it is cached that there
// is none.
func (p Partition[K, V]) Get(key K) (V, error) {
	var none V
	c := p.cache
	pt, err := c.of(p.tc)
	if err != nil {
		return none, err
	}
	k, err := p.key("Get", pt, key)
	if err != nil {
		return none, err
	}
	if e, ok := p.inProcess(pt, k); ok {
		if e.absent {
			return none, c.opts.NotFound
		}
		return e.value, nil
	}
	if err := p.tc.Err(); err != nil {
		return none, err
	}
	l := p.lookAtOne(pt, k)
	switch {
	case !l.found && p.tc.Err() != nil:
		return none, p.tc.Err()
	case !l.found:
		return none, &cache.Error{Op: "Get", Err: cache.ErrMiss, Cause: l.problem}
	case l.absent:
		return none, c.opts.NotFound
	}
	return l.value, nil
}

// inProcess gives what the tier in process holds of a key, if nothing has happened to it.
func (p Partition[K, V]) inProcess(pt *part, key string) (entry[V], bool) {
	if p.cache.opts.Local.Off {
		return entry[V]{}, false
	}
	e, err := p.cache.local.In(p.tc).Get(key)
	if err != nil {
		return entry[V]{}, false
	}
	return e, p.good(pt, key, e)
}

// good says whether an entry was read or stored under the generation that is the current one.
func (p Partition[K, V]) good(pt *part, key string, e entry[V]) bool {
	for _, t := range e.tags {
		if t.gone.Load() {
			return false
		}
	}
	s := p.cache.shardOf(pt, key)
	if s.current.Load() == e.view {
		return true
	}
	v, err := p.cache.view(p.tc, pt, s)
	return err == nil && v == e.view
}

// lookAtOne reads a key from the server, and puts what it finds into the tier in process.
func (p Partition[K, V]) lookAtOne(pt *part, key string) look[V] {
	c := p.cache
	if c.opts.Local.Off {
		return c.readOne(p.tc, pt, key)
	}
	f := pt.beginFill(key)
	l := c.readOne(p.tc, pt, key)
	p.fill(pt, f, &l)
	return l
}

// lookAt is lookAtOne for many keys.
func (p Partition[K, V]) lookAt(pt *part, keys []string) []look[V] {
	c := p.cache
	if c.opts.Local.Off {
		return c.read(p.tc, pt, keys)
	}
	fills := make([]*fill, len(keys))
	for i, k := range keys {
		fills[i] = pt.beginFill(k)
	}
	looks := c.read(p.tc, pt, keys)
	for i := range looks {
		p.fill(pt, fills[i], &looks[i])
	}
	return looks
}

// fill puts what a look found into the tier in process, unless the key changed since it began.
func (p Partition[K, V]) fill(pt *part, f *fill, l *look[V]) {
	c := p.cache
	if !l.found {
		pt.endFill(l.key, f, nil)
		return
	}
	e, ok := c.copied(c.weighed(l.entry()))
	pt.endFill(l.key, f, func() {
		if ok { // of whatever generation: it is looked at when it is served
			_ = c.local.In(p.tc).Set(l.key, e) // counted where it is refused
		}
	})
}

// Set stores a value, on the server before it returns. A load of the key that is under way, in this program or another,
// won't overwrite it. Errors: cache.ErrRefused, with the reason: what was stored for the key before is then gone;
// cache.ErrUnavailable when the server may not have it: then what it holds of the tenant's bucket is not used by this
// program until it was invalidated.
func (p Partition[K, V]) Set(key K, value V) error {
	pt, err := p.cache.of(p.tc)
	if err != nil {
		return err
	}
	k, err := p.key("Set", pt, key)
	if err != nil {
		return err
	}
	it, err := p.draft("Set", pt, key, value)
	if err != nil { // what was there is no longer what the caller wants it to be
		return errors.Join(err, p.forget("Set", pt, []string{k}))
	}
	err = p.write("Set", pt, []string{k}, it.record, it.ttl, it.labels)
	if err == nil {
		pt.count(sets)
	}
	return err
}

// draft makes of a value what is to be stored; an error says why it can't be, and it was counted.
func (p Partition[K, V]) draft(op string, pt *part, key K, value V) (*item[V], error) {
	c := p.cache
	data, err := p.encode(op, pt, value)
	if err != nil {
		return nil, err
	}
	ttl, err := c.life(key, value)
	if err != nil {
		pt.count(encoding)
		return nil, refused(op, "Lifetime failed", err)
	}
	if ttl < time.Millisecond {
		pt.count(lifetime)
		return nil, refused(op, "its Lifetime is less than a millisecond", nil)
	}
	labels, err := c.labels(key, value)
	if err != nil {
		pt.count(encoding)
		return nil, refused(op, "Tags failed, or gave more than 16", err)
	}
	r := record{kind: kindValue, expires: time.Now().Add(ttl).UnixMilli(), payload: data}
	return &item[V]{entry: entry[V]{value: value}, record: r, ttl: ttl + c.opts.StaleIfError, labels: labels}, nil
}

// encode gives a value's form on the server.
func (p Partition[K, V]) encode(op string, pt *part, value V) ([]byte, error) {
	data, err := guardHook(func() ([]byte, error) { return p.cache.opts.Encode(value) })
	if err != nil {
		pt.count(encoding)
		return nil, refused(op, "Encode failed", err)
	}
	if len(data) > p.cache.opts.MaxValue {
		pt.count(tooLarge)
		return nil, refused(op, "it is longer than MaxValue", nil)
	}
	return data, nil
}

// Delete forgets keys, on the server before it returns. A load of one that is under way, in this program or another, gives its
// callers what it finds, and won't store it. Errors: cache.ErrUnavailable, as of Set.
func (p Partition[K, V]) Delete(keys ...K) error {
	pt, err := p.cache.of(p.tc)
	if err != nil || len(keys) == 0 {
		return err
	}
	texts := make([]string, len(keys))
	for i, key := range keys {
		if texts[i], err = p.key("Delete", pt, key); err != nil {
			return err
		}
	}
	if err = p.forget("Delete", pt, texts); err == nil {
		for range keys {
			pt.count(deletes)
		}
	}
	return err
}

// forget leaves a mark in place of keys, for as long as a load may take that read before, and would store after.
func (p Partition[K, V]) forget(op string, pt *part, keys []string) error {
	ttl := p.cache.tombstoneTTL
	return p.write(op, pt, keys, tombstone(ttl), ttl, nil)
}

func tombstone(ttl time.Duration) record {
	return record{kind: kindTombstone, expires: time.Now().Add(ttl).UnixMilli()}
}

// write puts one record under keys, whatever stands there.
func (p Partition[K, V]) write(op string, pt *part, keys []string, r record, ttl time.Duration, labels []string) error {
	c := p.cache
	drop := func() {
		for _, k := range keys {
			pt.changed(k, func() { c.dropLocal(pt, k) })
		}
	}
	drop()
	defer drop() // our own write is not told to us
	err := p.writeRemote(pt, keys, r, ttl, labels)
	if err == nil {
		return nil
	}
	for _, k := range keys {
		c.shardOf(pt, k).owe()
	}
	return unavailable(op, owedHint, err)
}

func (p Partition[K, V]) writeRemote(pt *part, keys []string, r record, ttl time.Duration, labels []string) error {
	c := p.cache
	names, sealed := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		s := c.shardOf(pt, k)
		v, err := c.view(p.tc, pt, s)
		if err != nil {
			return err
		}
		if len(labels) > 0 {
			views, err := c.tagViews(p.tc, pt, s, labels, true)
			if err != nil {
				return err
			}
			r.tags, _ = stamps(labels, views)
		}
		names[i] = c.names.value(s.tag, v.generation, k)
		bytes, err := c.ring.seal(names[i], r.append(make([]byte, 0, recordHead+len(r.payload))))
		if err != nil {
			return err
		}
		sealed[i] = rueidis.BinaryString(bytes)
	}
	return c.use(p.tc, pt, func(ctx context.Context, client rueidis.Client) error {
		set := func(i int) rueidis.Completed {
			return client.B().Set().Key(names[i]).Value(sealed[i]).Px(ttl).Build()
		}
		if len(keys) == 1 {
			return client.Do(ctx, set(0)).Error()
		}
		commands := make([]rueidis.Completed, len(keys))
		for i := range keys {
			commands[i] = set(i)
		}
		var all error
		for _, reply := range client.DoMulti(ctx, commands...) {
			all = errors.Join(all, reply.Error())
		}
		return all
	})
}

// Stats are this tenant's own counters.
func (p Partition[K, V]) Stats() (Stats, error) {
	pt, err := p.cache.of(p.tc)
	if err != nil {
		return Stats{}, err
	}
	s := pt.counts.stats()
	s.Available = !p.cache.link.breaker.open.Load()
	s.Local, err = p.cache.local.In(p.tc).Stats()
	return s, err
}
