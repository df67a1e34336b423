package rlstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/rls"
)

// Auditable is a database that [Audit] can look at: an *rls.DB, seen by the application's own login, or a [*Database],
// seen by an administrator, who sees more.
type Auditable interface {
	Audit(ctx context.Context, o rls.AuditOptions) (*rls.Report, error)
}

var (
	_ Auditable = (*rls.DB)(nil)
	_ Auditable = (*Database)(nil)
)

// Audit fails the test for everything by which the isolation of the database can fail: see [rls.Audit]. It tries
// statements and changes nothing. Findings that a waiver covers pass; a waiver that expired, or that matches nothing, fails.
// What is said about the server's version is logged alone, since a test's server is not production's, and so is advice
// (rls.Info) and what could not be seen.
//
//	func TestDatabase(t *testing.T) { rlstest.Audit(t, db) }
func Audit(t testing.TB, db Auditable, waivers ...rls.Waiver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*timeout)
	defer cancel()
	report, err := db.Audit(ctx, rls.AuditOptions{})
	report.Waive(waivers, time.Now())
	for _, gap := range report.Incomplete {
		t.Logf("audit: not seen: %s: %s; %s", strings.TrimSpace(gap.What+" "+gap.Object), gap.Why, gap.Do)
	}
	for _, f := range report.Open(rls.Info) {
		text := fmt.Sprintf("audit: %s %s %s: %s", f.Severity, f.Rule, f.Object, f.What)
		if len(f.Mend) > 0 {
			text += "\n  " + strings.Join(f.Mend, ";\n  ")
		}
		if f.Severity == rls.Info || f.Rule == "SEP090" || f.Rule == "SEP091" {
			t.Log(text)
			continue
		}
		t.Error(text)
	}
	for _, w := range report.Expired {
		t.Errorf("audit: the waiver of %s %s expired on %s", w.Rule, w.Object, w.Expires)
	}
	for _, w := range report.Unused {
		t.Errorf("audit: the waiver of %s %s matches nothing; take it out", w.Rule, w.Object)
	}
	if err != nil {
		t.Error(err)
	}
}

// Audit audits the database as its administrator, for the login AppRole unless o names another. It needs the option
// [Catalog].
func (d *Database) Audit(ctx context.Context, o rls.AuditOptions) (*rls.Report, error) {
	if o.Login == "" {
		o.Login = d.AppRole
	}
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return &rls.Report{Error: err.Error()}, errors.New("rlstest: the database can't be reached")
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return rls.Audit(ctx, conn, d.catalog, o)
}
