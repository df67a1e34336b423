package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// hostile is a name that a table can have, and that wants to be markup.
const hostile = `"</script><script>document.title='owned'</script><img src=http://127.0.0.1:1/x onerror=alert(1)>`

// sample is an audit with one of everything, and names from hell.
func sample() audited {
	report := &rls.Report{Format: 1, Septum: "v1.2.3", Started: time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC), Took: 1234 * time.Millisecond,
		Server: "15.20", ServerNumber: 150020, Database: "clinic", Auditor: "auditor", Login: "clinic_app", AppRole: "clinic_app",
		CatalogSHA256: strings.Repeat("ab", 32), Rules: rls.AuditRules(), Relations: []rls.Posture{}, Findings: []rls.Finding{}, Incomplete: []rls.Gap{}}
	report.Findings = append(report.Findings,
		rls.Finding{Rule: "SEP010", Severity: rls.Critical, Evidence: rls.FromCatalog, Object: "public." + hostile, What: "row-level security is not enabled on " + hostile,
			Show: "select relrowsecurity from pg_class", Mend: []string{"alter table " + hostile + " enable row level security", "alter table x force row level security"}},
		rls.Finding{Rule: "SEP067", Severity: rls.Low, Evidence: rls.FromCatalog, Object: "index visits_patient on public.visits", What: "index visits_patient of public.visits does not start with tenant_id",
			Mend: []string{"create index concurrently visits_patient_tenant on public.visits (tenant_id, patient_id)"}},
		rls.Finding{Rule: "SEP060", Severity: rls.Medium, Evidence: rls.FromCatalog, Object: "index visits_pkey", What: "it lacks the tenant", Waiver: &rls.Waiver{Rule: "SEP060", Object: "index visits_pkey", Reason: "goes with release 12", Owner: "ops", Expires: "2027-03-31"}})
	report.Expired = []rls.Waiver{{Rule: "SEP073", Object: "database clinic", Reason: "tools need TEMP", Owner: "dba", Expires: "2026-10-01"}}
	report.Incomplete = append(report.Incomplete, rls.Gap{What: "rows of another tenant", Object: "public.visits", Why: "policies hold for the auditor", Do: "run it as a superuser"})
	policies := []rls.PolicyRecord{{Name: "septum_floor", Command: "ALL", SHA256: strings.Repeat("1f", 32)}, {Name: "septum_app", Command: "ALL", SHA256: strings.Repeat("2e", 32)}}
	rights := []string{"DELETE", "INSERT", "SELECT", "UPDATE"}
	report.Relations = append(report.Relations,
		rls.Posture{Relation: "public.icd10_codes", Kind: "global", Exists: true, Rights: []string{"SELECT"}},
		rls.Posture{Relation: "public." + hostile, Kind: "tenant", Exists: true, Column: "tenant_id", ColumnType: "bigint", NotNull: true, Rights: rights, Findings: 1},
		rls.Posture{Relation: "public.patients", Kind: "tenant", Exists: true, Column: "tenant_id", ColumnType: "bigint", NotNull: true, Enabled: true, Forced: true, Rights: rights, Policies: policies},
		rls.Posture{Relation: "public.visits", Kind: "tenant", Exists: true, Column: "tenant_id", ColumnType: "bigint", Enabled: true, Rights: rights, Policies: policies, Findings: 2},
		rls.Posture{Relation: "public.charges", Kind: "tenant"})
	return audited{Report: report, Drift: &rls.Drift{New: report.Findings[:1], Gone: []rls.Finding{{Rule: "SEP072", Object: "schema public"}}, Lost: []string{"public.charges was declared a tenant's and is global now"},
		Policies: []rls.PolicyChange{{Relation: "public.patients", Policy: "septum_app", Before: "a", Now: "b"}}}}
}

