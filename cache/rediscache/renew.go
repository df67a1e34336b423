package rediscache

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"
)

// sealToken is what stands under the name of a generation, the tenant's or a tag's.
func (c *Cache[K, V]) sealToken(name string, t token) (string, error) {
	sealed, err := c.ring.seal(name, record{kind: kindGeneration, payload: t[:]}.append(nil))
	return string(sealed), err
}

// firstGeneration makes one where there is none, unless another process is faster. It was never used before, so whatever
// values are left on the server stay out of reach.
func (c *Cache[K, V]) firstGeneration(ctx context.Context, pt *part, s *shard, newest token) error {
	sealed, err := c.sealToken(s.name, newToken(time.Now(), newest))
	if err != nil {
		return err
	}
	return c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) error {
		err := client.Do(ctx, client.B().Set().Key(s.name).Value(sealed).Nx().Px(c.generationTTL).Build()).Error()
		if rueidis.IsRedisNil(err) {
			return nil
		}
		return err
	})
}

// prolong gives the generation its full time again.
func (c *Cache[K, V]) prolong(ctx context.Context, pt *part, s *shard) error {
	return c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) error {
		return client.Do(ctx, client.B().Pexpire().Key(s.name).Milliseconds(c.generationTTL.Milliseconds()).Build()).Error()
	})
}

// renew gives buckets of a tenant new generations, which makes all their values unreachable at once. What fails is owed.
func (c *Cache[K, V]) renew(ctx context.Context, pt *part, shards ...*shard) error {
	tokens, owed, sealed := make([]token, len(shards)), make([]uint64, len(shards)), make([]string, len(shards))
	for i, s := range shards {
		s.mu.Lock()
		tokens[i], owed[i] = newToken(time.Now(), s.newest), s.owed
		s.mu.Unlock()
		var err error
		if sealed[i], err = c.sealToken(s.name, tokens[i]); err != nil {
			return err
		}
	}
	reached := make([]bool, len(shards))
	err := c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) error {
		set := func(i int) rueidis.Completed {
			return client.B().Set().Key(shards[i].name).Value(sealed[i]).Px(c.generationTTL).Build()
		}
		if len(shards) == 1 {
			err := client.Do(ctx, set(0)).Error()
			reached[0] = err == nil
			return err
		}
		commands := make([]rueidis.Completed, len(shards))
		for i := range shards {
			commands[i] = set(i)
		}
		var first error
		for i, reply := range client.DoMulti(ctx, commands...) {
			err := reply.Error()
			reached[i] = err == nil
			first = errors.Join(first, err)
		}
		return first
	})
	for i, s := range shards {
		s.mu.Lock()
		if reached[i] {
			if s.newest.olderThan(tokens[i]) {
				s.newest = tokens[i]
			}
			s.settled = max(s.settled, owed[i])
		} else {
			s.owed++
		}
		s.forgetLocked()
		s.mu.Unlock()
	}
	c.dropLocal(pt)
	return err
}
