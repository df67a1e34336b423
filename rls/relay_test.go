package rls_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// relay stands between the library and the server and hands on what the server says message by message, each through edit.
type relay struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
	edit     atomic.Pointer[edit]
	request  atomic.Int64 // bytes of the client's to hand on before the line goes dead; 0: all
}

// edit gives what is handed on in place of a message of the server's, and whether the line lives on.
type edit func(message []byte) (instead []byte, alive bool)

// newRelayedClinic has a DB whose only connection goes through a relay.
func newRelayedClinic(t testing.TB, change ...func(*rls.Config)) (*clinic, *relay) {
	t.Helper()
	c := newClinic(t)
	c.settle(t, rls.Limits{}) // for those that are used as if they were a pooler's
	u, err := url.Parse(c.AppURL)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{listener: listener, target: u.Host}
	r.done.Go(r.accept)
	t.Cleanup(func() {
		listener.Close()
		r.mu.Lock()
		for _, conn := range r.conns {
			conn.Close()
		}
		r.mu.Unlock()
		r.done.Wait()
	})
	u.Host = listener.Addr().String()
	c.db = c.open(t, append([]func(*rls.Config){func(cfg *rls.Config) { cfg.URL, cfg.MaxConns = u.String(), 1 }}, change...)...)
	return c, r
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.target)
		if err != nil {
			client.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, client, server)
		r.mu.Unlock()
		r.done.Go(func() { r.ask(server, client) })
		r.done.Go(func() { r.answer(client, server) })
	}
}

// ask hands on what the client says.
func (r *relay) ask(server, client net.Conn) {
	defer server.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := client.Read(buffer)
		if left := r.request.Load(); left > 0 && err == nil {
			_, _ = server.Write(buffer[:min(int64(n), left)])
			return // and hangs up
		}
		if _, wrong := server.Write(buffer[:n]); err != nil || wrong != nil {
			return
		}
	}
}

// answer hands on what the server says.
func (r *relay) answer(client, server net.Conn) {
	defer client.Close()
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(server, head); err != nil {
			return
		}
		message := make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
		copy(message, head)
		if _, err := io.ReadFull(server, message[5:]); err != nil {
			return
		}
		alive := true
		if change := r.edit.Load(); change != nil {
			message, alive = (*change)(message)
		}
		if _, err := client.Write(message); err != nil {
			return
		}
		if !alive {
			_, _ = io.Copy(io.Discard, server) // the client hears nothing any more, until it hangs up
			return
		}
	}
}

// during has an edit in force while fn runs.
func (r *relay) during(change edit, fn func()) {
	r.edit.Store(&change)
	defer r.edit.Store(nil)
	fn()
}

// kinds gives the types of the messages that answer fn, as PostgreSQL's manual calls them.
func (r *relay) kinds(fn func()) string {
	var seen []byte
	r.during(func(message []byte) ([]byte, bool) { seen = append(seen, message[0]); return message, true }, fn)
	return string(seen)
}

// wire is a message's bytes.
func wire(t testing.TB, message pgproto3.BackendMessage) []byte {
	t.Helper()
	bytes, err := message.Encode(nil)
	require.NoError(t, err)
	return bytes
}