func samplePage(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writePage(&out, pageData{Audit: sample(), By: "kim@ward-7", Statements: []verdict{
		{File: "queries/ward.sql", Line: 3, Name: "PatientsOfWard", Verdict: "accept"},
		{File: "queries/search.sql", Line: 12, Name: "Search", Verdict: "refuse", Rule: "SEP-T01", Relation: "visits v", What: `"visits v" is not bound to the tenant`, Why: "rows of every tenant would join"}}}))
	return out.Bytes()
}

func TestThePageHoldsAllOfIt(t *testing.T) {
	t.Parallel()
	text := string(samplePage(t))
	for _, want := range []string{"Isolation can fail", "clinic", "kim@ward-7", "v1.2.3", "15.20", "goes with release 12", "tools need TEMP", "1 of 2 statements are proved",
		"not bound to the tenant", "HIPAA 45 CFR 164.312(a)(1)", "enabled, not forced", "missing", "run it as a superuser", "was declared a tenant", "SEP072"} {
		require.Contains(t, text, want)
	}
	// Nothing in it reaches for the network or runs, whatever the objects are called.
	visible, _, _ := strings.Cut(text, dataOpen)
	require.NotContains(t, visible, "<script")
	require.NotContains(t, visible, "<img")
	require.NotContains(t, visible, "href=")
	require.NotContains(t, visible, "url(")
	require.Equal(t, 1, strings.Count(text, "<script"), "the data, which are no script")
}

func TestThePageSaysHowItStands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*rls.Report)
		want   string
	}{
		"clean":      {func(r *rls.Report) { r.Findings = nil }, "No open findings"},
		"waived":     {func(r *rls.Report) { r.Findings = r.Findings[2:] }, "No open findings"},
		"low":        {func(r *rls.Report) { r.Findings = r.Findings[1:] }, "Faults were found"},
		"critical":   {func(*rls.Report) {}, "Isolation can fail"},
		"incomplete": {func(r *rls.Report) { r.Findings, r.Error = nil, "the database went away" }, "The audit came to no end"},
	} {
		a := sample()
		c.change(a.Report)
		var out bytes.Buffer
		require.NoError(t, writePage(&out, pageData{Audit: a}))
		require.Contains(t, out.String(), "<strong>"+c.want+"</strong>", name)
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("SEPTUM_CHROMIUM_BIN"), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless_shell"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal("no Chromium: run scripts/setup.sh chromium, or name one in SEPTUM_CHROMIUM_BIN")
	return ""
}

// browse runs Chromium on the page and gives what it prints.
func browse(t *testing.T, file string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + t.TempDir()}, flags...)
	command := exec.CommandContext(ctx, chromium(t), append(args, "file://"+file)...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	require.NoError(t, command.Run(), errs.String())
	return out.String()
}

// A browser shows the page in light and in dark, and prints it. SEPTUM_SCREENSHOTS=directory keeps the pictures, to look at.
func TestABrowserShowsThePage(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("SEPTUM_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	file := filepath.Join(dir, "report.html")
	require.NoError(t, os.WriteFile(file, samplePage(t), 0o600))

	brightness := map[string]uint32{}
	for scheme, setting := range map[string]string{"light": "1", "dark": "0"} {
		picture := filepath.Join(dir, scheme+".png")
		print := filepath.Join(dir, scheme+".pdf")
		dom := browse(t, file, "--window-size=1100,2600", "--blink-settings=preferredColorScheme="+setting, "--screenshot="+picture,
			"--no-pdf-header-footer", "--print-to-pdf="+print, "--dump-dom")
		require.Contains(t, dom, "<title>Tenant isolation of clinic</title>", "no name of a table ran as a script")
		require.NotContains(t, dom, "<img")
		pdf, err := os.ReadFile(print)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(pdf, []byte("%PDF-")))
		opened, err := os.Open(picture)
		require.NoError(t, err)
		decoded, _, err := image.Decode(opened)
		require.NoError(t, err)
		require.NoError(t, opened.Close())
		require.Equal(t, 1100, decoded.Bounds().Dx())
		r, g, b, _ := decoded.At(5, 5).RGBA()
		brightness[scheme] = (r + g + b) / 3
		inked := 0
		for y := 0; y < decoded.Bounds().Dy(); y += 3 {
			for x := 0; x < decoded.Bounds().Dx(); x += 3 {
				if decoded.At(x, y) != decoded.At(5, 5) {
					inked++
				}
			}
		}
		require.Greater(t, inked, 5000, "the picture is empty")
	}
	require.Greater(t, brightness["light"], uint32(0xf000))
	require.Less(t, brightness["dark"], uint32(0x3000))
}

