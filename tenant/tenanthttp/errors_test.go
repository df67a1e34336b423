package tenanthttp_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

// absent is how a data layer says "not found" without knowing of HTTP.
type absent struct{}

func (absent) Error() string  { return "patient 1 of st-anne is not st-mary's" }
func (absent) NotFound() bool { return true }

type present struct{ error }

func (present) NotFound() bool { return false }

type status int

func (s status) Error() string   { return "secret" }
func (s status) HTTPStatus() int { return int(s) }

func TestStatusOf(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"not found":           {absent{}, http.StatusNotFound},
		"wrapped":             {fmt.Errorf("reading: %w", absent{}), http.StatusNotFound},
		"joined":              {errors.Join(io.EOF, absent{}), http.StatusNotFound},
		"not not found":       {present{io.EOF}, http.StatusInternalServerError},
		"no rows":             {fmt.Errorf("scan: %w", sql.ErrNoRows), http.StatusNotFound},
		"its own status":      {fmt.Errorf("x: %w", status(http.StatusConflict)), http.StatusConflict},
		"a status of success": {status(http.StatusOK), http.StatusInternalServerError},
		"a status of nothing": {status(0), http.StatusInternalServerError},
		"a redirect":          {status(http.StatusFound), http.StatusInternalServerError},
		"no such status":      {status(1000), http.StatusInternalServerError},
		"Fail":                {tenanthttp.Fail(http.StatusBadRequest, "x", nil), http.StatusBadRequest},
		"Fail with success":   {tenanthttp.Fail(http.StatusOK, "x", nil), http.StatusInternalServerError},
		"too large":           {&http.MaxBytesError{Limit: 1}, http.StatusRequestEntityTooLarge},
		"too late":            {fmt.Errorf("query: %w", context.DeadlineExceeded), http.StatusServiceUnavailable},
		"no tenant":           {tenant.Context{}.Check(), http.StatusInternalServerError},
		"anything":            {io.EOF, http.StatusInternalServerError},
		"nothing":             {nil, http.StatusInternalServerError},
	} {
		require.Equal(t, test.want, tenanthttp.StatusOf(test.err), name)
	}
}

// J09: what is another tenant's and what does not exist are one response, whatever the handler had prepared.
func TestForeignAndAbsentAreTheSameResponse(t *testing.T) {
	t.Parallel()
	owners := map[string]tenant.ID{"1": mary, "2": anne}
	server := serve(t, tenanthttp.Handler(newAuth(t, tenanthttp.Config{}), func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		owner, exists := owners[r.URL.Query().Get("patient")]
		if exists {
			w.Header().Set("ETag", "prepared for "+owner.String())
			w.Header().Set("Content-Type", "application/fhir+json")
		}
		if !exists || owner != tc.Tenant() {
			return fmt.Errorf("chart of %q: %w", owner, absent{})
		}
		_, err := io.WriteString(w, "chart")
		return err
	}))
	own := get(t, server, "/?patient=1", bearer("Bearer mary"))
	foreign := get(t, server, "/?patient=2", bearer("Bearer mary"))
	none := get(t, server, "/?patient=3", bearer("Bearer mary"))
	require.Equal(t, http.StatusOK, own.status)
	require.Equal(t, http.StatusNotFound, none.status)
	require.Equal(t, "Not Found\n", none.body)
	require.Equal(t, none, foreign)
}

