package tenantjwt

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config says whose tokens are accepted. Issuer, Audience and exactly one of JWKSURL, Keys and SymmetricKeys are
// required; everything else has a safe default. New does not change or keep it.
type Config struct {
	Issuer   string // "iss", compared byte by byte
	Audience string // must be "aud", or one of it

	// JWKSURL is where the issuer publishes its keys (RFC 7517). It must be https, or http on a loopback address.
	JWKSURL string
	// Keys is a key set of public keys as JSON, {"keys":[…]}, for issuers that publish none. A private key in it is refused.
	Keys []byte
	// SymmetricKeys is a key set of "oct" keys as JSON, for HS256 and its kind. Whoever can verify with such a key can also
	// sign with it, so prefer the others. Each key needs at least as many bytes as its algorithm's hash (RFC 7518, 3.2).
	SymmetricKeys []byte

	// Algorithms is the allow-list. Default: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA
	// (Ed25519); with SymmetricKeys, and only then, HS256, HS384 and HS512. "none" is never allowed.
	Algorithms []string

	TenantClaim string // the claim that names the tenant; default "tenant_id"
	RolesClaim  string // a list of strings, or one string of words; may be missing in a token; default "roles"

	Leeway time.Duration // allowed difference of clocks; default 30 s, negative means none, at most 5 min
	MaxAge time.Duration // how long after "iat" a token is accepted, whatever its "exp"; default 24 h
	// MaxSize is the greatest length of a token in bytes; default 8192, at most 65536.
	MaxSize int

	RefreshEvery time.Duration // how old the fetched keys may be before they are fetched again; default 15 min
	MinInterval  time.Duration // shortest time between two fetches, also for unknown keys and after errors; default 10 s
	KeepFor      time.Duration // how long keys are used on when they can't be fetched; default 24 h, at least RefreshEvery

	// Client fetches the keys; it is copied. Redirects are not followed, and a fetch takes at most 10 s whatever its Timeout.
	// Default: one that keeps no connections.
	Client *http.Client

	Now func() time.Time // the clock; default time.Now
}

var (
	asymmetric = []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}
	symmetric = []string{"HS256", "HS384", "HS512"}
)

const (
	maxLeeway  = 5 * time.Minute
	maxMaxSize = 64 << 10
)

// complete gives a copy with the defaults filled in, or the first thing that is wrong.
func (c Config) complete() (Config, error) {
	c.Algorithms = slices.Clone(c.Algorithms)
	orDefault(&c.TenantClaim, "tenant_id")
	orDefault(&c.RolesClaim, "roles")
	orDefault(&c.Leeway, 30*time.Second)
	orDefault(&c.MaxAge, 24*time.Hour)
	orDefault(&c.MaxSize, 8192)
	orDefault(&c.RefreshEvery, 15*time.Minute)
	orDefault(&c.MinInterval, 10*time.Second)
	orDefault(&c.KeepFor, max(24*time.Hour, c.RefreshEvery))
	c.Leeway = max(c.Leeway, 0)
	if c.Now == nil {
		c.Now = time.Now
	}
	known := asymmetric
	if c.SymmetricKeys != nil {
		known = symmetric
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = known
	}
	return c, c.check(known)
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) check(known []string) error {
	sources := 0
	for _, given := range []bool{c.JWKSURL != "", c.Keys != nil, c.SymmetricKeys != nil} {
		if given {
			sources++
		}
	}
	var text string
	switch {
	case c.Issuer == "":
		text = "Issuer is missing"
	case c.Audience == "":
		text = "Audience is missing"
	case sources != 1:
		text = "give exactly one of JWKSURL, Keys and SymmetricKeys"
	case c.JWKSURL != "" && !isSafeURL(c.JWKSURL):
		text = "JWKSURL is neither https nor http on a loopback address"
	case slices.ContainsFunc(c.Algorithms, func(alg string) bool { return !slices.Contains(known, alg) }):
		text = "an algorithm is unknown or unsafe with these keys; possible are " + strings.Join(known, ", ")
	case isRegistered(c.TenantClaim) || isRegistered(c.RolesClaim) || strings.EqualFold(c.TenantClaim, c.RolesClaim):
		text = "TenantClaim and RolesClaim must differ from each other and from iss, aud, exp, nbf, iat and jti"
	case c.Leeway > maxLeeway:
		text = "Leeway is more than 5 minutes"
	case c.MaxAge < 0 || c.RefreshEvery < 0 || c.MinInterval < 0:
		text = "a duration is negative"
	case c.KeepFor < c.RefreshEvery:
		text = "KeepFor is less than RefreshEvery"
	case c.MaxSize < 0 || c.MaxSize > maxMaxSize:
		text = "MaxSize is not from 1 to 65536"
	default:
		return nil
	}
	return refuse(ReasonConfig, text)
}

// isRegistered leaves out "sub": services whose every tenant has one account use it as the tenant.
func isRegistered(claim string) bool {
	return slices.ContainsFunc([]string{"iss", "aud", "exp", "nbf", "iat", "jti"}, func(name string) bool {
		return strings.EqualFold(name, claim)
	})
}

func isSafeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
