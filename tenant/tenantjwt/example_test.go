package tenantjwt_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/septum-go/septum/tenant/tenantjwt"
)

func ExampleNew() {
	_, err := tenantjwt.New(tenantjwt.Config{
		Issuer:   "https://login.example.org/",
		Audience: "https://api.example.org",
		JWKSURL:  "http://login.example.org/.well-known/jwks.json",
	})
	fmt.Println(err)
	// Output: tenantjwt: configuration: JWKSURL is neither https nor http on a loopback address
}

func ExampleVerifier_Verify() {
	verifier, err := tenantjwt.New(tenantjwt.Config{
		Issuer:   "https://login.example.org/",
		Audience: "https://api.example.org",
		Keys:     publishedKeys(), // or JWKSURL, where the issuer publishes them
		Now:      clock,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer verifier.Close()

	principal, err := verifier.Verify(context.Background(), edToken(good()))
	fmt.Println(principal.Tenant, principal.Subject, principal.Roles, err)

	expired := edToken(good().with("exp", now.Add(-time.Minute+time.Second).Unix()))
	_, err = verifier.Verify(context.Background(), expired)
	var refusal *tenantjwt.Error
	fmt.Println(errors.As(err, &refusal), refusal.Reason)
	fmt.Println(err)
	// Output:
	// st-mary dr.grey [nurse surgeon] <nil>
	// true expired
	// tenantjwt: expired: its time is over; get a new one
}

func publishedKeys() []byte { return keySet(jwkOf("ed", edKey())) }
