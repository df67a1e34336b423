package rls

import (
	"errors"
	"fmt"
	"iter"

	"github.com/septum-go/septum/tenant"
)

// TenantError is what went wrong for one tenant of a sweep.
type TenantError struct {
	Tenant tenant.ID
	Err    error
}

// SweepError lists the tenants for which [EachTenant] failed.
type SweepError struct {
	Tenants int           // how many were tried
	Failed  []TenantError // in the order of the sweep
	Stopped error         // why the sweep ended early: the operator's mandate, or its observer; nil when all were tried
}

// Error implements error. It counts, and names no tenant: errors travel further than sweeps do.
func (e *SweepError) Error() string {
	text := fmt.Sprintf("rls: EachTenant: %d of %d tenants failed", len(e.Failed), e.Tenants)
	if e.Stopped != nil {
		text += ", and the sweep ended early: " + e.Stopped.Error()
	}
	return text
}

// Unwrap gives the reason of the end and every tenant's error, for errors.Is and errors.As.
func (e *SweepError) Unwrap() []error {
	var all []error
	if e.Stopped != nil {
		all = append(all, e.Stopped)
	}
	for _, failed := range e.Failed {
		all = append(all, failed.Err)
	}
	return all
}

// EachTenant enters tenants one after the other as the operator and runs fn for each. A failure, or a panic of fn, stops no
// other tenant and is never hidden (threat L03): when there was one, the error is a [*SweepError] with all. Only the
// end of the operator's mandate, or an observer that can't report, ends the sweep early.
func EachTenant(op tenant.Operator, tenants iter.Seq[tenant.ID], fn func(tenant.Context) error) error {
	var sweep SweepError
	for id := range tenants {
		tc, err := op.Enter(id)
		if err != nil && !errors.Is(err, tenant.ErrInvalidID) {
			sweep.Stopped = err
			break
		}
		sweep.Tenants++
		if err == nil {
			err = guarded(tc, fn)
		}
		if err != nil {
			sweep.Failed = append(sweep.Failed, TenantError{id, err})
		}
	}
	if sweep.Stopped == nil && len(sweep.Failed) == 0 {
		return nil
	}
	return &sweep
}

// errPanicked stands for a panic in one tenant's work. Its value may hold the tenant's data, so it is not repeated.
var errPanicked = errors.New("the work panicked")

func guarded(tc tenant.Context, fn func(tenant.Context) error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return fn(tc)
}
