package cache

import (
	"sync"
	"sync/atomic"

	"github.com/septum-go/septum/tenant"
)

// chamber holds one tenant's entries. Readers use its table without a lock; everything else happens under mu, which no
// two chambers' are ever held at once. Only the budget's lock may be taken under it.
type chamber[K comparable, V any] struct {
	core  *core[K, V]
	id    tenant.ID
	table atomic.Pointer[table[K, V]] // nil while empty

	touched      atomic.Bool // used since the last sweep
	dead         atomic.Bool // it was idle and has left the directory; set under mu
	age          uint8       // sweeps since it was used; the sweeper's
	misses       atomic.Uint64
	negativeHits atomic.Uint64

	claim claim // the budget's

	mu       sync.Mutex
	values   sieve[K, V]
	absences *sieve[K, V] // nil without
	held     int64        // the sum of the entries' weights
	flights  map[K]*flight[K, V]
	tags     *tagIndex[K]
	tally    tally
}

// find gives the entry of a key, expired or not.
func (ch *chamber[K, V]) find(key K) *entry[K, V] {
	t := ch.table.Load()
	if t == nil {
		return nil
	}
	return t.find(ch.core.hash.of(key), key)
}

func (ch *chamber[K, V]) touch() {
	if !ch.touched.Load() {
		ch.touched.Store(true)
	}
}

func (ch *chamber[K, V]) miss() {
	ch.touch()
	ch.misses.Add(1)
}

func (ch *chamber[K, V]) count(c counter) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.tally.add(c, 1)
}

// serve counts a hit and gives the entry's value, or the error that says that there is none.
func (ch *chamber[K, V]) serve(t *table[K, V], e *entry[K, V]) (V, error) {
	ch.touch()
	if e.visit(); e.isAbsent() {
		ch.negativeHits.Add(1)
		return e.value, ch.core.opts.NotFound
	}
	if !t.countHit() {
		ch.count(countHits)
	}
	if ch.core.opts.Clone != nil {
		return ch.cloned(e.value, "Get")
	}
	return e.value, nil
}

// cloned copies a value for a caller. A hook that panics gives a miss.
func (ch *chamber[K, V]) cloned(value V, op string) (V, error) {
	if ch.core.opts.Clone == nil {
		return value, nil
	}
	var out V
	if err := ch.hook(op, func() { out = ch.core.opts.Clone(value) }); err != nil {
		return out, &Error{Op: op, Err: ErrMiss, Hint: "Clone panicked", Cause: err}
	}
	return out, nil
}

// set stores what a caller gives.
func (ch *chamber[K, V]) set(key K, value V) error {
	e, tags, err := ch.draft(key, value)
	if err == nil {
		for err = ch.keep(e, tags, nil); err == errDead; err = ch.keep(e, tags, nil) { //nolint:errorlint // never wrapped
			ch = ch.core.chamber(ch.id)
		}
	}
	if err != nil {
		ch.delete([]K{key}) // what was there is no longer what the caller wants it to be
	}
	return err
}

// keep makes room for an entry and stores it. With a flight it does so only as long as nothing has outdated the flight, and with
// nil it outdates the one that is under way.
func (ch *chamber[K, V]) keep(e *entry[K, V], tags []string, f *flight[K, V]) error {
	hash := ch.core.hash.of(e.key)
	if stored, err := ch.exchange(hash, e, tags, f); stored || err != nil {
		return err
	}
	weight := int64(e.weight)
	if err := ch.makeRoom(weight); err != nil {
		return err
	}
	ch.mu.Lock()
	if err := ch.closedTo(f); err != nil {
		ch.mu.Unlock()
		ch.core.budget.give(ch, weight)
		return err
	}
	freed := ch.install(hash, e, tags)
	if f == nil {
		ch.outdate(e.key)
	}
	ch.mu.Unlock()
	ch.core.budget.give(ch, freed)
	return nil
}

