package tenant_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
)

var (
	mary = tenant.MustParseID("st-mary")
	anne = tenant.MustParseID("st-anne")
)

func grey(id tenant.ID) tenant.Principal {
	return tenant.Principal{Tenant: id, Subject: "dr.grey", Roles: []string{"nurse", "surgeon"}, TokenID: "token-1"}
}

func bind(t *testing.T, ctx context.Context, id tenant.ID) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(ctx, grey(id))
	require.NoError(t, err)
	return tc
}

func TestBind(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Hour)
	tc := bind(t, ctx, mary)
	require.NoError(t, tc.Check())
	require.Equal(t, mary, tc.Tenant())
	require.Equal(t, grey(mary), tc.Principal())
	require.True(t, tc.Principal().HasRole("nurse"))
	require.False(t, tc.Principal().HasRole("Nurse"))

	require.Equal(t, "value", tc.Value(key{}), "it is a context.Context of its parent")
	want, _ := ctx.Deadline()
	got, ok := tc.Deadline()
	require.True(t, ok)
	require.Equal(t, want, got)
	require.NoError(t, tc.Err())
	cancel()
	<-tc.Done()
	require.ErrorIs(t, tc.Err(), context.Canceled)
	require.NoError(t, tc.Check(), "a cancelled context has its tenant still")
}

func TestBindRefusesAnIncompletePrincipal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		principal tenant.Principal
		want      error
	}{
		"nothing":       {tenant.Principal{}, tenant.ErrInvalidID},
		"no tenant":     {tenant.Principal{Subject: "s"}, tenant.ErrInvalidID}, // W04
		"no subject":    {tenant.Principal{Tenant: mary}, tenant.ErrPrincipal},
		"blank subject": {tenant.Principal{Tenant: mary, Subject: " \t"}, tenant.ErrPrincipal},
	} {
		tc, err := tenant.Bind(t.Context(), test.principal)
		require.ErrorIs(t, err, test.want, name)
		requireUnbound(t, tc)
	}
}

// X02: whatever the standard library derives keeps the tenant, and gives it back with what was added.
func TestFromDerivedContexts(t *testing.T) {
	t.Parallel()
	type key struct{}
	tc := bind(t, t.Context(), mary)
	derived := map[string]func() context.Context{
		"itself":        func() context.Context { return tc },
		"WithValue":     func() context.Context { return context.WithValue(tc, key{}, 1) },
		"WithoutCancel": func() context.Context { return context.WithoutCancel(tc) },
		"WithCancel": func() context.Context {
			ctx, cancel := context.WithCancel(tc)
			t.Cleanup(cancel)
			return ctx
		},
		"WithTimeout": func() context.Context {
			ctx, cancel := context.WithTimeout(tc, time.Hour)
			t.Cleanup(cancel)
			return ctx
		},
		"several": func() context.Context {
			ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(context.WithValue(tc, key{}, 1)), time.Hour, nil)
			t.Cleanup(cancel)
			return ctx
		},
		"embedded": func() context.Context { return struct{ context.Context }{tc} },
	}
	for name, make := range derived {
		ctx := make()
		got, err := tenant.From(ctx)
		require.NoError(t, err, name)
		require.Equal(t, mary, got.Tenant(), name)
		require.Equal(t, "dr.grey", got.Principal().Subject, name)
		wantDeadline, wantOK := ctx.Deadline()
		deadline, ok := got.Deadline()
		require.Equal(t, wantOK, ok, name)
		require.Equal(t, wantDeadline, deadline, name)
		require.Equal(t, ctx.Value(key{}), got.Value(key{}), name)
	}
}

func TestFromADerivedContextEndsWithIt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(bind(t, t.Context(), mary))
	tc, err := tenant.From(ctx)
	require.NoError(t, err)
	cancel(fmt.Errorf("the patient left"))
	<-tc.Done()
	require.ErrorIs(t, tc.Err(), context.Canceled)
	require.EqualError(t, context.Cause(tc), "the patient left")
	after, err := tenant.From(tc)
	require.NoError(t, err, "a cancelled context does not lose its tenant")
	require.Equal(t, mary, after.Tenant())
}

// X02: a context without a tenant is an error, and never all tenants.
func TestFromNothing(t *testing.T) {
	t.Parallel()
	for name, ctx := range map[string]context.Context{
		"nil":        nil,
		"background": context.Background(),
		"todo":       context.TODO(),                                          //nolint:usetesting // the one that is meant
		"value":      context.WithValue(context.Background(), "tenant", mary), //nolint:staticcheck // what an attacker tries
		"zero":       tenant.Context{},
	} {
		tc, err := tenant.From(ctx)
		require.ErrorIs(t, err, tenant.ErrUnbound, name)
		requireUnbound(t, tc)
	}
}

