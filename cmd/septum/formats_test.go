package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// Each command has the formats that make sense for it, says so in its help, and refuses the others with a reason.
func TestFormatsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for command, has := range map[string]string{"init": "text json", "plan": "text json html", "verify": "text json sarif html", "explain": "text json html",
		"version": "text json", "audit": "text json sarif html", "audit --list-rules": "text json"} {
		args := strings.Fields(command)
		_, help, _ := runAll(args[0], "--help")
		for _, format := range []string{"text", "json", "sarif", "html", "xml"} {
			known := strings.Contains(" "+has+" ", " "+format+" ")
			if args[0] == command {
				_, flag, _ := strings.Cut(help, "-format format")
				flag, _, _ = strings.Cut(flag, "\n  -")
				require.Equal(t, known, strings.Contains(flag, format), "%s --help: %s", command, format)
			}
			if known {
				continue
			}
			more := []string{"--format", format}
			if args[0] == "plan" || args[0] == "audit" {
				more = append(more, "--catalog", "none.json", "--login", "x")
			}
			code, out, errs := runAll(append(args, more...)...)
			require.Equal(t, exitFailed, code, command)
			require.Empty(t, out, command)
			require.Contains(t, errs, format)
			require.Contains(t, errs, "take text", command)
		}
	}
	code, out, errs := runAll("version", "--format", "json")
	require.Equal(t, exitClean, code, errs)
	require.True(t, json.Valid([]byte(out)))
}

// Pages of proofs and plans hold their data and are checked like those of audits; nothing that stands in a file or a
// database is markup in them.
func TestPagesOfProofsAndPlans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	check := func(page string, want ...string) {
		t.Helper()
		for _, text := range want {
			require.Contains(t, page, text)
		}
		visible, _, _ := strings.Cut(page, dataOpen)
		require.NotContains(t, visible, "<script")
		require.NotContains(t, visible, "<img")
		require.Equal(t, 1, strings.Count(page, "</script"))
		file := filepath.Join(dir, "page.html")
		require.NoError(t, os.WriteFile(file, []byte(page), 0o600))
		code, out, errs := runAll("report", "verify", file)
		require.Equal(t, exitClean, code, out+errs)
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(page, "proved", "approved", 1)+" "), 0o600))
		code, _, _ = runAll("report", "verify", file)
		require.Equal(t, exitFindings, code)
	}
	files := map[string]string{"q.sql": "-- name: Mine :many\nselect id from patients where tenant_id = $1 and name <> '" + strings.ReplaceAll(hostile, "'", "''") + "';\nselect id from visits /* " + hostile + " */"}
	for _, command := range []string{"verify", "explain"} {
		code, out, errs := septum(t, files, command, "--catalog", "catalog.json", "--format", "html", "q.sql")
		require.Equal(t, exitFindings, code, errs)
		check(out, "1 of 2 statements are proved", "Mine", "Not every statement is proved", "SHA-256")
		require.Equal(t, command == "explain", strings.Contains(out, "alert(1)"), "explain shows the statement")
		code, out, errs = septum(t, files, command, "--catalog", "catalog.json", "--format", "json", "q.sql")
		require.Equal(t, exitFindings, code, errs)
		var verdicts []verdict
		require.NoError(t, json.Unmarshal([]byte(out), &verdicts))
		require.Equal(t, command == "explain", verdicts[0].Proof != "" && verdicts[0].SQL != "")
	}
	var out bytes.Buffer
	roadmap := &rls.Roadmap{Format: 1, Database: hostile, AppRole: "app", Obstacles: []rls.Obstacle{{Object: hostile, What: "it is in the way", Do: "decide"}},
		Steps: []rls.PlanStep{{ID: "wall " + hostile, Stage: rls.StageEnforce, Purpose: "policies", SQL: []string{`alter table "` + hostile + `" x`}, Undo: []string{"undo it"}, Lock: "ACCESS EXCLUSIVE", Time: "instant", Note: hostile}}}
	require.NoError(t, writePage(&out, pageData{Plan: roadmap, By: hostile, Made: time.Unix(0, 0).UTC()}))
	check(out.String(), "1 steps and 1 obstacles", "undo it", "it is in the way", "ACCESS EXCLUSIVE")
	require.Error(t, writePage(&out, pageData{}))
}

// Text for a terminal holds one line where one is meant, whatever a name holds: no line of its own, no colours, no turned direction.
func TestNamesCantForgeLines(t *testing.T) {
	t.Parallel()
	a := sample()
	const evil = "x\ncritical SEP001 role app\x1b[31m\u202e"
	a.Database, a.Auditor, a.Login = evil, evil, evil
	a.Findings[0].Object, a.Findings[0].What, a.Findings[0].Show, a.Findings[2].Object = evil, evil, evil, evil
	a.Incomplete[0].Object, a.Drift.Gone[0].Object, a.Drift.Policies[0].Relation, a.Expired[0].Object = evil, evil, evil, evil
	var out bytes.Buffer
	require.NoError(t, a.text(&out, false))
	require.NotContains(t, out.String(), "\ncritical SEP001")
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\u202e")
	out.Reset()
	require.NoError(t, a.text(&out, true))
	require.Equal(t, strings.Count(out.String(), "\x1b[0m")*2, strings.Count(out.String(), "\x1b"), "colours are ours alone")
}
