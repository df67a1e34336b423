package rediscache

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/redis/rueidis"
)

// guarded is a connection that ends when the other side does not speak the protocol. The client trusts its server: it
// allocates what a length says, follows any nesting, and panics, in a goroutine of its own, on an answer to no question.
// A cache must not let a confused server, or whoever stands in its place, end the program.
type guarded struct {
	net.Conn
	in, out parser
	talk    dialogue
}

// errWire: what came is not an answer to what was sent.
var errWire = errors.New("the server does not speak the protocol")

// guard puts itself around the connections that an option makes.
func guard(option *rueidis.ClientOption, maxBulk int) {
	dial := option.DialCtxFn
	if dial == nil && option.DialFn != nil {
		old := option.DialFn
		dial = func(_ context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
			return old(address, dialer, config)
		}
	}
	if dial == nil {
		dial = func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
			if config == nil {
				return dialer.DialContext(ctx, "tcp", address)
			}
			return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
		}
	}
	option.DialFn = nil
	option.DialCtxFn = func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, address, dialer, config)
		if err != nil {
			return nil, err
		}
		g := &guarded{Conn: conn, in: parser{maxBulk: int64(maxBulk)}, out: parser{maxBulk: 1 << 40}}
		g.out.each = g.talk.asked // before the server can answer
		g.in.each = g.talk.answered
		return g, nil
	}
}

// Write implements net.Conn. One goroutine writes at a time, and one reads.
func (g *guarded) Write(p []byte) (int, error) {
	if err := g.out.feed(p); err != nil { // what the client writes is right
		return 0, err
	}
	return g.Conn.Write(p)
}

// Read implements net.Conn.
func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if bad := g.in.feed(p[:n]); bad != nil {
		return 0, errors.Join(bad, g.Conn.Close())
	}
	return n, err
}
