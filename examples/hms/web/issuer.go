package web

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/septum-go/septum/tenant/tenantjwt"
)

// What the demo's tokens say; a real backend has these from its identity provider.
const (
	issuerName = "https://login.example.org/"
	audience   = "https://hms.example.org"
	keyID      = "demo"
)

// Issuer signs the demo's tokens. Its key is made at start and never leaves the process.
type Issuer struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// NewIssuer makes a key.
func NewIssuer() (*Issuer, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	return &Issuer{private, public}, err
}

// Verifier accepts the issuer's tokens.
func (i *Issuer) Verifier() (*tenantjwt.Verifier, error) {
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "OKP", "crv": "Ed25519", "kid": keyID, "alg": "EdDSA", "use": "sig", "x": base64.RawURLEncoding.EncodeToString(i.public),
	}}})
	if err != nil {
		return nil, err
	}
	return tenantjwt.New(tenantjwt.Config{Issuer: issuerName, Audience: audience, Keys: keys})
}

// Token is what a user of a hospital has after logging in. It is valid for 12 hours.
func (i *Issuer) Token(tenant, subject string) (string, error) {
	return sign(header("EdDSA"), claims(tenant, subject), i.ed25519)
}

// Forgeries are tokens that claim to be of a hospital's user and must be refused, by how they were made.
func (i *Issuer) Forgeries(attacker, victim string) (map[string]string, error) {
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	with := func(change map[string]any) map[string]any {
		c := claims(victim, "mallory")
		for name, value := range change {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
		return c
	}
	now := time.Now().Unix()
	forged := map[string]string{}
	for name, make := range map[string]func() (string, error){
		"none": func() (string, error) { return sign(header("none"), with(nil), func([]byte) []byte { return nil }) },
		"own key": func() (string, error) {
			return sign(header("EdDSA"), with(nil), func(b []byte) []byte { return ed25519.Sign(other, b) })
		},
		"hmac": func() (string, error) { return sign(header("HS256"), with(nil), i.hmac) },
		"expired": func() (string, error) {
			return sign(header("EdDSA"), with(map[string]any{"iat": now - 7200, "exp": now - 3600}), i.ed25519)
		},
		"audience": func() (string, error) {
			return sign(header("EdDSA"), with(map[string]any{"aud": "https://other.example.org"}), i.ed25519)
		},
		"two tenants": func() (string, error) {
			return sign(header("EdDSA"), with(map[string]any{"tenant_id": []string{attacker, victim}}), i.ed25519)
		},
		"no tenant": func() (string, error) {
			return sign(header("EdDSA"), with(map[string]any{"tenant_id": nil}), i.ed25519)
		},
		"changed": func() (string, error) { return i.changed(attacker, victim) },
	} {
		if forged[name], err = make(); err != nil {
			return nil, fmt.Errorf("web: forge %q: %w", name, err)
		}
	}
	return forged, nil
}

// changed is a valid token of the attacker's in which the payload was replaced.
func (i *Issuer) changed(attacker, victim string) (string, error) {
	own, err := i.Token(attacker, "mallory")
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims(victim, "mallory"))
	parts := strings.Split(own, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, "."), err
}

func (i *Issuer) ed25519(text []byte) []byte { return ed25519.Sign(i.private, text) }

func (i *Issuer) hmac(text []byte) []byte {
	h := hmac.New(sha256.New, i.public)
	h.Write(text)
	return h.Sum(nil)
}

func header(algorithm string) map[string]any {
	return map[string]any{"alg": algorithm, "kid": keyID, "typ": "JWT"}
}

func claims(tenant, subject string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": issuerName, "aud": audience, "sub": subject, "iat": now, "exp": now + 12*3600, "tenant_id": tenant, "roles": []string{"physician"}}
}

func sign(header, claims map[string]any, sign func([]byte) []byte) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(text))), nil
}
