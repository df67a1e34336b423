package tenant

import "log/slog"

// MaxIDLength is the greatest length of an [ID] in bytes. It is the length of a PostgreSQL identifier (NAMEDATALEN-1),
// so that a schema, a role or a database can be named after a tenant.
const MaxIDLength = 63

// ID names one tenant. It is opaque and comparable, and it works as a map key; its zero value is invalid and every API
// refuses it. Two IDs are equal exactly when they name the same tenant.
//
// Its alphabet, letters, digits, '_' and '-', has no character that means anything in SQL literals, cache keys, paths or
// HTTP, so that an ID stays data wherever it goes.
type ID struct{ text string }

// ParseID checks a text from outside (a token's claim, a row, a configuration) and makes an ID of it: 1 to
// [MaxIDLength] characters of [A-Za-z0-9_-]. Ids are case-sensitive, but for a UUID in its 36-character form, which
// PostgreSQL reads in either case: it becomes lower case. The error is ErrInvalidID and does not repeat the text.
func ParseID(text string) (ID, error) {
	if text == "" {
		return ID{}, &Error{Op: "ParseID", Err: ErrInvalidID, Hint: "it is empty"}
	}
	if len(text) > MaxIDLength {
		return ID{}, &Error{Op: "ParseID", Err: ErrInvalidID, Hint: "it is longer than 63 characters"}
	}
	for i := range len(text) {
		if !isIDByte(text[i]) {
			return ID{}, &Error{Op: "ParseID", Err: ErrInvalidID, Hint: "only letters, digits, '_' and '-' may stand in one"}
		}
	}
	if isUUID(text) {
		text = lower(text)
	}
	return ID{text}, nil
}

// MustParseID is ParseID for package-level variables and tests; it panics where ParseID fails.
func MustParseID(text string) ID {
	id, err := ParseID(text)
	if err != nil {
		panic(err)
	}
	return id
}

// String gives the id's canonical text, "" for the zero value.
func (id ID) String() string { return id.text }

// IsZero reports whether the id is the zero value, which names no tenant.
func (id ID) IsZero() bool { return id.text == "" }

// LogValue implements slog.LogValuer.
func (id ID) LogValue() slog.Value {
	if id.IsZero() {
		return slog.StringValue("(no tenant)")
	}
	return slog.StringValue(id.text)
}

// MarshalText implements encoding.TextMarshaler. The zero value is an error: it must not travel.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, &Error{Op: "ID.MarshalText", Err: ErrInvalidID, Hint: "it is the zero value"}
	}
	return []byte(id.text), nil
}

// UnmarshalText implements encoding.TextUnmarshaler with the rules of ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

func isIDByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// lower folds ASCII letters only; the alphabet has no others.
func lower(text string) string {
	out := []byte(text)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + ('a' - 'A')
		}
	}
	return string(out)
}
