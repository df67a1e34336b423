package tenant

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// Context is a context.Context that is bound to one tenant for as long as it lives. Only [Bind], [From] and
// [Operator.Enter] make a working one. The zero value, also inside a type that embeds it, is safe to use and bound to
// nobody: it is cancelled from the start, with ErrUnbound as its reason, and every API refuses it.
//
// Like every context it is passed as the first parameter, not stored, and safe for concurrent use.
type Context struct {
	ctx   context.Context
	bound *binding
}

// binding is shared by all contexts derived from one Bind and never changes.
type binding struct{ principal Principal }

// contextKey finds the binding again below context.WithTimeout and friends.
type contextKey struct{}

// Bind makes the tenant's context. It belongs at the border of the application, right after a token was verified; the
// packages tenanthttp and its siblings call it, handlers need not.
//
// Errors: ErrInvalidID without a tenant, ErrPrincipal without a subject, ErrConflict when ctx is bound to another
// tenant, ErrUnbound when ctx is nil, a zero Context, or of a type whose methods panic.
func Bind(ctx context.Context, p Principal) (Context, error) {
	if err := p.check("Bind"); err != nil {
		return Context{}, err
	}
	if ctx == nil {
		return Context{}, &Error{Op: "Bind", Err: ErrUnbound, Hint: "the parent context is nil"}
	}
	outer, ok := bindingOf(ctx)
	switch {
	case !ok:
		return Context{}, &Error{Op: "Bind", Err: ErrUnbound, Hint: hintBroken}
	case outer == nil && errors.Is(ctx.Err(), ErrUnbound):
		return Context{}, &Error{Op: "Bind", Err: ErrUnbound, Hint: "the parent is, or is derived of, a zero tenant.Context"}
	case outer != nil && outer.principal.Tenant != p.Tenant:
		return Context{}, &Error{Op: "Bind", Err: ErrConflict, Hint: "start from a context that has no tenant"}
	}
	p.Roles = slices.Clone(p.Roles)
	return Context{ctx: ctx, bound: &binding{p}}, nil
}

// From gives the tenant's context back from a context derived of it, with the derived deadline, cancellation and
// values. It is how code behind an API that only knows context.Context finds its tenant. A context without a tenant is
// ErrUnbound: hand on the request's context, not context.Background().
func From(ctx context.Context) (Context, error) {
	if tc, ok := ctx.(Context); ok && tc.bound != nil {
		return tc, nil
	}
	bound, ok := bindingOf(ctx)
	if !ok && ctx != nil {
		return Context{}, &Error{Op: "From", Err: ErrUnbound, Hint: hintBroken}
	}
	if bound == nil {
		return Context{}, &Error{Op: "From", Err: ErrUnbound, Hint: "hand on the request's context, or Bind one"}
	}
	return Context{ctx: ctx, bound: bound}, nil
}

const hintBroken = "the context's own methods panic; look for a nil inside of it"

// bindingOf finds the binding of a context, nil when it has none. It never panics: a context that can't be used, because
// it is nil, holds a nil, or panics for reasons of its own, is not ok. All methods are tried, since the Context made of it will call them.
func bindingOf(ctx context.Context) (bound *binding, ok bool) {
	if ctx == nil {
		return nil, false
	}
	defer func() {
		if recover() != nil {
			bound, ok = nil, false
		}
	}()
	bound, _ = ctx.Value(contextKey{}).(*binding)
	_, _ = ctx.Deadline()
	_, _ = ctx.Done(), ctx.Err()
	if bound != nil && bound.principal.Tenant.IsZero() {
		bound = nil // no function here makes such a one, but package reflect can
	}
	return bound, true
}

// Check returns ErrUnbound for a context without a tenant and nil otherwise. APIs that take a Context call it first.
func (c Context) Check() error {
	if c.bound == nil {
		return &Error{Op: "Context", Err: ErrUnbound, Hint: "it is a zero tenant.Context; take it from Bind or From"}
	}
	return nil
}

// Tenant names the tenant; the zero ID, which everything refuses, when there is none.
func (c Context) Tenant() ID {
	if c.bound == nil {
		return ID{}
	}
	return c.bound.principal.Tenant
}

// Principal tells who acts. The caller owns the copy.
func (c Context) Principal() Principal {
	if c.bound == nil {
		return Principal{}
	}
	p := c.bound.principal
	p.Roles = slices.Clone(p.Roles)
	return p
}

// Deadline implements context.Context.
func (c Context) Deadline() (time.Time, bool) {
	if c.bound == nil {
		return time.Time{}, false
	}
	return c.ctx.Deadline()
}

// Done implements context.Context. It is closed for a context without a tenant.
func (c Context) Done() <-chan struct{} {
	if c.bound == nil {
		return closed
	}
	return c.ctx.Done()
}

// Err implements context.Context. It is ErrUnbound, in an *Error, for a context without a tenant.
func (c Context) Err() error {
	if c.bound == nil {
		return c.Check()
	}
	return c.ctx.Err()
}

// Value implements context.Context.
func (c Context) Value(key any) any {
	if c.bound == nil {
		return nil
	}
	if key == (contextKey{}) {
		return c.bound
	}
	return c.ctx.Value(key)
}

// String names the type and the tenant, so that a context printed by mistake prints nothing else of the request.
func (c Context) String() string {
	if c.bound == nil {
		return "tenant.Context(unbound)"
	}
	return "tenant.Context(" + c.bound.principal.Tenant.text + ")"
}

// LogValue implements slog.LogValuer with the principal's.
func (c Context) LogValue() slog.Value { return c.Principal().LogValue() }

var closed = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
