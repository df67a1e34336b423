package rls_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// A DB audits its own database behind a pooler as it does without one, finds what is wrong there, and leaves the pooler's
// connection as it was.
func TestAuditBehindAPooler(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.settle(t, rls.Limits{})
	url := c.newBouncer(t, map[string]string{"default_pool_size": "1"})
	db := c.open(t, func(cfg *rls.Config) { cfg.URL = url })
	require.NotEqual(t, rls.Direct, db.Pooler())
	direct, err := c.db.Audit(t.Context(), rls.AuditOptions{})
	require.NoError(t, err)
	behind, err := db.Audit(t.Context(), rls.AuditOptions{})
	require.NoError(t, err)
	require.Equal(t, direct.Findings, behind.Findings)
	require.Equal(t, direct.Incomplete, behind.Incomplete)
	require.Equal(t, direct.Relations, behind.Relations)
	require.Equal(t, direct.Login, behind.Login)

	c.sql(t, `create policy everybody on patients for select to `+pgx.Identifier{c.AppRole}.Sanitize()+` using (true); alter policy septum_floor on patients using (true)`)
	behind, err = db.Audit(t.Context(), rls.AuditOptions{})
	require.NoError(t, err)
	seen := 0
	for _, f := range behind.Open(rls.Critical) {
		if f.Evidence == rls.FromBehaviour {
			seen++
		}
	}
	require.Positive(t, seen, "statements were tried, and saw others' rows: %v", behind.Findings)
	c.sql(t, `drop policy everybody on patients`)
	require.NoError(t, rls.Apply(t.Context(), c.Owner(t), hospital, rls.Options{AppRole: c.AppRole}))
	c.healthy(t, db)
}

// Where there is nothing to audit, the error says what to do, and a report is there all the same.
func TestAuditOfADBWithADirectory(t *testing.T) {
	t.Parallel()
	directory, err := rls.NewStaticDirectory(nil)
	require.NoError(t, err)
	db, err := rls.Open(t.Context(), rls.Config{Directory: directory, Credentials: rls.EnvCredentials{}}, hospital)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	report, err := db.Audit(t.Context(), rls.AuditOptions{})
	require.ErrorIs(t, err, rls.ErrAudit)
	require.ErrorContains(t, err, "rls.Audit")
	require.NotNil(t, report)
	require.False(t, report.Complete())
	require.Equal(t, err.Error(), report.Error)
}
