package query

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Sealer makes and opens page tokens with AES-256-GCM. It is safe for concurrent use; make one at the program's start.
type Sealer struct{ aeads []cipher.AEAD }

// minSecret is the shortest secret that NewSealer takes, in bytes.
const minSecret = 32

// NewSealer takes the application's secrets, each of at least 32 random bytes. The first one seals; all of them open,
// so that a secret is replaced by putting the new one in front and leaving the old one for as long as tokens live.
// All instances of the application need the same secrets.
func NewSealer(secrets ...[]byte) (*Sealer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("query: NewSealer needs a secret")
	}
	s := &Sealer{}
	for _, secret := range secrets {
		if len(secret) < minSecret {
			return nil, errors.New("query: a secret for NewSealer has at least 32 random bytes")
		}
		// A derived key keeps the secret usable for other purposes.
		key, err := hkdf.Key(sha256.New, secret, nil, "septum page token", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// seal encrypts data, readable again only with the same bound.
func (s *Sealer) seal(data, bound []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.aeads[0].Seal(nil, nil, data, bound))
}

// open gives ErrPage for whatever it can't open, without saying why: a token of another tenant looks like a broken one.
func (s *Sealer) open(token string, bound []byte) ([]byte, error) {
	if len(token) > maxToken {
		return nil, ErrPage
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, ErrPage
	}
	for _, aead := range s.aeads {
		if data, err := aead.Open(nil, nil, sealed, bound); err == nil {
			return data, nil
		}
	}
	return nil, ErrPage
}

// maxToken bounds what a client can make the server decode, in bytes.
const maxToken = 8 << 10

// lengthPrefixed joins parts so that no two lists of parts give the same bytes.
func lengthPrefixed(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}
