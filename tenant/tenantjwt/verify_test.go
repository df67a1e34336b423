package tenantjwt_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenantjwt"
)

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, config())
	want := tenant.Principal{Tenant: tenant.MustParseID("st-mary"), Subject: "dr.grey", Roles: []string{"nurse", "surgeon"}, TokenID: "token-1"}
	for name, test := range map[string]struct {
		claims claims
		change func(*tenant.Principal)
	}{
		"all claims":                    {good(), func(*tenant.Principal) {}},
		"audience in a list":            {good().with("aud", []string{"other", audience}), func(*tenant.Principal) {}},
		"no token id":                   {good().without("jti"), func(p *tenant.Principal) { p.TokenID = "" }},
		"no roles":                      {good().without("roles"), func(p *tenant.Principal) { p.Roles = nil }},
		"roles as words":                {good().with("roles", "nurse  surgeon"), func(*tenant.Principal) {}},
		"time with fraction":            {good().with("exp", float64(now.Unix())+0.75), func(*tenant.Principal) {}},
		"valid just now":                {good().with("nbf", now.Unix()).with("iat", now.Unix()), func(*tenant.Principal) {}},
		"ends just within the leeway":   {good().with("exp", now.Add(-29*time.Second).Unix()), func(*tenant.Principal) {}},
		"begins just within the leeway": {good().with("nbf", now.Add(30*time.Second).Unix()), func(*tenant.Principal) {}},
		"UUID in upper case": {good().with("tenant_id", "6F9619FF-8B86-D011-B42D-00CF4FC964FF"), func(p *tenant.Principal) {
			p.Tenant = tenant.MustParseID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
		}},
		"claims of others": {good().with("org", claims{"tenant_id": "st-anne"}).with("scope", "read"), func(*tenant.Principal) {}},
	} {
		expected := want
		test.change(&expected)
		got, err := v.Verify(t.Context(), edToken(test.claims))
		require.NoError(t, err, name)
		require.Equal(t, expected, got, name)
	}
}

