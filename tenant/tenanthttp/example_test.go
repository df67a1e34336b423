package tenanthttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

func ExampleHandler() {
	auth, err := tenanthttp.New(known, tenanthttp.Config{}) // known: a tenantjwt.Verifier in real life
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /wards/{ward}", tenanthttp.Handler(auth, func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		if r.PathValue("ward") != "3" {
			return tenanthttp.Fail(http.StatusBadRequest, "there is only ward 3", nil)
		}
		_, err := fmt.Fprintf(w, "ward %s of %s\n", r.PathValue("ward"), tc.Tenant())
		return err
	}))

	fmt.Println(ask(mux, "/wards/3", "Bearer mary"))
	fmt.Println(ask(mux, "/wards/4", "Bearer mary"))
	fmt.Println(ask(mux, "/wards/3", "Bearer forged"))
	// Output:
	// 200 ward 3 of st-mary
	// 400 there is only ward 3
	// 401 Unauthorized
}

func ExampleAuth_Middleware() {
	auth, err := tenanthttp.New(known, tenanthttp.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := auth.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tc, err := tenant.From(r.Context())
		if err != nil {
			http.Error(w, "no tenant", http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintln(w, "hello", tc.Principal().Subject, "of", tc.Tenant())
	}))
	fmt.Println(ask(handler, "/", "Bearer anne"))
	// Output: 200 hello dr.grey of st-anne
}

// A Verifier around another asks for more: here, that the token was not revoked.
type notRevoked struct {
	tenanthttp.Verifier
	revoked map[string]bool
}

func (v notRevoked) Verify(ctx context.Context, token string) (tenant.Principal, error) {
	principal, err := v.Verifier.Verify(ctx, token)
	if err == nil && v.revoked[principal.TokenID] {
		return tenant.Principal{}, fmt.Errorf("the token was revoked")
	}
	return principal, err
}

func ExampleVerifier() {
	verifier := notRevoked{known, map[string]bool{"": true}}
	auth, err := tenanthttp.New(verifier, tenanthttp.Config{Observe: func(_ context.Context, event tenanthttp.Event) {
		fmt.Println("access log:", event.Status, event.Err)
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ask(tenanthttp.Handler(auth, whoami), "/", "Bearer mary"))
	// Output:
	// access log: 401 tenanthttp: token_refused: the token was not accepted: the token was revoked
	// 401 Unauthorized
}

func ExampleStatusOf() {
	fmt.Println(tenanthttp.StatusOf(tenanthttp.Fail(http.StatusConflict, "the bed is taken", nil)))
	fmt.Println(tenanthttp.StatusOf(fmt.Errorf("reading the chart: %w", absent{})))
	fmt.Println(tenanthttp.StatusOf(io.ErrUnexpectedEOF))
	// Output:
	// 409
	// 404
	// 500
}

func ask(handler http.Handler, path, authorization string) string {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Header.Set("Authorization", authorization)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return fmt.Sprintf("%d %s", recorder.Code, strings.TrimSpace(recorder.Body.String()))
}
