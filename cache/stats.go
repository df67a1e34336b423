package cache

// Stats are counters since the cache, or the tenant's partition, was made. A partition that was empty and idle
// (Options.IdleAfter) goes away and begins anew; the cache's totals keep what it counted. Counters are read one by one while work goes
// on, so they agree with each other only when nothing happens.
//
// A tenant sees its own; [Cache.Stats] are sums. Do not show sums to tenants: a total minus one's own is the others'.
type Stats struct {
	Hits         uint64 // values served
	NegativeHits uint64 // absences served
	Misses       uint64 // nothing served; GetOrLoad then loads or waits

	Loads          uint64 // loaders called; GetOrLoadMany calls one for all the keys it misses
	Joins          uint64 // misses that waited for a load which another caller began
	LoadErrors     uint64 // loads that failed, timeouts and panics included, absences not
	LoadPanics     uint64 // loaders that panicked or ended their goroutine
	Abandoned      uint64 // loads cancelled because nobody waited any more
	StaleServed    uint64 // expired values served because the loader failed
	EarlyRefreshes uint64 // loads begun before the entry expired

	Sets        uint64 // entries stored, by Set or by a load
	Evictions   uint64 // entries pushed out for room
	Expirations uint64 // entries removed after their TTL
	Deletes     uint64 // entries removed by Delete or InvalidateTag
	// Invalidations counts calls of InvalidateTenant.
	Invalidations uint64

	// What was not stored, and why.
	RefusedTooLarge uint64 // heavier than the tenant's Max or the capacity
	RefusedWeight   uint64 // Weigh gave 0 or less, or a hook panicked
	RefusedKey      uint64 // a key that does not equal itself (NaN), or can't be hashed
	RefusedQuota    uint64 // the tenant has no valid quota, or others' reserves leave no room
	RefusedLifetime uint64 // Lifetime gave 0 or less
	RefusedStale    uint64 // loaded before an invalidation, a Delete or a Set, and so not kept (C06)

	Incidents uint64 // what OnIncident is told

	Entries   int   // entries held now, absences and expired ones included
	Negatives int   // absences among them
	Weight    int64 // what they weigh; each 1 without a Weigh
}

// Refused is the sum of what was not stored.
func (s Stats) Refused() uint64 {
	return s.RefusedTooLarge + s.RefusedWeight + s.RefusedKey + s.RefusedQuota + s.RefusedLifetime + s.RefusedStale
}

// HitRatio is the part of look-ups that were served, 0 without any.
func (s Stats) HitRatio() float64 {
	hits := s.Hits + s.NegativeHits
	if hits+s.Misses == 0 {
		return 0
	}
	return float64(hits) / float64(hits+s.Misses)
}
