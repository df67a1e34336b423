package rediscache

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"
)

// look is what a read of the server found.
type look[V any] struct {
	found   bool
	late    bool // it is over, but not longer than StaleIfError
	absent  bool // it is known that there is none
	value   V
	expires int64         // Unix time in milliseconds
	cost    time.Duration // of the load that gave it
	stamps  []stamp
	tags    []*tagView // the views of stamps
	view    *view      // nil: the server could not be asked
	changes uint64     // what the bucket had heard when it was looked at
	name    string
	seen    []byte // the head of what stood there, nil for none: a load may replace this and nothing else
	began   time.Time
	problem error // why there is no view
	shard   *shard
	key     string
}

// entry is what the tier in process may keep of it.
func (l *look[V]) entry() entry[V] {
	return entry[V]{value: l.value, absent: l.absent, view: l.view, expires: l.expires, cost: l.cost, tags: l.tags}
}

// readOne asks the server for one key of a tenant: one round trip once its generation is known.
func (c *Cache[K, V]) readOne(ctx context.Context, pt *part, key string) (l look[V]) {
	l = look[V]{key: key, shard: c.shardOf(pt, key), began: time.Now()}
	defer func() { pt.countRead(l.found) }()
	for range maxReads {
		if l.view, l.problem = c.view(ctx, pt, l.shard); l.problem != nil {
			break
		}
		l.changes = l.shard.changed()
		l.name = c.names.value(l.shard.tag, l.view.generation, key)
		var raw []byte
		l.problem = c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) (err error) {
			raw, err = bytesOrNil(client.Do(ctx, client.B().Get().Key(l.name).Build()))
			return err
		})
		switch {
		case l.problem != nil:
		case l.shard.current.Load() != l.view:
			l.problem = errUnsettled
			continue
		default:
			if c.take(pt, &l, raw); len(l.stamps) > 0 {
				c.checkTags(ctx, pt, &l)
			}
			return l
		}
		break
	}
	l.view = nil
	return l
}

// maxReads is how often a value is read whose generation changes meanwhile: that makes it one of the past.
const maxReads = 3

// read asks the server for keys of one tenant, in one round trip for all once their generations are known.
func (c *Cache[K, V]) read(ctx context.Context, pt *part, keys []string) []look[V] {
	looks := make([]look[V], len(keys))
	now := time.Now()
	for i, key := range keys {
		looks[i] = look[V]{key: key, shard: &pt.shards[c.names.bucketOf(key)], began: now}
	}
	left := make([]*look[V], len(looks))
	for i := range looks {
		left[i] = &looks[i]
	}
	for range maxReads {
		left = c.readOnce(ctx, pt, left)
		if len(left) == 0 {
			break
		}
	}
	for _, l := range left {
		*l = look[V]{key: l.key, shard: l.shard, began: l.began, problem: errUnsettled}
	}
	var tagged []*look[V]
	for i := range looks {
		if len(looks[i].stamps) > 0 {
			tagged = append(tagged, &looks[i])
		}
	}
	c.checkTags(ctx, pt, tagged...)
	for i := range looks {
		pt.countRead(looks[i].found)
	}
	return looks
}

// readOnce gives those whose generation changed while they were read.
func (c *Cache[K, V]) readOnce(ctx context.Context, pt *part, looks []*look[V]) (again []*look[V]) {
	asked := looks[:0:0]
	for _, l := range looks {
		if l.view, l.problem = c.view(ctx, pt, l.shard); l.problem != nil {
			l.view = nil
			continue
		}
		l.changes = l.shard.changed()
		l.name = c.names.value(l.shard.tag, l.view.generation, l.key)
		asked = append(asked, l)
	}
	if len(asked) == 0 {
		return nil
	}
	raw := make([][]byte, len(asked))
	err := c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) (err error) {
		commands := make([]rueidis.Completed, len(asked))
		for i, l := range asked {
			commands[i] = client.B().Get().Key(l.name).Build()
		}
		var all error
		for i, reply := range client.DoMulti(ctx, commands...) {
			raw[i], err = bytesOrNil(reply)
			all = errors.Join(all, err)
		}
		return all
	})
	for i, l := range asked {
		switch {
		case err != nil:
			l.view, l.problem = nil, err
		case l.shard.current.Load() != l.view:
			again = append(again, l)
		default:
			c.take(pt, l, raw[i])
		}
	}
	return again
}

// take opens what stood under a key's name. Whatever is wrong with it is a miss, and never a value.
func (c *Cache[K, V]) take(pt *part, l *look[V], raw []byte) {
	if raw == nil {
		return
	}
	l.seen = raw[:min(len(raw), headSize)] // with a nonce in it, no other value's
	plain, err := c.ring.open(l.name, raw)
	if err != nil {
		pt.count(forged)
		c.report(IncidentForged, pt, err)
		c.link.doubt()
		return
	}
	c.link.trust()
	r, ok := parseRecord(plain)
	now := time.Now()
	switch {
	case !ok, r.kind == kindTombstone:
		return
	case r.over(now):
		if l.late = r.kind == kindValue && !r.over(now.Add(-c.opts.StaleIfError)); !l.late {
			pt.count(expired)
			return
		}
	}
	switch r.kind {
	case kindAbsent:
		l.found, l.absent, l.expires = true, true, r.expires
	case kindValue:
		value, err := guardHook(func() (V, error) { return c.opts.Decode(r.payload) })
		if err != nil {
			l.late = false
			pt.count(unread)
			return
		}
		l.found, l.value, l.expires, l.cost, l.stamps = !l.late, value, r.expires, r.cost, r.tags
	default: // of a later version
	}
}
