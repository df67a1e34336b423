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
	watch   watch
	breaker breaker

	client atomic.Pointer[rueidis.Client]
	doubts atomic.Int32 // answers in a row that were not what was asked for
	mu     sync.Mutex
	dial   *dialing // the attempt that runs
	since  time.Time
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
	limited, watched := l.watch.enter(ctx)
	client, err := l.connected(limited)
	if err == nil {
		err = exchange(limited, client)
	}
	if l.watch.leave(watched) && err != nil {
		err = errTimeout
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

// maxDoubts is how many answers in a row may be forged before the connections are made anew.
const maxDoubts = 8

// doubt counts an answer that was not what was asked for. Many in a row are likelier a connection whose answers have come
// apart from its questions (X09) than as many forgeries, and a new connection mends that; once in a while at most, for
// else it would be a way to keep the cache busy.
func (l *link) doubt() {
	if l.doubts.Add(1) < maxDoubts {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubts.Load() < maxDoubts || l.closed || time.Since(l.since) < l.breaker.rest {
		return
	}
	l.doubts.Store(0)
	l.since = time.Now()
	if client := l.client.Swap(nil); client != nil {
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			(*client).Close()
		}()
	}
}

// trust ends a row of doubts.
func (l *link) trust() {
	if l.doubts.Load() != 0 {
		l.doubts.Store(0)
	}
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
