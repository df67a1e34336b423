package tenantjwt_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant/tenantjwt"
)

func FuzzVerify(f *testing.F) {
	v := newVerifier(f, config())
	token := edToken(good())
	parts := strings.Split(token, ".")
	for _, seed := range []string{"", "..", "a.b.c", token, parts[0] + "." + parts[1] + ".", token + "=", "{}",
		b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		principal, err := v.Verify(t.Context(), text)
		if err == nil {
			require.Equal(t, token, text, "only the one signed text is accepted")
			return
		}
		var refusal *tenantjwt.Error
		require.ErrorAs(t, err, &refusal)
		require.Zero(t, principal)
	})
}

// FuzzClaims signs what it is given: no payload panics, and what is accepted has one tenant.
func FuzzClaims(f *testing.F) {
	v := newVerifier(f, config())
	plain := string(must(json.Marshal(good())))
	for _, seed := range []string{plain, "{}", "[]", "", `{"tenant_id":"a",` + plain[1:], strings.Repeat("[", 500)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		if len(payload) > 4096 {
			return
		}
		principal, err := v.Verify(t.Context(), signWith("EdDSA", edKey(), `{"alg":"EdDSA","kid":"ed"}`, payload))
		if err != nil {
			var refusal *tenantjwt.Error
			require.ErrorAs(t, err, &refusal)
			return
		}
		var read map[string]any // encoding/json is another reader of the same text
		require.NoError(t, json.Unmarshal([]byte(payload), &read))
		require.True(t, strings.EqualFold(principal.Tenant.String(), read["tenant_id"].(string)))
		require.Equal(t, principal.Subject, read["sub"])
	})
}
