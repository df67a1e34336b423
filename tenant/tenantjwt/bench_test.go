package tenantjwt_test

import "testing"

func BenchmarkVerify(b *testing.B) {
	c := config()
	c.Keys = keySet(jwkOf("rsa", rsaKey()), jwkOf("ec", ecKey()), jwkOf("ed", edKey()))
	v := newVerifier(b, c)
	for alg, token := range map[string]string{
		"RS256": sign("RS256", "rsa", rsaKey(), good()),
		"ES256": sign("ES256", "ec", ecKey(), good()),
		"EdDSA": edToken(good()),
	} {
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
