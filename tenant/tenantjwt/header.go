package tenantjwt

import (
	"encoding/base64"
	"strings"
)

// header is what a token says before anything about it was verified: which key to take, and nothing else.
type header struct{ alg, kid string }

// parseHeader refuses whatever is not a plain signed token, before a key is looked up.
func parseHeader(token string, maxSize int) (header, error) {
	if len(token) > maxSize {
		return header{}, refuse(ReasonTooLarge, "it is longer than Config.MaxSize")
	}
	parts := strings.Split(token, ".")
	if len(parts) == 5 {
		return header{}, refuse(ReasonHeader, "it is encrypted, not signed")
	}
	if len(parts) != 3 {
		return header{}, refuse(ReasonMalformed, "it has not three parts")
	}
	var head []byte
	for i, part := range parts {
		decoded, ok := decode(part)
		if !ok {
			return header{}, refuse(ReasonMalformed, "a part is not base64url as RFC 7515 writes it")
		}
		if i == 0 {
			head = decoded
		}
	}
	fields, err := parseObject(head)
	if err != nil {
		return header{}, err
	}
	if err := fields.unambiguous("alg", "kid", "typ", "cty", "crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"); err != nil {
		return header{}, err
	}
	for _, name := range []string{"crit", "b64", "cty", "zip", "enc"} {
		if fields.has(name) {
			return header{}, refuse(ReasonHeader, "it asks for an extension or nests another token: "+name)
		}
	}
	for _, name := range []string{"jwk", "jku", "x5u", "x5c"} {
		if fields.has(name) {
			return header{}, refuse(ReasonHeader, "it brings its own key along: "+name)
		}
	}
	if !isAccessTokenType(fields) {
		return header{}, refuse(ReasonHeader, "its typ is not that of an access token")
	}
	alg, _ := fields["alg"].(string) // "" is on no allow-list
	kid, ok := fields["kid"].(string)
	if !ok || kid == "" {
		return header{}, refuse(ReasonKeyMissing, "it names no key; let the issuer set kid")
	}
	return header{alg, kid}, nil
}

// isAccessTokenType keeps tokens of other uses out, e.g. "logout+jwt" and "dpop+jwt" (RFC 8725, 3.11).
func isAccessTokenType(fields object) bool {
	if !fields.has("typ") {
		return true
	}
	typ, _ := fields["typ"].(string)
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "jwt", "at+jwt":
		return true
	}
	return false
}

// decode is stricter than encoding/base64, which skips line breaks: one token has one text.
func decode(part string) ([]byte, bool) {
	if part == "" || strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return decoded, err == nil
}