func TestAnErrorsTextIsNotShown(t *testing.T) {
	t.Parallel()
	secret := errors.New("relation patients, row (st-anne, 1)")
	for name, test := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"unexpected":       {secret, http.StatusInternalServerError, "Internal Server Error\n"},
		"with a status":    {status(http.StatusConflict), http.StatusConflict, "Conflict\n"},
		"meant to be read": {fmt.Errorf("discharge: %w", tenanthttp.Fail(http.StatusBadRequest, "ward is not a number", secret)), http.StatusBadRequest, "ward is not a number\n"},
	} {
		server := serve(t, tenanthttp.Handler(newAuth(t, tenanthttp.Config{}), func(tenant.Context, http.ResponseWriter, *http.Request) error {
			return test.err
		}))
		got := get(t, server, "/", bearer("Bearer mary"))
		require.Equal(t, test.status, got.status, name)
		require.Equal(t, test.body, got.body, name)
		require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
		require.Empty(t, got.header.Get("WWW-Authenticate"))
	}
	hidden := newAuth(t, tenanthttp.Config{Status: func(error) int { return http.StatusNotFound }})
	server := serve(t, tenanthttp.Handler(hidden, func(tenant.Context, http.ResponseWriter, *http.Request) error {
		return tenanthttp.Fail(http.StatusForbidden, "it is another ward's", nil)
	}))
	require.Equal(t, "Not Found\n", get(t, server, "/", bearer("Bearer mary")).body, "a text belongs to its status")
	require.ErrorIs(t, tenanthttp.Fail(http.StatusBadRequest, "x", secret), secret)
	var failure *tenanthttp.Failure
	require.ErrorAs(t, tenanthttp.Fail(http.StatusOK, "x", nil), &failure)
	require.Equal(t, http.StatusInternalServerError, failure.HTTPStatus(), "an error is no success")
	require.ErrorContains(t, tenanthttp.Fail(http.StatusBadRequest, "x", secret), "st-anne", "the log has the cause")
}

type failing struct{ err error }

func (f failing) Verify(context.Context, string) (tenant.Principal, error) {
	return known["mary"], f.err // the principal beside an error must not be used
}

func TestVerifiersErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"refused":          {io.EOF, http.StatusUnauthorized},
		"no keys":          {status(http.StatusServiceUnavailable), http.StatusServiceUnavailable},
		"status 200":       {status(http.StatusOK), http.StatusUnauthorized},
		"cancelled":        {fmt.Errorf("x: %w", context.Canceled), http.StatusServiceUnavailable},
		"took too long":    {context.DeadlineExceeded, http.StatusServiceUnavailable},
		"user not found":   {absent{}, http.StatusUnauthorized}, // 404 would say that the page is missing
		"user not in rows": {sql.ErrNoRows, http.StatusUnauthorized},
	} {
		auth, err := tenanthttp.New(failing{test.err}, tenanthttp.Config{})
		require.NoError(t, err)
		got := get(t, serve(t, tenanthttp.Handler(auth, whoami)), "/", bearer("Bearer mary"))
		require.Equal(t, test.want, got.status, name)
		require.Equal(t, test.want == http.StatusUnauthorized, got.header.Get("WWW-Authenticate") != "", name)
		require.NotContains(t, got.body, "st-mary")
	}
}

func TestStatusAndWriteErrorMayBeReplaced(t *testing.T) {
	t.Parallel()
	teapot := errors.New("teapot")
	auth := newAuth(t, tenanthttp.Config{
		Status: func(err error) int {
			if errors.Is(err, teapot) {
				return http.StatusTeapot
			}
			return http.StatusOK // no status of an error: StatusOf decides
		},
		WriteError: func(w http.ResponseWriter, r *http.Request, status int, err error) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"status":%d,"path":%q,"known":%t}`, status, r.URL.Path, errors.Is(err, teapot))
		},
	})
	fails := teapot
	server := serve(t, tenanthttp.Handler(auth, func(tenant.Context, http.ResponseWriter, *http.Request) error { return fails }))
	got := get(t, server, "/tea", bearer("Bearer mary"))
	require.Equal(t, http.StatusTeapot, got.status)
	require.JSONEq(t, `{"status":418,"path":"/tea","known":true}`, got.body)
	fails = absent{}
	require.Equal(t, http.StatusNotFound, get(t, server, "/tea", bearer("Bearer mary")).status)
	got = get(t, server, "/tea", nil)
	require.Equal(t, http.StatusUnauthorized, got.status)
	require.Equal(t, `Bearer realm="septum"`, got.header.Get("WWW-Authenticate"), "it is set for every writer")
}