// A key for tests. Its password, "correct horse", takes milliseconds where those that minisign makes take a gigabyte and seconds.
const (
	lockedKey = "untrusted comment: minisign encrypted secret key\n" +
		"RWRTY0Iy/zVa21UEQKL5WKdzwqWrMMjw7tlFRywJ0gEfq9WUUB4AgAAAAAAAAAAAAAEAAAAA0mRvSnLFxT4rnblKtO0qFfSxkGXaoe+yMSsU1/AGgOdk3riSH2CL" +
		"k3+wmbAbO7vuv+se/wONDC8M0YYiJX/iCGo+zRSj/P6XUY7YvGd0+pGNufB+/KI0tXyrUtiIY1WTQntuOneNSxM=\n"
	publicKey = "untrusted comment: minisign public key: B2C4B7673F351DFC\nRWT8HTU/Z7fEssM4O0WDNylf5xLmPliBXpGkToQTnWz7MWwy/WsPAdQe\n"
)

func TestReportIsSignedAndChecked(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	septum := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(append([]string{"report"}, args...), nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	other, _, err := minisign.GenerateKey(nil)
	require.NoError(t, err)
	otherText, err := other.MarshalText()
	require.NoError(t, err)
	key, pub, otherPub := file("secret.key", []byte(lockedKey)), file("key.pub", []byte(publicKey)), file("other.pub", otherText)

	a := sample()
	data, err := json.Marshal(a)
	require.NoError(t, err)
	var page, errs bytes.Buffer
	require.Equal(t, exitClean, run([]string{"report", "html", "--audit", file("audit.json", data), "--by", "kim"}, nil, &page, &errs), errs.String())
	html := file("report.html", page.Bytes())

	code, text := septum("sign", "--key", key, html)
	require.Equal(t, exitFailed, code)
	require.Contains(t, text, signPassword)
	t.Setenv(signPassword, "wrong")
	code, text = septum("sign", "--key", key, html)
	require.Equal(t, exitFailed, code, text)
	require.NotContains(t, text, "wrong\"")
	t.Setenv(signPassword, "correct horse")
	code, text = septum("sign", "--key", key, html)
	require.Equal(t, exitClean, code, text)

	code, text = septum("verify", "--key", pub, html)
	require.Equal(t, exitClean, code, text)
	require.Contains(t, text, "signature: good")
	code, text = septum("verify", "--key", otherPub, html)
	require.Equal(t, exitFindings, code, text)

	// What is changed in what a person reads, or in the data, is found, with the signature and without it.
	for _, change := range [][2]string{{"Isolation can fail", "No open findings"}, {"clinic_app", "clinic_axx"}} {
		forged := file("forged.html", bytes.Replace(page.Bytes(), []byte(change[0]), []byte(change[1]), 1))
		code, text = septum("verify", forged)
		require.Equal(t, exitFindings, code, text)
		code, text = septum("verify", "--key", pub, "--signature", html+".minisig", forged)
		require.Equal(t, exitFindings, code, text)
	}
	code, _ = septum("verify", "--key", pub, file("unsigned.html", page.Bytes()))
	require.Equal(t, exitFailed, code, "there is no signature")
	code, _ = septum("verify", file("no.html", []byte("<html></html>")))
	require.Equal(t, exitFindings, code)
}
