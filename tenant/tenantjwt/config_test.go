package tenantjwt_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant/tenantjwt"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	noKeys := func(c *tenantjwt.Config) { c.Keys = nil }
	for name, change := range map[string]func(*tenantjwt.Config){
		"no issuer":             func(c *tenantjwt.Config) { c.Issuer = "" },
		"no audience":           func(c *tenantjwt.Config) { c.Audience = "" },
		"no keys":               noKeys,
		"two sources":           func(c *tenantjwt.Config) { c.JWKSURL = "https://login.example.org/jwks" },
		"http":                  func(c *tenantjwt.Config) { noKeys(c); c.JWKSURL = "http://login.example.org/jwks" },
		"http to a neighbour":   func(c *tenantjwt.Config) { noKeys(c); c.JWKSURL = "http://10.0.0.1/jwks" },
		"http, like loopback":   func(c *tenantjwt.Config) { noKeys(c); c.JWKSURL = "http://127.0.0.1.example.org/jwks" },
		"http, like localhost":  func(c *tenantjwt.Config) { noKeys(c); c.JWKSURL = "http://localhost.example.org/jwks" },
		"a password in it":      func(c *tenantjwt.Config) { noKeys(c); c.JWKSURL = "https://user:secret@login.example.org/" },
		"a file":                func(c *tenantjwt.Config) { noKeys(c); c.JWKSURL = "file:///etc/passwd" },
		"no URL":                func(c *tenantjwt.Config) { noKeys(c); c.JWKSURL = "https://" },
		"none":                  func(c *tenantjwt.Config) { c.Algorithms = []string{"EdDSA", "none"} },
		"HMAC with public keys": func(c *tenantjwt.Config) { c.Algorithms = []string{"HS256"} },
		"unknown algorithm":     func(c *tenantjwt.Config) { c.Algorithms = []string{"ES256K"} },
		"leeway":                func(c *tenantjwt.Config) { c.Leeway = 6 * time.Minute },
		"size":                  func(c *tenantjwt.Config) { c.MaxSize = 1 << 20 },
		"negative size":         func(c *tenantjwt.Config) { c.MaxSize = -1 },
		"negative age":          func(c *tenantjwt.Config) { c.MaxAge = -1 },
		"negative refresh":      func(c *tenantjwt.Config) { c.RefreshEvery = -1 },
		"negative interval":     func(c *tenantjwt.Config) { c.MinInterval = -1 },
		"keeps too short":       func(c *tenantjwt.Config) { c.KeepFor = time.Minute },
		"tenant out of aud":     func(c *tenantjwt.Config) { c.TenantClaim = "aud" },
		"tenant out of roles":   func(c *tenantjwt.Config) { c.TenantClaim = "Roles" },
		"keys are no JSON":      func(c *tenantjwt.Config) { c.Keys = []byte("secret") },
		"keys are no set":       func(c *tenantjwt.Config) { c.Keys = []byte(`{"kty":"OKP"}`) },
		"an empty set":          func(c *tenantjwt.Config) { c.Keys = keySet() },
		"a key without a name":  func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("ed", edKey()).without("kid")) },
		"two of one name":       func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("x", edKey()), jwkOf("x", rsaKey())) },
		"a short RSA key":       func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("weak", weakRSAKey())) },
		"a point off the curve": func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("ec", ecKey()).with("y", b64(make([]byte, 32)))) },
		"only for encryption":   func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("ed", edKey()).with("use", "enc")) },
		"only for signing":      func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("ed", edKey()).with("key_ops", []string{"sign"})) },
		"only of other use":     func(c *tenantjwt.Config) { c.Algorithms = []string{"RS256"} },
		"a secret among them":   func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("ed", edKey()), jwkOf("s", hmacKey)) },
		"a private key":         func(c *tenantjwt.Config) { c.Keys = keySet(jwkOf("ed", edKey()).with("d", b64(edKey().Seed()))) },
		"a private key beside": func(c *tenantjwt.Config) {
			c.Keys = keySet(jwkOf("ed", edKey()), jwkOf("private", edKey()).with("d", b64(edKey().Seed())))
		},
		"an RSA key that takes minutes": func(c *tenantjwt.Config) {
			c.Keys = keySet(jwkOf("huge", rsaKey()).with("n", b64(bytes.Repeat([]byte{0xff}, 4096))))
		},
		"a public key as secret": func(c *tenantjwt.Config) { c.Keys, c.SymmetricKeys = nil, c.Keys },
		"a short secret":         func(c *tenantjwt.Config) { c.Keys, c.SymmetricKeys = nil, keySet(jwkOf("s", hmacKey[:31])) },
		"a secret too short for it": func(c *tenantjwt.Config) {
			c.Keys, c.SymmetricKeys, c.Algorithms = nil, keySet(jwkOf("s", hmacKey[:32])), []string{"HS512"}
		},
		"a secret for RS256": func(c *tenantjwt.Config) {
			c.Keys, c.SymmetricKeys, c.Algorithms = nil, keySet(jwkOf("s", hmacKey)), []string{"RS256"}
		},
	} {
		c := config()
		change(&c)
		v, err := tenantjwt.New(c)
		var refusal *tenantjwt.Error
		require.ErrorAs(t, err, &refusal, name)
		require.Equal(t, tenantjwt.ReasonConfig, refusal.Reason, name)
		require.Nil(t, v, name)
		require.NotContains(t, err.Error(), "secret@", name)
		require.NotContains(t, err.Error(), b64(edKey().Seed()), name)
	}
}

