package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first wall: programs that forget the tenant, or make one up, do not compile.
func TestDoesNotCompile(t *testing.T) {
	t.Parallel()
	const head = `package forged

import (
	"context"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

var _ context.Context
var _ *query.Statement
var _ tenant.ID

type mine struct{ tenant.Context }

func (m mine) Tenant() tenant.ID { return tenant.MustParseID("mercy") }

func leak(tc tenant.Context, db *rls.DB, stmt *query.Statement, ctx context.Context) error {
	`
	for _, c := range []struct{ name, line, says string }{
		{"as it should be", `_, err := hospital.Search(tc, db, "x"); return err`, ""},
		{"a plain context", `_, err := hospital.Search(ctx, db, "x"); return err`, "cannot use ctx"},
		{"a context that embeds the tenant's", `_, err := hospital.Search(mine{tc}, db, "x"); return err`, "cannot use mine{"},
		{"no context", `_, err := hospital.Search(nil, db, "x"); return err`, "cannot use nil"},
		{"a text in the place of a statement", `_, err := db.Query(tc, "select * from patients"); return err`, "cannot use"},
		{"a statement made by hand", `_, err := db.Query(tc, &query.Statement{sql: "select * from patients"}); return err`, "unknown field sql"},
		{"the pool behind the library", `_, err := db.Pool(); return err`, "db.Pool undefined"},
		{"an operator in the place of a tenant", `var op tenant.Operator; _, err := hospital.Search(op, db, "x"); return err`, "cannot use op"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			real := filepath.Join(dir, "forged.go")
			require.NoError(t, os.WriteFile(real, []byte(head+c.line+"\n}\n"), 0o600))
			here, err := filepath.Abs("forged/forged.go") // only in the overlay
			require.NoError(t, err)
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{here: real}})
			require.NoError(t, err)
			file := filepath.Join(dir, "overlay.json")
			require.NoError(t, os.WriteFile(file, overlay, 0o600))
			out, err := exec.Command("go", "build", "-overlay", file, "./forged").CombinedOutput()
			if c.says == "" {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err)
			require.Contains(t, string(out), c.says)
		})
	}
}
