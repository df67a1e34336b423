package cache

// counter names one of a chamber's counters.
type counter uint8

const (
	countLoads counter = iota
	countJoins
	countLoadErrors
	countLoadPanics
	countAbandoned
	countStaleServed
	countEarlyRefreshes
	countSets
	countEvictions
	countExpirations
	countDeletes
	countInvalidations
	countRefusedTooLarge
	countRefusedWeight
	countRefusedKey
	countRefusedQuota
	countRefusedLifetime
	countRefusedStale
	countIncidents
	countHits
	counters
)

// tally holds the counters of a chamber in few bytes: most tenants count little. Under the chamber's lock.
type tally struct {
	low  [counters]uint16
	high *[counters]uint64 // what went over, in whole multiples of 1<<16
}

func (t *tally) add(c counter, n uint64) {
	sum := uint64(t.low[c]) + n
	t.low[c] = uint16(sum)
	if sum>>16 == 0 {
		return
	}
	if t.high == nil {
		t.high = new([counters]uint64)
	}
	t.high[c] += sum &^ 0xffff
}

func (t *tally) get(c counter) uint64 {
	n := uint64(t.low[c])
	if t.high != nil {
		n += t.high[c]
	}
	return n
}

func (t *tally) stats() Stats {
	return Stats{
		Hits:            t.get(countHits),
		Loads:           t.get(countLoads),
		Joins:           t.get(countJoins),
		LoadErrors:      t.get(countLoadErrors),
		LoadPanics:      t.get(countLoadPanics),
		Abandoned:       t.get(countAbandoned),
		StaleServed:     t.get(countStaleServed),
		EarlyRefreshes:  t.get(countEarlyRefreshes),
		Sets:            t.get(countSets),
		Evictions:       t.get(countEvictions),
		Expirations:     t.get(countExpirations),
		Deletes:         t.get(countDeletes),
		Invalidations:   t.get(countInvalidations),
		RefusedTooLarge: t.get(countRefusedTooLarge),
		RefusedWeight:   t.get(countRefusedWeight),
		RefusedKey:      t.get(countRefusedKey),
		RefusedQuota:    t.get(countRefusedQuota),
		RefusedLifetime: t.get(countRefusedLifetime),
		RefusedStale:    t.get(countRefusedStale),
		Incidents:       t.get(countIncidents),
	}
}

// plus adds two partitions' counters.
func (s Stats) plus(o Stats) Stats {
	return Stats{
		Hits: s.Hits + o.Hits, NegativeHits: s.NegativeHits + o.NegativeHits, Misses: s.Misses + o.Misses,
		Loads: s.Loads + o.Loads, Joins: s.Joins + o.Joins, LoadErrors: s.LoadErrors + o.LoadErrors,
		LoadPanics: s.LoadPanics + o.LoadPanics, Abandoned: s.Abandoned + o.Abandoned,
		StaleServed: s.StaleServed + o.StaleServed, EarlyRefreshes: s.EarlyRefreshes + o.EarlyRefreshes,
		Sets: s.Sets + o.Sets, Evictions: s.Evictions + o.Evictions, Expirations: s.Expirations + o.Expirations,
		Deletes: s.Deletes + o.Deletes, Invalidations: s.Invalidations + o.Invalidations,
		RefusedTooLarge: s.RefusedTooLarge + o.RefusedTooLarge, RefusedWeight: s.RefusedWeight + o.RefusedWeight,
		RefusedKey: s.RefusedKey + o.RefusedKey, RefusedQuota: s.RefusedQuota + o.RefusedQuota,
		RefusedLifetime: s.RefusedLifetime + o.RefusedLifetime, RefusedStale: s.RefusedStale + o.RefusedStale,
		Incidents: s.Incidents + o.Incidents,
		Entries:   s.Entries + o.Entries, Negatives: s.Negatives + o.Negatives, Weight: s.Weight + o.Weight,
	}
}