func TestEveryDefaultAlgorithm(t *testing.T) {
	t.Parallel()
	c := config()
	c.Keys = keySet(jwkOf("rsa", rsaKey()), jwkOf("ec", ecKey()), jwkOf("ec384", ecKey384()), jwkOf("ed", edKey()))
	v := newVerifier(t, c)
	for alg, key := range map[string]struct {
		kid string
		key any
	}{
		"RS256": {"rsa", rsaKey()}, "RS384": {"rsa", rsaKey()}, "RS512": {"rsa", rsaKey()},
		"PS256": {"rsa", rsaKey()}, "PS384": {"rsa", rsaKey()}, "PS512": {"rsa", rsaKey()},
		"ES256": {"ec", ecKey()}, "ES384": {"ec384", ecKey384()}, "EdDSA": {"ed", edKey()},
	} {
		got, err := v.Verify(t.Context(), sign(alg, key.kid, key.key, good()))
		require.NoError(t, err, alg)
		require.Equal(t, "st-mary", got.Tenant.String())
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, config())
	long := strings.Repeat("x", tenantjwt.MaxSubject+1)
	for name, test := range map[string]struct {
		claims claims
		want   tenantjwt.Reason
	}{
		"another issuer":           {good().with("iss", "https://evil.example.org/"), tenantjwt.ReasonIssuer},
		"issuer without its slash": {good().with("iss", strings.TrimSuffix(issuer, "/")), tenantjwt.ReasonIssuer},
		"no issuer":                {good().without("iss"), tenantjwt.ReasonIssuer},
		"issuer in a list":         {good().with("iss", []string{issuer}), tenantjwt.ReasonIssuer},
		"another audience":         {good().with("aud", "https://other.example.org"), tenantjwt.ReasonAudience},
		"no audience":              {good().without("aud"), tenantjwt.ReasonAudience},
		"audience of nobody":       {good().with("aud", []string{}), tenantjwt.ReasonAudience},
		"part of the audience":     {good().with("aud", audience+"/v2"), tenantjwt.ReasonAudience},
		"audience with a number":   {good().with("aud", []any{audience, 7}), tenantjwt.ReasonAudience},

		"expired":                 {good().with("exp", now.Add(-30*time.Second).Unix()), tenantjwt.ReasonExpired},
		"no end":                  {good().without("exp"), tenantjwt.ReasonClaims},
		"issued too far":          {good().with("iat", 1e300), tenantjwt.ReasonClaims},
		"not before 1970":         {good().with("nbf", -1), tenantjwt.ReasonClaims},
		"end as text":             {good().with("exp", "9999999999"), tenantjwt.ReasonClaims},
		"end null":                {good().with("exp", nil), tenantjwt.ReasonClaims},
		"end too far":             {good().with("exp", 1e300), tenantjwt.ReasonClaims},
		"end out of range":        {good().with("exp", json.Number("1e400")), tenantjwt.ReasonClaims},
		"end negative":            {good().with("exp", -1), tenantjwt.ReasonClaims},
		"ends before it begins":   {good().with("iat", now.Unix()).with("exp", now.Unix()), tenantjwt.ReasonClaims},
		"not yet":                 {good().with("nbf", now.Add(31*time.Second).Unix()), tenantjwt.ReasonNotYet},
		"not before as text":      {good().with("nbf", "0"), tenantjwt.ReasonClaims},
		"issued in the future":    {good().with("iat", now.Add(31*time.Second).Unix()), tenantjwt.ReasonNotYet},
		"future iat and past nbf": {good().with("iat", now.Add(31*time.Second).Unix()).with("nbf", 1), tenantjwt.ReasonNotYet},
		"no time of issue":        {good().without("iat"), tenantjwt.ReasonClaims},
		"too old":                 {good().with("iat", now.Add(-25*time.Hour).Unix()), tenantjwt.ReasonTooOld},

		"no tenant":              {good().without("tenant_id"), tenantjwt.ReasonTenant}, // W04
		"empty tenant":           {good().with("tenant_id", ""), tenantjwt.ReasonTenant},
		"null tenant":            {good().with("tenant_id", nil), tenantjwt.ReasonTenant},
		"a list of tenants":      {good().with("tenant_id", []string{"st-mary"}), tenantjwt.ReasonTenant},
		"an object for a tenant": {good().with("tenant_id", claims{"id": "st-mary"}), tenantjwt.ReasonTenant},
		"a number for a tenant":  {good().with("tenant_id", 7), tenantjwt.ReasonTenant},
		"true for a tenant":      {good().with("tenant_id", true), tenantjwt.ReasonTenant},
		"a tenant with a quote":  {good().with("tenant_id", "x' or '1'='1"), tenantjwt.ReasonTenant}, // X07
		"a tenant with a slash":  {good().with("tenant_id", "st-mary/.."), tenantjwt.ReasonTenant},
		"tenant in other case":   {good().with("Tenant_ID", "st-anne"), tenantjwt.ReasonMalformed}, // X04: two sources
		"only in other case":     {good().without("tenant_id").with("TENANT_ID", "st-anne"), tenantjwt.ReasonMalformed},

		"no subject":           {good().without("sub"), tenantjwt.ReasonSubject},
		"empty subject":        {good().with("sub", ""), tenantjwt.ReasonSubject},
		"subject with newline": {good().with("sub", "a\nb"), tenantjwt.ReasonSubject},
		"subject too long":     {good().with("sub", long), tenantjwt.ReasonSubject},
		"subject a number":     {good().with("sub", 7), tenantjwt.ReasonSubject},
		"blank subject":        {good().with("sub", "  "), tenantjwt.ReasonSubject},
		"token id a number":    {good().with("jti", 7), tenantjwt.ReasonClaims},
		"token id too long":    {good().with("jti", long), tenantjwt.ReasonClaims},
		"roles a number":       {good().with("roles", 7), tenantjwt.ReasonClaims},
		"roles with a number":  {good().with("roles", []any{"nurse", 7}), tenantjwt.ReasonClaims},
		"roles null":           {good().with("roles", nil), tenantjwt.ReasonClaims},
	} {
		requireRefused(t, v, edToken(test.claims), test.want, name)
	}
}

