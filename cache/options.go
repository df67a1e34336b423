package cache

import (
	"math"
	"time"

	"github.com/septum-go/septum/tenant"
)

// Options say what a [Cache] may keep and for how long. Capacity is required; every other field's zero value works. New
// copies the struct, so changing it afterwards changes nothing. The hooks are called from many goroutines at once, never
// under a lock, and a panic in one is a refused Set or a miss, not a crash.
type Options[K comparable, V any] struct {
	// Capacity is the budget that all tenants share: entries, or the sum of Weigh. Required, at least 1.
	Capacity int64
	// Weigh gives an entry's weight, in bytes or what else Capacity counts: 1 or more, anything less refuses the Set.
	// nil: each entry weighs 1.
	Weigh func(key K, value V) int64

	// Quota is what each tenant may claim of Capacity. Its zero value shares evenly.
	Quota Quota
	// QuotaOf gives single tenants another Quota; nil: all have Quota. It is asked when a tenant's partition is made. A
	// quota that New would refuse gives the tenant no room: each Set is refused, with an Incident.
	QuotaOf func(id tenant.ID) Quota

	// IdleAfter is how long a tenant's partition may go unused until it is idle. An empty one then goes away; the entries of
	// another, above its reserve, are the first to make room for others'. 0: 5 minutes.
	IdleAfter time.Duration

	// TTL is the longest time that an entry is served. 0: until it is evicted or invalidated.
	TTL time.Duration
	// Jitter shortens each TTL by a random part of it, up to this fraction, so that entries stored together don't expire
	// together. 0 means 0.1; a negative value means none; less than 1.
	Jitter float64
	// Lifetime gives single entries a TTL of their own, for example what is left of a token's; nil: all have TTL.
	// Longer ones than TTL are cut to it, and 0 or less refuses the Set.
	Lifetime func(key K, value V) time.Duration
	// EarlyRefresh is the β of XFetch: the greater, the earlier GetOrLoad begins to load anew before an entry expires, in the
	// background, so that no caller waits and a popular entry never expires for all at once. The paper's value is 1.
	// 0: off. (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015)
	EarlyRefresh float64
	// StaleIfError is how long after its TTL an entry is still served by GetOrLoad when the loader fails. Never after a
	// Delete or an invalidation, and never when the loader says that there is none. 0: off.
	StaleIfError time.Duration

	// NotFound is the loader's error that means "there is none", matched with errors.Is, and what a cached absence gives
	// back. nil: ErrNotFound. Programs on rls say query.ErrNotFound.
	NotFound error
	// NegativeTTL is how long "there is none" is remembered. 0: not at all.
	NegativeTTL time.Duration
	// NegativeMax is how many absences one tenant's partition remembers at most; more push out the tenant's own older
	// absences, never values. 0: an eighth of Capacity, at most 4096.
	NegativeMax int

	// LoadTimeout ends a load that takes longer. 0: 30 seconds.
	LoadTimeout time.Duration
	// FinishLoads lets a load run to its end, and keeps its value, when nobody waits for it any more. The default cancels it
	// as soon as the last caller has gone. Either way it outlives the caller that began it while others wait.
	FinishLoads bool

	// Clone copies a value, on the way in and on the way out, so that callers can't change what others read. nil: values
	// are shared, which is right for those that nobody changes. It must not give nil for what isn't.
	Clone func(value V) V
	// Tags names the groups that an entry belongs to, for InvalidateTag. nil: none.
	Tags func(key K, value V) []string

	// OnIncident is told of what should not happen: a loader's panic, an invalid quota, in remote tiers also forged values
	// and outages. nil: nobody is told, Stats still counts. It is called in the goroutine that found it.
	OnIncident func(Incident)
}

// Quota is one tenant's claim on the capacity. Units are those of Options.Capacity.
type Quota struct {
	// Reserve is room that no other tenant can take: below it only the tenant's own Sets evict its entries. Reserves are
	// granted while their sum fits Capacity; one that does not fit counts as 0, with an Incident.
	Reserve int64
	// Weight is the tenant's share of what is left, relative to other tenants'. 0 means 1.
	Weight float64
	// Max is the most that the tenant may hold. 0: all of Capacity.
	Max int64
}

const (
	defaultJitter      = 0.1
	defaultLoadTimeout = 30 * time.Second
	defaultIdleAfter   = 5 * time.Minute
	maxNegativeDefault = 4096
)

// withDefaults gives the options as the cache uses them, or what is wrong with them.
func (o Options[K, V]) withDefaults() (Options[K, V], error) {
	switch {
	case o.Capacity <= 0:
		return o, optionError("Capacity must be 1 or more")
	case o.TTL < 0, o.StaleIfError < 0, o.NegativeTTL < 0, o.LoadTimeout < 0, o.IdleAfter < 0:
		return o, optionError("TTL, StaleIfError, NegativeTTL, LoadTimeout and IdleAfter can't be negative")
	case math.IsNaN(o.Jitter) || o.Jitter >= 1:
		return o, optionError("Jitter must be a number less than 1")
	case math.IsNaN(o.EarlyRefresh) || math.IsInf(o.EarlyRefresh, 0) || o.EarlyRefresh < 0:
		return o, optionError("EarlyRefresh must be a finite number, 0 or more")
	case o.NegativeMax < 0:
		return o, optionError("NegativeMax can't be negative")
	case o.StaleIfError > 0 && o.TTL == 0 && o.Lifetime == nil:
		return o, optionError("StaleIfError needs a TTL: what never expires is never stale")
	}
	if reason := o.Quota.fault(o.Capacity); reason != "" {
		return o, optionError("Quota: " + reason)
	}
	o.Quota = o.Quota.withDefaults(o.Capacity)
	switch {
	case o.Jitter == 0:
		o.Jitter = defaultJitter
	case o.Jitter < 0:
		o.Jitter = 0
	}
	if o.LoadTimeout == 0 {
		o.LoadTimeout = defaultLoadTimeout
	}
	if o.IdleAfter == 0 {
		o.IdleAfter = defaultIdleAfter
	}
	if o.NotFound == nil {
		o.NotFound = ErrNotFound
	}
	if o.NegativeMax == 0 {
		o.NegativeMax = int(max(1, min(o.Capacity/8, maxNegativeDefault)))
	}
	return o, nil
}

// fault says what is wrong with a quota, "" when nothing is.
func (q Quota) fault(capacity int64) string {
	switch {
	case math.IsNaN(q.Weight) || math.IsInf(q.Weight, 0) || q.Weight < 0:
		return "Weight must be a finite number, 0 (which means 1) or more"
	case q.Weight > 0 && (q.Weight < 1e-6 || q.Weight > 1e6):
		return "Weight must lie between 1e-6 and 1e6"
	case q.Reserve < 0 || q.Reserve > capacity:
		return "Reserve must lie between 0 and Capacity"
	case q.Max < 0:
		return "Max can't be negative"
	case q.Max > 0 && q.Max < q.Reserve:
		return "Max is less than Reserve"
	}
	return ""
}

// withDefaults fills in what 0 means.
func (q Quota) withDefaults(capacity int64) Quota {
	if q.Weight == 0 {
		q.Weight = 1
	}
	if q.Max == 0 || q.Max > capacity {
		q.Max = capacity
	}
	return q
}
