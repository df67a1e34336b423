package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

const auditSchema = `
create table tenants (id bigint primary key);
create table patients (tenant_id bigint not null, id bigint not null, name text, primary key (tenant_id, id));
create table visits (tenant_id bigint not null, id bigint not null, note text, primary key (tenant_id, id));
create table icd10_codes (code text primary key);`

// audited is a database of one test, the program's arguments that audit it, and where its files are.
type auditedDB struct {
	*rlstest.Database
	dir  string
	args []string
}

func newAudited(t *testing.T) *auditedDB {
	t.Helper()
	catalog, err := query.ParseCatalog([]byte(catalogJSON))
	require.NoError(t, err)
	d := &auditedDB{Database: rlstest.New(t, rlstest.Schema(auditSchema), rlstest.Catalog(catalog)), dir: t.TempDir()}
	d.args = []string{"audit", "--url", d.AdminURL, "--login", d.AppRole, "--catalog", d.file(t, "catalog.json", catalogJSON)}
	// The server's own version is nothing that this test can mend.
	d.file(t, "version.json", `[`+waiver("SEP090", "server", "2999-01-01")+`]`)
	return d
}

func waiver(rule, object, expires string) string {
	data, _ := json.Marshal(rls.Waiver{Rule: rule, Object: object, Reason: "known", Owner: "ops", Expires: expires})
	return string(data)
}

func (d *auditedDB) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(d.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (d *auditedDB) run(t *testing.T, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(append(append([]string{}, d.args...), more...), nil, &out, &errs)
	require.NotContains(t, out.String()+errs.String(), "\x1b", "no colours where nobody looks")
	return code, out.String(), errs.String()
}

func (d *auditedDB) sql(t *testing.T, text string) {
	t.Helper()
	_, err := d.Admin(t).Exec(t.Context(), text)
	require.NoError(t, err)
}

// onlyOld drops the finding about the server, so that the rest can be compared on any server.
func onlyOld(findings []rls.Finding) []string {
	rules := []string{}
	for _, f := range findings {
		if f.Rule != "SEP090" {
			rules = append(rules, f.Rule+" "+f.Object)
		}
	}
	return rules
}

func TestAuditExitsByWhatItFinds(t *testing.T) {
	t.Parallel()
	d := newAudited(t)
	version := []string{"--waivers", filepath.Join(d.dir, "version.json")}
	code, out, errs := d.run(t, version...)
	require.Equal(t, exitClean, code, out+errs)
	require.Contains(t, out, "nothing found")
	d.sql(t, "alter table patients disable row level security")
	code, out, errs = d.run(t, version...)
	require.Equal(t, exitFindings, code, errs)
	require.Contains(t, out, "critical SEP010 public.patients")
	require.Contains(t, out, "why: ")
	require.Contains(t, out, `alter table "public"."patients" enable row level security;`)
	require.Contains(t, out, "OWASP ASVS")
}

func TestAuditJSONIsTheReport(t *testing.T) {
	t.Parallel()
	d := newAudited(t)
	d.sql(t, "grant truncate on visits to "+d.AppRole)
	code, out, errs := d.run(t, "--format", "json")
	require.Equal(t, exitFindings, code, errs)
	var report rls.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, []string{"SEP070 public.visits"}, onlyOld(report.Findings))
	require.Equal(t, d.AppRole, report.Login)
	require.Len(t, report.Relations, 4)
	require.Len(t, report.Relations[1].Policies, 2)
	require.Len(t, report.Relations[1].Policies[0].SHA256, 64)
	require.True(t, report.Complete())
}

func TestAuditWaivers(t *testing.T) {
	t.Parallel()
	d := newAudited(t)
	d.sql(t, "grant truncate on visits to "+d.AppRole)
	server := waiver("SEP090", "server", "2999-01-01")
	check := func(file string) (int, string) {
		code, out, errs := d.run(t, "--waivers", d.file(t, "waivers.json", file))
		return code, out + errs
	}
	code, text := check("[" + server + "," + waiver("SEP070", "public.visits", "2999-01-01") + "]")
	require.Equal(t, exitClean, code, text)
	require.Contains(t, text, "waived until 2999-01-01 by ops: SEP070 public.visits: known")
	code, text = check("[" + server + "," + waiver("SEP070", "public.visits", "2020-01-01") + "]")
	require.Equal(t, exitFindings, code)
	require.Contains(t, text, "expired on 2020-01-01")
	code, text = check("[" + server + "," + waiver("SEP070", "public.visits", "2999-01-01") + "," + waiver("SEP010", "public.visits", "2020-01-01") + "]")
	require.Equal(t, exitFindings, code, "an expired waiver fails, also when its fault is gone: %s", text)
	code, text = check("[" + server + "," + waiver("SEP070", "public.visits", "2999-01-01") + "," + waiver("SEP010", "public.visits", "2999-01-01") + "]")
	require.Equal(t, exitClean, code, text)
	require.Contains(t, text, "unused: the waiver of SEP010 public.visits")
	for _, bad := range []string{`{}`, `[{"rule":"SEP070"}]`, `[` + waiver("SEP999", "x", "2999-01-01") + `]`, `[` + waiver("SEP070", "x", "soon") + `]`,
		`[` + server + `,` + server + `]`, `[` + server + `] x`, `[{"rul":"SEP070"}]`} {
		code, text = check(bad)
		require.Equal(t, exitFailed, code, "%s: %s", bad, text)
	}
}

