package tenanthttp

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
)

// Reason says why the border refused; it is stable, and fit for a metric's label.
type Reason string

// The reasons, and the status that each becomes.
const (
	ReasonMissing   Reason = "token_missing"    // 401
	ReasonMalformed Reason = "token_malformed"  // 401: several headers, another scheme, white space, an empty token
	ReasonToken     Reason = "token_refused"    // 401, or what the verifier's error says (503)
	ReasonDisagree  Reason = "tokens_disagree"  // 401: header and cookie are of different principals
	ReasonOrigin    Reason = "foreign_origin"   // 403: cross-site request forgery
	ReasonConflict  Reason = "context_conflict" // 403: the request's context was bound to another tenant before
	ReasonConfig    Reason = "configuration"    // 500
)

// Error is a refusal of the border. Neither its text nor the response contains the token or a tenant.
type Error struct {
	Reason Reason
	Text   string
	Err    error // what the verifier or another package said; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	text := "tenanthttp: " + string(e.Reason) + ": " + e.Text
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus is the status of the reason.
func (e *Error) HTTPStatus() int {
	switch e.Reason {
	case ReasonMissing, ReasonMalformed, ReasonDisagree:
		return http.StatusUnauthorized
	case ReasonToken:
		if status, ok := statusMethod(e.Err); ok {
			return status
		}
		if errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded) {
			return http.StatusServiceUnavailable // nothing was said about the token
		}
		return http.StatusUnauthorized
	case ReasonOrigin, ReasonConflict:
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}

// Failure is an error whose text is meant for the client. Make it with [Fail].
type Failure struct {
	Status int    // 400 to 599
	Text   string // shown to the client
	Err    error  // the cause, for the log only; may be nil
}

// Fail makes a handler's error with a status and a text that the client may read:
//
//	return tenanthttp.Fail(http.StatusBadRequest, "ward is not a number", err)
func Fail(status int, text string, cause error) error { return &Failure{status, text, cause} }

// Error implements error.
func (f *Failure) Error() string {
	if f.Err != nil {
		return f.Text + ": " + f.Err.Error()
	}
	return f.Text
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Err }

// HTTPStatus is the status, 500 when it is not one of an error.
func (f *Failure) HTTPStatus() int {
	if !isErrorStatus(f.Status) {
		return http.StatusInternalServerError
	}
	return f.Status
}

// StatusOf turns an error into a status. The first that fits decides:
//
//   - an error in the chain with a method HTTPStatus() int from 400 to 599: that ([Fail] makes one);
//   - one with a method NotFound() bool that says true, as query.ErrNotFound and its kind, or sql.ErrNoRows, which
//     pgx.ErrNoRows is too: 404, whether the thing is another tenant's or does not exist;
//   - http.MaxBytesError: 413;
//   - context.DeadlineExceeded: 503;
//   - anything else: 500.
func StatusOf(err error) int {
	if status, ok := statusMethod(err); ok {
		return status
	}
	var absent interface{ NotFound() bool }
	if errors.As(err, &absent) && absent.NotFound() || errors.Is(err, sql.ErrNoRows) {
		return http.StatusNotFound
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func statusMethod(err error) (int, bool) {
	var typed interface{ HTTPStatus() int }
	if errors.As(err, &typed) {
		if status := typed.HTTPStatus(); isErrorStatus(status) {
			return status, true
		}
	}
	return 0, false
}

func isErrorStatus(status int) bool { return status >= 400 && status <= 599 }
