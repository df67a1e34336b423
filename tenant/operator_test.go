package tenant_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
)

func mandate(observe func(tenant.OperatorEvent) error) tenant.Mandate {
	return tenant.Mandate{Actor: "ops@example.org", Purpose: "migration 41", For: time.Hour,
		Observer: func(_ context.Context, event tenant.OperatorEvent) error { return observe(event) }}
}

// journal is an observer that keeps its lines; it is safe for concurrent use, as an Observer must be.
type journal struct {
	mu    sync.Mutex
	lines []string
	fail  map[string]error
}

func (j *journal) observe(event tenant.OperatorEvent) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%s %s for %s in %q", event.Action, event.Actor, event.Purpose, event.Tenant))
	return j.fail[event.Action]
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

const (
	begun      = `begin ops@example.org for migration 41 in ""`
	enteredOne = `enter ops@example.org for migration 41 in "st-mary"`
	enteredTwo = `enter ops@example.org for migration 41 in "st-anne"`
	ended      = `end ops@example.org for migration 41 in ""`
)

func TestOperatorEntersOneTenantAtATime(t *testing.T) {
	t.Parallel()
	var log journal
	op, err := tenant.AsOperator(t.Context(), mandate(log.observe))
	require.NoError(t, err)
	require.Equal(t, "migration 41", op.Mandate().Purpose)

	first, err := op.Enter(mary)
	require.NoError(t, err)
	second, err := op.Enter(anne)
	require.NoError(t, err)
	require.Equal(t, mary, first.Tenant())
	require.Equal(t, anne, second.Tenant())
	require.Equal(t, tenant.Principal{Tenant: mary, Subject: "ops@example.org"}, first.Principal())
	_, err = tenant.Bind(first, grey(anne))
	require.ErrorIs(t, err, tenant.ErrConflict, "from inside of one tenant there is no way to the next")

	_, err = tenant.From(op.Context())
	require.ErrorIs(t, err, tenant.ErrUnbound, "the operator's own context is of no tenant")
	require.NoError(t, op.Close())
	require.Equal(t, []string{begun, enteredOne, enteredTwo, ended}, log.read())
}

func TestOperatorNeedsACompleteMandate(t *testing.T) {
	t.Parallel()
	var log journal
	for name, spoil := range map[string]func(*tenant.Mandate){
		"no actor":      func(m *tenant.Mandate) { m.Actor = "" },
		"blank actor":   func(m *tenant.Mandate) { m.Actor = " " },
		"no purpose":    func(m *tenant.Mandate) { m.Purpose = "" },
		"blank purpose": func(m *tenant.Mandate) { m.Purpose = "\t" },
		"no duration":   func(m *tenant.Mandate) { m.For = 0 },
		"negative":      func(m *tenant.Mandate) { m.For = -time.Second },
		"too long":      func(m *tenant.Mandate) { m.For = tenant.MaxMandate + 1 },
		"no observer":   func(m *tenant.Mandate) { m.Observer = nil },
	} {
		m := mandate(log.observe)
		spoil(&m)
		op, err := tenant.AsOperator(t.Context(), m)
		require.ErrorIs(t, err, tenant.ErrMandate, name)
		var typed *tenant.Error
		require.ErrorAs(t, err, &typed)
		require.NotEmpty(t, typed.Hint, name)
		requireNoAuthority(t, op)
	}
	require.Empty(t, log.read(), "what did not begin is not reported")
	longest := mandate(log.observe)
	longest.For = tenant.MaxMandate
	op, err := tenant.AsOperator(t.Context(), longest)
	require.NoError(t, err)
	require.NoError(t, op.Close())
}

func TestZeroOperator(t *testing.T) {
	t.Parallel()
	requireNoAuthority(t, tenant.Operator{})
}

func requireNoAuthority(t *testing.T, op tenant.Operator) {
	t.Helper()
	tc, err := op.Enter(mary)
	require.ErrorIs(t, err, tenant.ErrMandate)
	requireUnbound(t, tc)
	require.ErrorIs(t, op.Err(), tenant.ErrMandate)
	require.Error(t, op.Context().Err())
	require.Zero(t, op.Mandate())
	require.NoError(t, op.Close())
}

// X03: a tenant's request never grows into work across tenants.
func TestOperatorIsNotMadeFromATenantsContext(t *testing.T) {
	t.Parallel()
	var log journal
	tc := bind(t, t.Context(), mary)
	below, cancel := context.WithCancel(context.WithoutCancel(tc))
	defer cancel()
	outer, err := tenant.AsOperator(t.Context(), mandate(func(tenant.OperatorEvent) error { return nil }))
	require.NoError(t, err)
	defer outer.Close()
	entered, err := outer.Enter(anne)
	require.NoError(t, err)
	for name, ctx := range map[string]context.Context{
		"bound": tc, "derived": below, "embedded": struct{ tenant.Context }{tc}, "entered": entered,
		"zero": tenant.Context{}, "pointer to zero": &tenant.Context{},
	} {
		op, err := tenant.AsOperator(ctx, mandate(log.observe))
		require.ErrorIs(t, err, tenant.ErrConflict, name)
		requireNoAuthority(t, op)
	}
	require.Empty(t, log.read())
}

