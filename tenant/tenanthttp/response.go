package tenanthttp

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/septum-go/septum/tenant"
)

// ErrorWriter writes the response of a request that was refused or whose handler failed. The status is decided; err is
// for choosing a form, and its text must not be sent. WWW-Authenticate and Cache-Control are in the header already.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, status int, err error)

// WriteText writes the status's standard text, or the text of a [Failure], as text/plain. The body depends on nothing
// else, so that what is foreign and what is absent look the same.
func WriteText(w http.ResponseWriter, _ *http.Request, status int, err error) {
	text := http.StatusText(status)
	var failure *Failure
	if errors.As(err, &failure) && failure.HTTPStatus() == status {
		text = failure.Text
	}
	http.Error(w, text, status)
}

// Event is one line of the access log.
type Event struct {
	Request   *http.Request    // as it came in; its context is not the tenant's
	Principal tenant.Principal // zero when the border refused
	Status    int              // what the client was told; 0 when the handler panicked before it wrote anything
	Err       error            // the refusal (*Error), or what the handler returned; nil otherwise
	Panicked  bool             // the handler panicked, or its response was cut off because it failed halfway
	Start     time.Time
	Duration  time.Duration
}

// LogValue implements slog.LogValuer. The path is logged without its query, which may name patients; nor does it hold a header.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Int("status", e.Status),
		slog.Duration("duration", e.Duration),
		slog.Any("principal", e.Principal),
	}
	if e.Request != nil {
		attrs = append(attrs, slog.String("method", e.Request.Method), slog.String("pattern", e.Request.Pattern),
			slog.String("path", e.Request.URL.Path), slog.String("remote", e.Request.RemoteAddr))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	if e.Panicked {
		attrs = append(attrs, slog.Bool("panicked", true))
	}
	return slog.GroupValue(attrs...)
}

// fail answers a request that was refused or whose handler failed.
func (a *Auth) fail(w *response, r *http.Request, err error) {
	if w.status != 0 {
		// As httputil.ReverseProxy does: only a real server can cut the connection, and only so.
		if r.Context().Value(http.ServerContextKey) != nil {
			panic(http.ErrAbortHandler)
		}
		return
	}
	status, write, realm := 0, ErrorWriter(WriteText), "septum"
	if a != nil && a.verifier != nil {
		write, realm = a.config.WriteError, a.config.Realm
		if a.config.Status != nil {
			status = a.config.Status(err)
		}
	}
	if !isErrorStatus(status) {
		status = StatusOf(err)
	}
	// What the handler had prepared for its own answer must not travel with this one (an ETag, a Location, a file name).
	clear(w.Header())
	maps.Copy(w.Header(), w.before)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(realm, err))
	}
	write(w, r, status, err)
}

// challenge follows RFC 6750, 3: no error code when the request had no token at all.
func challenge(realm string, err error) string {
	text := `Bearer realm="` + realm + `"`
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Reason != ReasonMissing {
		text += `, error="invalid_token"`
	}
	return text
}

// response remembers whether and with which status the response began.
type response struct {
	http.ResponseWriter
	before http.Header // as the handlers around the border had set it, and Cache-Control
	status int
}

func newResponse(w http.ResponseWriter) *response {
	// A shared cache must not serve one tenant's answer to another; a handler may say otherwise for its own answer.
	w.Header().Set("Cache-Control", "no-store")
	return &response{ResponseWriter: w, before: w.Header().Clone()}
}

func (w *response) code(done bool) int {
	if w.status == 0 && done {
		return http.StatusOK // net/http's answer of a handler that wrote nothing
	}
	return w.status
}

// WriteHeader implements http.ResponseWriter. Informational statuses don't begin the response, but 101 takes it over.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, for sendfile.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, src)
}

// Flush implements http.Flusher, and does nothing where the server can't.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *response) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker where the server does (WebSocket).
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
