package blob

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// Key is where a driver keeps an object: 32 characters of [a-z2-7], drawn at random for each upload, never made of what
// is stored, and never used again. So a file that is being deleted can't be one that is being uploaded (threat B03), and
// a Key has no character that means anything in paths, URLs or object stores (B07). It is comparable; the zero value is
// no key.
type Key struct{ text string }

// keyBytes is 160 bits, which is 32 characters without padding.
const keyBytes = 20

var keyEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewKey draws a key. Only stores and tests of drivers need it.
func NewKey() Key {
	var b [keyBytes]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand ends the program first
	return Key{keyEncoding.EncodeToString(b[:])}
}

// ParseKey reads a key as a driver finds it in its storage. ok is false for whatever is not one.
func ParseKey(text string) (key Key, ok bool) {
	if len(text) != keyEncoding.EncodedLen(keyBytes) || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return Key{}, false
	}
	return Key{text}, true
}

// String gives the key's text, "" for the zero value.
func (k Key) String() string { return k.text }

// IsZero reports whether k is the zero value.
func (k Key) IsZero() bool { return k.text == "" }
