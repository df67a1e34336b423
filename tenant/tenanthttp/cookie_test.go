package tenanthttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant/tenanthttp"
)

func TestTheSessionCookie(t *testing.T) {
	t.Parallel()
	var event tenanthttp.Event
	ended := make(chan struct{}, 1)
	auth := newAuth(t, tenanthttp.Config{Cookie: "__Host-session", Observe: func(_ context.Context, e tenanthttp.Event) {
		event = e
		ended <- struct{}{}
	}})
	server := serve(t, tenanthttp.Handler(auth, whoami))
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   tenanthttp.Reason // "": let in
	}{
		"alone":                     {cookies("mary"), ""},
		"with the same token":       {both(cookies("mary"), bearer("Bearer mary")), ""},
		"with one of the same user": {both(cookies("mary-too"), bearer("Bearer mary")), ""},
		"empty":                     {cookies(""), tenanthttp.ReasonMalformed},
		"unknown":                   {cookies("unknown"), tenanthttp.ReasonToken},
		"twice":                     {cookies("mary", "anne"), tenanthttp.ReasonMalformed},
		"the same twice":            {cookies("mary", "mary"), tenanthttp.ReasonMalformed},
		"of another name":           {func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "mary"}) }, tenanthttp.ReasonMissing},
		"of another tenant":         {both(cookies("anne"), bearer("Bearer mary")), tenanthttp.ReasonDisagree}, // X04
		"of another user":           {both(cookies("mary-nurse"), bearer("Bearer mary")), tenanthttp.ReasonDisagree},
		"unknown beside a header":   {both(cookies("unknown"), bearer("Bearer mary")), tenanthttp.ReasonToken},
		"empty beside a header":     {both(cookies(""), bearer("Bearer mary")), tenanthttp.ReasonMalformed},
		"beside an unknown header":  {both(cookies("mary"), bearer("Bearer unknown")), tenanthttp.ReasonToken},
		"beside an empty header":    {both(cookies("mary"), bearer("")), tenanthttp.ReasonMalformed},
	} {
		got := get(t, server, "/", test.change)
		<-ended
		require.Equal(t, test.want, reasonOf(event), name)
		if test.want == "" {
			require.Equal(t, "st-mary st-mary", got.body, name)
			continue
		}
		require.Equal(t, http.StatusUnauthorized, got.status, name)
		require.Equal(t, "Unauthorized\n", got.body, name)
	}
}

// A browser sends the cookie by itself; another site must not write with it.
func TestTheCookieIsProtectedAgainstForgery(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, tenanthttp.Config{Cookie: "__Host-session", TrustedOrigins: []string{"https://app.example.org"}})
	handler := tenanthttp.Handler(auth, whoami)
	for name, test := range map[string]struct {
		method, site, origin string
		change               func(*http.Request)
		status               int
	}{
		"our own page":              {"POST", "same-origin", "https://example.com", cookies("mary"), http.StatusOK},
		"no browser":                {"POST", "", "", cookies("mary"), http.StatusOK},
		"another site":              {"POST", "cross-site", "https://evil.example.org", cookies("mary"), http.StatusForbidden},
		"a sibling domain":          {"DELETE", "same-site", "https://wiki.example.com", cookies("mary"), http.StatusForbidden},
		"an old browser":            {"POST", "", "https://evil.example.org", cookies("mary"), http.StatusForbidden},
		"a trusted origin":          {"PUT", "cross-site", "https://app.example.org", cookies("mary"), http.StatusOK},
		"another site that reads":   {"GET", "cross-site", "", cookies("mary"), http.StatusOK},
		"another site, with header": {"POST", "cross-site", "https://evil.example.org", bearer("Bearer mary"), http.StatusOK},
	} {
		request := httptest.NewRequestWithContext(t.Context(), test.method, "https://example.com/", strings.NewReader(""))
		if test.site != "" {
			request.Header.Set("Sec-Fetch-Site", test.site)
		}
		if test.origin != "" {
			request.Header.Set("Origin", test.origin)
		}
		test.change(request)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		require.Equal(t, test.status, recorder.Code, name)
	}
}
