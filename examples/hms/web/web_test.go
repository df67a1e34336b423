package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/examples/hms/attack"
	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/examples/hms/story"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

// server runs the API with one hospital, and gives a function that asks it.
func server(t *testing.T) func(method, path string) (int, string) {
	t.Helper()
	db := rlstest.Open(t, rlstest.Schema(hospital.Schema), rlstest.Catalog(hospital.Catalog))
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("a"), Subject: "test"})
	require.NoError(t, err)
	require.NoError(t, hospital.Register(tc, db, "A", "mark"))
	issuer, err := NewIssuer()
	require.NoError(t, err)
	verifier, err := issuer.Verifier()
	require.NoError(t, err)
	t.Cleanup(func() { _ = verifier.Close() })
	auth, err := tenanthttp.New(verifier, tenanthttp.Config{})
	require.NoError(t, err)
	s := httptest.NewServer(API(auth, db))
	t.Cleanup(s.Close)
	token, err := issuer.Token("a", "test")
	require.NoError(t, err)
	return func(method, path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := s.Client().Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
}

func TestAPIBadInput(t *testing.T) {
	t.Parallel()
	ask := server(t)
	long := url.QueryEscape(strings.Repeat("x", 201))
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/patients", 200},
		{"GET", "/patients?name=%00", 400},
		{"GET", "/patients?name=%ff", 400},
		{"GET", "/patients?name=" + long, 400},
		{"GET", "/patients/abc", 400},
		{"GET", "/patients/99999999999999999999", 400},
		{"GET", "/patients/7", 404},
		{"GET", "/patients/7/chart", 404},
		{"GET", "/patients/7/invoice", 404},
		{"GET", "/wards/nowhere", 200},
		{"GET", "/wards/%00", 400},
		{"POST", "/admissions", 400},
		{"POST", "/admissions?patient=7", 400},
		{"POST", "/admissions?patient=7&ward=x&reason=%00", 400},
		{"POST", "/admissions?patient=7&ward=x", 404},
		{"DELETE", "/patients/7", 405},
	} {
		status, body := ask(c.method, c.path)
		require.Equal(t, c.status, status, "%s %s: %s", c.method, c.path, body)
		require.NotContains(t, body, "SQLSTATE")
	}
	_, body := ask("GET", "/patients")
	require.Equal(t, "[]\n", body, "a list without rows is a list")
}

// What a page shows came from files and from attackers: it stays text.
func TestPageEscapes(t *testing.T) {
	t.Parallel()
	evil := `<script>alert(1)</script>`
	report := Report{Server: evil, Hospitals: []Hospital{{ID: evil}}, Skipped: []string{evil},
		Story: []story.Step{{Title: evil, Columns: []string{evil}, Rows: [][]string{{evil}}}},
		Attacks: []attack.Result{{ID: "A01", Name: evil, Saw: evil, Wall: attack.Border},
			{ID: "A02", Name: "x", Wall: "none", Leak: evil, Saw: evil}, {ID: "A03", Failed: evil}}}
	w := httptest.NewRecorder()
	Site(report, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.NotContains(t, w.Body.String(), "<script>")
	require.Contains(t, w.Body.String(), "Attacks got through: 1")
	require.Contains(t, w.Body.String(), "demo: FAILED tenants=1 rows=0 attacks=3 refused=1 leaked=1")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	for _, needs := range []string{"prefers-color-scheme: dark", "@media print", `lang="en"`, "viewport"} {
		require.Contains(t, w.Body.String(), needs)
	}
}

func TestReportIsOKOnlyWhenEverythingWasTried(t *testing.T) {
	t.Parallel()
	require.False(t, Report{}.OK(), "no attack was tried")
	require.True(t, Report{Attacks: []attack.Result{{}}}.OK())
	require.False(t, Report{Attacks: []attack.Result{{}, {Failed: "x"}}}.OK())
	require.False(t, Report{Attacks: []attack.Result{{}, {Leak: "x"}}}.OK())
	require.Equal(t, "demo: ok tenants=0 rows=0 attacks=1 refused=1 leaked=0", Report{Attacks: []attack.Result{{}}}.Last())
}
