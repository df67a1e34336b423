package rls

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

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
	return sweep(op, tenants, 1, fn)
}

// sweep is EachTenant with several tenants at a time.
func sweep(op tenant.Operator, tenants iter.Seq[tenant.ID], parallel int, fn func(tenant.Context) error) error {
	var (
		done    SweepError
		mu      sync.Mutex
		failed  = map[int]TenantError{} // by place in the sweep
		under   sync.WaitGroup
		allowed = make(chan struct{}, parallel)
	)
	for id := range tenants {
		allowed <- struct{}{}
		tc, err := op.Enter(id)
		if err != nil && !errors.Is(err, tenant.ErrInvalidID) {
			done.Stopped = err
			break
		}
		number := done.Tenants
		done.Tenants++
		work := func() {
			defer func() { <-allowed }()
			if err == nil {
				err = guarded(tc, fn)
			}
			if err != nil {
				mu.Lock()
				failed[number] = TenantError{id, err}
				mu.Unlock()
			}
		}
		if parallel == 1 {
			work()
			continue
		}
		under.Go(work)
	}
	under.Wait()
	for _, number := range slices.Sorted(maps.Keys(failed)) {
		done.Failed = append(done.Failed, failed[number])
	}
	if done.Stopped == nil && len(done.Failed) == 0 {
		return nil
	}
	return &done
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
