package rediscache

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/redis/rueidis"
)

// tagViews gives the current generations of a bucket's tags. With create it makes those that the server does not hold;
// without, they are missing in the result.
func (c *Cache[K, V]) tagViews(ctx context.Context, pt *part, s *shard, tags []string, create bool) (map[string]*tagView, error) {
	for range 5 {
		views, missing, changes := s.tags.current(tags, time.Now())
		if len(missing) == 0 {
			return views, nil
		}
		found, repairs, err := c.readTags(ctx, pt, s, missing, create)
		if err == nil && len(repairs) > 0 {
			err = c.repair(ctx, pt, repairs) // and read again, since our own writes end the server's telling us of the keys
		} else if err == nil && s.tags.learn(found, changes) {
			maps.Copy(views, found)
			return views, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errUnsettled
}

// readTags asks for the generations of tags, and says what has to be written before they can be used.
func (c *Cache[K, V]) readTags(ctx context.Context, pt *part, s *shard, tags []string, create bool) (found map[string]*tagView, repairs []repair, err error) {
	var replies []rueidis.RedisResult
	err = c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) (err error) {
		commands := make([]rueidis.Completed, 0, 2*len(tags))
		for _, tag := range tags {
			name := c.names.tagGeneration(s.tag, tag)
			commands = append(commands, client.B().Get().Key(name).Build(), client.B().Pttl().Key(name).Build())
		}
		replies = client.DoMulti(ctx, commands...)
		for _, reply := range replies {
			if e := reply.Error(); e != nil && !rueidis.IsRedisNil(e) && !wrongType(e) {
				err = errors.Join(err, e)
			}
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	found = make(map[string]*tagView, len(tags))
	for i, tag := range tags {
		name, newest := c.names.tagGeneration(s.tag, tag), s.tags.newest(tag)
		raw, err := bytesOrNil(replies[2*i])
		if err != nil {
			return nil, nil, err
		}
		left, err := replies[2*i+1].AsInt64()
		if err != nil {
			return nil, nil, err
		}
		now, ok := c.openToken(name, raw)
		switch {
		case raw == nil && !create:
		case raw == nil, !ok, now.olderThan(newest):
			if raw != nil && !ok {
				pt.count(forged)
				c.report(IncidentForged, pt, errForged)
			}
			sealed, err := c.sealToken(name, newToken(time.Now(), newest))
			if err != nil {
				return nil, nil, err
			}
			repairs = append(repairs, repair{name, sealed, raw == nil})
		case create && time.Duration(left)*time.Millisecond < c.generationTTL/2: // it has to outlive the value
			repairs = append(repairs, repair{name: name})
		default:
			found[tag] = &tagView{token: now, check: time.Now().Add(c.generationTTL / 4)}
		}
	}
	return found, repairs, nil
}

// repair is a tag's generation that has to be written, or, without one, given its full time again.
type repair struct {
	name, sealed string
	fresh        bool // there is none; another program may be as fast
}

func (c *Cache[K, V]) repair(ctx context.Context, pt *part, repairs []repair) error {
	return c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) (err error) {
		commands := make([]rueidis.Completed, len(repairs))
		for i, r := range repairs {
			switch set := client.B(); {
			case r.sealed == "":
				commands[i] = set.Pexpire().Key(r.name).Milliseconds(c.generationTTL.Milliseconds()).Build()
			case r.fresh:
				commands[i] = set.Set().Key(r.name).Value(r.sealed).Nx().Px(c.generationTTL).Build()
			default:
				commands[i] = set.Set().Key(r.name).Value(r.sealed).Px(c.generationTTL).Build()
			}
		}
		for _, reply := range client.DoMulti(ctx, commands...) {
			if e := reply.Error(); e != nil && !rueidis.IsRedisNil(e) {
				err = errors.Join(err, e)
			}
		}
		return err
	})
}
