package cache

import (
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// flight is one key's load. It lives in its chamber's map while callers may join it. All but done is under the chamber's
// lock, until done is closed; then it does not change any more.
type flight[K comparable, V any] struct {
	key     K
	trip    *trip[K, V]
	done    chan struct{}
	waiters int
	fate    fate
	landed  bool
	shared  bool // it is in the map; others have keys that can't be, and one caller

	value V
	err   error
}

// fate says whether what a flight brings may be stored.
type fate uint8

const (
	fateOpen      fate = iota
	fateOutdated       // an invalidation, a Delete or a Set came after it began (C06)
	fateAbandoned      // nobody waits, or it took too long
)

// trip is one call of a loader, for one flight or for many.
type trip[K comparable, V any] struct {
	ctx      context.Context
	cancel   context.CancelFunc
	flights  []*flight[K, V]
	awaited  int  // flights with waiters
	detached bool // it goes on when nobody waits
	failed   bool // counted as such
	outer    *trip[K, V]
	began    time.Time
}

// loader is a user's loader in the form that suits both ways of loading: it tells of each key what it found.
type loader[K comparable, V any] func(ctx context.Context, keys []K) (found func(K) (V, bool), err error)

// newTrip prepares a call of a loader for a caller. Its context has the caller's tenant and values, and an end of its own.
func (ch *chamber[K, V]) newTrip(ctx context.Context) *trip[K, V] {
	t := &trip[K, V]{detached: ch.core.opts.FinishLoads, began: time.Now()}
	t.outer, _ = ctx.Value(ch.core).(*trip[K, V])
	inner := context.WithValue(context.WithoutCancel(ctx), ch.core, t)
	t.ctx, t.cancel = context.WithTimeout(inner, ch.core.opts.LoadTimeout)
	return t
}

// waitsFor reports whether a flight can't land before the code that runs on ctx has returned.
func (ch *chamber[K, V]) waitsFor(ctx context.Context, f *flight[K, V]) bool {
	t, _ := ctx.Value(ch.core).(*trip[K, V])
	for ; t != nil; t = t.outer {
		if slices.Contains(t.flights, f) {
			return true
		}
	}
	return false
}

// board begins a flight on a trip. Under mu.
func (ch *chamber[K, V]) board(t *trip[K, V], key K) *flight[K, V] {
	f := &flight[K, V]{key: key, trip: t, done: make(chan struct{})}
	t.flights = append(t.flights, f)
	if f.shared = ch.core.hash.usable(key); f.shared {
		if ch.flights == nil {
			ch.flights = map[K]*flight[K, V]{}
		}
		ch.flights[key] = f
	}
	return f
}

// await counts a waiter. Under mu.
func (f *flight[K, V]) await() {
	if f.waiters++; f.waiters == 1 {
		f.trip.awaited++
	}
}

// wait gives what the flight brings, unless the caller's context ends before.
func (ch *chamber[K, V]) wait(ctx context.Context, f *flight[K, V], op string) (V, error) {
	select {
	case <-f.done:
	default:
		select {
		case <-f.done:
		case <-ctx.Done():
			ch.leave(f)
			var none V
			return none, ctx.Err()
		}
	}
	if f.err != nil {
		return f.value, f.err
	}
	return ch.cloned(f.value, op)
}

// leave is what a caller does whose context has ended. The last one takes the trip with it.
func (ch *chamber[K, V]) leave(f *flight[K, V]) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if f.landed {
		return
	}
	t := f.trip
	if f.waiters--; f.waiters > 0 {
		return
	}
	if t.awaited--; t.awaited > 0 || t.detached {
		return
	}
	ch.tally.add(countAbandoned, 1)
	for _, f := range t.flights {
		ch.settle(f, fateAbandoned)
	}
	t.cancel()
}

// settle takes a flight out of the map, so that nobody joins it any more, and closes its fate. Under mu.
func (ch *chamber[K, V]) settle(f *flight[K, V], to fate) {
	if f.fate == fateOpen {
		f.fate = to
	}
	if f.shared && ch.flights[f.key] == f {
		if delete(ch.flights, f.key); len(ch.flights) == 0 {
			ch.flights = nil
		}
	}
}

// outdate keeps the load of a key that is under way from being stored or joined. Under mu.
func (ch *chamber[K, V]) outdate(key K) {
	if f := ch.flights[key]; f != nil {
		ch.settle(f, fateOutdated)
	}
}

// outdateAll is outdate for each key. Under mu.
func (ch *chamber[K, V]) outdateAll() {
	for f := range maps.Values(ch.flights) {
		ch.settle(f, fateOutdated)
	}
}

