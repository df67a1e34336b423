package rediscache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// watch ends exchanges that take too long. A timer for each, as context.WithTimeout makes, costs a sixth of an exchange on
// the loopback interface, since it wakes the thread that waits for the network; all exchanges have the same timeout, so
// one timer for the oldest will do.
type watch struct {
	timeout time.Duration

	mu          sync.Mutex
	first, last *watched // in the order of their ends
	timer       *time.Timer
	armed       bool
}

// watched is one exchange.
type watched struct {
	next, prev *watched
	due        time.Time
	cancel     context.CancelFunc
	over       bool // it took too long
}

var errTimeout = errors.New("it did not answer within Options.Timeout")

// enter gives a context that ends with the caller's, or when the exchange takes too long. Each is left.
func (w *watch) enter(ctx context.Context) (context.Context, *watched) {
	limited, cancel := context.WithCancel(ctx)
	e := &watched{due: time.Now().Add(w.timeout), cancel: cancel}
	w.mu.Lock()
	if e.prev = w.last; e.prev != nil {
		e.prev.next = e
	} else {
		w.first = e
	}
	w.last = e
	if !w.armed {
		w.armed = true
		if w.timer == nil {
			w.timer = time.AfterFunc(w.timeout, w.look)
		} else {
			w.timer.Reset(w.timeout)
		}
	}
	w.mu.Unlock()
	return limited, e
}

// leave says whether the exchange took too long.
func (w *watch) leave(e *watched) bool {
	w.mu.Lock()
	w.remove(e)
	over := e.over
	w.mu.Unlock()
	e.cancel()
	return over
}

// remove takes an exchange out of the list, unless look has. Under mu.
func (w *watch) remove(e *watched) {
	if e.over {
		return
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		w.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		w.last = e.prev
	}
}

// look ends what is overdue, and comes back when the next one could be. Without any it sleeps.
func (w *watch) look() {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.first != nil && !now.Before(w.first.due) {
		e := w.first
		w.remove(e)
		e.over = true
		e.cancel()
	}
	if w.armed = w.first != nil; w.armed {
		w.timer.Reset(max(time.Millisecond, w.first.due.Sub(now)))
	}
}
