// Package tenanthttp is the HTTP border: no request gets past it without a verified tenant.
//
//	auth, err := tenanthttp.New(verifier, tenanthttp.Config{})
//	mux.Handle("GET /wards/{ward}", tenanthttp.Handler(auth,
//		func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error { … }))
//
// The tenant comes out of the token and out of nothing else: not out of a header such as X-Tenant-ID, the host, the path,
// the query, the body or an unsigned cookie. The token is what the one Authorization header carries (RFC 6750, scheme
// Bearer), or the session cookie named in [Config]; where both are there, both must be valid and agree.
//
// # Which form
//
// [Handler] hands the tenant.Context to the handler as a parameter, so that a handler can't be without one, and turns
// its error into a response. [Auth.Middleware] is for routers and for handlers that others wrote: it puts the context
// into the request, where tenant.From(r.Context()) finds it.
//
// # Errors
//
// A client is told a status and its standard text, never an error's text, unless the handler asked for it with [Fail].
// "It is another tenant's" and "it does not exist" are one response, byte for byte, since both are one error; see
// [StatusOf] for how errors become a status. What happened is told to [Config.Observe], which is the place for the access
// log. Panics are not caught.
//
// A response that had begun before its handler failed is cut off instead of ended in order, by panicking with
// http.ErrAbortHandler as net/http asks for: half a medication list must not look like a whole one.
package tenanthttp
