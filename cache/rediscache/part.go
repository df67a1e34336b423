package rediscache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/septum-go/septum/tenant"
)

// part is what the cache knows of one tenant that was here lately.
type part struct {
	id     tenant.ID
	bound  tenant.Context // for the tier in process, when the server tells of a change and no request is at hand
	shards []shard        // one per bucket
	used   atomic.Int64   // Unix time in seconds
	counts counters
	total  *counters

	mu    sync.Mutex
	fills map[string]*fill // reads under way that will put what they find into the tier in process
	// refreshes are the keys that are loaded anew in the background.
	refreshes map[string]bool
}

// fill is one read under way of a key.
type fill struct {
	next  *fill
	stale bool // the key changed since it began
}

func (pt *part) count(which counter) {
	pt.counts[which].Add(1)
	pt.total[which].Add(1)
}

func (pt *part) countRead(found bool) {
	if found {
		pt.count(hits)
	} else {
		pt.count(misses)
	}
}

// beginFill announces a read of a key, before it is sent.
func (pt *part) beginFill(key string) *fill {
	f := &fill{}
	pt.mu.Lock()
	f.next = pt.fills[key]
	pt.fills[key] = f
	pt.mu.Unlock()
	return f
}

// endFill ends a read, and lets it put what it found into the tier in process unless the key has changed meanwhile. put runs
// under the lock, so that a change either is seen here or finds what was put.
func (pt *part) endFill(key string, f *fill, put func()) {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	if first := pt.fills[key]; first == f {
		if f.next == nil {
			delete(pt.fills, key)
		} else {
			pt.fills[key] = f.next
		}
	} else {
		for g := first; g != nil; g = g.next {
			if g.next == f {
				g.next = f.next
				break
			}
		}
	}
	if !f.stale && put != nil {
		put()
	}
}

// changed says that a key is no longer what it was; drop removes it from the tier in process.
func (pt *part) changed(key string, drop func()) {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	for f := pt.fills[key]; f != nil; f = f.next {
		f.stale = true
	}
	drop()
}

// parts are the tenants that were here lately.
type parts struct {
	all   sync.Map // by the tenant's text: *part
	count atomic.Int64
	mu    sync.Mutex
	sweep int64 // at how many the idle ones are looked for
}

const (
	minSweep = 1024
	idleFor  = 10 * 60 // seconds
)

func (ps *parts) get(id string) *part {
	if found, ok := ps.all.Load(id); ok {
		pt, _ := found.(*part) // nothing else is stored
		return pt
	}
	return nil
}

func (ps *parts) each(do func(*part)) {
	ps.all.Range(func(_, found any) bool {
		if pt, ok := found.(*part); ok {
			do(pt)
		}
		return true
	})
}

// of gives the part of a context's tenant.
func (c *Cache[K, V]) of(tc tenant.Context) (*part, error) {
	if err := tc.Check(); err != nil {
		return nil, err
	}
	id := tc.Tenant()
	now := time.Now().Unix()
	pt := c.parts.get(id.String())
	if pt == nil {
		// Not the caller's context: this one outlives the request, and must not keep its values or its user.
		bound, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: id, Subject: "septum/rediscache"})
		if err != nil {
			return nil, err
		}
		fresh := &part{id: id, bound: bound, total: &c.total, shards: make([]shard, c.names.buckets), fills: map[string]*fill{}}
		for bucket := range fresh.shards {
			fresh.shards[bucket].init(c.names, id, bucket)
		}
		fresh.used.Store(now)
		found, had := c.parts.all.LoadOrStore(id.String(), fresh)
		pt, _ = found.(*part)
		if !had {
			c.parts.added(now)
		}
	}
	if pt.used.Load() != now {
		pt.used.Store(now)
	}
	return pt, nil
}

// added counts a new part, and forgets the idle ones when there are twice as many as after the last time. One that owes
// an invalidation to the server stays.
func (ps *parts) added(now int64) {
	if ps.count.Add(1) < max(minSweep, atomic.LoadInt64(&ps.sweep)) || !ps.mu.TryLock() {
		return
	}
	defer ps.mu.Unlock()
	ps.each(func(pt *part) {
		if now-pt.used.Load() < idleFor {
			return
		}
		for i := range pt.shards {
			if pt.shards[i].owes() {
				return
			}
		}
		if ps.all.CompareAndDelete(pt.id.String(), pt) {
			ps.count.Add(-1)
		}
	})
	atomic.StoreInt64(&ps.sweep, 2*ps.count.Load())
}
