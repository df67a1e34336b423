package cache

import (
	"errors"
	"fmt"

	"github.com/septum-go/septum/tenant"
)

// The reasons of this package. Match them with errors.Is. A context without a tenant is tenant.ErrUnbound, everywhere.
var (
	// ErrMiss: Get has no value for the key. Remote tiers also answer it when they could not look; the cause is then
	// reachable behind it.
	ErrMiss = errors.New("not cached")
	// ErrNotFound: there is no such thing, and the cache remembers that. Loaders return it, or Options.NotFound.
	ErrNotFound = errors.New("there is none")
	// ErrRefused: the value was not stored. The *Error says why, and Stats counts it.
	ErrRefused = errors.New("not stored")
	// ErrLoad: a loader was nil, panicked, ended its goroutine, or took longer than LoadTimeout.
	ErrLoad = errors.New("the loader failed")
	// ErrUnavailable: a remote tier could not be reached, so a Set, Delete or invalidation may not have happened there.
	ErrUnavailable = errors.New("the remote cache is unavailable")
	// ErrOptions: New was given options that can't work.
	ErrOptions = errors.New("invalid options")
)

// Error is what this package returns when it refuses; errors of loaders come back as they are. Its text holds no key, no
// value and no tenant.
type Error struct {
	Op    string // the method: "Set", "GetOrLoad", …
	Err   error  // one of the errors above, or one of package tenant
	Hint  string // why, or what to do instead; may be empty
	Cause error  // what led to it, for errors.As; not part of the text; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	text := "cache: " + e.Op + ": " + e.Err.Error()
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Unwrap gives the reason and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Cause}
}

// PanicError is a loader's panic, as the Cause of an ErrLoad: every caller that waited gets it, and no goroutine dies of it.
// The text names the type of the value only, since the value may hold anything.
type PanicError struct {
	Value any    // what the loader panicked with
	Stack []byte // where
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("panic of type %T", e.Value) }

// Unwrap gives the value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// IncidentKind says what happened. Remote tiers have more kinds of their own.
type IncidentKind string

// The incidents of the cache in process.
const (
	// IncidentPanic: a loader or a hook panicked, or ended its goroutine.
	IncidentPanic IncidentKind = "panic"
	// IncidentQuota: QuotaOf gave a quota that can't work, or a reserve that does not fit.
	IncidentQuota IncidentKind = "quota"
)

// Incident is for the operator's log: something that should not happen did. It names the tenant, so it is not for other
// tenants' eyes; it never holds keys or values.
type Incident struct {
	Kind   IncidentKind
	Tenant tenant.ID // whose partition; zero for a Lookup
	Err    error
}

func optionError(hint string) error { return &Error{Op: "New", Err: ErrOptions, Hint: hint} }
