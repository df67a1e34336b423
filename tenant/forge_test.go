package tenant_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
)

// The zero Context, wherever it hides, is bound to nobody, dead and harmless.
func TestZeroContextFailsClosed(t *testing.T) {
	t.Parallel()
	type embedding struct {
		tenant.Context
		Name string
	}
	var zero tenant.Context
	requireUnbound(t, zero)
	requireUnbound(t, embedding{Name: "forged"}.Context)
	requireUnbound(t, *new(tenant.Context))
	requireUnbound(t, reflect.New(reflect.TypeFor[tenant.Context]()).Elem().Interface().(tenant.Context))
	require.NoError(t, json.Unmarshal([]byte(`{"ctx":{},"bound":{"Tenant":"st-mary"},"Tenant":"st-mary"}`), &zero)) //nolint:staticcheck // that it does nothing is the case
	requireUnbound(t, zero)
	require.Error(t, gob.NewDecoder(bytes.NewReader(nil)).Decode(&zero))
	require.Error(t, gob.NewEncoder(&bytes.Buffer{}).Encode(zero), "a context is not sent to another process")

	for name, ctx := range map[string]context.Context{
		"zero": zero, "pointer": &zero, "embedding": embedding{}, "embedding pointer": &embedding{},
		"derived": context.WithValue(zero, "k", "v"), //nolint:staticcheck // any key does
	} {
		_, err := tenant.From(ctx)
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		require.ErrorIs(t, ctx.Err(), tenant.ErrUnbound, name)
		tc, err := tenant.Bind(ctx, grey(mary))
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		requireUnbound(t, tc)
	}
	_, err := tenant.Bind(nil, grey(mary)) //nolint:staticcheck // nil is the case
	require.ErrorIs(t, err, tenant.ErrUnbound)
	require.ErrorContains(t, err, "the parent context is nil")
	derived, cancel := context.WithTimeout(zero, time.Hour)
	defer cancel()
	require.ErrorIs(t, derived.Err(), tenant.ErrUnbound, "what is derived of it is cancelled from the start")
}

// Types that others write may hold a nil or panic; the border answers with a typed error all the same.
type (
	nilInside    struct{ context.Context }
	panicsAlways struct{ context.Context }
	panicsOnDone struct{ context.Context }
	panicsOnTime struct{ context.Context }
	panicsOnErr  struct{ context.Context }
	answers      struct {
		context.Context
		with any
	}
	// thief shows a binding that it took from another context.
	thief struct {
		context.Context
		from context.Context
	}
)

func (panicsAlways) Value(any) any         { panic("value") }
func (panicsOnDone) Done() <-chan struct{} { panic("done") }
func (panicsOnTime) Deadline() (time.Time, bool) {
	panic("deadline")
}
func (panicsOnErr) Err() error    { panic("err") }
func (a answers) Value(any) any   { return a.with }
func (s thief) Value(key any) any { return s.from.Value(key) }

func TestBrokenContexts(t *testing.T) {
	t.Parallel()
	tc := bind(t, t.Context(), mary)
	for name, ctx := range map[string]context.Context{
		"nil interface inside":       nilInside{},
		"pointer to it":              &nilInside{},
		"nil pointer":                (*nilInside)(nil),
		"nil *tenant.Context":        (*tenant.Context)(nil),
		"panicking Value":            panicsAlways{tc},
		"panicking Done":             panicsOnDone{tc},
		"panicking Deadline":         panicsOnTime{tc},
		"panicking Err":              panicsOnErr{tc},
		"nil inside, stolen binding": thief{nil, tc},
	} {
		require.NotPanics(t, func() {
			got, err := tenant.From(ctx)
			require.ErrorIs(t, err, tenant.ErrUnbound, name)
			requireUnbound(t, got)
			got, err = tenant.Bind(ctx, grey(mary))
			require.ErrorIs(t, err, tenant.ErrUnbound, name)
			requireUnbound(t, got)
			op, err := tenant.AsOperator(ctx, mandate(func(tenant.OperatorEvent) error { return nil }))
			require.ErrorIs(t, err, tenant.ErrMandate, name)
			require.ErrorIs(t, op.Err(), tenant.ErrMandate, name)
		}, name)
	}
}

// A Value method that answers every key does not make a tenant, not even with a binding built by reflection.
func TestForgedBindings(t *testing.T) {
	t.Parallel()
	var stolen any
	spy := &keySpy{Context: t.Context()}
	_, err := tenant.From(spy)
	require.ErrorIs(t, err, tenant.ErrUnbound)
	require.NotNil(t, spy.key, "the key can be seen by a context's type")
	stolen = bind(t, t.Context(), mary).Value(spy.key)
	require.NotNil(t, stolen)
	binding := reflect.TypeOf(stolen)

	for name, with := range map[string]any{
		"id": mary, "text": "st-mary", "principal": grey(mary), "true": true,
		"nil binding":  reflect.Zero(binding).Interface(),
		"zero binding": reflect.New(binding.Elem()).Interface(),
	} {
		tc, err := tenant.From(answers{t.Context(), with})
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		requireUnbound(t, tc)
	}
	require.False(t, reflect.New(binding.Elem()).Elem().Field(0).CanSet(), "reflection can't fill one in")

	// Who holds a tenant's context has its authority, and can hand on that tenant only.
	tc, err := tenant.From(thief{t.Context(), bind(t, t.Context(), mary)})
	require.NoError(t, err)
	require.Equal(t, mary, tc.Tenant())
	_, err = tenant.Bind(thief{t.Context(), tc}, grey(anne))
	require.ErrorIs(t, err, tenant.ErrConflict)
}

type keySpy struct {
	context.Context
	key any
}

func (s *keySpy) Value(key any) any {
	s.key = key
	return nil
}
