package tenantjwt_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

// The two halves of the border together: what a client is told of each kind of refusal.
func TestBehindTenanthttp(t *testing.T) {
	t.Parallel()
	server := newJWKSServer(t, jwkOf("ed", edKey()))
	v, clock := server.verifier(t)
	auth, err := tenanthttp.New(v, tenanthttp.Config{})
	require.NoError(t, err)
	handler := tenanthttp.Handler(auth, func(tc tenant.Context, w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, tc.Tenant().String()+" "+tc.Principal().Subject)
		return err
	})
	ask := func(token string) (int, string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Code, recorder.Body.String()
	}
	for name, test := range map[string]struct {
		token  string
		status int
		body   string
	}{
		"accepted":        {edToken(forAMonth()), http.StatusOK, "st-mary dr.grey"},
		"expired":         {edToken(good().with("exp", now.Add(-30*time.Second).Unix())), http.StatusUnauthorized, "Unauthorized\n"},
		"forged":          {sign("EdDSA", "ed", otherEdKey(), good()), http.StatusUnauthorized, "Unauthorized\n"},
		"of no tenant":    {edToken(good().without("tenant_id")), http.StatusUnauthorized, "Unauthorized\n"},
		"unknown key":     {sign("EdDSA", "new", otherEdKey(), good()), http.StatusUnauthorized, "Unauthorized\n"},
		"garbage":         {"a.b.c", http.StatusUnauthorized, "Unauthorized\n"},
		"in capital case": {"ABC", http.StatusUnauthorized, "Unauthorized\n"},
	} {
		status, body := ask(test.token)
		require.Equal(t, test.status, status, name)
		require.Equal(t, test.body, body, name)
	}
	server.fails()
	clock.advance(25 * time.Hour)
	status, body := ask(edToken(forAMonth()))
	require.Equal(t, http.StatusServiceUnavailable, status, "nobody is told that a good token is bad")
	require.Equal(t, "Service Unavailable\n", body)
}
