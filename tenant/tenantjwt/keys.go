package tenantjwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// key is one key of a set with the algorithms for which it may be used.
type key struct {
	raw        any
	algorithms map[string]jwa.SignatureAlgorithm
}

// keySet finds keys by "kid"; it is immutable.
type keySet map[string]*key

const (
	maxKeys       = 256
	minRSABits    = 2048
	maxRSABits    = 16384
	errNoKeysText = `it is not a JSON key set: {"keys":[…]}`
)

var (
	errUnsuited  = errors.New("not for verifying with an allowed algorithm")
	errNoKeyID   = errors.New(`it has no "kid"`)
	errPrivate   = errors.New("it is a private key; publish and configure only public ones")
	errWeak      = errors.New("it is too short or not on its curve")
	errSameKeyID = errors.New(`two keys have one "kid"`)
	errSymmetric = errors.New("it is symmetric and stands among public keys; see Config.SymmetricKeys")
)

// parseKeySet reads a JSON key set. Keys that are not for verifying signatures with an allowed algorithm are left out, as
// RFC 7517, 5 has it. What is wrong with the others is in faults, and they are left out too.
func parseKeySet(text []byte, allowed []string) (set keySet, faults []error, err error) {
	var document struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil || document.Keys == nil {
		return nil, nil, errors.New(errNoKeysText)
	}
	if len(*document.Keys) > maxKeys {
		return nil, nil, errors.New("it has more than 256 keys")
	}
	set = keySet{}
	twice := map[string]bool{}
	for _, raw := range *document.Keys {
		kid, k, err := parseKey(raw, allowed)
		switch {
		case errors.Is(err, errUnsuited):
			continue
		case err != nil:
			faults = append(faults, err)
			continue
		case set[kid] != nil:
			twice[kid] = true
			faults = append(faults, errSameKeyID)
		}
		set[kid] = k
	}
	for kid := range twice {
		delete(set, kid)
	}
	return set, faults, nil
}

func parseKey(text []byte, allowed []string) (string, *key, error) {
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return "", nil, errUnsuited // a type of key that this version does not know
	}
	if use, ok := parsed.KeyUsage(); ok && use != "sig" {
		return "", nil, errUnsuited
	}
	if ops, ok := parsed.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return "", nil, errUnsuited
	}
	private, err := jwk.IsPrivateKey(parsed)
	if err == nil && private {
		return "", nil, errPrivate
	}
	var raw any
	if err := jwk.Export(parsed, &raw); err != nil {
		return "", nil, errUnsuited
	}
	possible, err := algorithmsOf(raw)
	if err != nil {
		return "", nil, err
	}
	if _, ok := raw.([]byte); ok && !slices.Contains(symmetric, allowed[0]) {
		return "", nil, errSymmetric
	}
	k := &key{raw, map[string]jwa.SignatureAlgorithm{}}
	only, restricted := parsed.Algorithm()
	for _, name := range possible {
		if !slices.Contains(allowed, name) || restricted && only.String() != name {
			continue
		}
		if alg, ok := jwa.LookupSignatureAlgorithm(name); ok {
			k.algorithms[name] = alg
		}
	}
	if len(k.algorithms) == 0 {
		return "", nil, errUnsuited
	}
	kid, _ := parsed.KeyID()
	if kid == "" {
		return "", nil, errNoKeyID
	}
	return kid, k, nil
}

// algorithmsOf says what a key can be used for by its type, curve and length. It is why a public key never becomes the
// secret of an HMAC: an []byte is the only type that HS256 is for.
func algorithmsOf(raw any) ([]string, error) {
	switch k := raw.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, errWeak
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		if _, err := k.ECDH(); err != nil {
			return nil, errWeak
		}
		switch k.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}, nil
		case 384:
			return []string{"ES384"}, nil
		case 521:
			return []string{"ES512"}, nil
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	case []byte:
		fit := 0
		for _, size := range []int{32, 48, 64} {
			if len(k) >= size {
				fit++
			}
		}
		if fit == 0 {
			return nil, errWeak
		}
		return symmetric[:fit], nil
	}
	return nil, errUnsuited
}

// static is a key source that never changes.
type static struct{ set keySet }

// newStatic is strict: what is wrong with a key set in a configuration can be corrected there.
func newStatic(text []byte, allowed []string) (static, error) {
	set, faults, err := parseKeySet(text, allowed)
	switch {
	case err != nil:
	case len(faults) > 0:
		err = faults[0]
	case len(set) == 0:
		err = errUnsuited
	default:
		return static{set}, nil
	}
	return static{}, &Error{Reason: ReasonConfig, Text: "the key set", Err: err}
}

func (s static) find(_ context.Context, kid string) (*key, error) {
	if k := s.set[kid]; k != nil {
		return k, nil
	}
	return nil, refuse(ReasonKeyUnknown, "the key set has no such key")
}

func (s static) ready(context.Context) error { return nil }

func (s static) close() {}
