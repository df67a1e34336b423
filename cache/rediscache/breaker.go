package rediscache

import (
	"sync"
	"sync/atomic"
	"time"
)

// breaker stops asking a server that does not answer. After limit failures in a row it refuses everything for a while,
// then lets one call try; its success ends the outage.
type breaker struct {
	limit int32
	rest  time.Duration
	now   func() time.Time
	// changed is told of the beginning and the end of an outage, with the error that it began with. It is called in the
	// goroutine that found out, without a lock.
	changed func(open bool, err error)

	failures atomic.Int32
	open     atomic.Bool
	mu       sync.Mutex
	until    time.Time
	trying   bool
}

// outcome is how a call ended.
type outcome int

const (
	worked outcome = iota
	failed
	unknown // its caller went away
)

// allow says whether a call may be made, and whether it is the one that tries. Each allowed call ends with done.
func (b *breaker) allow() (ok, trial bool) {
	if !b.open.Load() {
		return true, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open.Load() {
		return true, false
	}
	if b.trying || b.now().Before(b.until) {
		return false, false
	}
	b.trying = true
	return true, true
}

func (b *breaker) done(trial bool, result outcome, err error) {
	switch {
	case result == worked && !trial:
		if b.failures.Load() != 0 {
			b.failures.Store(0)
		}
	case result == worked:
		b.mu.Lock()
		b.trying = false
		b.failures.Store(0)
		b.open.Store(false)
		b.mu.Unlock()
		b.changed(false, nil)
	case trial:
		b.mu.Lock()
		b.trying = false
		if result == failed {
			b.until = b.now().Add(b.rest)
		}
		b.mu.Unlock()
	case result == failed && b.failures.Add(1) >= b.limit:
		b.mu.Lock()
		first := !b.open.Load()
		if first {
			b.open.Store(true)
			b.until = b.now().Add(b.rest)
		}
		b.mu.Unlock()
		if first {
			b.changed(true, err)
		}
	}
}