// What can't be reported must not happen.
func TestObserversErrorStopsTheWork(t *testing.T) {
	t.Parallel()
	full := errors.New("the log's disk is full")

	log := journal{fail: map[string]error{"begin": full}}
	op, err := tenant.AsOperator(t.Context(), mandate(log.observe))
	require.ErrorIs(t, err, full)
	requireNoAuthority(t, op)
	require.Equal(t, []string{begun}, log.read())

	log = journal{fail: map[string]error{"enter": full}}
	op, err = tenant.AsOperator(t.Context(), mandate(log.observe))
	require.NoError(t, err)
	tc, err := op.Enter(mary)
	require.ErrorIs(t, err, full)
	requireUnbound(t, tc)
	require.NoError(t, op.Close())

	log = journal{fail: map[string]error{"end": full}}
	op, err = tenant.AsOperator(t.Context(), mandate(log.observe))
	require.NoError(t, err)
	require.ErrorIs(t, op.Close(), full)
	require.ErrorIs(t, op.Close(), full, "Close does not hide it the second time (X08)")
}

func TestOperatorRefusesTheZeroID(t *testing.T) {
	t.Parallel()
	var log journal
	op, err := tenant.AsOperator(t.Context(), mandate(log.observe))
	require.NoError(t, err)
	defer op.Close()
	tc, err := op.Enter(tenant.ID{}) // W04: no tenant is not all tenants
	require.ErrorIs(t, err, tenant.ErrInvalidID)
	requireUnbound(t, tc)
	require.Equal(t, []string{begun}, log.read())
}

func TestOperatorEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log journal
		op, err := tenant.AsOperator(t.Context(), mandate(log.observe))
		require.NoError(t, err)
		tc, err := op.Enter(mary)
		require.NoError(t, err)
		below, cancel := context.WithTimeout(context.WithValue(tc, mary, 1), 24*time.Hour)
		defer cancel()

		time.Sleep(time.Hour - time.Nanosecond)
		synctest.Wait()
		require.NoError(t, op.Err())
		require.NoError(t, tc.Err())

		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorIs(t, op.Err(), tenant.ErrExpired)
		require.ErrorIs(t, tc.Err(), context.DeadlineExceeded, "an entered context ends with the mandate")
		require.ErrorIs(t, below.Err(), context.DeadlineExceeded)
		_, err = op.Enter(anne)
		require.ErrorIs(t, err, tenant.ErrExpired)
		require.Equal(t, []string{begun, enteredOne, ended}, log.read(), "the end is reported without Close")
		require.NoError(t, op.Close())
		require.Len(t, log.read(), 3)
	})
}

func TestOperatorEndsWithItsParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log journal
		ctx, cancel := context.WithCancel(t.Context())
		op, err := tenant.AsOperator(ctx, mandate(log.observe))
		require.NoError(t, err)
		cancel()
		synctest.Wait()
		require.ErrorIs(t, op.Err(), tenant.ErrExpired)
		_, err = op.Enter(mary)
		require.ErrorIs(t, err, tenant.ErrExpired)
		require.Equal(t, []string{begun, ended}, log.read())
	})
}

func TestCloseReportsOnce(t *testing.T) {
	t.Parallel()
	var log journal
	op, err := tenant.AsOperator(t.Context(), mandate(log.observe))
	require.NoError(t, err)
	tc, err := op.Enter(mary)
	require.NoError(t, err)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { _ = op.Close() })
	}
	wait.Wait()
	require.NoError(t, op.Close())
	require.ErrorIs(t, tc.Err(), context.Canceled)
	_, err = op.Enter(anne)
	require.ErrorIs(t, err, tenant.ErrExpired)
	require.Equal(t, []string{begun, enteredOne, ended}, log.read())
}

// The observer writes to a log with the context that it is given; at the end the operator's own is over already.
func TestTheEndIsReportedWithALivingContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	m := mandate(nil)
	atEnd := errors.New("not reported")
	var value any
	m.Observer = func(ctx context.Context, event tenant.OperatorEvent) error {
		if event.Action == "end" {
			atEnd, value = ctx.Err(), ctx.Value(key{})
		}
		return nil
	}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "trace"))
	op, err := tenant.AsOperator(ctx, m)
	require.NoError(t, err)
	cancel()
	require.NoError(t, op.Close())
	require.NoError(t, atEnd)
	require.Equal(t, "trace", value)
}
