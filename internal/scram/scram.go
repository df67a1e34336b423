// Package scram makes what PostgreSQL keeps of a password, so that the password itself never travels in a statement that a log
// might show.
package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// DefaultRounds is PostgreSQL's default of scram_iterations. Rounds slow the guessing of passwords that people choose; one
// of 128 random bits needs a single one.
const DefaultRounds = 4096

// Verifier gives the verifier of a password of printable ASCII (RFC 5802, RFC 7677), with a salt of its own, in the form of
// pg_authid.rolpassword: SCRAM-SHA-256$rounds:salt$StoredKey:ServerKey.
func Verifier(password string, rounds int) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails, see crypto/rand
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, encode(salt), encode(stored[:]), encode(sign("Server Key"))), nil
}