func TestNewAccepts(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"https": "https://login.example.org/jwks", "loopback": "http://127.0.0.1:8080/jwks",
		"IPv6 loopback": "http://[::1]:8080/jwks", "localhost": "http://localhost/jwks",
	} {
		c := config()
		c.Keys, c.JWKSURL = nil, url
		newVerifier(t, c)
		require.NotEmpty(t, name)
	}
	c := config()
	c.Keys = keySet(jwkOf("ed", edKey()), jwkOf("enc", rsaKey()).with("use", "enc"), claims{"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44"})
	v := newVerifier(t, c)
	_, err := v.Verify(t.Context(), edToken(good()))
	require.NoError(t, err, "keys of other uses and of types to come are left out")
	require.NoError(t, v.Ready(t.Context()))
}

func TestSymmetricKeys(t *testing.T) {
	t.Parallel()
	c := config()
	c.Keys, c.SymmetricKeys = nil, keySet(jwkOf("s", hmacKey[:32]), jwkOf("long", hmacKey))
	v := newVerifier(t, c)
	_, err := v.Verify(t.Context(), sign("HS256", "s", hmacKey[:32], good()))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), sign("HS512", "long", hmacKey, good()))
	require.NoError(t, err)
	requireRefused(t, v, sign("HS512", "s", hmacKey[:32], good()), tenantjwt.ReasonAlgorithm, "the secret is too short for it")
	requireRefused(t, v, sign("HS256", "s", hmacKey, good()), tenantjwt.ReasonSignature)
	requireRefused(t, v, edToken(good()), tenantjwt.ReasonAlgorithm)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(format, *v)
		require.NotContains(t, text, b64(hmacKey), "a printed Verifier shows no secret")
		require.NotContains(t, text, "0123456789abcdef")
		require.NotContains(t, text, "123 34 107 101 121 115", format) // {"keys in %v
		require.NotContains(t, text, "0x7b, 0x22, 0x6b", format)
	}
}

// The caller's Config is read once and never written.
func TestConfigIsNotShared(t *testing.T) {
	t.Parallel()
	c := config()
	c.Algorithms = []string{"EdDSA"}
	v := newVerifier(t, c)
	c.Algorithms[0] = "RS256"
	clear(c.Keys)
	_, err := v.Verify(t.Context(), edToken(good()))
	require.NoError(t, err)
	require.Empty(t, c.TenantClaim)
	require.Zero(t, c.Leeway)
}
