package tenantjwt

import (
	"context"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/septum-go/septum/tenant"
)

// Verifier verifies the tokens of one issuer for one audience. Make it with [New]. It is safe for concurrent use.
type Verifier struct {
	config Config
	keys   keySource
}

// keySource finds the key with which a token must have been signed. Its errors are *Error.
type keySource interface {
	find(ctx context.Context, kid string) (*key, error)
	ready(ctx context.Context) error
	close()
}

// New checks the configuration. It fetches nothing, so that a service starts also when its issuer is down for a moment;
// call [Verifier.Ready] where that is not wanted. The error is an [*Error] with ReasonConfig.
func New(config Config) (*Verifier, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	var keys keySource
	switch {
	case config.JWKSURL != "":
		keys = newRemote(config)
	case config.Keys != nil:
		keys, err = newStatic(config.Keys, config.Algorithms)
	default:
		keys, err = newStatic(config.SymmetricKeys, config.Algorithms)
	}
	if err != nil {
		return nil, err
	}
	config.Keys, config.SymmetricKeys = nil, nil // a Verifier that is printed prints no secret
	return &Verifier{config, keys}, nil
}

// Verify checks the token and says who sent it. It waits, up to ctx, only when keys must be fetched.
//
// Errors: an [*Error] with the reason. The Principal is the zero one then.
func (v *Verifier) Verify(ctx context.Context, token string) (tenant.Principal, error) {
	if v == nil || v.keys == nil {
		return tenant.Principal{}, refuse(ReasonConfig, "the Verifier was not made by New")
	}
	header, err := parseHeader(token, v.config.MaxSize)
	if err != nil {
		return tenant.Principal{}, err
	}
	if !slices.Contains(v.config.Algorithms, header.alg) {
		return tenant.Principal{}, refuse(ReasonAlgorithm, "the algorithm is not on the allow-list")
	}
	key, err := v.keys.find(ctx, header.kid)
	if err != nil {
		return tenant.Principal{}, err
	}
	alg, ok := key.algorithms[header.alg]
	if !ok {
		return tenant.Principal{}, refuse(ReasonAlgorithm, "the key is not for this algorithm")
	}
	payload, err := jws.Verify([]byte(token), jws.WithKey(alg, key.raw), jws.WithCompact())
	if err != nil {
		return tenant.Principal{}, refuse(ReasonSignature, "it is not by the key that it names")
	}
	return v.config.principal(payload)
}

// Ready returns nil when there are keys to verify with, and fetches them first when there are none. It is meant for
// start-up and readiness probes.
func (v *Verifier) Ready(ctx context.Context) error {
	if v == nil || v.keys == nil {
		return refuse(ReasonConfig, "the Verifier was not made by New")
	}
	return v.keys.ready(ctx)
}

// Close ends a running fetch and waits for it. Afterwards a token whose key would have to be fetched is refused
// with ReasonClosed. It always returns nil.
func (v *Verifier) Close() error {
	if v != nil && v.keys != nil {
		v.keys.close()
	}
	return nil
}
