package tenantjwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/septum-go/septum/tenant/tenantjwt"
)

// The tests sign with the standard library, so that jwx is not its own judge.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://login.example.org/"
	audience = "https://api.example.org"
)

// now is the tests' time; the verifiers get it as their clock.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

type claims map[string]any

// good are the claims of a token that is accepted.
func good() claims {
	return claims{
		"iss": issuer, "aud": audience, "sub": "dr.grey", "jti": "token-1", "tenant_id": "st-mary",
		"roles": []string{"nurse", "surgeon"}, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func (c claims) with(name string, value any) claims {
	c[name] = value
	return c
}

func (c claims) without(name string) claims {
	delete(c, name)
	return c
}

var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	weakRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecKey      = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	ecKey384   = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	edKey      = sync.OnceValue(newEdKey)
	otherEdKey = sync.OnceValue(newEdKey)
	hmacKey    = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
)

func newEdKey() ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return must(private, err)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// jwkOf writes a public key, or a secret, as a JSON Web Key.
func jwkOf(kid string, key any) claims {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return claims{"kty": "RSA", "kid": kid, "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PrivateKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		return claims{"kty": "EC", "kid": kid, "crv": key.Curve.Params().Name,
			"x": b64(key.X.FillBytes(make([]byte, size))), "y": b64(key.Y.FillBytes(make([]byte, size)))}
	case ed25519.PrivateKey:
		return claims{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(key.Public().(ed25519.PublicKey))}
	case []byte:
		return claims{"kty": "oct", "kid": kid, "k": b64(key)}
	}
	panic("no such key")
}

func keySet(keys ...claims) []byte {
	return must(json.Marshal(claims{"keys": append([]claims{}, keys...)}))
}

// signWith signs the final text of header and payload, however wrong they are.
func signWith(alg string, key any, header, payload string) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	hashes := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}
	if key, ok := key.(ed25519.PrivateKey); ok {
		return text + "." + b64(ed25519.Sign(key, []byte(text)))
	}
	hash := hashes[alg[2:]]
	if key, ok := key.([]byte); ok {
		mac := hmac.New(hash.New, key)
		mac.Write([]byte(text))
		return text + "." + b64(mac.Sum(nil))
	}
	digest := hash.New()
	digest.Write([]byte(text))
	sum := digest.Sum(nil)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if alg[0] == 'P' {
			return text + "." + b64(must(rsa.SignPSS(rand.Reader, key, hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})))
		}
		return text + "." + b64(must(rsa.SignPKCS1v15(rand.Reader, key, hash, sum)))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum)
		size := (key.Curve.Params().BitSize + 7) / 8
		must(r, err)
		return text + "." + b64(append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...))
	}
	panic("no such key")
}

// sign makes the token that an honest issuer makes.
func sign(alg, kid string, key any, c claims) string {
	header := must(json.Marshal(claims{"alg": alg, "kid": kid, "typ": "JWT"}))
	return signWith(alg, key, string(header), string(must(json.Marshal(c))))
}

// edToken is the usual token of these tests.
func edToken(c claims) string { return sign("EdDSA", "ed", edKey(), c) }

func config() tenantjwt.Config {
	return tenantjwt.Config{Issuer: issuer, Audience: audience, Keys: keySet(jwkOf("ed", edKey())), Now: clock}
}

func newVerifier(t testing.TB, config tenantjwt.Config) *tenantjwt.Verifier {
	t.Helper()
	verifier, err := tenantjwt.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, verifier.Close()) })
	return verifier
}

func requireRefused(t testing.TB, v *tenantjwt.Verifier, token string, want tenantjwt.Reason, about ...any) {
	t.Helper()
	principal, err := v.Verify(t.Context(), token)
	var refusal *tenantjwt.Error
	require.ErrorAs(t, err, &refusal, about...)
	require.Equal(t, want, refusal.Reason, about...)
	require.Zero(t, principal, about...)
	if len(token) > 8 {
		require.NotContains(t, err.Error(), token)
	}
	require.NotContains(t, err.Error(), "st-mary")
	require.NotContains(t, err.Error(), "dr.grey")
}
