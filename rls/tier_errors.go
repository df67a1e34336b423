package rls

import (
	"errors"
	"net/http"
)

// What a DB with a Directory refuses. Each has the HTTP status that package tenanthttp gives to a client: unknown and
// erased tenants look the same there.
var (
	// ErrUnknownTenant: the Directory has no such tenant.
	ErrUnknownTenant error = &refusal{"the directory does not know the tenant", http.StatusNotFound}
	// ErrErased: the tenant's data is gone, and stays gone.
	ErrErased error = &refusal{"the tenant was erased", http.StatusNotFound}
	// ErrSuspended: the tenant is suspended.
	ErrSuspended error = &refusal{"the tenant is suspended", http.StatusForbidden}
	// ErrReadOnly: the tenant may only read. Nothing was written.
	ErrReadOnly error = &refusal{"the tenant is read-only", http.StatusForbidden}
	// ErrMoving: the tenant is on its way to another place and may only read until it is there. Nothing was written.
	ErrMoving error = &refusal{"the tenant is being moved and can't write until it is done", http.StatusServiceUnavailable}
	// ErrMoved: the tenant moved while the request was under way, which was not done. The next one goes to the new place.
	ErrMoved error = &refusal{"the tenant moved away while the request was under way; try again", http.StatusServiceUnavailable}
	// ErrCredentials: the server refused the login, or the Credentials don't know it.
	ErrCredentials error = &refusal{"the database login failed", http.StatusServiceUnavailable}
	// ErrEntry: the tenant's entry in the Directory can't be worked with.
	ErrEntry error = &refusal{"the tenant's directory entry can't be used", http.StatusInternalServerError}
)

// refusal is a sentinel with an HTTP status.
type refusal struct {
	text   string
	status int
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

// HTTPStatus is what a client is told.
func (r *refusal) HTTPStatus() int { return r.status }

// because is a sentinel and its cause on the way to the *Error that names the operation.
type because struct{ kind, cause error }

// Error implements error.
func (b because) Error() string { return b.kind.Error() + ": " + b.cause.Error() }

// Unwrap gives both.
func (b because) Unwrap() []error { return []error{b.kind, b.cause} }

// sentinelIn finds what fail shall take as the kind of an error: a bare sentinel, or one with a cause.
func sentinelIn(err error) (kind, cause error) {
	var with because
	if errors.As(err, &with) {
		return with.kind, with.cause
	}
	var bare *refusal
	if errors.As(err, &bare) {
		return bare, nil
	}
	return nil, nil
}
