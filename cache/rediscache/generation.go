package rediscache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/septum-go/septum/tenant"
)

// view is a generation as it was found at some time. What is in the tier in process carries the view that it was read or
// stored under, and is served only while that is the current one.
type view struct {
	generation string
	check      time.Time // when its time to live on the server is looked after
}

// shard is one bucket of one tenant: its generation and what is owed to it.
type shard struct {
	tag  string // the hash tag
	name string // under which its generation stands

	current atomic.Pointer[view] // nil: not known
	asking  chan struct{}        // held by the one who asks the server
	fails   atomic.Uint64        // how often asking failed

	mu      sync.Mutex
	changes uint64  // of what may have changed the generation
	last    *view   // the latest, taken up again when it turns out to be the same
	newest  token   // of all seen
	past    []token // the last few that were current
	owed    uint64  // Sets, Deletes and invalidations that may not have reached the server
	settled uint64  // how many of them a later invalidation made good
}

func (s *shard) init(n names, id tenant.ID, bucket int) {
	s.tag = n.tag(id, bucket)
	s.name = n.generation(s.tag)
	s.asking = make(chan struct{}, 1)
}

// owe remembers that a write may not have reached the server: the bucket is invalidated before it is used again.
func (s *shard) owe() {
	s.mu.Lock()
	s.owed++
	s.forgetLocked()
	s.mu.Unlock()
}

func (s *shard) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed != s.settled
}

// forget makes the next use ask the server. With lost, what was known before can't be taken up again, since changes may
// have gone unheard.
func (s *shard) forget(lost bool) {
	s.mu.Lock()
	if lost {
		s.last = nil
	}
	s.forgetLocked()
	s.mu.Unlock()
}

func (s *shard) forgetLocked() {
	s.changes++
	s.current.Store(nil)
}

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

// foundGeneration is what the server says of a bucket.
type foundGeneration struct {
	sealed  []byte // nil: there is none
	token   token
	valid   bool
	left    time.Duration // its time to live
	history string        // the server's
}

func (c *Cache[K, V]) readGeneration(ctx context.Context, pt *part, s *shard) (found foundGeneration, err error) {
	err = c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) error {
		// INFO has no key; the client sends it to where the others of the batch go.
		b := client.B()
		replies := client.DoMulti(ctx, b.Get().Key(s.name).Build(), b.Pttl().Key(s.name).Build(), b.Info().Section("replication").Build())
		var err error
		if found.sealed, err = bytesOrNil(replies[0]); err != nil {
			return err
		}
		left, err := replies[1].AsInt64()
		if err != nil {
			return err
		}
		found.left = time.Duration(left) * time.Millisecond
		info, err := replies[2].ToString()
		if err != nil {
			return err
		}
		found.history, err = history(info)
		return err
	})
	if err != nil || found.sealed == nil {
		return found, err
	}
	if plain, err := c.ring.open(s.name, found.sealed); err == nil {
		if r, ok := parseRecord(plain); ok && r.kind == kindGeneration && len(r.payload) == len(token{}) {
			found.token, found.valid = token(r.payload), true
		}
	}
	return found, nil
}

var errHistory = errors.New(`the server does not tell its replication id (INFO replication, "master_replid"); the login needs +info|replication`)

// history reads the id of the server's data set. It changes when a replica is promoted and when a server starts, so
// whenever writes that were answered may have been lost (https://redis.io/docs/latest/operate/oss_and_stack/management/replication/,
// "Replication ID explained").
func history(info string) (string, error) {
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "master_replid:"); ok && id != "" {
			return id, nil
		}
	}
	return "", errHistory
}

func bytesOrNil(r rueidis.RedisResult) ([]byte, error) {
	b, err := r.AsBytes()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

func (c *Cache[K, V]) sealGeneration(s *shard, t token) (string, error) {
	sealed, err := c.ring.seal(s.name, record{kind: kindGeneration, payload: t[:]}.append(nil))
	return string(sealed), err
}

// firstGeneration makes one where there is none, unless another process is faster. It was never used before, so whatever
// values are left on the server stay out of reach.
func (c *Cache[K, V]) firstGeneration(ctx context.Context, pt *part, s *shard, newest token) error {
	sealed, err := c.sealGeneration(s, newToken(time.Now(), newest))
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
		if sealed[i], err = c.sealGeneration(s, tokens[i]); err != nil {
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
