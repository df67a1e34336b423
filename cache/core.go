package cache

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"time"
)

// core is what the chambers of a cache have in common.
type core[K comparable, V any] struct {
	opts      Options[K, V]
	hash      hasher[K]
	start     time.Time
	timed     bool // entries may expire
	budget    budget[K, V]
	directory directory[K, V]
}

// These never reach a caller.
var (
	errDead     = errors.New("the chamber has left the directory")
	errOutdated = errors.New("the load is outdated")
)

func newCore[K comparable, V any](opts Options[K, V]) (*core[K, V], error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &core[K, V]{
		opts:  opts,
		hash:  newHasher[K](),
		start: time.Now(),
		timed: opts.TTL > 0 || opts.NegativeTTL > 0 || opts.Lifetime != nil,
	}
	c.budget.capacity = opts.Capacity
	c.directory.seed = maphash.MakeSeed()
	return c, nil
}

// now is the time on the cache's own clock, in nanoseconds, which no change of the machine's time moves. It costs more than
// all the rest of a hit, so nobody asks when nothing can expire.
func (c *core[K, V]) now() int64 {
	if !c.timed {
		return 0
	}
	return int64(time.Since(c.start)) + 1
}

// expiry gives the time at which an entry of this lifetime expires, with jitter; never later than that.
func (c *core[K, V]) expiry(lifetime time.Duration) int64 {
	if lifetime <= 0 {
		return 0
	}
	lifetime -= time.Duration(c.opts.Jitter * rand.Float64() * float64(lifetime)) //nolint:gosec // a spread, no secret
	now := c.now()
	if int64(lifetime) > math.MaxInt64-now {
		return 0 // in 292 years
	}
	return now + max(int64(lifetime), 1)
}

// draft checks what is to be stored, and makes an entry of it.
func (ch *chamber[K, V]) draft(key K, value V) (*entry[K, V], []string, error) {
	c := ch.core
	if !c.hash.usable(key) {
		return nil, nil, ch.refuse(countRefusedKey, "the key does not equal itself, or can't be compared", nil)
	}
	if ch.claim.quota == nil {
		return nil, nil, ch.refuse(countRefusedQuota, "QuotaOf gave the tenant a quota that can't work", nil)
	}
	e := &entry[K, V]{key: key, value: value, weight: 1}
	weight, lifetime := int64(1), c.opts.TTL
	var tags []string
	if c.opts.Clone != nil || c.opts.Weigh != nil || c.opts.Lifetime != nil || c.opts.Tags != nil {
		refused := false
		err := ch.hook("Set", func() {
			if c.opts.Clone != nil {
				e.value = c.opts.Clone(value)
			}
			if c.opts.Weigh != nil {
				weight = c.opts.Weigh(key, e.value)
			}
			if c.opts.Tags != nil {
				tags = c.opts.Tags(key, e.value)
			}
			if c.opts.Lifetime != nil {
				own := c.opts.Lifetime(key, e.value)
				if refused = own <= 0; lifetime == 0 || own < lifetime {
					lifetime = own
				}
			}
		})
		switch {
		case err != nil:
			return nil, nil, ch.refuse(countRefusedWeight, "a hook of the options panicked", err)
		case refused:
			return nil, nil, ch.refuse(countRefusedLifetime, "Lifetime gave 0 or less", nil)
		case weight <= 0:
			return nil, nil, ch.refuse(countRefusedWeight, "Weigh gave 0 or less", nil)
		}
	}
	if weight > ch.claim.quota.Max || weight > maxWeight {
		return nil, nil, ch.refuse(countRefusedTooLarge, "it is heavier than the tenant's Max, the Capacity, or 4 Gi", nil)
	}
	e.weight = uint32(weight)
	e.expires = c.expiry(lifetime)
	return e, tags, nil
}

// draftAbsence makes an entry that says that there is none; nil when such ones are not kept.
func (ch *chamber[K, V]) draftAbsence(key K) *entry[K, V] {
	c := ch.core
	if c.opts.NegativeTTL == 0 || ch.claim.quota == nil || !c.hash.usable(key) {
		return nil
	}
	e := &entry[K, V]{key: key, weight: 1}
	if c.opts.Weigh != nil {
		e.weight = absenceWeight
	}
	if int64(e.weight) > ch.claim.quota.Max {
		return nil
	}
	e.state.Store(absent)
	e.expires = c.expiry(c.opts.NegativeTTL)
	return e
}

// absenceWeight is what an absence weighs where Weigh, which needs a value, can't be asked: its entry's own bytes.
const absenceWeight = 64

// makeRoom claims room for the chamber, and evicts where the budget says.
func (ch *chamber[K, V]) makeRoom(weight int64) error {
	b := &ch.core.budget
	for range 1000 { // more only when others store faster than this evicts
		payer, need, ok := b.take(ch, weight)
		if payer == nil && ok {
			return nil
		}
		if !ok {
			break
		}
		if payer.evict(need) == 0 { // what it holds is just being stored, by somebody who needs the processor
			runtime.Gosched()
		}
	}
	return ch.refuse(countRefusedQuota, "it would take others below their share, or their reserves leave no room", nil)
}

func (ch *chamber[K, V]) refuse(c counter, hint string, cause error) error {
	ch.count(c)
	return &Error{Op: "Set", Err: ErrRefused, Hint: hint, Cause: cause}
}

// hook runs code of the user that is not a loader.
func (ch *chamber[K, V]) hook(op string, run func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
			ch.incident(IncidentPanic, fmt.Errorf("cache: %s: a hook of the options: %w", op, err))
		}
	}()
	run()
	return nil
}

// incident counts and reports. Not under a lock.
func (ch *chamber[K, V]) incident(kind IncidentKind, err error) {
	ch.count(countIncidents)
	if report := ch.core.opts.OnIncident; report != nil {
		defer func() { _ = recover() }() // nobody is left to be told of a reporter's panic
		report(Incident{Kind: kind, Tenant: ch.id, Err: err})
	}
}
