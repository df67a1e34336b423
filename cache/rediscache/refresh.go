package rediscache

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/septum-go/septum/tenant"
)

// insteadOf gives the expired value that stands in for a load that failed, or the failure. The server is asked after the load
// has ended: what was deleted or invalidated meanwhile is not there any more.
func (p Partition[K, V]) insteadOf(err error, pt *part, k string) (V, error) {
	c := p.cache
	if c.opts.StaleIfError > 0 && !errors.Is(err, c.opts.NotFound) && p.tc.Err() == nil {
		if l := c.readOne(p.tc, pt, k); (l.found || l.late) && !l.absent {
			pt.count(staleServed)
			return l.value, nil
		}
	}
	var none V
	return none, err
}

// insteadOfMany is insteadOf for many keys: it adds to values, and gives the failure unless all have been found.
func (p Partition[K, V]) insteadOfMany(err error, pt *part, keys []string, found func(k string, value V)) error {
	c := p.cache
	if c.opts.StaleIfError == 0 || errors.Is(err, c.opts.NotFound) || p.tc.Err() != nil {
		return err
	}
	looks, n := c.read(p.tc, pt, keys), 0
	for i := range looks {
		if l := &looks[i]; (l.found || l.late) && !l.absent {
			pt.count(staleServed)
			found(l.key, l.value)
			n++
		}
	}
	if n == len(keys) {
		return nil
	}
	return err
}

// due tells whether it is time to load a value anew, by XFetch: the nearer its end, the longer the load takes and the greater
// β, the likelier.
func (c *Cache[K, V]) due(e entry[V]) bool {
	if c.opts.EarlyRefresh == 0 || e.cost == 0 || e.expires == 0 {
		return false
	}
	left, spread := time.Until(time.UnixMilli(e.expires)).Seconds(), e.cost.Seconds()*c.opts.EarlyRefresh
	if left > spread*40 { // -ln of what rand gives is less than that
		return false
	}
	return spread*-math.Log(1-rand.Float64()) >= left
}

// refreshIfDue loads a value anew in the background, unless this program does so already. It replaces the very value that it found, so
// whatever happens to the key meanwhile wins.
func (p Partition[K, V]) refreshIfDue(pt *part, k string, key K, e entry[V], load func(tenant.Context) (V, error)) {
	c := p.cache
	if !c.due(e) || !pt.beginRefresh(k) {
		return
	}
	tc, err := tenant.From(context.WithoutCancel(p.tc)) // nobody waits for it
	if err != nil {
		pt.endRefresh(k)
		return
	}
	again := func(tc tenant.Context) (entry[V], error) {
		l := c.readOne(tc, pt, k)
		if l.view == nil || l.found && l.expires > e.expires {
			return entry[V]{absent: true}, nil // another program has loaded it, or the server is away
		}
		pt.count(earlyRefreshes)
		e, err := p.load(tc, pt, &l, key, load)
		e.expires = 0 // not to be kept under this key
		return e, err
	}
	go func() {
		defer pt.endRefresh(k)
		// As a flight of the tier in process, for its timeout and its care for loaders that panic. No key's text begins like that.
		_, _ = c.local.In(tc).GetOrLoad("%r"+k, again)
	}()
}

func (pt *part) beginRefresh(key string) bool {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	if pt.refreshes[key] {
		return false
	}
	if pt.refreshes == nil {
		pt.refreshes = map[string]bool{}
	}
	pt.refreshes[key] = true
	return true
}

func (pt *part) endRefresh(key string) {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	delete(pt.refreshes, key)
}
