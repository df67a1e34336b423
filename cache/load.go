package cache

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
)

// load joins the flight of a key, or begins one, and waits for it.
func (ch *chamber[K, V]) load(ctx context.Context, key K, load loader[K, V]) (V, error) {
	var none V
	if err := ctx.Err(); err != nil {
		return none, err
	}
	usable := ch.core.hash.usable(key)
	ch = ch.lock()
	ch.touch()
	if usable {
		if t, e := ch.fresh(key); e != nil { // somebody stored it since the caller looked
			ch.mu.Unlock()
			return ch.serve(t, e)
		}
	}
	ch.misses.Add(1)
	var f *flight[K, V]
	if usable { // any other key is loaded for this caller alone
		f = ch.flights[key]
	}
	if f != nil && ch.waitsFor(ctx, f) {
		ch.mu.Unlock()
		return none, errItself("GetOrLoad")
	}
	begin := f == nil
	if begin {
		f = ch.board(ch.newTrip(ctx), key)
		ch.tally.add(countLoads, 1)
	} else {
		ch.tally.add(countJoins, 1)
	}
	f.await()
	ch.mu.Unlock()
	if begin {
		go ch.fly(f.trip, load)
	}
	return ch.wait(ctx, f, "GetOrLoad")
}

// fresh gives the entry of a key that has not expired.
func (ch *chamber[K, V]) fresh(key K) (*table[K, V], *entry[K, V]) {
	t := ch.table.Load()
	if t == nil {
		return nil, nil
	}
	e := t.find(ch.core.hash.of(key), key)
	if e == nil || e.expires != 0 && e.expires <= ch.core.now() {
		return nil, nil
	}
	return t, e
}

// due tells whether it is time to load a key anew, by XFetch: the nearer the expiry, the longer the load takes and the greater
// β, the likelier. So it is one caller of many that begins it.
func (c *core[K, V]) due(e *entry[K, V]) bool {
	beta := c.opts.EarlyRefresh
	if beta == 0 || e.expires == 0 {
		return false
	}
	left, cost := float64(e.expires-c.now()), float64(e.cost())
	if left > cost*beta*40 { // -ln of what rand gives is less than that
		return false
	}
	return cost*beta*-math.Log(1-rand.Float64()) >= left //nolint:gosec // a spread, no secret
}

// refresh loads a key anew in the background, unless somebody does.
func (ch *chamber[K, V]) refresh(ctx context.Context, key K, e *entry[K, V], load loader[K, V]) {
	ch.mu.Lock()
	if ch.dead.Load() || ch.flights[key] != nil || ch.find(key) != e {
		ch.mu.Unlock()
		return
	}
	t := ch.newTrip(ctx)
	t.detached = true
	ch.board(t, key)
	ch.tally.add(countLoads, 1)
	ch.tally.add(countEarlyRefreshes, 1)
	ch.mu.Unlock()
	go ch.fly(t, load)
}

func errItself(op string) error {
	return &Error{Op: op, Err: ErrLoad, Hint: "it asks for a key that it is loading itself"}
}

// loadMany is load for many keys, all different and usable: one trip for those that nobody is loading.
func (ch *chamber[K, V]) loadMany(ctx context.Context, keys []K, into map[K]V, load loader[K, V]) (first error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	ch = ch.lock()
	ch.touch()
	t := ch.newTrip(ctx)
	var wait []*flight[K, V]
	stored := 0
	for _, key := range keys {
		if _, e := ch.fresh(key); e != nil { // since the caller looked
			keys[stored] = key
			stored++
			continue
		}
		ch.misses.Add(1)
		f := ch.flights[key]
		switch {
		case f == nil:
			f = ch.board(t, key)
		case ch.waitsFor(ctx, f):
			first = errItself("GetOrLoadMany")
			continue
		default:
			ch.tally.add(countJoins, 1)
		}
		f.await()
		wait = append(wait, f)
	}
	if len(t.flights) > 0 {
		ch.tally.add(countLoads, 1)
	}
	ch.mu.Unlock()
	if len(t.flights) > 0 {
		go ch.fly(t, load)
	} else {
		t.cancel()
	}
	for _, key := range keys[:stored] {
		if t, e := ch.fresh(key); e != nil {
			if value, err := ch.serve(t, e); err == nil {
				into[key] = value
			}
		}
	}
	for _, f := range wait {
		value, err := ch.wait(ctx, f, "GetOrLoadMany")
		switch {
		case err == nil:
			into[f.key] = value
		case first == nil && !errors.Is(err, ch.core.opts.NotFound):
			first = err
		}
	}
	return first
}

// lock takes the lock of the tenant's living chamber, which is another one when this one has left the directory.
func (ch *chamber[K, V]) lock() *chamber[K, V] {
	for {
		ch.mu.Lock()
		if !ch.dead.Load() {
			return ch
		}
		ch.mu.Unlock()
		ch = ch.core.chamber(ch.id)
	}
}
