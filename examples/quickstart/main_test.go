package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls/rlstest"
)

// The README's quick start is main.go, byte by byte, so that it compiles and does what the README says.
func TestReadmeIsTheProgram(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(readme), "\n## Quick start\n")
	require.True(t, ok, "the README has a section Quick start")
	_, block, ok := strings.Cut(section, "```go\n")
	require.True(t, ok)
	block, _, ok = strings.Cut(block, "```\n")
	require.True(t, ok)
	require.Equal(t, string(program), block)
}

func TestRun(t *testing.T) {
	d := rlstest.New(t)
	printed := capture(t, func() { run(d.OwnerURL, d.AppURL, d.AppRole) })
	require.Equal(t, "st-mary [{1 Ann of st-mary}]\nnorth [{1 Ann of north}]\n", printed)
}

// What the README shows of a forgotten predicate is what is said.
func TestReadmeRefusal(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "```sql\n")
	require.True(t, ok)
	sql, rest, ok := strings.Cut(rest, "\n```\n")
	require.True(t, ok)
	_, rest, _ = strings.Cut(rest, "```\n")
	text, _, ok := strings.Cut(rest, "\n```\n")
	require.True(t, ok)

	two := query.MustCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("patients", "encounters"))
	_, err = query.Static(two, sql)
	require.ErrorIs(t, err, query.ErrRefused)
	require.Equal(t, text, err.Error())
}

// capture gives what f prints.
func capture(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "out")
	require.NoError(t, err)
	stdout := os.Stdout
	os.Stdout = file
	f()
	os.Stdout = stdout
	require.NoError(t, file.Close())
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	return string(text)
}
