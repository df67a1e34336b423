package tenanthttp_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
	require.ErrorIs(t, tenanthttp.Fail(http.StatusBadRequest, "x", secret), secret)
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
	fails := error(teapot)
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

// Half a medication list must not look like a whole one.
func TestAResponseThatFailedHalfwayIsCutOff(t *testing.T) {
	t.Parallel()
	events := make(chan tenanthttp.Event, 1)
	auth := newAuth(t, tenanthttp.Config{Observe: func(_ context.Context, e tenanthttp.Event) { events <- e }})
	handler := tenanthttp.Handler(auth, func(_ tenant.Context, w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "aspirin\n")
		w.(http.Flusher).Flush()
		return errors.New("the database went away")
	})
	server := serve(t, handler)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer mary")
	response, err := server.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the client knows that something is missing")
	require.Equal(t, "aspirin\n", string(body), "and reads no error text amid its data")
	event := <-events
	require.True(t, event.Panicked)
	require.EqualError(t, event.Err, "the database went away")
	require.Equal(t, http.StatusOK, event.Status)

	recorder := httptest.NewRecorder() // no server, no connection to cut: the handler returns
	request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer mary")
	require.NotPanics(t, func() { handler.ServeHTTP(recorder, request) })
	require.Equal(t, "aspirin\n", recorder.Body.String())
	require.False(t, (<-events).Panicked)
}

func TestPanicsAreNotSwallowed(t *testing.T) {
	t.Parallel()
	var event tenanthttp.Event
	auth := newAuth(t, tenanthttp.Config{Observe: func(_ context.Context, e tenanthttp.Event) { event = e }})
	handler := tenanthttp.Handler(auth, func(tenant.Context, http.ResponseWriter, *http.Request) error { panic("fault") })
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer mary")
	require.PanicsWithValue(t, "fault", func() { handler.ServeHTTP(httptest.NewRecorder(), request) })
	require.True(t, event.Panicked)
	require.Equal(t, mary, event.Principal.Tenant)
	require.Zero(t, event.Status)
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var event tenanthttp.Event
	auth := newAuth(t, tenanthttp.Config{Observe: func(ctx context.Context, e tenanthttp.Event) {
		event = e
		_, err := tenant.From(ctx)
		require.ErrorIs(t, err, tenant.ErrUnbound, "the access log works for no tenant")
	}})
	mux := http.NewServeMux()
	mux.Handle("GET /wards/{ward}", tenanthttp.Handler(auth, func(_ tenant.Context, w http.ResponseWriter, r *http.Request) error {
		switch r.PathValue("ward") {
		case "created":
			w.WriteHeader(http.StatusCreated)
			w.WriteHeader(http.StatusAccepted) // net/http ignores it, and so does the log
		case "early":
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "x")
		case "copied":
			_, _ = io.Copy(w, strings.NewReader("x"))
		case "none":
			return absent{}
		}
		return nil
	}))
	for path, want := range map[string]int{"empty": 200, "created": 201, "early": 200, "copied": 200, "none": 404} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/wards/"+path+"?patient=secret", nil)
		request.Header.Set("Authorization", "Bearer mary")
		mux.ServeHTTP(httptest.NewRecorder(), request)
		require.Equal(t, want, event.Status, path)
		require.Equal(t, known["mary"], event.Principal, path)
		require.False(t, event.Panicked)
		require.WithinDuration(t, time.Now(), event.Start, time.Minute)
	}

	event.Duration, event.Err, event.Status = time.Millisecond, nil, 200
	event.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/wards/7?patient=secret", nil)
	event.Request.Header.Set("Authorization", "Bearer mary")
	event.Request.Pattern = "GET /wards/{ward}"
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("request", "http", event)
	require.Contains(t, out.String(), `http.status=200 http.duration=1ms http.principal.tenant=st-mary http.principal.subject=dr.grey `+
		`http.principal.token_id="" http.method=GET http.pattern="GET /wards/{ward}" http.path=/wards/7 http.remote=`)
	require.NotContains(t, out.String(), "secret")
	require.NotContains(t, out.String(), "Bearer")
}

// What a shared cache keeps it may give to the next tenant, so nothing is kept unless a handler says so.
func TestNothingIsCachedByDefault(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, tenanthttp.Config{})
	server := serve(t, tenanthttp.Handler(auth, func(_ tenant.Context, w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/logo" {
			w.Header().Set("Cache-Control", "private, max-age=60")
		}
		return nil
	}))
	require.Equal(t, "no-store", get(t, server, "/chart", bearer("Bearer mary")).header.Get("Cache-Control"))
	require.Equal(t, "private, max-age=60", get(t, server, "/logo", bearer("Bearer mary")).header.Get("Cache-Control"))
}

// Handlers around the border (CORS, request ids) keep their headers when the border answers.
func TestHeadersOfOuterHandlersStay(t *testing.T) {
	t.Parallel()
	inner := tenanthttp.Handler(newAuth(t, tenanthttp.Config{}), func(_ tenant.Context, w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("X-Request-ID", "changed")
		w.Header().Set("Location", "/patients/7")
		return absent{}
	})
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-ID", "r1")
		inner.ServeHTTP(w, r)
	}))
	for _, change := range []func(*http.Request){bearer("Bearer mary"), nil} {
		got := get(t, server, "/", change)
		require.Equal(t, "r1", got.header.Get("X-Request-ID"))
		require.Empty(t, got.header.Get("Location"))
	}
}

// Streams and WebSockets work through the border.
func TestTheResponseWriterKeepsItsAbilities(t *testing.T) {
	t.Parallel()
	var event tenanthttp.Event
	observed := make(chan struct{}, 1)
	auth := newAuth(t, tenanthttp.Config{Observe: func(_ context.Context, e tenanthttp.Event) {
		event = e
		observed <- struct{}{}
	}})
	server := serve(t, auth.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		controller := http.NewResponseController(w)
		require.NoError(t, controller.SetWriteDeadline(time.Now().Add(time.Minute)))
		conn, rw, err := w.(http.Hijacker).Hijack()
		require.NoError(t, err)
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
		require.NoError(t, rw.Flush())
	})))
	require.Equal(t, "hi", get(t, server, "/", bearer("Bearer mary")).body)
	<-observed
	require.Equal(t, http.StatusSwitchingProtocols, event.Status)

	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer mary")
	auth.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := w.(http.Hijacker).Hijack()
		require.ErrorIs(t, err, http.ErrNotSupported)
	})).ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, event.Status)
}
