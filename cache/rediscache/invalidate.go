package rediscache

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"
)

// InvalidateTenant forgets all of this tenant's entries at once, on the server before it returns: one small write for each
// bucket, however many entries there are. Other programs hear of it at once. Loads under way, in this program or
// another, give their callers what they find, and what they store is never served (C06).
//
// Errors: cache.ErrUnavailable when the server may not know of it: then this program uses nothing of what the server
// holds of the tenant until it was told, which it tries before each use; other programs go on. Try again.
func (p Partition[K, V]) InvalidateTenant() error {
	c := p.cache
	pt, err := c.of(p.tc)
	if err != nil {
		return err
	}
	pt.count(invalidations)
	shards := make([]*shard, len(pt.shards))
	for i := range pt.shards {
		shards[i] = &pt.shards[i]
	}
	c.dropLocal(pt)
	if err := c.renew(p.tc, pt, shards...); err != nil {
		return unavailable("InvalidateTenant", owedHint, err)
	}
	return nil
}

// InvalidateTag forgets all values that Options.Tags put under one of the tags, of this tenant, on the server before it
// returns: two small writes for each tag and bucket, however many values there are. Other programs hear of it at once. Loads
// under way, in this program or another, give their callers what they find, and won't store it: nobody knows yet which
// tags they will have.
//
// Errors: cache.ErrUnavailable, as of InvalidateTenant.
func (p Partition[K, V]) InvalidateTag(tags ...string) error {
	c := p.cache
	pt, err := c.of(p.tc)
	if err != nil || len(tags) == 0 {
		return err
	}
	pt.count(tagInvalidations)
	labels := make([]string, len(tags))
	for i, tag := range tags {
		labels[i] = keyText(tag)
	}
	drop := func() {
		for i := range pt.shards {
			pt.shards[i].tags.change(labels...)
			pt.shards[i].forget(false)
		}
		c.outdateLoads(pt)
	}
	drop()
	defer drop() // our own writes are not told to us, and end the telling of the keys
	if err := c.renewTags(p.tc, pt, labels); err != nil {
		for i := range pt.shards {
			pt.shards[i].owe()
		}
		return unavailable("InvalidateTag", owedHint, err)
	}
	return nil
}

// renewTags gives tags new generations in all buckets, each after it has touched the bucket's.
func (c *Cache[K, V]) renewTags(ctx context.Context, pt *part, tags []string) error {
	var touched []*shard
	var names, sealed []string
	for i := range pt.shards {
		s := &pt.shards[i]
		touched = append(touched, s)
		for _, tag := range tags {
			name := c.names.tagGeneration(s.tag, tag)
			text, err := c.sealToken(name, newToken(time.Now(), s.tags.newest(tag)))
			if err != nil {
				return err
			}
			names, sealed = append(names, name), append(sealed, text)
		}
	}
	return c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) (err error) {
		var commands []rueidis.Completed
		for i, s := range touched {
			commands = append(commands, client.B().Pexpire().Key(s.name).Milliseconds(c.generationTTL.Milliseconds()).Build())
			for j := range tags {
				at := i*len(tags) + j
				commands = append(commands, client.B().Set().Key(names[at]).Value(sealed[at]).Px(c.generationTTL).Build())
			}
		}
		for _, reply := range client.DoMulti(ctx, commands...) {
			err = errors.Join(err, reply.Error())
		}
		return err
	})
}
