package cache

import (
	"time"
	"weak"
)

// A partition is idle after this many sweeps without use.
const idleSweeps = 4

// armSweeper starts the timer that looks for idle chambers and expired entries, as long as there are chambers. It is a timer and
// no goroutine, and holds the cache by a weak pointer, so a cache that nobody uses goes away with it. Under the directory's mu.
func (c *core[K, V]) armSweeper() {
	if c.directory.sweeper != nil {
		return
	}
	interval := max(c.opts.IdleAfter/idleSweeps, time.Millisecond)
	self := weak.Make(c)
	c.directory.sweeper = time.AfterFunc(interval, func() {
		if c := self.Value(); c != nil {
			c.sweep()
		}
	})
}

func (c *core[K, V]) sweep() {
	d := &c.directory
	for _, ch := range d.all() {
		if ch.touched.Swap(false) {
			ch.age = 0
			c.budget.markIdle(ch, false) // a reader alone never asks the budget, which would notice
		} else if ch.age++; ch.age >= idleSweeps {
			ch.age = idleSweeps
			c.budget.markIdle(ch, true)
		}
		if c.timed {
			ch.expire()
		}
		ch.shrink()
		if ch.age >= idleSweeps {
			c.retire(ch)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweeper = nil
	if d.live > 0 {
		c.armSweeper()
	}
}

// retire takes an idle chamber out of the directory if it is empty and nothing is under way in it. Partitions that are held
// find the next one by themselves.
func (c *core[K, V]) retire(ch *chamber[K, V]) {
	d := &c.directory
	d.mu.Lock()
	defer d.mu.Unlock()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if len(ch.flights) > 0 || ch.touched.Load() || !c.budget.leave(ch) {
		return
	}
	ch.dead.Store(true)
	d.retired = d.retired.plus(ch.stats())
	d.live--
	rows := d.rows.Load()
	if d.live == 0 {
		d.rows.Store(nil)
		d.taken = 0
	} else if d.live*6 < len(*rows) {
		d.rebuild(rows)
	}
}

// expire removes what has expired, stale values that may still be needed excepted.
func (ch *chamber[K, V]) expire() {
	const atOnce = 512
	dead := ch.core.now() - int64(ch.core.opts.StaleIfError)
	for i := 0; ; {
		var freed int64
		ch.mu.Lock()
		t := ch.table.Load()
		if t == nil || i >= len(t.buckets) {
			ch.mu.Unlock()
			return
		}
		for end := min(i+atOnce/bucketSlots, len(t.buckets)); i < end; i++ {
			for j := range t.buckets[i].slots {
				if e := t.buckets[i].slots[j].Load(); e != nil && e.expires != 0 && e.expires <= dead {
					freed += ch.drop(e)
					ch.tally.add(countExpirations, 1)
				}
			}
		}
		ch.mu.Unlock()
		ch.core.budget.give(ch, freed)
	}
}

// shrink gives back the memory of a table that most entries have left.
func (ch *chamber[K, V]) shrink() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if t := ch.table.Load(); t != nil && len(t.buckets) > 4 && t.size*8 < len(t.buckets)*bucketSlots {
		ch.rebuild(t, max(1, (t.size*3/2)/bucketFill+1))
	}
}

// stats reads the chamber's counters. Under mu.
func (ch *chamber[K, V]) stats() Stats {
	s := ch.tally.stats()
	s.Misses, s.NegativeHits = ch.misses.Load(), ch.negativeHits.Load()
	if t := ch.table.Load(); t != nil {
		s.Hits += t.countedHits()
		s.Entries = t.size
	}
	if ch.absences != nil {
		s.Negatives = ch.absences.n
	}
	s.Weight = ch.held
	return s
}
