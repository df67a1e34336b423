package cache

import "sync/atomic"

// entry is a value, or the knowledge that there is none. What readers see never changes after it was published, the
// visited bit excepted; a new value of a key is a new entry.
type entry[K comparable, V any] struct {
	key   K
	value V

	newer, older *entry[K, V] // neighbours in the chamber's list; under its lock

	expires int64  // on the cache's clock; 0: never
	weight  uint32 // in units of the budget
	state   atomic.Uint32
}

// The bits of entry.state. The rest is what the load took, in microseconds.
const (
	visited  = 1 << iota // read since the hand of SIEVE came by
	absent               // there is no such thing
	costBits = iota

	maxCost   = 1<<(32-costBits) - 1
	maxWeight = 1<<32 - 1
)

func (e *entry[K, V]) visit() {
	if s := e.state.Load(); s&visited == 0 {
		e.state.Store(s | visited)
	}
}

func (e *entry[K, V]) isAbsent() bool { return e.state.Load()&absent != 0 }

// cost is what the load took, in nanoseconds.
func (e *entry[K, V]) cost() int64 { return int64(e.state.Load()>>costBits) * 1000 }

// sieve is a list of entries in the order of their arrival and a hand that goes through it, from the oldest to the newest and
// over again. What was visited since the hand's last visit is passed; the first that was not has to go. A hit so is a bit
// and no move in a list, and needs no lock. (Zhang, Yang, Yue, Vigfusson, Rashmi: SIEVE is Simpler than LRU, NSDI 2024)
type sieve[K comparable, V any] struct {
	newest, oldest, hand *entry[K, V]
	n                    int
}

func (l *sieve[K, V]) add(e *entry[K, V]) {
	e.older, e.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
	l.n++
}

func (l *sieve[K, V]) remove(e *entry[K, V]) {
	if l.hand == e {
		l.hand = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		l.oldest = e.newer
	}
	e.newer, e.older = nil, nil
	l.n--
}

// replace puts an entry into another's place.
func (l *sieve[K, V]) replace(old, e *entry[K, V]) {
	e.newer, e.older = old.newer, old.older
	if e.newer != nil {
		e.newer.older = e
	} else {
		l.newest = e
	}
	if e.older != nil {
		e.older.newer = e
	} else {
		l.oldest = e
	}
	if l.hand == old {
		l.hand = e
	}
	old.newer, old.older = nil, nil
}

// next moves the hand to the entry that has to go; nil in an empty list. What has expired by now goes even when it was visited.
func (l *sieve[K, V]) next(now int64) *entry[K, V] {
	e := l.hand
	if e == nil {
		e = l.oldest
	}
	for passed := 0; e != nil; passed++ {
		s := e.state.Load()
		// Two rounds are enough, unless readers visit faster than the hand goes.
		if s&visited == 0 || passed > 2*l.n || e.expires != 0 && e.expires <= now {
			break
		}
		e.state.Store(s &^ visited)
		if e = e.newer; e == nil {
			e = l.oldest
		}
	}
	l.hand = e
	return e
}

// first is the oldest entry, from which a walk goes by newer.
func (l *sieve[K, V]) first() *entry[K, V] {
	if l == nil {
		return nil
	}
	return l.oldest
}
