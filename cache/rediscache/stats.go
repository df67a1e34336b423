package rediscache

import (
	"sync/atomic"

	"github.com/septum-go/septum/cache"
)

// Stats are counters since the cache, or the tenant's part of it, was made; a part that was idle begins anew. A tenant sees
// its own. Do not show sums to tenants: a total minus one's own is the others'.
type Stats struct {
	Local cache.Stats // the tier in process; its Loads also count looks at the server

	Hits   uint64 // values and absences that the server gave
	Misses uint64 // nothing there
	Loads  uint64 // loaders called
	Sets   uint64 // values and absences stored on the server

	StaleServed    uint64 // expired values served because the loader failed
	EarlyRefreshes uint64 // loads begun before the value expired

	Errors  uint64 // exchanges that failed: the server is gone, slow, or answered with an error
	Skipped uint64 // exchanges not begun, since the breaker is open
	Outages uint64 // how often the breaker opened; of a tenant's part always 0
	Forged  uint64 // sealed values that did not open under their name: an Incident each
	Expired uint64 // values that the server gave after their end
	Unread  uint64 // values that Decode refused
	// Fallbacks counts generations older than one seen before: the server lost an invalidation, or somebody put an older state
	// back. The tenant was invalidated anew, and an Incident tells of it.
	Fallbacks uint64

	// What was not stored, and why.
	RefusedTooLarge uint64 // longer than MaxValue
	RefusedEncoding uint64 // Encode failed, EncodeKey, Lifetime or Tags panicked, or there are too many tags
	RefusedLifetime uint64 // Lifetime gave less than a millisecond
	RefusedStale    uint64 // loaded before an invalidation, a Delete or a Set, or for longer than LoadTimeout (C06)

	Invalidations    uint64 // calls of InvalidateTenant
	TagInvalidations uint64 // calls of InvalidateTag
	Deletes          uint64 // keys deleted
	Heard            uint64 // changes by others that the server told of
	Incidents        uint64 // what OnIncident was told

	Available bool // the breaker is closed
}

// counter names one of the numbers of Stats.
type counter int

const (
	hits counter = iota
	misses
	loads
	sets
	staleServed
	earlyRefreshes
	failures
	skipped
	outages
	forged
	expired
	unread
	fallbacks
	tooLarge
	encoding
	lifetime
	stale
	invalidations
	tagInvalidations
	deletes
	heard
	incidents
	counterCount
)

// counters are Stats as they grow: those of a part, or the sums.
type counters [counterCount]atomic.Uint64

func (c *counters) stats() Stats {
	get := func(which counter) uint64 { return c[which].Load() }
	return Stats{
		Hits: get(hits), Misses: get(misses), Loads: get(loads), Sets: get(sets),
		StaleServed: get(staleServed), EarlyRefreshes: get(earlyRefreshes),
		Errors: get(failures), Skipped: get(skipped), Outages: get(outages),
		Forged: get(forged), Expired: get(expired), Unread: get(unread), Fallbacks: get(fallbacks),
		RefusedTooLarge: get(tooLarge), RefusedEncoding: get(encoding), RefusedLifetime: get(lifetime), RefusedStale: get(stale),
		Invalidations: get(invalidations), TagInvalidations: get(tagInvalidations), Deletes: get(deletes), Heard: get(heard), Incidents: get(incidents),
	}
}
