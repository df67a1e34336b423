package tenantjwt

import "net/http"

// Reason says why a token was refused; it is stable, and fit for a metric's label.
type Reason string

// The reasons. All are about the token but for the last three.
const (
	ReasonTooLarge   Reason = "too_large"     // longer than Config.MaxSize
	ReasonMalformed  Reason = "malformed"     // not a compact JWS of JSON objects, or a name twice in one of them
	ReasonAlgorithm  Reason = "algorithm"     // "alg" is not on the allow-list or does not fit the key
	ReasonHeader     Reason = "header"        // "crit", an own key, a nested token or a "typ" that is no access token's
	ReasonKeyMissing Reason = "kid_missing"   // no "kid", so no key was chosen
	ReasonKeyUnknown Reason = "kid_unknown"   // the key set has no such key
	ReasonSignature  Reason = "signature"     // the signature is not by the key
	ReasonIssuer     Reason = "issuer"        // "iss" is missing or another
	ReasonAudience   Reason = "audience"      // "aud" is missing or does not contain ours
	ReasonExpired    Reason = "expired"       // after "exp"
	ReasonNotYet     Reason = "not_yet_valid" // before "nbf" or "iat"
	ReasonTooOld     Reason = "too_old"       // issued longer ago than Config.MaxAge
	ReasonClaims     Reason = "claims"        // "exp", "iat" or another claim is missing or has a wrong type
	ReasonTenant     Reason = "tenant"        // the tenant claim is missing, no single string, or no tenant id
	ReasonSubject    Reason = "subject"       // "sub" is missing, empty, too long or not printable

	ReasonKeys   Reason = "keys_unavailable" // the key set could not be fetched; says nothing about the token
	ReasonClosed Reason = "closed"           // the Verifier was closed
	ReasonConfig Reason = "configuration"    // the Config is refused
)

// Error is what this package returns. Its text says what was wrong, and contains nothing of the token.
type Error struct {
	Reason Reason
	Text   string
	Err    error // the cause, of a fetch or of tenant.ParseID; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	text := "tenantjwt: " + string(e.Reason) + ": " + e.Text
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus tells package tenanthttp which status to answer: 401 for what is wrong with the token, 503 when no key
// could be had to judge it, 500 for a Verifier that was not made by New.
func (e *Error) HTTPStatus() int {
	switch e.Reason {
	case ReasonKeys, ReasonClosed:
		return http.StatusServiceUnavailable
	case ReasonConfig:
		return http.StatusInternalServerError
	}
	return http.StatusUnauthorized
}

func refuse(reason Reason, text string) *Error { return &Error{Reason: reason, Text: text} }
