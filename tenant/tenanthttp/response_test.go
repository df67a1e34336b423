package tenanthttp_test

import (
	"bytes"
	"context"
	"errors"
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

// Half a medication list must not look like a whole one.
func TestAResponseThatFailedHalfwayIsCutOff(t *testing.T) {
	t.Parallel()
	events := make(chan tenanthttp.Event, 1)
	auth := newAuth(t, tenanthttp.Config{Observe: func(_ context.Context, e tenanthttp.Event) { events <- e }})
	gone := errors.New("the database went away")
	handler := func(begin func(http.ResponseWriter)) http.Handler {
		return tenanthttp.Handler(auth, func(_ tenant.Context, w http.ResponseWriter, _ *http.Request) error {
			begin(w)
			return gone
		})
	}
	flush := func(w http.ResponseWriter) { w.(http.Flusher).Flush() }
	write := func(w http.ResponseWriter) { _, _ = w.Write([]byte("aspirin\n")) }
	for name, begin := range map[string]func(http.ResponseWriter){
		"flushed": flush,
		"written": func(w http.ResponseWriter) {
			write(w)
			flush(w)
		},
		"copied": func(w http.ResponseWriter) { // more than net/http buffers
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader(strings.Repeat("aspirin\n", 4096)))
		},
		"status": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK); flush(w) },
	} {
		server := serve(t, handler(begin))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer mary")
		response, err := server.Client().Do(request)
		require.NoError(t, err, name)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, response.Body.Close())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s: the client knows that something is missing", name)
		require.Empty(t, strings.ReplaceAll(string(body), "aspirin\n", ""), "%s: and reads no error text amid its data", name)
		event := <-events
		require.True(t, event.Panicked, name)
		require.ErrorIs(t, event.Err, gone, name)
		require.Equal(t, http.StatusOK, event.Status, name)
	}

	recorder := httptest.NewRecorder() // no server, no connection to cut: the handler returns
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer mary")
	require.NotPanics(t, func() { handler(write).ServeHTTP(recorder, request) })
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