// fly calls the loader and lands what it gives. It is a goroutine of its own, which no end of the loader's brings down.
func (ch *chamber[K, V]) fly(t *trip[K, V], load loader[K, V]) {
	keys := make([]K, len(t.flights))
	for i, f := range t.flights {
		keys[i] = f.key
	}
	tooLate := context.AfterFunc(t.ctx, func() { ch.giveUp(t) })
	var found func(K) (V, bool)
	var err error
	returned := false
	defer func() { // also when the loader calls runtime.Goexit
		if !returned {
			err = ch.crashed(recover())
		}
		if err != nil && errors.Is(t.ctx.Err(), context.DeadlineExceeded) {
			err = &Error{Op: "GetOrLoad", Err: ErrLoad, Hint: hintTimeout, Cause: err}
		}
		for _, f := range t.flights {
			ch.bring(f, found, err)
		}
		tooLate()
		t.cancel()
	}()
	found, err = load(t.ctx, keys)
	returned = true
}

const hintTimeout = "it took longer than LoadTimeout"

// crashed makes an error of a loader that did not return.
func (ch *chamber[K, V]) crashed(r any) error {
	err := &Error{Op: "GetOrLoad", Err: ErrLoad, Hint: "it ended its goroutine"}
	if r != nil {
		err.Hint, err.Cause = "it panicked", &PanicError{Value: r, Stack: debug.Stack()}
	}
	ch.count(countLoadPanics)
	ch.incident(IncidentPanic, err)
	return err
}

// giveUp lands the flights of a trip whose context has ended while its loader still runs.
func (ch *chamber[K, V]) giveUp(t *trip[K, V]) {
	if !errors.Is(t.ctx.Err(), context.DeadlineExceeded) {
		return // it was abandoned: nobody waits, and nobody can join
	}
	err := &Error{Op: "GetOrLoad", Err: ErrLoad, Hint: hintTimeout, Cause: t.ctx.Err()}
	for _, f := range t.flights {
		ch.fail(f, err)
	}
}

// bring stores what the loader found for a key, and gives it to those who wait.
func (ch *chamber[K, V]) bring(f *flight[K, V], found func(K) (V, bool), err error) {
	var value V
	ok := false
	if err == nil {
		if value, ok = found(f.key); !ok {
			err = ch.core.opts.NotFound
		}
	}
	switch {
	case ok:
		e, tags, refused := ch.draft(f.key, value)
		if refused == nil {
			e.state.Store(uint32(min(time.Since(f.trip.began).Microseconds(), maxCost)) << costBits)
			refused = ch.keep(e, tags, f)
		}
		if refused != nil { // and counted; what the cache had until now is older all the same
			ch.forget(f)
		}
		ch.land(f, value, nil)
	case errors.Is(err, ch.core.opts.NotFound):
		if e := ch.draftAbsence(f.key); e == nil || ch.keep(e, nil, f) != nil {
			ch.forget(f)
		}
		ch.land(f, value, err)
	default:
		ch.fail(f, err)
	}
}

// forget drops what a flight was to replace.
func (ch *chamber[K, V]) forget(f *flight[K, V]) {
	if !f.shared {
		return
	}
	var freed int64
	ch.mu.Lock()
	if e := ch.find(f.key); e != nil && f.fate == fateOpen {
		freed = ch.drop(e)
		ch.tally.add(countDeletes, 1)
	}
	ch.mu.Unlock()
	ch.core.budget.give(ch, freed)
}

// fail lands a flight whose load failed, with the expired value if that may still be served.
func (ch *chamber[K, V]) fail(f *flight[K, V], err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if f.landed {
		return
	}
	if !f.trip.failed && f.fate != fateAbandoned {
		f.trip.failed = true
		ch.tally.add(countLoadErrors, 1)
	}
	var value V
	if stale := ch.staleFor(f); stale != nil {
		ch.tally.add(countStaleServed, uint64(max(f.waiters, 0)))
		value, err = stale.value, nil
	}
	ch.settle(f, fateAbandoned)
	f.value, f.err, f.landed = value, err, true
	close(f.done)
}

// staleFor gives the expired entry that stands in for a failed load. One that was deleted or invalidated is not there any more;
// a Set meanwhile has put a newer one there. Under mu.
func (ch *chamber[K, V]) staleFor(f *flight[K, V]) *entry[K, V] {
	window := int64(ch.core.opts.StaleIfError)
	if window == 0 || !f.shared {
		return nil
	}
	e := ch.find(f.key)
	if e == nil || e.isAbsent() || ch.core.now() >= e.expires+window {
		return nil
	}
	return e
}

func (ch *chamber[K, V]) land(f *flight[K, V], value V, err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if f.landed {
		return
	}
	ch.settle(f, fateAbandoned)
	f.value, f.err, f.landed = value, err, true
	close(f.done)
}
