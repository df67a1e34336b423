package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func runDemo(t *testing.T, args ...string) (code int, out string, err error) {
	t.Helper()
	o, err := parse(args, &bytes.Buffer{})
	require.NoError(t, err)
	var b bytes.Buffer
	code, err = run(context.Background(), o, &b)
	return code, b.String(), err
}

func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

func TestDemo(t *testing.T) {
	t.Parallel()
	code, out, err := runDemo(t)
	require.NoError(t, err)
	require.Zero(t, code, out)
	require.Regexp(t, `^demo: ok tenants=3 rows=[1-9]\d{2,} attacks=(\d+) refused=(\d+) leaked=0$`, lastLine(out))
	found := regexp.MustCompile(`attacks=(\d+) refused=(\d+)`).FindStringSubmatch(lastLine(out))
	require.Equal(t, found[1], found[2], "every attack was tried and refused")
	require.GreaterOrEqual(t, len(found[1]), 2)
	for _, want := range []string{"Search for \"chalmers\"", "Chart of Peter James Chalmers", "Admission", "Ward report", "invoice"} {
		require.Contains(t, out, want)
	}
}

// The demo can fail: without row-level security and without proof the same attacks succeed.
func TestDemoControl(t *testing.T) {
	t.Parallel()
	code, out, err := runDemo(t, "-control")
	require.NoError(t, err)
	require.Equal(t, 1, code)
	require.Regexp(t, `^demo: FAILED tenants=3 .* leaked=[3-9]\d$`, lastLine(out))
}

func TestDemoLoadsOtherFHIR(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write("east/Observation.ndjson", `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"Pulse"},"subject":{"reference":"Patient/p"},"valueQuantity":{"value":71}}`)
	write("east/Patient.ndjson", `{"resourceType":"Patient","id":"p","name":[{"family":"Chalmers","given":["Zoe"]}]}`)
	write("single.json", `{"resourceType":"Patient","id":"p","name":[{"text":"Only One"}]}`)
	write("notes.txt", "not FHIR")
	code, out, err := runDemo(t, "-fhir", dir)
	require.NoError(t, err)
	require.Zero(t, code, out)
	require.Contains(t, lastLine(out), "demo: ok tenants=5 ")
	require.Contains(t, out, "Zoe Chalmers")
	require.Regexp(t, `east +2 resources: 2 imported as 2 new`, out)
	require.Regexp(t, `guest +1 resources: 1 imported`, out)
	require.Contains(t, out, "notes.txt")
}

func TestDemoRefusesGarbledFHIR(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "half.ndjson")
	require.NoError(t, os.WriteFile(file, []byte(`{"resourceType":"Patient","id":"a"}`+"\n"+`{"resourceType":"Patient","id":`), 0o600))
	code, out, err := runDemo(t, "-fhir", file)
	require.Equal(t, 2, code)
	require.ErrorContains(t, err, "half.ndjson: resource [1]")
	require.NotContains(t, out, "demo:")
}

func TestDemoGivesUpInTime(t *testing.T) {
	t.Parallel()
	code, _, err := runDemo(t, "-timeout", time.Nanosecond.String())
	require.Equal(t, 2, code)
	require.Error(t, err)
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-nonsense"}, {"stray"}, {"-timeout", "soon"}} {
		_, err := parse(args, &bytes.Buffer{})
		require.Error(t, err, args)
	}
}