// X04: a text that two readers read differently is a token of two tenants.
func TestVerifyRefusesAmbiguousJSON(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, config())
	plain := string(must(json.Marshal(good())))
	sign := func(payload string) string {
		return signWith("EdDSA", edKey(), `{"alg":"EdDSA","kid":"ed"}`, payload)
	}
	_, err := v.Verify(t.Context(), sign(plain))
	require.NoError(t, err)
	for name, payload := range map[string]string{
		"the tenant twice":          `{"tenant_id":"st-anne",` + plain[1:],
		"the same tenant twice":     `{"tenant_id":"st-mary",` + plain[1:],
		"twice, once escaped":       `{"tenant\u005fid":"st-anne",` + plain[1:],
		"another claim twice":       `{"x":1,"x":1,` + plain[1:],
		"twice further down":        `{"x":{"y":[{"z":1,"z":2}]},` + plain[1:],
		"two objects":               plain + plain,
		"something after it":        plain + "x",
		"a comma too many":          `{,` + plain[1:],
		"cut off":                   plain[:len(plain)-1],
		"a list":                    "[" + plain + "]",
		"a string":                  `"x"`,
		"nothing":                   " ",
		"null":                      "null",
		"not UTF-8":                 `{"x":"` + "\xff" + `",` + plain[1:],
		"nested too deep":           `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "," + plain[1:],
		"brackets that don't match": `{"x":[}],` + plain[1:],
	} {
		requireRefused(t, v, sign(payload), tenantjwt.ReasonMalformed, name)
	}
}

func TestVerifyRefusesHeaders(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, config())
	payload := string(must(json.Marshal(good())))
	public := string(must(json.Marshal(jwkOf("ed", otherEdKey()))))
	for name, test := range map[string]struct {
		header string
		want   tenantjwt.Reason
	}{
		"no key named":            {`{"alg":"EdDSA"}`, tenantjwt.ReasonKeyMissing},
		"an empty key name":       {`{"alg":"EdDSA","kid":""}`, tenantjwt.ReasonKeyMissing},
		"a number for a key":      {`{"alg":"EdDSA","kid":7}`, tenantjwt.ReasonKeyMissing},
		"an unknown key":          {`{"alg":"EdDSA","kid":"ed2"}`, tenantjwt.ReasonKeyUnknown},
		"no algorithm":            {`{"kid":"ed"}`, tenantjwt.ReasonAlgorithm},
		"a list of algorithms":    {`{"alg":["EdDSA"],"kid":"ed"}`, tenantjwt.ReasonAlgorithm},
		"in lower case":           {`{"alg":"eddsa","kid":"ed"}`, tenantjwt.ReasonAlgorithm},
		"unknown algorithm":       {`{"alg":"XX256","kid":"ed"}`, tenantjwt.ReasonAlgorithm},
		"another key's":           {`{"alg":"RS256","kid":"ed"}`, tenantjwt.ReasonAlgorithm},
		"the algorithm twice":     {`{"alg":"EdDSA","alg":"none","kid":"ed"}`, tenantjwt.ReasonMalformed},
		"the key twice":           {`{"alg":"EdDSA","kid":"ed","kid":"x"}`, tenantjwt.ReasonMalformed},
		"alg in other case":       {`{"alg":"EdDSA","Alg":"none","kid":"ed"}`, tenantjwt.ReasonMalformed},
		"crit":                    {`{"alg":"EdDSA","kid":"ed","crit":["exp"],"exp":1}`, tenantjwt.ReasonHeader},
		"empty crit":              {`{"alg":"EdDSA","kid":"ed","crit":[]}`, tenantjwt.ReasonHeader},
		"b64":                     {`{"alg":"EdDSA","kid":"ed","b64":false}`, tenantjwt.ReasonHeader},
		"nested":                  {`{"alg":"EdDSA","kid":"ed","cty":"JWT"}`, tenantjwt.ReasonHeader},
		"compressed":              {`{"alg":"EdDSA","kid":"ed","zip":"DEF"}`, tenantjwt.ReasonHeader},
		"encrypted":               {`{"alg":"EdDSA","kid":"ed","enc":"A128GCM"}`, tenantjwt.ReasonHeader},
		"its own key":             {`{"alg":"EdDSA","kid":"ed","jwk":` + public + `}`, tenantjwt.ReasonHeader},
		"its own key's address":   {`{"alg":"EdDSA","kid":"ed","jku":"https://evil.example.org/jwks"}`, tenantjwt.ReasonHeader},
		"its own chain":           {`{"alg":"EdDSA","kid":"ed","x5c":["x"]}`, tenantjwt.ReasonHeader},
		"its own chain's address": {`{"alg":"EdDSA","kid":"ed","x5u":"https://evil.example.org"}`, tenantjwt.ReasonHeader},
		"a logout token":          {`{"alg":"EdDSA","kid":"ed","typ":"logout+jwt"}`, tenantjwt.ReasonHeader},
		"typ a number":            {`{"alg":"EdDSA","kid":"ed","typ":7}`, tenantjwt.ReasonHeader},
		"no JSON":                 {`alg=EdDSA`, tenantjwt.ReasonMalformed},
	} {
		requireRefused(t, v, signWith("EdDSA", edKey(), test.header, payload), test.want, name)
	}
	for _, typ := range []string{"JWT", "jwt", "at+jwt", "application/at+jwt"} {
		_, err := v.Verify(t.Context(), signWith("EdDSA", edKey(), `{"alg":"EdDSA","kid":"ed","typ":"`+typ+`"}`, payload))
		require.NoError(t, err, typ)
	}
}

// The public key is known to all; a verifier that takes it for an HMAC's secret lets everybody sign (CVE-2015-9235).
func TestAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	c := config()
	c.Keys = keySet(jwkOf("rsa", rsaKey()), jwkOf("ed", edKey()))
	v := newVerifier(t, c)
	public := must(json.Marshal(jwkOf("rsa", rsaKey())))
	for _, secret := range [][]byte{public, rsaKey().N.Bytes(), {}} {
		requireRefused(t, v, sign("HS256", "rsa", secret, good()), tenantjwt.ReasonAlgorithm)
	}
	signed := edToken(good())
	unsigned := signWith("EdDSA", edKey(), `{"alg":"none","kid":"ed"}`, string(must(json.Marshal(good()))))
	requireRefused(t, v, unsigned, tenantjwt.ReasonAlgorithm, "none")
	requireRefused(t, v, unsigned[:strings.LastIndex(unsigned, ".")+1], tenantjwt.ReasonMalformed, "none, without a signature")
	requireRefused(t, v, signed[:strings.LastIndex(signed, ".")+1], tenantjwt.ReasonMalformed, "signature removed")
	requireRefused(t, v, sign("ES256", "ed", ecKey(), good()), tenantjwt.ReasonAlgorithm, "another type of key")
	requireRefused(t, v, sign("RS256", "ed", rsaKey(), good()), tenantjwt.ReasonAlgorithm, "another key's algorithm")

	only := config()
	only.Keys, only.Algorithms = c.Keys, []string{"PS256"}
	only.Keys = keySet(jwkOf("rsa", rsaKey()))
	strict := newVerifier(t, only)
	requireRefused(t, strict, sign("RS256", "rsa", rsaKey(), good()), tenantjwt.ReasonAlgorithm, "not on the list")
	pinned := config()
	pinned.Keys = keySet(jwkOf("rsa", rsaKey()).with("alg", "PS256"))
	requireRefused(t, newVerifier(t, pinned), sign("RS256", "rsa", rsaKey(), good()), tenantjwt.ReasonAlgorithm, "the key says PS256")
}

func TestForgedSignatures(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, config())
	token := edToken(good())
	parts := strings.Split(token, ".")
	anne := strings.Split(edToken(good().with("tenant_id", "st-anne")), ".")
	other := strings.Split(sign("EdDSA", "ed", otherEdKey(), good()), ".")
	for name, forged := range map[string]string{
		"another payload":     parts[0] + "." + anne[1] + "." + parts[2],
		"another signature":   parts[0] + "." + parts[1] + "." + anne[2],
		"another key":         strings.Join(other, "."),
		"a short signature":   parts[0] + "." + parts[1] + "." + parts[2][:40],
		"a changed signature": parts[0] + "." + parts[1] + "." + "AAAA" + parts[2][4:],
	} {
		requireRefused(t, v, forged, tenantjwt.ReasonSignature, name)
	}
}

func TestMalformedTokens(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, config())
	token := edToken(good())
	parts := strings.Split(token, ".")
	for name, test := range map[string]struct {
		token string
		want  tenantjwt.Reason
	}{
		"empty":           {"", tenantjwt.ReasonMalformed},
		"one part":        {"abc", tenantjwt.ReasonMalformed},
		"two dots":        {"..", tenantjwt.ReasonMalformed},
		"four parts":      {token + ".x", tenantjwt.ReasonMalformed},
		"four good parts": {token + ".AAAA", tenantjwt.ReasonMalformed},
		"two good parts":  {parts[0] + "." + parts[1], tenantjwt.ReasonMalformed},
		"encrypted":       {"a.b.c.d.e", tenantjwt.ReasonHeader},
		"a space before":  {" " + token, tenantjwt.ReasonMalformed},
		"a newline after": {token + "\n", tenantjwt.ReasonMalformed},
		"a newline in it": {parts[0] + "." + parts[1][:8] + "\n" + parts[1][8:] + "." + parts[2], tenantjwt.ReasonMalformed},
		"padding":         {parts[0] + "." + parts[1] + "." + parts[2] + "==", tenantjwt.ReasonMalformed},
		"plain base64":    {parts[0] + ".+/+/." + parts[2], tenantjwt.ReasonMalformed},
		"trailing bits":   {parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1] + "_", tenantjwt.ReasonMalformed},
		"JSON form":       {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, tenantjwt.ReasonMalformed},
		"oversized":       {token + strings.Repeat("A", 8192), tenantjwt.ReasonTooLarge},
		"very oversized":  {strings.Repeat(".", 1<<20), tenantjwt.ReasonTooLarge},
	} {
		requireRefused(t, v, test.token, test.want, name)
	}
}

func TestTheStatusOfARefusal(t *testing.T) {
	t.Parallel()
	for reason, want := range map[tenantjwt.Reason]int{
		tenantjwt.ReasonExpired: http.StatusUnauthorized, tenantjwt.ReasonSignature: http.StatusUnauthorized,
		tenantjwt.ReasonKeys: http.StatusServiceUnavailable, tenantjwt.ReasonClosed: http.StatusServiceUnavailable,
		tenantjwt.ReasonConfig: http.StatusInternalServerError,
	} {
		require.Equal(t, want, (&tenantjwt.Error{Reason: reason}).HTTPStatus(), reason)
	}
	var none *tenantjwt.Verifier
	for _, v := range []*tenantjwt.Verifier{none, {}} {
		requireRefused(t, v, edToken(good()), tenantjwt.ReasonConfig)
		require.Error(t, v.Ready(t.Context()))
		require.NoError(t, v.Close())
	}
}

func TestOtherClaimNames(t *testing.T) {
	t.Parallel()
	c := config()
	c.TenantClaim, c.RolesClaim = "https://example.org/hospital", "scope"
	v := newVerifier(t, c)
	got, err := v.Verify(t.Context(), edToken(good().with("https://example.org/hospital", "st-anne").with("scope", "read write")))
	require.NoError(t, err)
	require.Equal(t, "st-anne", got.Tenant.String())
	require.Equal(t, []string{"read", "write"}, got.Roles)
	requireRefused(t, v, edToken(good()), tenantjwt.ReasonTenant, "the default claim is not looked at")
}

func TestLeewayMayBeNone(t *testing.T) {
	t.Parallel()
	c := config()
	c.Leeway = -1
	v := newVerifier(t, c)
	requireRefused(t, v, edToken(good().with("exp", now.Unix())), tenantjwt.ReasonExpired)
	requireRefused(t, v, edToken(good().with("nbf", now.Unix()+1)), tenantjwt.ReasonNotYet)
}
