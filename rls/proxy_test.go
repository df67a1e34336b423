package rls_test

import (
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy stands between the library and the server. It counts round trips, delays, and cuts.
type proxy struct {
	listener net.Listener
	target   string
	delay    atomic.Int64 // nanoseconds, each way
	turns    atomic.Int64 // how often the client spoke after the server had
	silent   atomic.Bool  // swallow what the server says
	lose     atomic.Int64 // swallow about one piece in so many, of both sides; 0: none
	mu       sync.Mutex
	conns    []net.Conn
	done     sync.WaitGroup
}

// newProxy gives a proxy and the URL that leads through it.
func newProxy(t testing.TB, to string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(to)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, target: u.Host}
	p.done.Add(1)
	go p.accept()
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		p.done.Wait()
	})
	u.Host = listener.Addr().String()
	return p, u.String()
}

func (p *proxy) accept() {
	defer p.done.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		serverSpoke := new(atomic.Bool)
		serverSpoke.Store(true)
		p.done.Add(2)
		go p.copy(server, client, func() {
			if serverSpoke.Swap(false) {
				p.turns.Add(1)
			}
		})
		go p.copy(client, server, func() { serverSpoke.Store(true) })
	}
}

// copy forwards in order, each chunk after the delay.
func (p *proxy) copy(to, from net.Conn, heard func()) {
	defer p.done.Done()
	defer from.Close()
	type chunk struct {
		at   time.Time
		data []byte
	}
	chunks := make(chan chunk, 1024)
	p.done.Add(1)
	go func() {
		defer p.done.Done()
		for c := range chunks {
			time.Sleep(time.Until(c.at))
			if _, err := to.Write(c.data); err != nil {
				from.Close()
			}
		}
		to.Close()
	}()
	defer close(chunks)
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 {
			heard()
			lost := p.lose.Load()
			if !p.silent.Load() && (lost == 0 || rand.Int64N(lost) > 0) {
				chunks <- chunk{time.Now().Add(time.Duration(p.delay.Load())), buf[:n]}
			}
		}
		if err != nil {
			return
		}
	}
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// calm ends what disturbs.
func (p *proxy) calm() {
	p.delay.Store(0)
	p.silent.Store(false)
	p.lose.Store(0)
	p.cut()
}

// count gives the round trips that something costs.
func (p *proxy) count(fn func()) int64 {
	before := p.turns.Load()
	fn()
	return p.turns.Load() - before
}
