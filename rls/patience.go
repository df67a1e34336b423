package rls

import (
	"context"
	"sync"
	"time"
)

// patience is the context of a wait for a connection: the caller's, cut short after a time. Unlike context.WithTimeout
// it costs no timer when there is nothing to wait for, which is nearly always: the first look at Done, with which the
// pool checks that the caller is still there, starts none. Should the pool ever wait on its first look, the wait would
// last until the caller's own context ends.
type patience struct {
	context.Context // the caller's
	limit           time.Duration

	mu     sync.Mutex // the pool may hand the context to a goroutine that connects
	looked bool
	timed  context.Context
	cancel context.CancelFunc
}

// Done implements context.Context.
func (p *patience) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.looked {
		p.looked = true
		return p.Context.Done()
	}
	if p.timed == nil {
		p.timed, p.cancel = context.WithTimeout(p.Context, p.limit)
	}
	return p.timed.Done()
}

// Err implements context.Context.
func (p *patience) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timed != nil {
		return p.timed.Err()
	}
	return p.Context.Err()
}

// end stops the timer, and reports whether it was what ended the wait.
func (p *patience) end() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timed == nil {
		return false
	}
	expired := p.timed.Err() != nil && p.Context.Err() == nil
	p.cancel()
	return expired
}
