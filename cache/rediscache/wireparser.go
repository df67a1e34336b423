package rediscache

import "strings"

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

	each  func(*parser) error // told of each complete message, pushes included; nil: nobody
	first byte                // the type of the message
	count int64               // of its elements, if it is an array or a push
	named bool                // its first element was read: a push's kind, a command's name
	word  []byte              // the beginning of that element
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
	default: // attributes, streamed strings and what is none at all
		return errWire
	}
	if p.elements++; p.elements > maxElements {
		return errWire
	}
	if p.depth == 0 {
		p.first, p.count, p.named, p.word = c, 0, false, p.word[:0]
	}
	p.typ, p.line, p.negative, p.number = c, 0, false, 0
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
		if p.depth == 0 {
			p.count = n
		} else {
			p.named = true // a list is no name
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
	p.typ, p.named = 0, true
	for ; p.depth > 0; p.depth-- {
		if p.left[p.depth-1]--; p.left[p.depth-1] > 0 {
			return nil
		}
	}
	p.elements = 0
	if p.first != '>' {
		p.messages++
	} else if !pushKind(p.name()) {
		return errWire
	}
	if p.each != nil {
		return p.each(p)
	}
	return nil
}

// keep remembers the beginning of a message's first element.
func (p *parser) keep(b []byte) {
	if !p.named && len(p.word) < 32 {
		p.word = append(p.word, b[:min(len(b), 32-len(p.word))]...)
	}
}

// name is a message's first element: the kind of a push, the name of a command, the text of a simple string.
func (p *parser) name() string { return strings.TrimRight(string(p.word), "\r\n") }

// pushKind tells the pushes that this client asks for: those of tracking, of the unsubscribing with which it cleans a dedicated
// connection, and of the news that it hears from a Sentinel.
func pushKind(name string) bool {
	switch name {
	case "invalidate", "unsubscribe", "punsubscribe", "sunsubscribe", "subscribe", "message":
		return true
	}
	return false
}
