package cache

import (
	"math"
	"sync"
)

// budget is the room that all tenants share, and decides who pays when it is full: the partition that is the most above its
// fair share. That is max-min fairness: who floods the cache is soon the greatest, and from then on evicts itself.
//
// Its lock is a leaf: nobody takes another one under it.
type budget[K comparable, V any] struct {
	mu       sync.Mutex
	capacity int64
	used     int64
	reserved int64            // the sum of the granted reserves
	heap     []*chamber[K, V] // those that hold something, by excess, the greatest first
}

// claim is a chamber's part of the budget. Under the budget's lock, the quota excepted, which never changes.
type claim struct {
	used  int64  // what it holds, and what is just being stored
	quota *Quota // nil: none that can work, so there is no room
	index int32  // in the heap, plus 1; 0: not there
	idle  bool   // unused for Options.IdleAfter
}

// excess orders the chambers: what one would hold beyond its reserve, in relation to its weight. Idle ones come first.
func (c *claim) excess(more int64) float64 {
	over := float64(c.used + more - c.quota.Reserve)
	switch {
	case over <= 0:
		return 0
	case c.idle:
		return math.MaxFloat64/2 + over*1e287 // finite for any int64, and still in order
	}
	return over / c.quota.Weight
}

// take claims room for a chamber. When there is none it names who has to evict first, and how much; when nobody can be asked,
// payer is nil and ok false.
func (b *budget[K, V]) take(ch *chamber[K, V], weight int64) (payer *chamber[K, V], need int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := &ch.claim
	if own.idle {
		own.idle = false
		b.fix(ch)
	}
	if need = own.used + weight - own.quota.Max; need > 0 {
		return ch, need, own.used > 0
	}
	if need = b.used + weight - b.capacity; need <= 0 {
		own.used += weight
		b.used += weight
		b.fix(ch)
		return nil, 0, true
	}
	top := b.top()
	if top == nil {
		return nil, 0, false
	}
	mine, theirs := own.excess(weight), top.claim.excess(0)
	switch {
	case top == ch, mine > theirs, mine == theirs && own.used > 0:
		// Nobody is asked to go below what the chamber itself would hold then.
		return ch, need, own.used > 0
	case theirs > 0:
		return top, b.instalment(need, (theirs-max(mine, b.second()))*top.claim.quota.Weight), true
	}
	return nil, 0, false
}

// instalment is how much of a need the greatest pays before it is looked again who that is: what it has beyond the next one, and
// some more, so that it does not take for ever.
func (b *budget[K, V]) instalment(need int64, beyond float64) int64 {
	least := need/16 + 1
	if beyond >= float64(need) {
		return need
	}
	return min(need, max(least, int64(beyond)))
}

// second is the excess of the second greatest.
func (b *budget[K, V]) second() (excess float64) {
	for _, ch := range b.heap[min(1, len(b.heap)):min(3, len(b.heap))] {
		excess = max(excess, ch.claim.excess(0))
	}
	return excess
}

// top is the chamber with the greatest excess. One that was idle and was used since is idle no more.
func (b *budget[K, V]) top() *chamber[K, V] {
	for len(b.heap) > 0 {
		top := b.heap[0]
		if !top.claim.idle || !top.touched.Load() {
			return top
		}
		top.claim.idle = false
		b.fix(top)
	}
	return nil
}

// give returns room.
func (b *budget[K, V]) give(ch *chamber[K, V], weight int64) {
	if weight == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ch.claim.used -= weight
	b.used -= weight
	b.fix(ch)
}

func (b *budget[K, V]) markIdle(ch *chamber[K, V], idle bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ch.claim.idle != idle {
		ch.claim.idle = idle
		b.fix(ch)
	}
}

// grant gives a new chamber its reserve, unless the others' leave no room for it.
func (b *budget[K, V]) grant(reserve int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reserved+reserve > b.capacity {
		return false
	}
	b.reserved += reserve
	return true
}

// leave takes back the reserve of a chamber that holds nothing; false when it holds something.
func (b *budget[K, V]) leave(ch *chamber[K, V]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ch.claim.used != 0 {
		return false
	}
	if ch.claim.quota != nil {
		b.reserved -= ch.claim.quota.Reserve
	}
	return true
}

// fix puts a chamber where its excess belongs in the heap.
func (b *budget[K, V]) fix(ch *chamber[K, V]) {
	i := int(ch.claim.index) - 1
	if i < 0 {
		if ch.claim.used == 0 {
			return
		}
		b.heap = append(b.heap, ch)
		i = len(b.heap) - 1
		ch.claim.index = int32(i + 1)
	}
	if ch.claim.used == 0 {
		last := len(b.heap) - 1
		moved := b.heap[last]
		b.heap[last] = nil
		b.heap = b.heap[:last]
		ch.claim.index = 0
		if moved == ch {
			return
		}
		b.heap[i], moved.claim.index = moved, int32(i+1)
	}
	b.down(b.up(i))
}

func (b *budget[K, V]) up(i int) int {
	for i > 0 {
		parent := (i - 1) / 2
		if b.heap[parent].claim.excess(0) >= b.heap[i].claim.excess(0) {
			break
		}
		b.swap(parent, i)
		i = parent
	}
	return i
}

func (b *budget[K, V]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(b.heap) {
			return
		}
		if right := child + 1; right < len(b.heap) && b.heap[right].claim.excess(0) > b.heap[child].claim.excess(0) {
			child = right
		}
		if b.heap[i].claim.excess(0) >= b.heap[child].claim.excess(0) {
			return
		}
		b.swap(i, child)
		i = child
	}
}

func (b *budget[K, V]) swap(i, j int) {
	b.heap[i], b.heap[j] = b.heap[j], b.heap[i]
	b.heap[i].claim.index, b.heap[j].claim.index = int32(i+1), int32(j+1)
}
