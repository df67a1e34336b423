package tenantjwt

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/septum-go/septum/tenant"
)

// MaxSubject is the greatest length of a subject and of a token's id in bytes (OpenID Connect Core, 2).
const MaxSubject = 255

// maxTime is the first second of the year 10000, far from the overflow of time.Time.
const maxTime = 253402300800

// principal judges the claims of a payload whose signature was verified.
func (c *Config) principal(payload []byte) (tenant.Principal, error) {
	claims, err := parseObject(payload)
	if err != nil {
		return tenant.Principal{}, err
	}
	err = claims.unambiguous("iss", "aud", "exp", "nbf", "iat", "sub", "jti", c.TenantClaim, c.RolesClaim)
	if err != nil {
		return tenant.Principal{}, err
	}
	if iss, _ := claims["iss"].(string); iss != c.Issuer {
		return tenant.Principal{}, refuse(ReasonIssuer, "it is not by the configured issuer")
	}
	if audience, ok := texts(claims["aud"]); !ok || !slices.Contains(audience, c.Audience) {
		return tenant.Principal{}, refuse(ReasonAudience, "it is not for the configured audience")
	}
	if err := c.checkTimes(claims); err != nil {
		return tenant.Principal{}, err
	}
	return c.identify(claims)
}

func (c *Config) checkTimes(claims object) error {
	expires, ok := numericDate(claims["exp"])
	if !ok {
		return refuse(ReasonClaims, "exp is missing or not a time")
	}
	issued, ok := numericDate(claims["iat"])
	if !ok {
		return refuse(ReasonClaims, "iat is missing or not a time")
	}
	from := issued
	if claims.has("nbf") {
		if from, ok = numericDate(claims["nbf"]); !ok {
			return refuse(ReasonClaims, "nbf is not a time")
		}
	}
	now := c.Now()
	switch {
	case !expires.After(issued):
		return refuse(ReasonClaims, "it ends before it begins")
	case !now.Before(expires.Add(c.Leeway)):
		return refuse(ReasonExpired, "its time is over; get a new one")
	case now.Add(c.Leeway).Before(from), now.Add(c.Leeway).Before(issued):
		return refuse(ReasonNotYet, "its time has not come; compare the clocks")
	case now.Sub(issued) > c.MaxAge+c.Leeway:
		return refuse(ReasonTooOld, "it was issued longer ago than Config.MaxAge")
	}
	return nil
}

func (c *Config) identify(claims object) (tenant.Principal, error) {
	text, ok := claims[c.TenantClaim].(string)
	if !ok {
		return tenant.Principal{}, refuse(ReasonTenant, "the tenant claim is missing or not one string")
	}
	id, err := tenant.ParseID(text)
	if err != nil {
		return tenant.Principal{}, &Error{Reason: ReasonTenant, Text: "the tenant claim", Err: err}
	}
	subject, _ := claims["sub"].(string)
	if !isName(subject) {
		return tenant.Principal{}, refuse(ReasonSubject, "sub is missing, too long or not printable")
	}
	tokenID := ""
	if claims.has("jti") {
		if tokenID, _ = claims["jti"].(string); !isName(tokenID) {
			return tenant.Principal{}, refuse(ReasonClaims, "jti is not a printable string")
		}
	}
	var roles []string
	if claims.has(c.RolesClaim) {
		if roles, ok = words(claims[c.RolesClaim]); !ok {
			return tenant.Principal{}, refuse(ReasonClaims, "the roles claim is neither a list of strings nor one string")
		}
	}
	return tenant.Principal{Tenant: id, Subject: subject, Roles: roles, TokenID: tokenID}, nil
}

// isName keeps control characters and blank names out of access logs.
func isName(text string) bool {
	return strings.TrimSpace(text) != "" && len(text) <= MaxSubject &&
		!strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) })
}

// numericDate reads a NumericDate of RFC 7519: seconds since 1970, perhaps with a fraction.
func numericDate(value any) (time.Time, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds >= maxTime {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// texts reads one string or a list of strings.
func texts(value any) ([]string, bool) {
	switch value := value.(type) {
	case string:
		return []string{value}, true
	case []any:
		list := make([]string, 0, len(value))
		for _, element := range value {
			text, ok := element.(string)
			if !ok {
				return nil, false
			}
			list = append(list, text)
		}
		return list, true
	}
	return nil, false
}

// words is texts, but for one string of words as OAuth's "scope" has it.
func words(value any) ([]string, bool) {
	if text, ok := value.(string); ok {
		return strings.Fields(text), true
	}
	return texts(value)
}
