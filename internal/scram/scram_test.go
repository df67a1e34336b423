package scram_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/internal/scram"
)

// A client that knows the password can prove it to who holds the verifier, and the other way round (RFC 5802, section 3).
// That PostgreSQL takes it is what every test with a server shows.
func TestVerifier(t *testing.T) {
	t.Parallel()
	const password = "pencil and paper"
	for _, rounds := range []int{1, 4096} {
		verifier, err := scram.Verifier(password, rounds)
		require.NoError(t, err)
		parts := regexp.MustCompile(`^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$`).FindStringSubmatch(verifier)
		require.Len(t, parts, 5, verifier)
		decode := func(text string) []byte {
			b, err := base64.StdEncoding.DecodeString(text)
			require.NoError(t, err)
			return b
		}
		salted, err := pbkdf2.Key(sha256.New, password, decode(parts[2]), rounds, 32)
		require.NoError(t, err)
		sign := func(text string) []byte {
			mac := hmac.New(sha256.New, salted)
			mac.Write([]byte(text))
			return mac.Sum(nil)
		}
		stored := sha256.Sum256(sign("Client Key"))
		require.Equal(t, stored[:], decode(parts[3]))
		require.Equal(t, sign("Server Key"), decode(parts[4]))
		again, err := scram.Verifier(password, rounds)
		require.NoError(t, err)
		require.NotEqual(t, verifier, again, "each has a salt of its own")
	}
}
