package rediscache

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/rueidis"
)

// item is a load's result on its way to the tiers.
type item[V any] struct {
	look   *look[V]
	entry  entry[V]
	record record
	labels []string      // the tags, as keyText gave them
	ttl    time.Duration // 0: not to be stored
	sealed []byte
}

// store puts what loads gave where their looks found nothing, if nothing has happened to the key or the tenant since. The
// tier in process may keep those whose changes the server will tell of; their entries get an end.
func (c *Cache[K, V]) store(ctx context.Context, pt *part, items []*item[V]) {
	c.stampAll(ctx, pt, items)
	var fresh []*item[V]
	for _, it := range items {
		l := it.look
		switch {
		case it.ttl == 0, l.view == nil: // the server could not be asked, so it can't be told
			continue
		case time.Since(l.began) > c.opts.LoadTimeout, l.shard.current.Load() != l.view:
			pt.count(stale)
			continue
		}
		var err error
		if it.sealed, err = c.ring.seal(l.name, it.record.append(make([]byte, 0, recordHead+len(it.record.payload)))); err != nil {
			continue
		}
		if l.seen == nil {
			fresh = append(fresh, it)
			continue
		}
		// That exchange is on another connection, which tells ours: the next read may be kept in process, this can't.
		if stored, err := c.replace(ctx, pt, it); err == nil && stored {
			if it.record.kind != kindTombstone {
				pt.count(sets)
			}
		} else if err == nil {
			pt.count(stale)
		}
	}
	if len(fresh) == 0 {
		return
	}
	_ = c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) error { // counted, and the values are given all the same
		commands := make([]rueidis.Completed, 0, 2*len(fresh))
		for _, it := range fresh {
			// Our own SET ends the tracking of the key; reading the beginning, which no other value has, begins it anew.
			commands = append(commands,
				client.B().Set().Key(it.look.name).Value(rueidis.BinaryString(it.sealed)).Nx().Px(it.ttl).Build(),
				client.B().Getrange().Key(it.look.name).Start(0).End(headSize-1).Build())
		}
		replies := client.DoMulti(ctx, commands...)
		var all error
		for i, it := range fresh {
			switch err := replies[2*i].Error(); {
			case rueidis.IsRedisNil(err):
				pt.count(stale) // another was faster
				continue
			case err != nil:
				all = errors.Join(all, err)
				continue
			}
			pt.count(sets)
			if head, err := replies[2*i+1].ToString(); err == nil && head == string(it.sealed[:headSize]) {
				it.entry.view, it.entry.expires = it.look.view, it.record.expires
			}
		}
		return all
	})
}

// replace stores in place of what the look saw: a tombstone, an expired or a forged value. It takes a connection of
// its own and two round trips, and no script, so that the login needs no right to run any.
func (c *Cache[K, V]) replace(ctx context.Context, pt *part, it *item[V]) (stored bool, err error) {
	l := it.look
	err = c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) error {
		return client.Dedicated(func(conn rueidis.DedicatedClient) error {
			replies := conn.DoMulti(ctx, conn.B().Watch().Key(l.name).Build(),
				conn.B().Getrange().Key(l.name).Start(0).End(headSize-1).Build())
			if err := replies[0].Error(); err != nil {
				return err
			}
			now, err := replies[1].ToString()
			switch {
			case wrongType(err):
				now = "" // which the look saw
			case err != nil:
				return err
			}
			if now != string(l.seen) {
				return conn.Do(ctx, conn.B().Unwatch().Build()).Error()
			}
			replies = conn.DoMulti(ctx, conn.B().Multi().Build(),
				conn.B().Set().Key(l.name).Value(rueidis.BinaryString(it.sealed)).Px(it.ttl).Build(), conn.B().Exec().Build())
			err = replies[2].Error()
			if rueidis.IsRedisNil(err) {
				return nil // it changed in between
			}
			stored = err == nil
			return err
		})
	})
	return stored, err
}

// life gives a value's time to live on the server, 0 to refuse it.
func (c *Cache[K, V]) life(key K, value V) (time.Duration, error) {
	ttl := c.opts.TTL
	if c.opts.Lifetime != nil {
		own, err := guardHook(func() (time.Duration, error) { return c.opts.Lifetime(key, value), nil })
		if err != nil {
			return 0, err
		}
		ttl = min(ttl, own)
	}
	return c.jittered(ttl), nil
}

// labels gives a value's tags as they stand in names.
func (c *Cache[K, V]) labels(key K, value V) ([]string, error) {
	if c.opts.Tags == nil {
		return nil, nil
	}
	tags, err := guardHook(func() ([]string, error) { return c.opts.Tags(key, value), nil })
	if err != nil {
		return nil, err
	}
	list := make([]string, len(tags))
	for i, tag := range tags {
		list[i] = keyText(tag)
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) > maxTags {
		return nil, errTooManyTags
	}
	return list, nil
}

var errTooManyTags = errors.New("too many tags")

func (c *Cache[K, V]) jittered(ttl time.Duration) time.Duration {
	ttl -= time.Duration(c.opts.Jitter * rand.Float64() * float64(ttl))
	return ttl.Truncate(time.Millisecond)
}
