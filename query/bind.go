package query

import (
	"fmt"
	"strconv"

	"github.com/septum-go/septum/tenant"
)

// Bind gives the values of the statement's parameters, in order, for the tenant of tc. Args are [Args] or structs (or
// pointers to them); together they must have each named argument exactly once. A struct's field is found by its `db`
// tag, or else by its name in snake_case; fields that the statement does not name are left alone, while an unknown name
// in Args is an error. A nil pointer is NULL.
//
// The tenant comes from tc alone. A tenant id that is not canonical for the tenant column's type ("007" for bigint, an
// upper-case UUID) is refused, since two ids must never name one tenant. A struct that carries another tenant in its
// tenant column is refused when the statement writes: it was read under that tenant.
//
// Errors: *ArgError, or tenant.ErrUnbound.
func (s *Statement) Bind(tc tenant.Context, args ...any) ([]any, error) {
	if s == nil || s.proof == nil {
		return nil, &ArgError{Why: "the statement is nil; take it from Must, Build or Static"}
	}
	if err := tc.Check(); err != nil {
		return nil, err
	}
	values := make([]any, len(s.params))
	var t tenantValue
	if s.tenant {
		var err error
		if t, err = s.tenantValue(tc.Tenant()); err != nil {
			return nil, err
		}
	}
	if len(args) == 1 {
		if named, ok := args[0].(Args); ok {
			return values, s.bindArgs(values, t, named)
		}
	}
	return values, s.bindMany(values, t, tc.Tenant(), args)
}

// tenantValue is $1 of one call; holding it as a type of its own keeps any other value from that place.
type tenantValue struct{ value any }

func (s *Statement) tenantValue(id tenant.ID) (tenantValue, error) {
	text := id.String()
	switch t := s.proof.tenantType; t {
	case BigInt, Integer, SmallInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > t.largest() || strconv.FormatInt(n, 10) != text {
			return tenantValue{}, s.argError("", "the tenant's id is not a canonical "+string(t)+"; the catalog declares its tenant column as "+string(t))
		}
		return tenantValue{n}, nil
	case UUID:
		if !canonicalUUID(text) {
			return tenantValue{}, s.argError("", "the tenant's id is not a canonical UUID; the catalog declares its tenant column as uuid")
		}
	}
	return tenantValue{text}, nil
}

// canonicalUUID reports whether a text is what PostgreSQL prints for a UUID. It runs on each call of each statement,
// so it counts without branches: four hyphens in their places, and nothing but hexadecimal digits elsewhere.
func canonicalUUID(text string) bool {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return false
	}
	sum := 0
	for i := range 36 {
		sum += int(uuidBytes[text[i]])
	}
	return sum == 4
}

// uuidBytes holds 0 for a digit, 1 for a hyphen, and more than a UUID may have in all for any other byte.
var uuidBytes = func() (class [256]uint8) {
	for c := range class {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		case c == '-':
			class[c] = 1
		default:
			class[c] = 64
		}
	}
	return class
}()

// bindArgs is the path of one Args, which is nearly every call.
func (s *Statement) bindArgs(values []any, t tenantValue, args Args) error {
	for i := range s.params {
		p := &s.params[i]
		switch {
		case p.tenant:
			values[i] = t.value
		case p.constant:
			values[i] = p.value
		default:
			v, ok := args[p.name]
			if !ok {
				return s.argError(p.name, "is missing")
			}
			if why := p.check(v); why != "" {
				return s.argError(p.name, why)
			}
			values[i] = v
		}
	}
	if len(args) > s.named {
		return s.unknownArg(args)
	}
	return nil
}

func (s *Statement) unknownArg(args Args) error {
	for name := range args {
		if !s.hasParam(name) {
			return s.argError(name, "is not an argument of this statement")
		}
	}
	return nil
}

func (s *Statement) hasParam(name string) bool {
	for i := range s.params {
		if s.params[i].name == name && name != "" {
			return true
		}
	}
	return false
}

// bindMany takes Args and structs together.
func (s *Statement) bindMany(values []any, t tenantValue, id tenant.ID, args []any) error {
	all := make(Args, s.named)
	for _, arg := range args {
		switch arg := arg.(type) {
		case Args:
			if err := s.collect(all, arg); err != nil {
				return err
			}
		case map[string]any:
			if err := s.collect(all, arg); err != nil {
				return err
			}
		default:
			if err := s.collectStruct(all, id, arg); err != nil {
				return err
			}
		}
	}
	return s.bindArgs(values, t, all)
}

func (s *Statement) collect(all, args Args) error {
	for name, value := range args {
		if !s.hasParam(name) {
			return s.argError(name, "is not an argument of this statement")
		}
		if _, twice := all[name]; twice {
			return s.argError(name, "is given twice")
		}
		all[name] = value
	}
	return nil
}

func (s *Statement) argError(name, why string) error {
	return &ArgError{Statement: s.name, Arg: name, Why: why}
}

func typeName(v any) string { return fmt.Sprintf("%T", v) }
