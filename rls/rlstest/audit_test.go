package rlstest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

// told is a test that only listens to what it is told.
type told struct {
	testing.TB
	errors []string
}

func (l *told) Helper()             {}
func (l *told) Log(...any)          {}
func (l *told) Logf(string, ...any) {}
func (l *told) Error(args ...any)   { l.errors = append(l.errors, fmt.Sprint(args...)) }
func (l *told) Errorf(format string, args ...any) {
	l.errors = append(l.errors, fmt.Sprintf(format, args...))
}

func TestAuditPassesAndFails(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(seed), rlstest.Catalog(catalog(t)))
	db := d.Open(t)
	rlstest.Audit(t, db)
	rlstest.Audit(t, d)
	_, err := d.Owner(t).Exec(t.Context(), "grant truncate on patients to "+d.AppRole)
	require.NoError(t, err)
	for _, auditable := range []rlstest.Auditable{db, d} {
		listener := &told{TB: t}
		rlstest.Audit(listener, auditable)
		require.Len(t, listener.errors, 1, listener.errors)
		require.Contains(t, listener.errors[0], "SEP070 public.patients")
	}
	waiver := rls.Waiver{Rule: "SEP070", Object: "public.patients", Reason: "nightly reset", Owner: "ops", Expires: "2999-01-01"}
	rlstest.Audit(t, d, waiver)
	expired, unused := waiver, waiver
	expired.Expires, unused.Object = "2020-01-01", "public.visits"
	for name, w := range map[string]rls.Waiver{"expired on 2020-01-01": expired, "matches nothing": unused} {
		listener := &told{TB: t}
		rlstest.Audit(listener, d, w)
		require.Len(t, listener.errors, 2, listener.errors)
		require.True(t, strings.Contains(listener.errors[1], name), listener.errors)
	}
}

// broken is a database that could not be audited to the end.
type broken struct{}

func (broken) Audit(context.Context, rls.AuditOptions) (*rls.Report, error) {
	return &rls.Report{}, rls.ErrUnavailable
}

func TestAuditFailsWhenItCouldNotLook(t *testing.T) {
	t.Parallel()
	listener := &told{TB: t}
	rlstest.Audit(listener, broken{})
	require.Len(t, listener.errors, 1)
}
