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

// What a developer sees who forgets the tenant in SQL written by hand.
func TestForgottenPredicate(t *testing.T) {
	t.Parallel()
	_, err := query.Static(catalog, `select id, name from patients where name = @name`)
	var refusal *query.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "patients", refusal.Relation)
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
