package cache

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/septum-go/septum/tenant"
)

// directory finds a tenant's chamber, without a lock when it is there. It compares whole ids: a hash only says where to look.
type directory[K comparable, V any] struct {
	// recent is a short cut to the tenants that came first to a row of it, by a few bytes of their ids. Whole ids are compared
	// there too.
	recent [recentRows]atomic.Pointer[chamber[K, V]]

	seed maphash.Seed
	rows atomic.Pointer[[]atomic.Pointer[chamber[K, V]]]

	mu      sync.Mutex
	taken   int // rows that are not free: chambers and those that left
	live    int
	retired Stats // what the chambers that left had counted
	sweeper *time.Timer
}

const recentRows = 256

// shortcut picks a row of recent: the ends of an id are where ids differ.
func shortcut(id string) uint64 {
	if len(id) < 8 {
		return uint64(len(id))
	}
	head, tail := id[:8], id[len(id)-8:]
	x := uint64(head[0]) | uint64(head[1])<<8 | uint64(head[2])<<16 | uint64(head[3])<<24 |
		uint64(head[4])<<32 | uint64(head[5])<<40 | uint64(head[6])<<48 | uint64(head[7])<<56
	y := uint64(tail[0]) | uint64(tail[1])<<8 | uint64(tail[2])<<16 | uint64(tail[3])<<24 |
		uint64(tail[4])<<32 | uint64(tail[5])<<40 | uint64(tail[6])<<48 | uint64(tail[7])<<56
	return (x ^ bits.RotateLeft64(y, 29)) * 0x9e3779b97f4a7c15 >> (64 - 8)
}

func (d *directory[K, V]) home(id tenant.ID, rows int) int {
	high, _ := bits.Mul64(maphash.String(d.seed, id.String()), uint64(rows))
	return int(high)
}

// find gives a tenant's chamber, nil when it has none. A dead one is found until the directory is rebuilt, and stands for a row
// that a search has to go past.
func (d *directory[K, V]) find(id tenant.ID) *chamber[K, V] {
	rows := d.rows.Load()
	if rows == nil {
		return nil
	}
	list := *rows
	for i := d.home(id, len(list)); ; {
		ch := list[i].Load()
		if ch == nil {
			return nil
		}
		if ch.id == id && !ch.dead.Load() {
			return ch
		}
		if i++; i == len(list) {
			i = 0
		}
	}
}

// chamber gives a tenant's chamber, and makes it when there is none.
func (c *core[K, V]) chamber(id tenant.ID) *chamber[K, V] {
	row := &c.directory.recent[shortcut(id.String())%recentRows]
	first := row.Load()
	if first != nil && first.id == id && !first.dead.Load() {
		return first
	}
	ch := c.directory.find(id)
	if ch == nil {
		ch = c.open(id)
	}
	if first == nil || first.dead.Load() {
		row.CompareAndSwap(first, ch)
	}
	return ch
}

func (c *core[K, V]) open(id tenant.ID) *chamber[K, V] {
	made := &chamber[K, V]{core: c, id: id}
	quota, faults := c.quotaOf(made) // it calls the user, so before the lock
	d := &c.directory
	d.mu.Lock()
	if ch := d.find(id); ch != nil {
		d.mu.Unlock()
		return ch
	}
	if quota != nil && quota.Reserve > 0 && !c.budget.grant(quota.Reserve) {
		reduced := *quota
		reduced.Reserve = 0
		quota = &reduced
		faults = append(faults, &Error{Op: "In", Err: ErrOptions, Hint: "the reserves of all tenants together exceed Capacity"})
	}
	made.claim.quota = quota
	made.touched.Store(true)
	d.add(made)
	c.armSweeper()
	d.mu.Unlock()
	for _, err := range faults {
		made.incident(IncidentQuota, err)
	}
	return made
}

// quotaOf gives a tenant's quota, nil when it can't work.
func (c *core[K, V]) quotaOf(ch *chamber[K, V]) (*Quota, []error) {
	if c.opts.QuotaOf == nil {
		return &c.opts.Quota, nil
	}
	var quota Quota
	if err := ch.hook("QuotaOf", func() { quota = c.opts.QuotaOf(ch.id) }); err != nil {
		return nil, nil // reported by hook
	}
	if reason := quota.fault(c.opts.Capacity); reason != "" {
		return nil, []error{&Error{Op: "In", Err: ErrOptions, Hint: "QuotaOf: " + reason}}
	}
	quota = quota.withDefaults(c.opts.Capacity)
	return &quota, nil
}

// add puts a chamber into the directory, which it rebuilds when it is two thirds full. Under mu.
func (d *directory[K, V]) add(ch *chamber[K, V]) {
	rows := d.rows.Load()
	if rows == nil || (d.taken+1)*3 > len(*rows)*2 {
		rows = d.rebuild(rows)
	}
	d.put(*rows, ch)
	d.live++
}

func (d *directory[K, V]) put(list []atomic.Pointer[chamber[K, V]], ch *chamber[K, V]) {
	i := d.home(ch.id, len(list))
	for list[i].Load() != nil {
		if i++; i == len(list) {
			i = 0
		}
	}
	list[i].Store(ch)
	d.taken++
}

func (d *directory[K, V]) rebuild(old *[]atomic.Pointer[chamber[K, V]]) *[]atomic.Pointer[chamber[K, V]] {
	rows := make([]atomic.Pointer[chamber[K, V]], max(8, d.live*2))
	d.taken = 0
	if old != nil {
		for i := range *old {
			if ch := (*old)[i].Load(); ch != nil && !ch.dead.Load() {
				d.put(rows, ch)
			}
		}
	}
	d.rows.Store(&rows)
	return &rows
}

// all gives the chambers of the moment.
func (d *directory[K, V]) all() []*chamber[K, V] {
	rows := d.rows.Load()
	if rows == nil {
		return nil
	}
	var list []*chamber[K, V]
	for i := range *rows {
		if ch := (*rows)[i].Load(); ch != nil && !ch.dead.Load() {
			list = append(list, ch)
		}
	}
	return list
}
