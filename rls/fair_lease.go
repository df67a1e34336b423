package rls

import (
	"errors"
	"net/http"
)

// slot is a tenant's right to one connection, held by a lease.
type slot struct {
	admission *admission
	share     *share
}

func (s slot) release() {
	if s.share != nil {
		s.admission.leave(s.share)
	}
}

// isTooSlow knows the server's words for its timeouts: a statement's (57014, which is also what a person's
// pg_cancel_backend ends with), an idle transaction's, and a transaction's.
func isTooSlow(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "57014" || pg.Code == "25P03" || pg.Code == "25P04")
}

// HTTPStatus is the status with which package tenanthttp answers: 429 when the tenant asks for too much at once, 503 when
// the database has no room, no time or no answer, and what a Directory's refusals have. For other errors it is 0, which leaves it to tenanthttp's own rules.
func (e *Error) HTTPStatus() int {
	var refused *refusal
	if errors.As(e.Kind, &refused) {
		return refused.status
	}
	if errors.Is(e.Kind, ErrTenantBusy) {
		return http.StatusTooManyRequests
	}
	for _, kind := range []error{ErrPoolExhausted, ErrTooSlow, ErrUnavailable, ErrClosed} {
		if errors.Is(e.Kind, kind) {
			return http.StatusServiceUnavailable
		}
	}
	return 0
}
