package rediscache

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// guarded is a connection that ends when the other side does not speak the protocol. The client trusts its server: it
// allocates what a length says, follows any nesting, and panics, in a goroutine of its own, on an answer to no question.
// A cache must not let a confused server, or whoever stands in its place, end the program.
type guarded struct {
	net.Conn
	in, out parser
	sent    atomic.Int64 // commands written
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
		return &guarded{Conn: conn, in: parser{maxBulk: int64(maxBulk)}, out: parser{maxBulk: 1 << 40}}, nil
	}
}

// Write implements net.Conn. One goroutine writes at a time, and one reads.
func (g *guarded) Write(p []byte) (int, error) {
	if err := g.out.feed(p); err != nil { // what the client writes is right
		return 0, err
	}
	g.sent.Store(g.out.messages) // before the server can answer
	return g.Conn.Write(p)
}

// Read implements net.Conn.
func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if bad := g.in.feed(p[:n]); bad != nil {
		return 0, errors.Join(bad, g.Conn.Close())
	}
	if g.in.messages > g.sent.Load() {
		return 0, errors.Join(errWire, g.Conn.Close())
	}
	return n, err
}

const (
	maxLine     = 64 << 10 // of a simple string or an error
	maxDepth    = 16
	maxElements = 1 << 20 // of one message, at all depths
)

// parser follows a stream of RESP3 messages (https://redis.io/docs/latest/develop/reference/protocol-spec) without keeping
// them. Each byte is looked at once, but for the contents of bulk strings, which are skipped.
type parser struct {
	maxBulk  int64
	messages int64 // complete ones, pushes not counted

	typ      byte // of the element whose line is being read; 0 between elements
	line     int
	negative bool
	number   int64
	skip     int64 // what is left of a bulk string with its line end

	depth    int
	left     [maxDepth]int64 // elements missing at each depth
	elements int

	push  bool // the message is a push
	named bool // its kind was read
	word  []byte
}

func (p *parser) feed(b []byte) error {
	for i := 0; i < len(b); {
		if p.skip > 0 {
			n := min(p.skip, int64(len(b)-i))
			p.keep(b[i : i+int(n)])
			i += int(n)
			if p.skip -= n; p.skip == 0 {
				if err := p.complete(); err != nil {
					return err
				}
			}
			continue
		}
		c := b[i]
		i++
		if p.typ == 0 {
			if err := p.begin(c); err != nil {
				return err
			}
			continue
		}
		if c == '\n' {
			if err := p.endLine(); err != nil {
				return err
			}
			continue
		}
		if p.line++; p.line > maxLine {
			return errWire
		}
		if hasLength(p.typ) {
			switch {
			case c >= '0' && c <= '9' && p.number < 1<<40:
				p.number = p.number*10 + int64(c-'0')
			case c == '-' && p.line == 1:
				p.negative = true
			case c == '\r' && p.line > 1:
			default:
				return errWire
			}
		} else {
			p.keep(b[i-1 : i])
		}
	}
	return nil
}

func hasLength(typ byte) bool {
	switch typ {
	case '$', '=', '!', '*', '%', '~', '>':
		return true
	}
	return false
}

// begin takes the byte that says an element's type.
func (p *parser) begin(c byte) error {
	switch c {
	case '+', '-', ':', '_', ',', '#', '(':
	case '$', '=', '!', '*', '%', '~':
	case '>':
		if p.depth > 0 {
			return errWire
		}
		p.push, p.named = true, false
	default: // attributes, streamed strings and what is none at all
		return errWire
	}
	if p.elements++; p.elements > maxElements {
		return errWire
	}
	p.typ, p.line, p.negative, p.number, p.word = c, 0, false, 0, p.word[:0]
	return nil
}

// endLine takes the end of an element's first line.
func (p *parser) endLine() error {
	if p.line < 1 || hasLength(p.typ) && p.line < 2 {
		return errWire
	}
	n := p.number
	switch p.typ {
	case '$', '=', '!':
		switch {
		case p.negative && n == 1:
			return p.complete()
		case p.negative || n > p.maxBulk:
			return errWire
		}
		p.skip = n + 2
		return nil
	case '*', '~', '>', '%':
		if p.typ == '%' {
			n *= 2
		}
		switch {
		case p.negative && n == 1 && p.typ != '%', !p.negative && n == 0:
			return p.complete()
		case p.negative || n > maxElements || p.depth == maxDepth:
			return errWire
		}
		p.left[p.depth] = n
		p.depth++
		p.typ = 0
		return nil
	default:
		return p.complete()
	}
}

// complete takes the end of an element, and of those that end with it.
func (p *parser) complete() error {
	p.typ = 0
	if p.push && !p.named && p.depth == 1 {
		if !pushKind(p.word) {
			return errWire
		}
		p.named = true
	}
	for ; p.depth > 0; p.depth-- {
		if p.left[p.depth-1]--; p.left[p.depth-1] > 0 {
			return nil
		}
	}
	if p.push && !p.named {
		return errWire
	}
	if !p.push {
		p.messages++
	}
	p.push, p.elements = false, 0
	return nil
}

// keep remembers the beginning of the first element of a push.
func (p *parser) keep(b []byte) {
	if p.push && !p.named && len(p.word) < 32 {
		p.word = append(p.word, b[:min(len(b), 32-len(p.word))]...)
	}
}

// pushKind tells the pushes that this client asks for: those of tracking, and of the unsubscribing with which it cleans a
// dedicated connection.
func pushKind(word []byte) bool {
	for len(word) > 0 && (word[len(word)-1] == '\n' || word[len(word)-1] == '\r') {
		word = word[:len(word)-1]
	}
	switch string(word) {
	case "invalidate", "unsubscribe", "punsubscribe", "sunsubscribe":
		return true
	}
	return false
}
