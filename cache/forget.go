package cache

// drop takes out an entry and gives its weight. Under mu.
func (ch *chamber[K, V]) drop(e *entry[K, V]) int64 {
	t := ch.table.Load()
	t.remove(ch.core.hash.of(e.key), e)
	ch.listOf(e).remove(e)
	ch.tags = ch.tags.set(e.key, nil)
	ch.held -= int64(e.weight)
	if t.size == 0 {
		ch.vacate()
	}
	return int64(e.weight)
}

// vacate forgets all entries at once and gives their weight. Under mu.
func (ch *chamber[K, V]) vacate() int64 {
	freed := ch.held
	if t := ch.table.Swap(nil); t != nil {
		ch.tally.add(countHits, t.closeHits())
	}
	ch.values, ch.absences, ch.held, ch.tags = sieve[K, V]{}, nil, 0, nil
	return freed
}

// evict frees at least need, if the chamber holds as much, and tells how much it was.
func (ch *chamber[K, V]) evict(need int64) (freed int64) {
	now := ch.core.now()
	ch.mu.Lock()
	for freed < need && ch.held > 0 {
		l := &ch.values
		// Absences are cheap to find out again, but those that keep a flood from the database must not be the first to go.
		if ch.absences != nil && ch.absences.n*8 > l.n {
			l = ch.absences
		}
		e := l.next(now)
		if e.expires != 0 && e.expires <= now {
			ch.tally.add(countExpirations, 1)
		} else {
			ch.tally.add(countEvictions, 1)
		}
		freed += ch.drop(e)
	}
	ch.mu.Unlock()
	ch.core.budget.give(ch, freed)
	return freed
}

// delete forgets keys, and what is being loaded for them.
func (ch *chamber[K, V]) delete(keys []K) {
	var freed int64
	ch = ch.lock()
	ch.touch()
	for _, key := range keys {
		if !ch.core.hash.usable(key) {
			continue // it can't have been stored
		}
		ch.outdate(key)
		if e := ch.find(key); e != nil {
			freed += ch.drop(e)
			ch.tally.add(countDeletes, 1)
		}
	}
	ch.mu.Unlock()
	ch.core.budget.give(ch, freed)
}

// invalidateTags forgets the entries of the tags. What is being loaded may turn out to have one of them, so it is all outdated.
func (ch *chamber[K, V]) invalidateTags(tags []string) {
	var freed int64
	ch = ch.lock()
	ch.touch()
	ch.outdateAll()
	for _, tag := range tags {
		for key := range ch.tags.keys(tag) {
			if e := ch.find(key); e != nil {
				freed += ch.drop(e)
				ch.tally.add(countDeletes, 1)
			}
		}
	}
	ch.mu.Unlock()
	ch.core.budget.give(ch, freed)
}

// invalidate forgets everything, and what is being loaded.
func (ch *chamber[K, V]) invalidate() {
	ch = ch.lock()
	ch.touch()
	ch.outdateAll()
	freed := ch.vacate()
	ch.tally.add(countInvalidations, 1)
	ch.mu.Unlock()
	ch.core.budget.give(ch, freed)
}
