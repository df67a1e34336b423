package rediscache

import "sync"

// dialogue follows which command a server's message answers. Most have one answer; those of subscriptions have pushes in place
// of it, and the client, which has to put the two together again, panics where they don't fit.
type dialogue struct {
	mu      sync.Mutex
	sent    int64 // commands
	done    int64 // commands that are answered
	special []expectation
}

// expectation is what a command gets that is not one answer, in the order in which they were sent.
type expectation struct {
	number int64 // of the command
	what   answerKind
	pushes int64 // still to come, for a subscription; those that came, for its end
}

type answerKind int

const (
	subscription   answerKind = iota // a push for each channel, or an error
	unsubscription                   // pushes, or an error
	pong                             // the client's PING after that
)

// asked takes a command that the client sends.
func (d *dialogue) asked(p *parser) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent++
	switch p.name() {
	case "SUBSCRIBE":
		d.special = append(d.special, expectation{d.sent, subscription, p.count - 1})
	case "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		d.special = append(d.special, expectation{d.sent, unsubscription, 0}, expectation{d.sent + 1, pong, 0})
	}
	return nil
}

// answered takes a message of the server's, and refuses one that answers nothing.
func (d *dialogue) answered(p *parser) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var next *expectation
	if len(d.special) > 0 && d.special[0].number == d.done+1 {
		next = &d.special[0]
	}
	switch {
	case p.first != '>':
		return d.answer(next, p)
	case p.name() == "subscribe":
		if next == nil || next.what != subscription || p.count != 3 {
			return errWire
		}
		if next.pushes--; next.pushes == 0 {
			d.finish()
		}
	case p.name() == "message" && p.count < 3:
		return errWire
	case p.name() != "invalidate" && p.name() != "message" && next != nil && next.what == unsubscription:
		next.pushes++
	}
	return nil
}

func (d *dialogue) answer(next *expectation, p *parser) error {
	failed := p.first == '-' || p.first == '!'
	if next != nil && next.what == unsubscription && next.pushes > 0 && !failed {
		d.finish()
		next = nil
		if len(d.special) > 0 && d.special[0].number == d.done+1 {
			next = &d.special[0]
		}
	}
	switch {
	case d.done == d.sent:
		return errWire
	case next == nil:
		d.done++
		return nil
	case next.what == pong && p.name() != "PONG", next.what != pong && !failed:
		return errWire
	}
	d.finish()
	return nil
}

func (d *dialogue) finish() {
	d.done++
	d.special = d.special[1:]
}
