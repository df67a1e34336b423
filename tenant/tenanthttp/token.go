package tenanthttp

import (
	"net/http"
	"strings"
)

// tokens gives the one or two tokens of the request. It reads no other part of it.
func (a *Auth) tokens(r *http.Request) ([]string, error) {
	bearer, err := bearerToken(r.Header["Authorization"])
	if err != nil {
		return nil, err
	}
	cookie, err := cookieToken(r, a.config.Cookie)
	if err != nil {
		return nil, err
	}
	switch {
	case bearer == "" && cookie == "":
		return nil, &Error{Reason: ReasonMissing, Text: "the request has no token"}
	case cookie == "":
		return []string{bearer}, nil
	case bearer == "":
		// A browser adds the cookie by itself, whoever made it send the request; a header only a script of ours adds.
		if err := a.origins.Check(r); err != nil {
			return nil, &Error{Reason: ReasonOrigin, Text: "another site made the browser send it", Err: err}
		}
		return []string{cookie}, nil
	}
	return []string{bearer, cookie}, nil
}

// bearerToken follows RFC 6750, 2.1, with exactly one space. Two headers are refused rather than one of them chosen: a
// proxy in front may have looked at the other.
func bearerToken(headers []string) (string, error) {
	switch len(headers) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", &Error{Reason: ReasonMalformed, Text: "there is more than one Authorization header"}
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &Error{Reason: ReasonMalformed, Text: "the Authorization scheme is not Bearer"}
	}
	if !isToken(token) {
		return "", &Error{Reason: ReasonMalformed, Text: "the Authorization header holds no token, or more than one"}
	}
	return token, nil
}

// cookieToken reads no cookie where none is configured: none is named "".
func cookieToken(r *http.Request, name string) (string, error) {
	switch cookies := r.CookiesNamed(name); {
	case len(cookies) == 0:
		return "", nil
	case len(cookies) > 1:
		return "", &Error{Reason: ReasonMalformed, Text: "the session cookie is there more than once"}
	case !isToken(cookies[0].Value):
		return "", &Error{Reason: ReasonMalformed, Text: "the session cookie holds no token"}
	default:
		return cookies[0].Value, nil
	}
}

// isToken holds to the b64token of RFC 6750: no white space, no comma, so never two values merged into one.
func isToken(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := range len(body) {
		c := body[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~+/", c) >= 0
		if !ok {
			return false
		}
	}
	return body != ""
}
