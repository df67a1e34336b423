package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

const oldSchema = `
create table patients (tenant_id bigint not null, id bigint primary key, name text);
create table visits (id bigint primary key, patient_id bigint not null references patients);
create table messages (id bigint primary key, body text);
create table countries (code text primary key);`

func runAll(args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestInitWritesTheCatalogThatPlanAndAuditTake(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(oldSchema))
	file := filepath.Join(t.TempDir(), "catalog.json")
	code, out, errs := runAll("init", "--url", d.OwnerURL, "--tenant-column", "tenant_id", "--out", file)
	require.Equal(t, exitFindings, code, errs)
	require.Contains(t, out, "UNDECIDED")
	require.Contains(t, out, "messages: nothing says whose rows it holds")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	catalog, err := query.ParseCatalog(data)
	require.NoError(t, err)
	_, ok := catalog.Relation("messages")
	require.False(t, ok)

	code, out, errs = runAll("init", "--url", d.OwnerURL, "--out", file, "--skip", "mess*")
	require.Equal(t, exitClean, code, errs+out)
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(data), string(again), "what was decided stays")

	code, out, errs = runAll("plan", "--url", d.OwnerURL, "--catalog", file, "--login", d.AppRole)
	require.Equal(t, exitFindings, code, errs)
	require.Contains(t, out, `alter table "public"."visits" add column if not exists "tenant_id" bigint`)
	require.Contains(t, out, `\set ON_ERROR_STOP on`)
	code, out, errs = runAll("plan", "--url", d.OwnerURL, "--catalog", file, "--login", d.AppRole, "--format", "json", "--stage", "keys")
	require.Equal(t, exitFindings, code, errs)
	var roadmap rls.Roadmap
	require.NoError(t, json.Unmarshal([]byte(out), &roadmap))
	require.NotEmpty(t, roadmap.Steps)
	for _, s := range roadmap.Steps {
		require.Equal(t, rls.StageKeys, s.Stage)
	}
}

func TestInitAndPlanSayWhyTheyCouldNotRun(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(oldSchema))
	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"relations": {"patients": "mine"}}`), 0o600))
	nowhere := "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"
	for name, c := range map[string]struct {
		want string
		args []string
	}{
		"database gone":     {"connect", []string{"init", "--url", nowhere}},
		"no such relation":  {"no relation", []string{"init", "--url", d.OwnerURL, "--global", "ghosts"}},
		"two kinds":         {"one of them", []string{"init", "--url", d.OwnerURL, "--global", "patients", "--tenant", "patients"}},
		"bad type":          {"numeric", []string{"init", "--url", d.OwnerURL, "--tenant-column", "a:numeric"}},
		"bad catalog":       {"patients", []string{"init", "--url", d.OwnerURL, "--out", bad}},
		"nothing decided":   {"no catalog to write", []string{"init", "--url", d.OwnerURL}},
		"format":            {"xml", []string{"init", "--format", "xml"}},
		"argument":          {"flags only", []string{"init", "x"}},
		"plan: catalog":     {"--catalog", []string{"plan", "--login", "x"}},
		"plan: login":       {"--login", []string{"plan", "--catalog", bad}},
		"plan: bad catalog": {"patients", []string{"plan", "--catalog", bad, "--login", "x", "--url", d.OwnerURL}},
		"plan: stage":       {"stage", []string{"plan", "--catalog", bad, "--login", "x", "--stage", "all"}},
		"report":            {"html, sign and verify", []string{"report", "print"}},
		"report: no audit":  {"--audit", []string{"report", "html"}},
		"report: bad audit": {"not the JSON", []string{"report", "html", "--audit", bad}},
	} {
		code, out, errs := runAll(c.args...)
		require.Equal(t, exitFailed, code, name)
		require.Empty(t, out, name)
		require.Contains(t, errs, c.want, name)
	}
}

func TestEveryCommandHelpsWithExamples(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"init", "verify", "explain", "plan", "audit", "report", "version"} {
		code, out, errs := runAll(command, "--help")
		require.Equal(t, exitClean, code, command)
		require.Empty(t, errs, command)
		require.Contains(t, out, "usage: septum "+command)
		require.Contains(t, out, "\n  ", "an example")
		require.Contains(t, strings.Join(strings.Split(out, "\n")[1:], "\n"), "septum "+command, "an example")
		require.NotContains(t, out, "\x1b")
	}
}
