package tenanthttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	mary = tenant.MustParseID("st-mary")
	anne = tenant.MustParseID("st-anne")
)

// tokens is a Verifier that knows its tokens by heart.
type tokens map[string]tenant.Principal

func (v tokens) Verify(_ context.Context, token string) (tenant.Principal, error) {
	if principal, ok := v[token]; ok {
		return principal, nil
	}
	return tenant.Principal{}, errors.New("the signature of st-mary's token is wrong")
}

var known = tokens{
	"mary":       {Tenant: mary, Subject: "dr.grey"},
	"mary-too":   {Tenant: mary, Subject: "dr.grey"},
	"mary-nurse": {Tenant: mary, Subject: "nurse"},
	"anne":       {Tenant: anne, Subject: "dr.grey"},
	"nobody":     {Subject: "dr.grey"}, // a verifier with a fault: no tenant, no error
	"nameless":   {Tenant: mary},
}

func newAuth(t testing.TB, config tenanthttp.Config) *tenanthttp.Auth {
	t.Helper()
	auth, err := tenanthttp.New(known, config)
	require.NoError(t, err)
	return auth
}

// whoami answers with the tenant that the handler was given, and the one that it finds in the request.
func whoami(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
	from, err := tenant.From(r.Context())
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, tc.Tenant().String()+" "+from.Tenant().String())
	return err
}

type answer struct {
	status int
	body   string
	header http.Header
}

func serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// get sends a real request over a real connection.
func get(t testing.TB, server *httptest.Server, path string, change func(*http.Request)) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	require.NoError(t, err)
	if change != nil {
		change(request)
	}
	return send(t, server.Client(), request)
}

func send(t testing.TB, client *http.Client, request *http.Request) answer {
	t.Helper()
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	response.Header.Del("Date")
	return answer{response.StatusCode, string(body), response.Header}
}

func bearer(values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Authorization"] = values }
}

func reasonOf(event tenanthttp.Event) tenanthttp.Reason {
	var refusal *tenanthttp.Error
	if errors.As(event.Err, &refusal) {
		return refusal.Reason
	}
	return ""
}

func cookies(values ...string) func(*http.Request) {
	return func(r *http.Request) {
		for _, value := range values {
			r.AddCookie(&http.Cookie{Name: "__Host-session", Value: value})
		}
	}
}

func both(changes ...func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		for _, change := range changes {
			change(r)
		}
	}
}

// X04: the tenant comes out of the token and out of nothing else.
func TestNothingButTheTokenNamesTheTenant(t *testing.T) {
	t.Parallel()
	server := serve(t, tenanthttp.Handler(newAuth(t, tenanthttp.Config{}), whoami))
	claims := map[string]func(*http.Request){
		"nothing else":              nil,
		"X-Tenant-ID":               func(r *http.Request) { r.Header.Set("X-Tenant-ID", "st-anne") },
		"an empty X-Tenant-ID":      func(r *http.Request) { r.Header.Set("X-Tenant-ID", "") },
		"X-Forwarded-Host":          func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "st-anne.example.org") },
		"Host":                      func(r *http.Request) { r.Host = "st-anne.example.org" },
		"query":                     func(r *http.Request) { r.URL.RawQuery = "tenant=st-anne&tenant_id=st-anne" },
		"a token in the query":      func(r *http.Request) { r.URL.RawQuery = "access_token=anne" },
		"a tenant in a cookie":      func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "tenant", Value: "st-anne"}) },
		"a token in a cookie":       cookies("anne"), // none is configured here
		"Proxy-Authorization":       func(r *http.Request) { r.Header.Set("Proxy-Authorization", "Bearer anne") },
		"X-Forwarded-Authorization": func(r *http.Request) { r.Header.Set("X-Forwarded-Authorization", "Bearer anne") },
	}
	for name, claim := range claims {
		if claim == nil {
			claim = func(*http.Request) {}
		}
		got := get(t, server, "/st-anne", both(bearer("Bearer mary"), claim))
		require.Equal(t, http.StatusOK, got.status, name)
		require.Equal(t, "st-mary st-mary", got.body, name)

		got = get(t, server, "/st-anne", claim)
		require.Equal(t, http.StatusUnauthorized, got.status, "alone, it lets nobody in: %s", name)
		require.Equal(t, "Unauthorized\n", got.body, name)
		require.Equal(t, `Bearer realm="septum"`, got.header.Get("WWW-Authenticate"), name)
	}
}

