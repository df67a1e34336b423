package rediscache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// link is the way to the server. It connects when it is first needed, and again whenever that failed, so that a cache can
// be made, and a program started, while the server is away.
type link struct {
	option  rueidis.ClientOption
	timeout time.Duration
	breaker breaker

	client atomic.Pointer[rueidis.Client]
	mu     sync.Mutex
	dial   *dialing // the attempt that runs
	closed bool
	done   sync.WaitGroup
}

type dialing struct {
	ended chan struct{}
	err   error
}

var (
	errOpen   = errors.New("it did not answer before and is not asked for a moment")
	errClosed = errors.New("the cache is closed")
)

// use runs one exchange with the server, within the timeout, if the breaker lets it.
func (l *link) use(ctx context.Context, exchange func(ctx context.Context, client rueidis.Client) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ok, trial := l.breaker.allow()
	if !ok {
		return errOpen
	}
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	client, err := l.connected(limited)
	if err == nil {
		err = exchange(limited, client)
	}
	switch {
	case err == nil:
		l.breaker.done(trial, worked, nil)
	case ctx.Err() != nil || errors.Is(err, errClosed):
		l.breaker.done(trial, unknown, nil)
	default:
		l.breaker.done(trial, failed, err)
	}
	return err
}

// connected gives the client. Many callers wait for one attempt, each as long as its context lasts.
func (l *link) connected(ctx context.Context) (rueidis.Client, error) {
	if c := l.client.Load(); c != nil {
		return *c, nil
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errClosed
	}
	if c := l.client.Load(); c != nil {
		l.mu.Unlock()
		return *c, nil
	}
	d := l.dial
	if d == nil {
		d = &dialing{ended: make(chan struct{})}
		l.dial = d
		l.done.Add(1)
		go l.connect(d)
	}
	l.mu.Unlock()
	select {
	case <-d.ended:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := l.client.Load(); c != nil {
		return *c, nil
	}
	return nil, d.err
}

func (l *link) connect(d *dialing) {
	defer l.done.Done()
	client, err := rueidis.NewClient(l.option)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dial = nil
	switch {
	case err != nil:
		d.err = err
	case l.closed:
		d.err = errClosed
		client.Close()
	default:
		l.client.Store(&client)
	}
	close(d.ended)
}

// close ends the client and its goroutines.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	client := l.client.Swap(nil)
	l.mu.Unlock()
	l.done.Wait()
	if client != nil {
		(*client).Close()
	}
}
