package rediscache

import (
	"context"
	"errors"
	"slices"
	"time"
)

// errUnsettled: the generation changed each time that it was read.
var errUnsettled = errors.New("the tenant is being invalidated faster than it can be read")

// errAnother stands for the failure that another caller met while this one waited for it.
var errAnother = errors.New("it failed for another caller just now")

// view gives the current generation, and asks the server when it is not known. One caller asks, the others wait.
func (c *Cache[K, V]) view(ctx context.Context, pt *part, s *shard) (*view, error) {
	now := time.Now()
	if v := s.current.Load(); v != nil && now.Before(v.check) {
		return v, nil
	}
	fails := s.fails.Load()
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if v := s.current.Load(); v != nil && now.Before(v.check) {
		return v, nil
	}
	if s.fails.Load() != fails {
		return nil, errAnother
	}
	v, err := c.ask(ctx, pt, s)
	if err != nil {
		s.fails.Add(1)
	}
	return v, err
}

// ask finds out the generation, and makes a new one where there is none, or none that can be trusted.
func (c *Cache[K, V]) ask(ctx context.Context, pt *part, s *shard) (*view, error) {
	for range 5 {
		if s.owes() {
			if err := c.renew(ctx, pt, s); err != nil {
				return nil, err
			}
		}
		s.mu.Lock()
		changes, newest := s.changes, s.newest
		s.mu.Unlock()
		found, err := c.readGeneration(ctx, pt, s)
		if err != nil {
			return nil, err
		}
		switch {
		case found.sealed == nil:
			err = c.firstGeneration(ctx, pt, s, newest)
		case !found.valid:
			pt.count(forged)
			c.report(IncidentForged, pt, errForged)
			err = c.renew(ctx, pt, s)
		case found.token.olderThan(newest):
			// Two programs that invalidate at once may leave the older of their tokens; that is in order, and so is one more.
			// One that was current before means that the server lost a write, or that somebody put an older state back.
			if s.wentBack(found.token, newest) {
				pt.count(fallbacks)
				c.report(IncidentFallback, pt, errFallback)
			}
			err = c.renew(ctx, pt, s)
		case found.left < c.generationTTL/2:
			err = c.prolong(ctx, pt, s)
		default:
			if v := c.publish(pt, s, found, changes); v != nil {
				return v, nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errUnsettled
}

// pastTokens is how many tokens of a bucket are remembered, and clockSkew how far apart the clocks of programs may be.
const (
	pastTokens = 8
	clockSkew  = time.Minute
)

// wentBack says whether a token that is older than another one was replaced before.
func (s *shard) wentBack(t, newest token) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.past, t) || newest.millis()-t.millis() > uint64(clockSkew.Milliseconds())
}

var errFallback = errors.New("the server holds a generation older than one that was seen before")

// publish makes a generation the current one, unless something changed since it was asked for.
func (c *Cache[K, V]) publish(pt *part, s *shard, found foundGeneration, changes uint64) *view {
	text := generation(found.token, found.history)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != changes || s.owed != s.settled {
		return nil
	}
	v := &view{generation: text, check: time.Now().Add(c.generationTTL / 4)}
	if s.last != nil && s.last.generation == text && time.Now().Before(s.last.check) {
		v = s.last // what was kept under it is good
	} else {
		c.dropLocal(pt)
	}
	if s.newest = found.token; !slices.Contains(s.past, found.token) {
		s.past = append(s.past, found.token)
		s.past = s.past[max(0, len(s.past)-pastTokens):]
	}
	s.last = v
	s.current.Store(v)
	return v
}