func TestTheAuthorizationHeader(t *testing.T) {
	t.Parallel()
	var reason tenanthttp.Reason
	auth := newAuth(t, tenanthttp.Config{Realm: "HMS", Observe: func(_ context.Context, event tenanthttp.Event) {
		reason = reasonOf(event)
	}})
	handler := tenanthttp.Handler(auth, whoami)
	for name, test := range map[string]struct {
		headers []string
		want    tenanthttp.Reason // "": let in
	}{
		"as RFC 6750 has it":       {[]string{"Bearer mary"}, ""},
		"schemes have no case":     {[]string{"bearer mary"}, ""},
		"none":                     {nil, tenanthttp.ReasonMissing},
		"an empty header":          {[]string{""}, tenanthttp.ReasonMalformed},
		"two headers":              {[]string{"Bearer mary", "Bearer anne"}, tenanthttp.ReasonMalformed},
		"the same twice":           {[]string{"Bearer mary", "Bearer mary"}, tenanthttp.ReasonMalformed},
		"an empty one and another": {[]string{"", "Bearer mary"}, tenanthttp.ReasonMalformed},
		"two merged by a proxy":    {[]string{"Bearer mary, Bearer anne"}, tenanthttp.ReasonMalformed},
		"two tokens":               {[]string{"Bearer mary anne"}, tenanthttp.ReasonMalformed},
		"Basic":                    {[]string{"Basic bWFyeTptYXJ5"}, tenanthttp.ReasonMalformed},
		"the token alone":          {[]string{"mary"}, tenanthttp.ReasonMalformed},
		"the scheme alone":         {[]string{"Bearer"}, tenanthttp.ReasonMalformed},
		"an empty token":           {[]string{"Bearer "}, tenanthttp.ReasonMalformed},
		"two spaces":               {[]string{"Bearer  mary"}, tenanthttp.ReasonMalformed},
		"a tab":                    {[]string{"Bearer\tmary"}, tenanthttp.ReasonMalformed},
		"a space before":           {[]string{" Bearer mary"}, tenanthttp.ReasonMalformed},
		"a space after":            {[]string{"Bearer mary "}, tenanthttp.ReasonMalformed},
		"a no-break space":         {[]string{"Bearer\u00a0mary"}, tenanthttp.ReasonMalformed},
		"a newline":                {[]string{"Bearer mary\n"}, tenanthttp.ReasonMalformed},
		"a NUL":                    {[]string{"Bearer mary\x00"}, tenanthttp.ReasonMalformed},
		"only padding":             {[]string{"Bearer =="}, tenanthttp.ReasonMalformed},
		"padding inside":           {[]string{"Bearer ma=ry"}, tenanthttp.ReasonMalformed},
		"another scheme's name":    {[]string{"BearerX mary"}, tenanthttp.ReasonMalformed},
		"an unknown token":         {[]string{"Bearer unknown"}, tenanthttp.ReasonToken},
		"a token in other case":    {[]string{"Bearer MARY"}, tenanthttp.ReasonToken},
		"a principal of no tenant": {[]string{"Bearer nobody"}, tenanthttp.ReasonToken}, // W04
		"a principal of no name":   {[]string{"Bearer nameless"}, tenanthttp.ReasonToken},
	} {
		// The recorder takes headers that no client can send; the wire is tested above.
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if test.headers != nil {
			request.Header["Authorization"] = test.headers
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		require.Equal(t, test.want, reason, name)
		if test.want == "" {
			require.Equal(t, http.StatusOK, recorder.Code, name)
			continue
		}
		require.Equal(t, http.StatusUnauthorized, recorder.Code, name)
		require.Equal(t, "Unauthorized\n", recorder.Body.String(), "%s: the reason is not told", name)
		challenge := `Bearer realm="HMS"`
		if test.want != tenanthttp.ReasonMissing {
			challenge += `, error="invalid_token"`
		}
		require.Equal(t, challenge, recorder.Header().Get("WWW-Authenticate"), name)
		require.Equal(t, "no-store", recorder.Header().Get("Cache-Control"), name)
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(tenanthttp.Handler(newAuth(t, tenanthttp.Config{}), func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		require.Equal(t, 2, r.ProtoMajor)
		return whoami(tc, w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	require.Equal(t, "st-mary st-mary", get(t, server, "/", bearer("bearer mary")).body)
	require.Equal(t, http.StatusUnauthorized, get(t, server, "/", bearer("Bearer mary", "Bearer anne")).status)
	require.Equal(t, http.StatusUnauthorized, get(t, server, "/", nil).status)
}

// X03: a context that has a tenant already, from an outer border or a server's BaseContext, gets no second one.
func TestARequestThatHasATenantAlready(t *testing.T) {
	t.Parallel()
	var event tenanthttp.Event
	auth := newAuth(t, tenanthttp.Config{Observe: func(_ context.Context, e tenanthttp.Event) { event = e }})
	outer, err := tenant.Bind(t.Context(), known["anne"])
	require.NoError(t, err)
	for token, status := range map[string]int{"mary": http.StatusForbidden, "anne": http.StatusOK} {
		request := httptest.NewRequestWithContext(outer, http.MethodGet, "/", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		recorder := httptest.NewRecorder()
		auth.Middleware(tenanthttp.Handler(auth, whoami)).ServeHTTP(recorder, request)
		require.Equal(t, status, recorder.Code)
		require.NotContains(t, recorder.Body.String(), "st-mary")
		if status == http.StatusForbidden {
			require.ErrorIs(t, event.Err, tenant.ErrConflict)
			require.Zero(t, event.Principal)
		}
	}
}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, tenanthttp.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		tc, err := tenant.From(r.Context())
		require.NoError(t, err)
		_, _ = io.WriteString(w, tc.Tenant().String())
	})
	server := serve(t, auth.Middleware(mux))
	require.Equal(t, "st-anne", get(t, server, "/who", bearer("Bearer anne")).body)
	require.Equal(t, http.StatusUnauthorized, get(t, server, "/who", nil).status)
	require.Equal(t, http.StatusUnauthorized, get(t, server, "/no-such-page", nil).status, "strangers learn no pages")
	require.Equal(t, http.StatusNotFound, get(t, server, "/no-such-page", bearer("Bearer anne")).status)
}

// No configuration opens the border.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		verifier tenanthttp.Verifier
		config   tenanthttp.Config
	}{
		"no verifier":                  {nil, tenanthttp.Config{}},
		"a realm with a quote":         {known, tenanthttp.Config{Realm: `a"b`}},
		"a realm with a newline":       {known, tenanthttp.Config{Realm: "a\r\nSet-Cookie: x"}},
		"a cookie's name with a space": {known, tenanthttp.Config{Cookie: "a b"}},
		"an origin that is none":       {known, tenanthttp.Config{Cookie: "s", TrustedOrigins: []string{"app.example.org"}}},
		"an origin without a cookie":   {known, tenanthttp.Config{TrustedOrigins: []string{"https://app.example.org"}}},
	} {
		auth, err := tenanthttp.New(test.verifier, test.config)
		var refusal *tenanthttp.Error
		require.ErrorAs(t, err, &refusal, name)
		require.Equal(t, tenanthttp.ReasonConfig, refusal.Reason, name)
		require.Nil(t, auth, name)
	}
	var none *tenanthttp.Auth
	working := newAuth(t, tenanthttp.Config{})
	for name, handler := range map[string]http.Handler{
		"nil Auth": tenanthttp.Handler(none, whoami), "zero Auth": tenanthttp.Handler(&tenanthttp.Auth{}, whoami),
		"nil Auth as middleware": none.Middleware(http.NotFoundHandler()),
		"nil handler":            tenanthttp.Handler(working, nil), "nil next": working.Middleware(nil),
	} {
		got := get(t, serve(t, handler), "/", bearer("Bearer mary"))
		require.Equal(t, http.StatusInternalServerError, got.status, name)
		require.Equal(t, "Internal Server Error\n", got.body, name)
	}
}
