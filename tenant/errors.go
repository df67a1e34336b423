package tenant

import "errors"

// The reasons for which this package refuses. Match them with errors.Is; the error that carries one is an [*Error].
var (
	// ErrInvalidID: a text is not a tenant id, or an ID is the zero value.
	ErrInvalidID = errors.New("not a tenant id")
	// ErrUnbound: no tenant is bound to the context. It is never taken to mean "all tenants".
	ErrUnbound = errors.New("no tenant is bound to this context")
	// ErrConflict: a second tenant, or a cross-tenant mandate, was put on a context that has a tenant already.
	ErrConflict = errors.New("the context is bound to another tenant")
	// ErrPrincipal: a Principal lacks what an access log needs.
	ErrPrincipal = errors.New("incomplete principal")
	// ErrMandate: an Operator was asked for without an actor, a purpose, a duration or an observer.
	ErrMandate = errors.New("incomplete mandate")
	// ErrExpired: the mandate of an Operator has ended.
	ErrExpired = errors.New("the operator's mandate has ended")
)

// Error is what every function of this package returns when it refuses. Its text names what to do, and never a
// tenant's id: an id that did not match may be another tenant's.
type Error struct {
	Op   string // the function that refused: "Bind", "From", …
	Err  error  // one of this package's sentinel errors
	Hint string // what to do instead; may be empty
}

// Error implements error.
func (e *Error) Error() string {
	text := "tenant: " + e.Op + ": " + e.Err.Error()
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Unwrap gives the sentinel error.
func (e *Error) Unwrap() error { return e.Err }