// exchange stores an entry when one of the same key is there and as heavy, so that nobody has to make room.
func (ch *chamber[K, V]) exchange(hash uint64, e *entry[K, V], tags []string, f *flight[K, V]) (bool, error) {
	ch.mu.Lock()
	if err := ch.closedTo(f); err != nil {
		ch.mu.Unlock()
		return false, err
	}
	old := ch.find(e.key)
	if old == nil || old.weight < e.weight {
		var freed int64
		if e.isAbsent() { // before the budget is asked, which would take it from the values
			freed = ch.capAbsences(e.key)
		}
		ch.mu.Unlock()
		ch.core.budget.give(ch, freed)
		return false, nil
	}
	freed := ch.install(hash, e, tags) - int64(e.weight)
	if f == nil {
		ch.outdate(e.key)
	}
	ch.mu.Unlock()
	ch.core.budget.give(ch, freed)
	return true, nil
}

// closedTo tells why nothing may be stored now. Under mu.
func (ch *chamber[K, V]) closedTo(f *flight[K, V]) error {
	switch {
	case ch.dead.Load():
		return errDead
	case f != nil && f.fate == fateOutdated:
		ch.tally.add(countRefusedStale, 1)
		return errOutdated
	case f != nil && f.fate != fateOpen:
		return errOutdated
	}
	return nil
}

// install puts an entry into table and list, in place of an older one of the key, and gives that one's weight. The room
// for the new one has been claimed, or is the old one's. Under mu.
func (ch *chamber[K, V]) install(hash uint64, e *entry[K, V], tags []string) (freed int64) {
	ch.touch()
	ch.tally.add(countSets, 1)
	ch.held += int64(e.weight)
	if e.isAbsent() {
		freed = ch.capAbsences(e.key)
	}
	t := ch.table.Load()
	if t != nil {
		if old := t.find(hash, e.key); old != nil {
			t.replace(hash, old, e)
			ch.held -= int64(old.weight)
			if old.isAbsent() == e.isAbsent() {
				e.visit() // a value that is written again is one that is used
				ch.listOf(e).replace(old, e)
			} else {
				ch.listOf(old).remove(old)
				ch.listOf(e).add(e)
			}
			ch.tags = ch.tags.set(e.key, tags)
			return freed + int64(old.weight)
		}
	}
	if t == nil || t.full() {
		t = ch.grow(t)
	}
	t.insert(hash, e)
	ch.listOf(e).add(e)
	ch.tags = ch.tags.set(e.key, tags)
	return freed
}

// capAbsences makes room for one more absence, and keeps so a tenant from filling its part with what there isn't. Under mu.
func (ch *chamber[K, V]) capAbsences(added K) (freed int64) {
	for ch.absences != nil && ch.absences.n >= ch.core.opts.NegativeMax {
		e := ch.absences.next(0)
		if e.key == added {
			break // it is replaced
		}
		freed += ch.drop(e)
		ch.tally.add(countEvictions, 1)
	}
	return freed
}

func (ch *chamber[K, V]) listOf(e *entry[K, V]) *sieve[K, V] {
	if !e.isAbsent() {
		return &ch.values
	}
	if ch.absences == nil {
		ch.absences = new(sieve[K, V])
	}
	return ch.absences
}

// grow gives a table in which there is room for one more. Under mu.
func (ch *chamber[K, V]) grow(t *table[K, V]) *table[K, V] {
	buckets := 1
	if t != nil {
		buckets = len(t.buckets) + (len(t.buckets)+1)/2
		if ch.core.opts.Weigh == nil { // then it is known how many there can be
			most := int(ch.claim.quota.Max/bucketFill) + 1
			if len(t.buckets) < most {
				buckets = min(buckets, most)
			}
		}
	}
	return ch.rebuild(t, buckets)
}

// rebuild moves all entries to a table of another size. Under mu.
func (ch *chamber[K, V]) rebuild(old *table[K, V], buckets int) *table[K, V] {
	t := newTable[K, V](buckets)
	for _, l := range []*sieve[K, V]{&ch.values, ch.absences} {
		for e := l.first(); e != nil; e = e.newer {
			t.insert(ch.core.hash.of(e.key), e)
		}
	}
	ch.table.Store(t)
	if old != nil {
		ch.tally.add(countHits, old.closeHits())
	}
	return t
}
