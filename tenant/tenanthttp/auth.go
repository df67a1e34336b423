package tenanthttp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/septum-go/septum/tenant"
)

// Verifier turns a token into who sent it, or refuses. tenantjwt.Verifier is one. To ask for more (revocation, a
// suspended tenant), wrap one Verifier in another.
//
// Every error is a refusal. It becomes status 401, or what its HTTPStatus method says (503 when the keys can't be had).
// Verify must be safe for concurrent use.
type Verifier interface {
	Verify(ctx context.Context, token string) (tenant.Principal, error)
}

// Config is what may be changed. Its zero value works and is the strict one: bearer tokens only.
type Config struct {
	// Realm is named in WWW-Authenticate. Default "septum".
	Realm string

	// Cookie names the session cookie that holds the token of browsers. Default "": cookies are not read.
	// A request that comes with the cookie alone is protected against cross-site request forgery by
	// http.CrossOriginProtection: a browser's POST, PUT, PATCH or DELETE from another origin is refused with 403.
	// Name it with the prefix "__Host-", so that no sibling domain can set it.
	Cookie string

	// TrustedOrigins are further origins ("https://app.example.org") from which requests with the cookie may write.
	TrustedOrigins []string

	// Status turns an error into a status. Default and fallback, also for every answer outside 400 to 599: StatusOf.
	Status func(error) int

	// WriteError writes the response of a refused or failed request. Default WriteText.
	WriteError ErrorWriter

	// Observe is told of every request when it ended. Default: nobody is. It runs in the request's goroutine.
	Observe func(ctx context.Context, event Event)
}

// Auth is the border: it verifies and binds. Make it with [New]; it is immutable and safe for concurrent use. A nil or
// zero Auth lets nothing through.
type Auth struct {
	verifier Verifier
	config   Config
	origins  *http.CrossOriginProtection
}

// New checks the configuration. The error is an [*Error] with ReasonConfig.
func New(verifier Verifier, config Config) (*Auth, error) {
	if verifier == nil {
		return nil, &Error{Reason: ReasonConfig, Text: "it needs a Verifier, e.g. one of package tenantjwt"}
	}
	if config.Realm == "" {
		config.Realm = "septum"
	}
	if strings.ContainsFunc(config.Realm, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		return nil, &Error{Reason: ReasonConfig, Text: "Realm has a character that can't stand in a header's quotes"}
	}
	if config.Cookie != "" && (&http.Cookie{Name: config.Cookie, Value: "x"}).Valid() != nil {
		return nil, &Error{Reason: ReasonConfig, Text: "Cookie is not a cookie's name"}
	}
	if config.Cookie == "" && len(config.TrustedOrigins) > 0 {
		return nil, &Error{Reason: ReasonConfig, Text: "TrustedOrigins means nothing without a Cookie"}
	}
	origins := http.NewCrossOriginProtection()
	for _, origin := range config.TrustedOrigins {
		if err := origins.AddTrustedOrigin(origin); err != nil {
			return nil, &Error{Reason: ReasonConfig, Text: "a TrustedOrigin is not of the form https://host", Err: err}
		}
	}
	if config.WriteError == nil {
		config.WriteError = WriteText
	}
	return &Auth{verifier, config, origins}, nil
}

// bind is the only way to a tenant.Context in this package.
func (a *Auth) bind(r *http.Request) (tenant.Context, error) {
	if a == nil || a.verifier == nil {
		return tenant.Context{}, &Error{Reason: ReasonConfig, Text: "the Auth was not made by New"}
	}
	tokens, err := a.tokens(r)
	if err != nil {
		return tenant.Context{}, err
	}
	principal, err := a.verify(r.Context(), tokens[0])
	if err != nil {
		return tenant.Context{}, err
	}
	for _, token := range tokens[1:] {
		other, err := a.verify(r.Context(), token)
		if err != nil {
			return tenant.Context{}, err
		}
		if other.Tenant != principal.Tenant || other.Subject != principal.Subject {
			return tenant.Context{}, &Error{Reason: ReasonDisagree, Text: "header and cookie name different principals"}
		}
	}
	tc, err := tenant.Bind(r.Context(), principal)
	switch {
	case errors.Is(err, tenant.ErrConflict):
		return tenant.Context{}, &Error{Reason: ReasonConflict, Text: "the request's context has another tenant", Err: err}
	case err != nil:
		return tenant.Context{}, &Error{Reason: ReasonToken, Text: "the verifier's principal can't be bound", Err: err}
	}
	return tc, nil
}

func (a *Auth) verify(ctx context.Context, token string) (tenant.Principal, error) {
	principal, err := a.verifier.Verify(ctx, token)
	if err != nil {
		return tenant.Principal{}, &Error{Reason: ReasonToken, Text: "the token was not accepted", Err: err}
	}
	return principal, nil
}

// Middleware verifies, binds, and calls next with the tenant's context in the request, or answers itself.
func (a *Auth) Middleware(next http.Handler) http.Handler {
	if next == nil {
		return a.handler(nil)
	}
	return a.handler(func(_ tenant.Context, w http.ResponseWriter, r *http.Request) error {
		next.ServeHTTP(w, r)
		return nil
	})
}

// HandlerFunc is a handler that can't be called without a tenant. The request's context is tc too. A nil error means
// that the response was written.
type HandlerFunc func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error

// Handler verifies, binds, calls h, and writes the response of its error. A nil auth or h answers 500 to everything.
func Handler(auth *Auth, h HandlerFunc) http.Handler { return auth.handler(h) }

func (a *Auth) handler(h HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := newResponse(w)
		event := Event{Request: r, Start: time.Now()}
		done := false
		defer func() { // also when h panics, without catching it
			event.Status, event.Panicked = out.code(done), !done
			a.observe(event)
		}()
		tc, err := a.bind(r)
		switch {
		case err == nil && h == nil:
			err = &Error{Reason: ReasonConfig, Text: "the handler is nil"}
		case err == nil:
			event.Principal = tc.Principal()
			err = h(tc, out, r.WithContext(tc))
		}
		if event.Err = err; err != nil {
			a.fail(out, r, err)
		}
		done = true
	})
}

func (a *Auth) observe(event Event) {
	if a == nil || a.config.Observe == nil {
		return
	}
	event.Duration = time.Since(event.Start)
	a.config.Observe(event.Request.Context(), event)
}