func TestAuditBaselineTellsWhatGotWorse(t *testing.T) {
	t.Parallel()
	d := newAudited(t)
	_, before, _ := d.run(t, "--format", "json")
	baseline := d.file(t, "old.json", before)
	d.sql(t, "alter policy septum_app on patients using (true); grant truncate on visits to "+d.AppRole)
	code, out, errs := d.run(t, "--format", "json", "--baseline", baseline)
	require.Equal(t, exitFindings, code, errs)
	var now audited
	require.NoError(t, json.Unmarshal([]byte(out), &now))
	require.Equal(t, []string{"SEP070 public.visits", "SEP022 policy septum_app on public.patients"}, onlyOld(now.Drift.New))
	require.Len(t, now.Drift.Policies, 1)
	require.NotEqual(t, now.Drift.Policies[0].Before, now.Drift.Policies[0].Now)
	require.True(t, now.Drift.Worse())
	worse := d.file(t, "worse.json", out)
	d.sql(t, "revoke truncate on visits from "+d.AppRole)
	_, out, _ = d.run(t, "--baseline", worse)
	require.Contains(t, out, "since the baseline ("+d.Name+" for the login "+d.AppRole+", "+now.Started.UTC().Format(time.DateOnly)+"): 0 new or worse, 1 gone")
	_, out, _ = d.run(t, "--baseline", baseline)
	require.Contains(t, out, "worse: medium SEP022 policy septum_app on public.patients")
	require.Contains(t, out, "changed: policy septum_app on public.patients")
}

// SARIF 2.1.0: what its schema requires, and what GitHub asks for on top (docs: "SARIF support for code scanning").
func TestAuditSARIF(t *testing.T) {
	t.Parallel()
	d := newAudited(t)
	d.sql(t, "grant truncate on visits to "+d.AppRole)
	code, out, errs := d.run(t, "--format", "sarif", "--waivers", filepath.Join(d.dir, "version.json"))
	require.Equal(t, exitFindings, code, errs)
	var log map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &log))
	require.Equal(t, "2.1.0", log["version"])
	require.Contains(t, log["$schema"], "sarif")
	runs := log["runs"].([]any)
	require.Len(t, runs, 1)
	first := runs[0].(map[string]any)
	driver := first["tool"].(map[string]any)["driver"].(map[string]any)
	require.Equal(t, "septum audit", driver["name"])
	rules := driver["rules"].([]any)
	require.Len(t, rules, len(rls.AuditRules()))
	for _, r := range rules {
		rule := r.(map[string]any)
		require.NotEmpty(t, rule["id"])
		require.NotEmpty(t, rule["shortDescription"].(map[string]any)["text"])
		require.Contains(t, []any{"error", "warning", "note"}, rule["defaultConfiguration"].(map[string]any)["level"])
		require.Regexp(t, `^\d\.\d$`, rule["properties"].(map[string]any)["security-severity"])
	}
	invocation := first["invocations"].([]any)[0].(map[string]any)
	require.Equal(t, true, invocation["executionSuccessful"])
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, invocation["startTimeUtc"])
	seen := false
	for _, r := range first["results"].([]any) {
		result := r.(map[string]any)
		rule := rules[int(result["ruleIndex"].(float64))].(map[string]any)
		require.Equal(t, rule["id"], result["ruleId"])
		require.NotEmpty(t, result["message"].(map[string]any)["text"])
		require.NotEmpty(t, result["partialFingerprints"])
		location := result["locations"].([]any)[0].(map[string]any)
		require.NotEmpty(t, location["physicalLocation"].(map[string]any)["artifactLocation"].(map[string]any)["uri"])
		require.NotEmpty(t, location["logicalLocations"].([]any)[0].(map[string]any)["fullyQualifiedName"])
		if result["ruleId"] == "SEP090" {
			require.Equal(t, "accepted", result["suppressions"].([]any)[0].(map[string]any)["status"])
		}
		seen = seen || result["ruleId"] == "SEP070" && result["level"] == "error"
	}
	require.True(t, seen)
}

func TestAuditListsItsRules(t *testing.T) {
	t.Parallel()
	code, out, errs := septum(t, nil, "audit", "--list-rules")
	require.Equal(t, exitClean, code, errs)
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 2*len(rls.AuditRules()))
	require.Contains(t, out, "SEP010 critical Row-level security is not enabled")
	code, out, _ = septum(t, nil, "audit", "--list-rules", "--format", "json")
	require.Equal(t, exitClean, code)
	var rules []rls.Rule
	require.NoError(t, json.Unmarshal([]byte(out), &rules))
	require.Equal(t, rls.AuditRules(), rules)
}

func TestAuditSaysWhyItCouldNotRun(t *testing.T) {
	t.Parallel()
	d := newAudited(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no catalog":    {[]string{"--catalog", ""}, "--catalog"},
		"no such file":  {[]string{"--catalog", "none.json"}, "none.json"},
		"bad format":    {[]string{"--format", "xml"}, "xml"},
		"bad severity":  {[]string{"--fail-on", "bad"}, "bad"},
		"bad tenant":    {[]string{"--tenant", "a b"}, "tenant"},
		"an argument":   {[]string{"more"}, "more"},
		"unknown login": {[]string{"--login", "nobody"}, "nobody"},
		"bad baseline":  {[]string{"--baseline", filepath.Join(d.dir, "catalog.json")}, "catalog.json"},
		"no server":     {[]string{"--url", "postgres://u:secret@127.0.0.1:1/x"}, "connect"},
		"bad url":       {[]string{"--url", "postgres://u:secret@[/x"}, "URL"},
		"wrong catalog": {[]string{"--catalog", d.file(t, "other.json", `{"tenant":{"column":"t","type":"uuid"},"relations":{"elsewhere":"tenant"}}`)}, "catalog"},
		"out of time":   {[]string{"--timeout", "1ns"}, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := d.run(t, c.args...)
			require.Equal(t, exitFailed, code, errs)
			require.Contains(t, errs, c.want)
			require.NotContains(t, errs, "secret")
		})
	}
}
