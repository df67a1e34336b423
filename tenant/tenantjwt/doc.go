// Package tenantjwt verifies JSON Web Tokens and makes tenant.Principals of them; it is the Verifier of tenanthttp.
//
//	verifier, err := tenantjwt.New(tenantjwt.Config{
//		Issuer:   "https://login.example.org/",
//		Audience: "https://api.example.org",
//		JWKSURL:  "https://login.example.org/.well-known/jwks.json",
//	})
//
// # What is asked of a token
//
// It is a signed JWT in compact form (RFC 7519), of at most Config.MaxSize bytes. Its algorithm is on the allow-list
// and fits the key that its "kid" names in the configured key set; keys that a token brings along are refused. Header and
// claims name nothing twice, also not in another letter case, since two readers may pick two different ones. "iss" is
// the issuer, "aud" contains the audience, "exp" and "iat" are there and in order, "sub" is not empty, and the
// tenant claim is one string that tenant.ParseID accepts. These are the rules of RFC 8725, the defaults of which can be
// narrowed but not switched off.
//
// # Keys
//
// Keys at an URL are fetched when first needed, again after Config.RefreshEvery, and when a token names an unknown key,
// but never more often than Config.MinInterval. While the issuer is out of reach they are used on until Config.KeepFor. A
// fetch belongs to no request: it runs on when the request that began it is cancelled, and [Verifier.Close] ends it.
// Between fetches there is no goroutine.
//
// The package is the only one of Septum that imports lestrrat-go/jwx.
package tenantjwt
