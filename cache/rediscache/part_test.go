package rediscache

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
)

// What is known of tenants that were not here lately is forgotten, except what is owed to them.
func TestIdleTenantsAreForgotten(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, nil)
	fresh := func() *part {
		pt, err := c.of(newTenant(t, "idle"))
		require.NoError(t, err)
		return pt
	}
	owing, busy := fresh(), fresh()
	owing.shards[0].owe()
	owing.used.Store(0)
	for range minSweep - 3 {
		fresh().used.Store(0)
	}
	last := fresh()
	left := map[*part]bool{}
	c.parts.each(func(pt *part) { left[pt] = true })
	require.Equal(t, map[*part]bool{owing: true, busy: true, last: true}, left)
}

// X01, X03: the context with which messages of the server are dealt with is no request's.
func TestAPartKeepsNothingOfTheCaller(t *testing.T) {
	t.Parallel()
	c, _ := remote(t, nil)
	type secret struct{}
	tc, err := tenant.From(context.WithValue(newTenant(t, "caller"), secret{}, "of a user"))
	require.NoError(t, err)
	pt, err := c.of(tc)
	require.NoError(t, err)
	require.Nil(t, pt.bound.Value(secret{}))
	require.NotEqual(t, tc.Principal().Subject, pt.bound.Principal().Subject)
	require.Equal(t, tc.Tenant(), pt.bound.Tenant())
}