// X03: no second tenant on one context, at any depth; the same one may be bound again.
func TestBindASecondTenant(t *testing.T) {
	t.Parallel()
	tc := bind(t, t.Context(), mary)
	below, cancel := context.WithTimeout(context.WithoutCancel(tc), time.Hour)
	defer cancel()
	for name, ctx := range map[string]context.Context{
		"itself": tc, "derived": below, "embedded": struct{ tenant.Context }{tc}, "pointer": &tc,
	} {
		other, err := tenant.Bind(ctx, grey(anne))
		require.ErrorIs(t, err, tenant.ErrConflict, name)
		require.NotContains(t, err.Error(), mary.String(), "which tenant it is is not said")
		requireUnbound(t, other)

		again, err := tenant.Bind(ctx, tenant.Principal{Tenant: mary, Subject: "job"})
		require.NoError(t, err, name)
		require.Equal(t, "job", again.Principal().Subject)
		require.Equal(t, "dr.grey", tc.Principal().Subject, "the outer context did not change")
	}
}

// A role given to one request must not appear in another that shares the slice.
func TestRolesAreNotShared(t *testing.T) {
	t.Parallel()
	given := grey(mary)
	tc, err := tenant.Bind(t.Context(), given)
	require.NoError(t, err)
	given.Roles[0] = "admin"
	require.Equal(t, []string{"nurse", "surgeon"}, tc.Principal().Roles)
	read := tc.Principal()
	read.Roles[0] = "admin"
	_ = append(read.Roles[:1], "admin")
	require.Equal(t, []string{"nurse", "surgeon"}, tc.Principal().Roles)
}

func TestCopiesAndGoroutines(t *testing.T) {
	t.Parallel()
	tc := bind(t, t.Context(), mary)
	elsewhere := tc
	require.True(t, tc == elsewhere, "a copy is the same context")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				p := tc.Principal()
				p.Roles[0] = "mine"
				from, err := tenant.From(context.WithValue(tc, mary, 1))
				if err != nil || from.Tenant() != mary || from.Principal().Roles[0] != "nurse" {
					panic("lost the tenant")
				}
			}
		})
	}
	wait.Wait()
}

// X01: a worker that takes its tenant from each job's context keeps none of the job before.
func TestAWorkerHasTheTenantOfItsJob(t *testing.T) {
	t.Parallel()
	jobs, seen := make(chan context.Context), make(chan string)
	go func() {
		defer close(seen)
		for ctx := range jobs {
			tc, err := tenant.From(ctx)
			if err != nil {
				seen <- "refused"
				continue
			}
			seen <- tc.Tenant().String()
		}
	}()
	for ctx, want := range map[context.Context]string{
		bind(t, t.Context(), mary): "st-mary", bind(t, t.Context(), anne): "st-anne", t.Context(): "refused",
	} {
		jobs <- ctx
		require.Equal(t, want, <-seen)
	}
	close(jobs)
	_, open := <-seen
	require.False(t, open)
}

func TestContextInLogs(t *testing.T) {
	t.Parallel()
	type key struct{}
	tc := bind(t, context.WithValue(t.Context(), key{}, "secret"), mary)
	for _, text := range []string{fmt.Sprint(tc), fmt.Sprintf("%+v", tc), fmt.Sprintf("in %s", tc)[3:], tc.String()} {
		require.Equal(t, "tenant.Context(st-mary)", text)
	}
	require.Equal(t, "tenant.Context(unbound)", tenant.Context{}.String())
	require.NotContains(t, fmt.Sprintf("%#v", tc), "secret")

	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}}))
	logger.Info("m", "by", tc)
	logger.Info("m", "by", tc.Principal())
	logger.Info("m", "by", tenant.Context{})
	require.Equal(t, `msg=m by.tenant=st-mary by.subject=dr.grey by.token_id=token-1
msg=m by.tenant=st-mary by.subject=dr.grey by.token_id=token-1
msg=m by.tenant="(no tenant)" by.subject="" by.token_id=""
`, out.String())
}

// requireUnbound holds everything that a context without a tenant must be: dead, and safe to touch.
func requireUnbound(t *testing.T, tc tenant.Context) {
	t.Helper()
	require.ErrorIs(t, tc.Check(), tenant.ErrUnbound)
	require.ErrorIs(t, tc.Err(), tenant.ErrUnbound)
	var typed *tenant.Error
	require.ErrorAs(t, tc.Err(), &typed)
	require.NotEmpty(t, typed.Hint)
	require.True(t, tc.Tenant().IsZero())
	require.Zero(t, tc.Principal())
	require.Nil(t, tc.Value("any"))
	_, ok := tc.Deadline()
	require.False(t, ok)
	select {
	case <-tc.Done():
	default:
		require.Fail(t, "Done is not closed")
	}
}
