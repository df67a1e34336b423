package cache

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
)

const (
	bucketSlots = 7
	bucketFill  = 6 // entries per bucket, on average, at which a table grows

	everyByte = 0x0101010101010101
	tagBits   = 1<<56 - 1
)

// table finds entries by key. Readers take no lock; writers hold the chamber's. A bucket is one cache line: a word of seven
// one-byte tags, and the seven entries that they belong to. The word's eighth byte counts the entries that found
// their bucket full and went on to the next, so that a reader knows where to stop.
//
// An entry never moves within a table, so a reader can't miss one that was there all the time. Growing makes another table;
// who still reads the old one sees the moment in which it was left.
type table[K comparable, V any] struct {
	buckets []bucket[K, V]
	size    int // entries; writers only
	hits    []stripe
}

type bucket[K comparable, V any] struct {
	meta  atomic.Uint64
	slots [bucketSlots]atomic.Pointer[entry[K, V]]
}

func newTable[K comparable, V any](buckets int) *table[K, V] {
	t := &table[K, V]{buckets: make([]bucket[K, V], buckets)}
	stripes := 1
	if buckets >= 16 { // a handful of entries is not worth lines for each processor
		stripes = min(4<<bits.Len(uint(runtime.GOMAXPROCS(0)-1)), 64)
	}
	t.hits = make([]stripe, stripes)
	return t
}

// home is the bucket in which a search begins.
func (t *table[K, V]) home(hash uint64) int {
	high, _ := bits.Mul64(hash, uint64(len(t.buckets)))
	return int(high)
}

// tagOf is never 0, which marks a free slot.
func tagOf(hash uint64) uint64 { return hash&0x7f | 0x80 }

// matches marks the bytes of meta that equal the tag. A byte next to a match may be marked as well; keys are compared anyway.
func matches(meta, tag uint64) uint64 {
	x := meta ^ tag*everyByte
	return (x - everyByte) &^ x & (0x80 * everyByte) & tagBits
}

func (t *table[K, V]) find(hash uint64, key K) *entry[K, V] {
	i, tag := t.home(hash), tagOf(hash)
	for range t.buckets {
		b := &t.buckets[i]
		meta := b.meta.Load()
		for m := matches(meta, tag); m != 0; m &= m - 1 {
			if e := b.slots[bits.TrailingZeros64(m)>>3].Load(); e != nil && e.key == key {
				return e
			}
		}
		if meta>>56 == 0 {
			break
		}
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
	return nil
}

// full tells that the next insert needs a greater table.
func (t *table[K, V]) full() bool { return t.size >= len(t.buckets)*bucketFill }

// insert adds an entry whose key is not in the table, which is not full.
func (t *table[K, V]) insert(hash uint64, e *entry[K, V]) {
	i := t.home(hash)
	for {
		b := &t.buckets[i]
		meta := b.meta.Load()
		if free := matches(meta, 0); free != 0 {
			j := bits.TrailingZeros64(free) >> 3
			b.slots[j].Store(e) // before the tag: who sees the tag finds the entry
			b.meta.Store(meta | tagOf(hash)<<(8*j))
			t.size++
			return
		}
		if meta>>56 < 255 { // a count that reached the end stays there
			b.meta.Store(meta + 1<<56)
		}
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
}

// place finds the slot of an entry that is in the table.
func (t *table[K, V]) place(hash uint64, e *entry[K, V]) (*bucket[K, V], int) {
	for i := t.home(hash); ; {
		b := &t.buckets[i]
		for j := range b.slots {
			if b.slots[j].Load() == e {
				return b, j
			}
		}
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
}

// replace puts an entry where another one of the same key is.
func (t *table[K, V]) replace(hash uint64, old, e *entry[K, V]) {
	b, j := t.place(hash, old)
	b.slots[j].Store(e)
}

// remove takes out an entry that is in the table.
func (t *table[K, V]) remove(hash uint64, e *entry[K, V]) {
	b, j := t.place(hash, e)
	for i := t.home(hash); &t.buckets[i] != b; {
		passed := &t.buckets[i]
		if meta := passed.meta.Load(); meta>>56 < 255 {
			passed.meta.Store(meta - 1<<56)
		}
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
	b.meta.Store(b.meta.Load() &^ (0xff << (8 * j)))
	b.slots[j].Store(nil)
	t.size--
}

// stripe counts hits. Goroutines spread over the stripes, so that a hit does not wait for another processor's line.
type stripe struct {
	n atomic.Uint64
	_ [56]byte
}

// stripeClosed is added to a stripe when its table is left, so that who counts there later learns of it.
const stripeClosed = 1 << 63

// countHit reports whether the hit was counted; it was not when the table has been left.
func (t *table[K, V]) countHit() bool {
	var here byte // its address tells goroutines apart, and is never followed
	at := uint64(uintptr(unsafe.Pointer(&here))>>11) * 0x9e3779b97f4a7c15
	return t.hits[at>>58&uint64(len(t.hits)-1)].n.Add(1) < stripeClosed
}

// closeHits gives what was counted, and refuses more.
func (t *table[K, V]) closeHits() (sum uint64) {
	for i := range t.hits {
		sum += t.hits[i].n.Swap(stripeClosed)
	}
	return sum
}

func (t *table[K, V]) countedHits() (sum uint64) {
	for i := range t.hits {
		if n := t.hits[i].n.Load(); n < stripeClosed {
			sum += n
		}
	}
	return sum
}
