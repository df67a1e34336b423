package rls_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

func operator(t *testing.T, observe tenant.Observer) tenant.Operator {
	t.Helper()
	op, err := tenant.AsOperator(context.Background(), tenant.Mandate{Actor: "ops@example.org", Purpose: "sweep", For: time.Minute, Observer: observe})
	require.NoError(t, err)
	t.Cleanup(func() { _ = op.Close() })
	return op
}

// L03: one tenant's failure neither stops the sweep nor hides in it.
func TestEachTenant(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	var entered []string
	op := operator(t, func(_ context.Context, e tenant.OperatorEvent) error {
		if e.Action == "enter" {
			entered = append(entered, e.Tenant.String())
		}
		return nil
	})
	bad := tenant.MustParseID("not-a-uuid")
	ids := []tenant.ID{mary, bad, {}, tenant.MustParseID("33333333-3333-3333-3333-333333333333"), paul}
	err := rls.EachTenant(op, slices.Values(ids), func(tc tenant.Context) error {
		if tc.Tenant().String()[0] == '3' {
			panic("in one tenant's work")
		}
		return c.db.Exec(tc, rename, named(1, "swept"))
	})
	var sweep *rls.SweepError
	require.ErrorAs(t, err, &sweep)
	require.Equal(t, 5, sweep.Tenants)
	require.NoError(t, sweep.Stopped)
	require.Len(t, sweep.Failed, 3)
	require.Equal(t, []tenant.ID{bad, {}, ids[3]}, []tenant.ID{sweep.Failed[0].Tenant, sweep.Failed[1].Tenant, sweep.Failed[2].Tenant})
	require.ErrorIs(t, err, query.ErrArgs)
	require.ErrorIs(t, err, tenant.ErrInvalidID)
	require.NotContains(t, err.Error(), bad.String())
	require.Equal(t, "swept", c.nameOf(t, mary, 1))
	require.Equal(t, "swept", c.nameOf(t, paul, 1))
	require.Len(t, entered, 4)
	require.NoError(t, rls.EachTenant(op, slices.Values(ids[:1]), func(tenant.Context) error { return nil }))

	// What can't be reported must not happen.
	silent := errors.New("the access log is full")
	calls := 0
	op = operator(t, func(_ context.Context, e tenant.OperatorEvent) error {
		if e.Tenant == paul {
			return silent
		}
		return nil
	})
	err = rls.EachTenant(op, slices.Values([]tenant.ID{mary, paul, mary}), func(tenant.Context) error { calls++; return nil })
	require.ErrorAs(t, err, &sweep)
	require.ErrorIs(t, sweep.Stopped, silent)
	require.Equal(t, 1, calls)
	require.NoError(t, op.Close())
	require.ErrorIs(t, rls.EachTenant(op, slices.Values([]tenant.ID{mary}), func(tenant.Context) error { calls++; return nil }), tenant.ErrExpired)
	require.Equal(t, 1, calls)
}
