package tenant

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// MaxMandate is the longest time that an Operator may be asked for.
const MaxMandate = 24 * time.Hour

// Mandate says who works across tenants, why and for how long. All four fields are required.
type Mandate struct {
	Actor    string        // a person or a job, as an auditor must be able to find it: "ops@example.org"
	Purpose  string        // what for: "migration 41", "ticket 8812"
	For      time.Duration // when the mandate ends by itself; more than 0, at most MaxMandate
	Observer Observer      // where it is reported
}

// Observer is told of an Operator's start and end and of every tenant that it enters. Start and entry are reported in the
// caller's goroutine, before the work, and an error stops the work, since what can't be reported must not happen. An end
// by time is reported in a goroutine of its own. It must be safe for concurrent use.
type Observer func(ctx context.Context, event OperatorEvent) error

// OperatorEvent is one line of the access log of cross-tenant work.
type OperatorEvent struct {
	Action  string // "begin", "enter" or "end"
	Actor   string
	Purpose string
	Tenant  ID // the tenant entered; zero for "begin" and "end"
	At      time.Time
}

// Operator is the authority to work in more than one tenant, one at a time. It is not a context.Context and no tenant API accepts
// it: each tenant is entered by name with [Operator.Enter]. Its zero value can enter nothing. Safe for concurrent use.
type Operator struct{ o *operator }

type operator struct {
	ctx     context.Context
	cancel  context.CancelFunc
	mandate Mandate
	end     func() error // reports the end, once
}

// AsOperator begins cross-tenant work and reports it. Call [Operator.Close] when it is done; at the mandate's end it closes by itself.
//
// Errors: ErrMandate when the mandate is incomplete, ErrConflict when ctx belongs to a tenant (a tenant's request never
// grows into work across tenants), and the observer's own.
func AsOperator(ctx context.Context, m Mandate) (Operator, error) {
	if err := m.check(); err != nil {
		return Operator{}, err
	}
	bound, ok := bindingOf(ctx)
	if !ok {
		return Operator{}, &Error{Op: "AsOperator", Err: ErrMandate, Hint: "the parent context is nil or broken"}
	}
	if bound != nil || errors.Is(ctx.Err(), ErrUnbound) {
		return Operator{}, &Error{Op: "AsOperator", Err: ErrConflict, Hint: "start from a context that has no tenant"}
	}
	if err := m.report(ctx, "begin", ID{}); err != nil {
		return Operator{}, err
	}
	after := context.WithoutCancel(ctx)
	end := sync.OnceValue(func() error { return m.report(after, "end", ID{}) })
	ctx, cancel := context.WithTimeout(ctx, m.For)
	context.AfterFunc(ctx, func() { _ = end() }) // nobody waits for an end by time; Close gives the error
	return Operator{&operator{ctx, cancel, m, end}}, nil
}

// Enter binds a context to one tenant, with the actor as its subject, and reports it. The context ends with the mandate.
//
// Errors: ErrExpired after the mandate's end, Close, or the cancellation of the operator's own context; ErrInvalidID for
// the zero ID; and the observer's own.
func (op Operator) Enter(id ID) (Context, error) {
	if op.o == nil {
		return Context{}, &Error{Op: "Operator.Enter", Err: ErrMandate, Hint: "it is a zero Operator; take it from AsOperator"}
	}
	if err := op.Err(); err != nil {
		return Context{}, err
	}
	principal := Principal{Tenant: id, Subject: op.o.mandate.Actor}
	if err := principal.check("Operator.Enter"); err != nil {
		return Context{}, err
	}
	if err := op.o.mandate.report(op.o.ctx, "enter", id); err != nil {
		return Context{}, err
	}
	return Bind(op.o.ctx, principal)
}

// Context is the operator's own context, bound to no tenant: for listing tenants and for waiting. It ends with the mandate.
func (op Operator) Context() context.Context {
	if op.o == nil {
		return Context{} // bound to nobody and cancelled
	}
	return op.o.ctx
}

// Mandate tells who works, and why; for logs.
func (op Operator) Mandate() Mandate {
	if op.o == nil {
		return Mandate{}
	}
	return op.o.mandate
}

// Err is nil while the mandate lasts, and ErrExpired, in an *Error, afterwards.
func (op Operator) Err() error {
	if op.o == nil {
		return &Error{Op: "Operator", Err: ErrMandate, Hint: "it is a zero Operator; take it from AsOperator"}
	}
	if op.o.ctx.Err() == nil {
		return nil
	}
	return &Error{Op: "Operator", Err: ErrExpired, Hint: "ask for a new mandate"}
}

// Close ends the mandate, cancels every context entered with it, and reports the end, once however often it is called.
// The error is the observer's.
func (op Operator) Close() error {
	if op.o == nil {
		return nil
	}
	op.o.cancel()
	return op.o.end()
}

func (m Mandate) check() error {
	var hint string
	switch {
	case strings.TrimSpace(m.Actor) == "":
		hint = "name the actor"
	case strings.TrimSpace(m.Purpose) == "":
		hint = "name the purpose"
	case m.For <= 0:
		hint = "say for how long, with For"
	case m.For > MaxMandate:
		hint = "For is more than 24 hours"
	case m.Observer == nil:
		hint = "give it an Observer, which writes it to the access log"
	default:
		return nil
	}
	return &Error{Op: "AsOperator", Err: ErrMandate, Hint: hint}
}

func (m Mandate) report(ctx context.Context, action string, id ID) error {
	return m.Observer(ctx, OperatorEvent{Action: action, Actor: m.Actor, Purpose: m.Purpose, Tenant: id, At: time.Now()})
}
