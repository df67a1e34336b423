package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
)

// The demo's own database: nothing is found, seen by an administrator and by the application itself.
func TestAudit(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(hospital.Schema), rlstest.Catalog(hospital.Catalog))
	rlstest.Audit(t, d)
	rlstest.Audit(t, d.Open(t))
	report, err := d.Audit(t.Context(), rls.AuditOptions{})
	require.NoError(t, err)
	for _, f := range report.Findings {
		require.Equal(t, "SEP090", f.Rule, f.What) // the server's own version
	}
}
