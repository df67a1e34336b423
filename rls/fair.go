package rls

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/septum-go/septum/tenant"
)

// admission lets requests to the connections so that no tenant keeps the others from them. It stands in front of the
// router, and has as many slots as Config.MaxConns says.
//
// A tenant may hold at most its Limits.MaxConns slots; where none is said, all of them while it is alone, and two in five
// as soon as others come, so that their statements find connections free and the server's processors not taken. When more want a slot than there are, the next free slot goes to the tenant that holds the fewest for its weight, and among equals to the
// one that waits longest; within a tenant it is first come, first served. Nobody starves: a tenant that holds
// nothing is only ever behind those that came before it. Tenants without a request cost nothing.
type admission struct {
	mu     sync.Mutex
	total  int
	free   int
	shares map[tenant.ID]*share // of tenants that hold or want a slot
	spare  *share               // one that went, for the next that comes
	queue  shareQueue           // tenants that want a slot and may have one more
	turn   uint64               // counts the waits

	recent tenant.ID // who came last
	mixed  time.Time // when somebody else came last
	alone  bool      // nobody else came for aloneAfter

	over   bool          // nobody is let in any more
	closed chan struct{} // closed with over, for those that wait
}

// aloneAfter is how long no other tenant must have come until one may have all slots.
const aloneAfter = time.Second

// share is what one tenant holds and wants.
type share struct {
	id          tenant.ID
	used        int
	limit       int // Limits.MaxConns
	weight      int
	first, last *ticket // the tenant's waiting requests
	at          int     // its place in the queue; -1 when it is not there
}

// ticket is one waiting request.
type ticket struct {
	ready      chan struct{}
	granted    bool
	turn       uint64
	prev, next *ticket
}

func newAdmission(total int) *admission {
	return &admission{total: total, free: total, shares: map[tenant.ID]*share{}, alone: true, closed: make(chan struct{})}
}

// close sends away those that wait, and all that come later, with ErrClosed. Slots that are held are given back as ever.
func (a *admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.over = true
		close(a.closed)
	}
}

// enter waits for a slot. The caller gives it back with leave.
func (a *admission) enter(ctx context.Context, id tenant.ID, l Limits) (*share, error) {
	a.mu.Lock()
	if a.over {
		a.mu.Unlock()
		return nil, ErrClosed
	}
	a.meet(id)
	s := a.share(id)
	s.limit, s.weight = l.MaxConns, max(1, l.Weight)
	if s.first == nil && s.used < a.most(s) && a.free > 0 { // free slots mean that nobody who may have one waits
		s.used++
		a.free--
		a.mu.Unlock()
		return s, nil
	}
	if err := ctx.Err(); err != nil {
		a.drop(s)
		a.mu.Unlock()
		return nil, err
	}
	t := a.wait(s)
	a.serve() // its limits may be other ones than before
	a.mu.Unlock()
	err := a.await(ctx, t.ready, l.MaxWait)
	if err == nil {
		return s, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.granted { // the slot came while the wait ended
		a.giveBack(s)
		return nil, err
	}
	s.remove(t)
	a.settle(s)
	if errors.Is(err, errWaited) {
		err = ErrPoolExhausted
		if most := a.most(s); s.used >= most && most < a.total {
			err = ErrTenantBusy
		}
	}
	a.drop(s)
	return nil, err
}

// meet notes who comes, and whether tenants are among themselves.
func (a *admission) meet(id tenant.ID) {
	now := time.Now()
	if id != a.recent {
		if a.recent != (tenant.ID{}) {
			a.mixed = now
		}
		a.recent = id
	}
	if alone := a.mixed.IsZero() || now.Sub(a.mixed) > aloneAfter; alone != a.alone {
		a.alone = alone
		for _, s := range slices.Clone(a.queue) { // one, as a rule
			a.settle(s)
		}
	}
}

// most is how many slots a tenant may hold now.
func (a *admission) most(s *share) int {
	switch {
	case s.limit > 0:
		return min(s.limit, a.total)
	case a.alone:
		return a.total
	}
	return max((2*a.total+4)/5, min(a.total, 3))
}

// leave gives a slot back.
func (a *admission) leave(s *share) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.giveBack(s)
}

func (a *admission) giveBack(s *share) {
	s.used--
	a.free++
	a.settle(s)
	a.serve()
	a.drop(s)
}

// serve hands out what slots there are.
func (a *admission) serve() {
	for a.free > 0 && len(a.queue) > 0 {
		next := a.queue[0]
		t := next.first
		next.remove(t)
		next.used++
		a.free--
		a.settle(next)
		t.granted = true
		close(t.ready)
	}
}

// share gives the tenant's share, made when it has none.
func (a *admission) share(id tenant.ID) *share {
	if s := a.shares[id]; s != nil {
		return s
	}
	s := a.spare
	if s == nil {
		s = &share{}
	}
	a.spare = nil
	*s = share{id: id, at: -1}
	a.shares[id] = s
	return s
}

// drop forgets a tenant that holds and wants nothing.
func (a *admission) drop(s *share) {
	if s.used == 0 && s.first == nil && a.shares[s.id] == s {
		delete(a.shares, s.id)
		a.spare = s
	}
}

func (a *admission) wait(s *share) *ticket {
	a.turn++
	t := &ticket{ready: make(chan struct{}), turn: a.turn, prev: s.last}
	if s.last == nil {
		s.first = t
	} else {
		s.last.next = t
	}
	s.last = t
	a.settle(s)
	return t
}

func (s *share) remove(t *ticket) {
	if t.prev == nil {
		s.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		s.last = t.prev
	} else {
		t.next.prev = t.prev
	}
}

// settle puts a share where it belongs in the queue after something about it changed.
func (a *admission) settle(s *share) {
	wants := s.first != nil && s.used < a.most(s)
	switch {
	case wants && s.at < 0:
		heap.Push(&a.queue, s)
	case wants:
		heap.Fix(&a.queue, s.at)
	case s.at >= 0:
		heap.Remove(&a.queue, s.at)
	}
}

// shareQueue is a heap of shares, whose turn it is in front.
type shareQueue []*share

// Len implements heap.Interface.
func (q shareQueue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q shareQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	if x, y := a.used*b.weight, b.used*a.weight; x != y {
		return x < y
	}
	return a.first.turn < b.first.turn
}

// Swap implements heap.Interface.
func (q shareQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *shareQueue) Push(x any) {
	s := x.(*share)
	s.at = len(*q)
	*q = append(*q, s)
}

// Pop implements heap.Interface.
func (q *shareQueue) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	s.at = -1
	return s
}

// await waits for ready, for no longer than limit.
func (a *admission) await(ctx context.Context, ready <-chan struct{}, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-a.closed:
		return ErrClosed
	case <-timer.C:
		return errWaited
	}
}
