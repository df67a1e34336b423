package rediscache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/septum-go/septum/tenant"
)

// view is a generation as it was found at some time. What is in the tier in process carries the view that it was read or
// stored under, and is served only while that is the current one.
type view struct {
	generation string
	check      time.Time // when its time to live on the server is looked after
}

// shard is one bucket of one tenant: its generation and what is owed to it.
type shard struct {
	tag  string // the hash tag
	name string // under which its generation stands

	current atomic.Pointer[view] // nil: not known
	asking  chan struct{}        // held by the one who asks the server
	fails   atomic.Uint64        // how often asking failed
	tags    tagTable             // of values in it

	mu      sync.Mutex
	changes uint64  // of what may have changed the generation
	last    *view   // the latest, taken up again when it turns out to be the same
	newest  token   // of all seen
	past    []token // the last few that were current
	owed    uint64  // Sets, Deletes and invalidations that may not have reached the server
	settled uint64  // how many of them a later invalidation made good
}

func (s *shard) init(n names, id tenant.ID, bucket int) {
	s.tag = n.tag(id, bucket)
	s.name = n.generation(s.tag)
	s.asking = make(chan struct{}, 1)
}

// owe remembers that a write may not have reached the server: the bucket is invalidated before it is used again.
func (s *shard) owe() {
	s.mu.Lock()
	s.owed++
	s.forgetLocked()
	s.mu.Unlock()
}

func (s *shard) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed != s.settled
}

// forget makes the next use ask the server. With lost, what was known before can't be taken up again, since changes may
// have gone unheard.
func (s *shard) forget(lost bool) {
	s.mu.Lock()
	if lost {
		s.last = nil
	}
	s.forgetLocked()
	s.mu.Unlock()
	if lost {
		s.tags.change()
	}
}

// changed counts what was heard so far.
func (s *shard) changed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

func (s *shard) forgetLocked() {
	s.changes++
	s.current.Store(nil)
}
