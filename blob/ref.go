package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/base64"
	"strings"
)

// Ref names a blob of one tenant. It is opaque and comparable, and it works as a map key; its zero value names nothing.
//
// It is the HMAC-SHA-256 of the content's hash under a secret of the tenant, so the same content has one Ref within a
// tenant and unrelated ones in two, and nobody can make a Ref of a hash. It is no authority: opening one takes a
// tenant.Context too. Its text form is "blob_" and 43 characters of [A-Za-z0-9_-].
type Ref struct{ sum [sha256.Size]byte }

const refPrefix = "blob_"

// refEncoding is strict, so that each Ref has one text.
var refEncoding = base64.RawURLEncoding.Strict()

// newRef names content for the tenant that has the key.
func newRef(key []byte, hash [sha256.Size]byte) Ref {
	var r Ref
	mac := hmac.New(sha256.New, key)
	mac.Write(hash[:])
	mac.Sum(r.sum[:0])
	return r
}

// ParseRef reads the text form. The error is ErrRef and does not repeat the text.
func ParseRef(text string) (Ref, error) {
	var r Ref
	rest, ok := strings.CutPrefix(text, refPrefix)
	if !ok || len(rest) != refEncoding.EncodedLen(len(r.sum)) {
		return Ref{}, refuse("ParseRef", ErrRef, "it is blob_ and 43 characters")
	}
	if n, err := refEncoding.Decode(r.sum[:], []byte(rest)); err != nil || n != len(r.sum) || r.IsZero() {
		return Ref{}, refuse("ParseRef", ErrRef, "it is blob_ and 43 characters")
	}
	return r, nil
}

// IsZero reports whether r is the zero value, which names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// String gives the text form, "" for the zero value.
func (r Ref) String() string {
	if r.IsZero() {
		return ""
	}
	return refPrefix + refEncoding.EncodeToString(r.sum[:])
}

// MarshalText implements encoding.TextMarshaler. The zero value is an error: it must not travel.
func (r Ref) MarshalText() ([]byte, error) {
	if r.IsZero() {
		return nil, refuse("MarshalText", ErrRef, "the Ref is the zero value")
	}
	return []byte(r.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler with the rules of ParseRef.
func (r *Ref) UnmarshalText(text []byte) error {
	parsed, err := ParseRef(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// Value implements driver.Valuer of database/sql, which pgx knows too: a Ref is kept in a column of type text, and the
// zero value is NULL.
func (r Ref) Value() (driver.Value, error) {
	if r.IsZero() {
		return nil, nil
	}
	return r.String(), nil
}

// Scan implements sql.Scanner. NULL becomes the zero value.
func (r *Ref) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*r = Ref{}
		return nil
	case string:
		return r.UnmarshalText([]byte(src))
	case []byte:
		return r.UnmarshalText(src)
	}
	return refuse("Scan", ErrRef, "the column is of type text")
}
