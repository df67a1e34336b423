package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Type is the SQL type of a tenant column. It decides which tenant ids can be bound: see [Statement.Bind].
//
// Two ids must never name one tenant, so a type qualifies when its values are equal only if their texts are. That leaves out
// numeric (7 and 7.0 are equal), citext, floating point numbers, times and JSON.
type Type string

// The types of the server that a tenant column can have, beside those of [Enum] and [Domain].
const (
	UUID     Type = "uuid"     // ids are UUIDs in canonical form (lower case, with hyphens)
	Text     Type = "text"     // any tenant.ID
	Varchar  Type = "varchar"  // any tenant.ID, with or without a length; no id is cut off to fit
	Char     Type = "char"     // character(n): any tenant.ID; the blanks that fill up the column are no part of the id
	BigInt   Type = "bigint"   // ids are decimal numbers without sign, leading zeros or spaces
	Integer  Type = "integer"  // as BigInt, up to 2147483647
	SmallInt Type = "smallint" // as BigInt, up to 32767
)

// Enum is the type of a tenant column that is an enum: ids are its labels. The name is that of the type, with its schema
// unless that is public; catalogs in JSON have it as "enum app.site".
func Enum(name string) Type { return Type("enum " + name) }

// Domain is the type of a tenant column that is a domain: ids are those of the type below all domains, which is one of the
// server's. Catalogs in JSON have it as "domain app.hospital_id over uuid".
func Domain(name string, base Type) Type { return Type("domain " + name + " over " + string(base)) }

// ParseType reads a type as catalogs write it, or as PostgreSQL does: "int4" and "character varying(20)" are Integer and
// Varchar. The error says why a type can't be that of a tenant column.
func ParseType(text string) (Type, error) {
	if rest, ok := strings.CutPrefix(text, "enum "); ok {
		name, rest, err := parseTypeName(rest)
		if err != nil || rest != "" {
			return "", fmt.Errorf("%q is not an enum's type; write enum schema.name", shorten(text))
		}
		return Enum(name), nil
	}
	if rest, ok := strings.CutPrefix(text, "domain "); ok {
		name, rest, err := parseTypeName(rest)
		below, ok := strings.CutPrefix(rest, " over ")
		if err != nil || !ok {
			return "", fmt.Errorf("%q is not a domain's type; write domain schema.name over the type below all domains", shorten(text))
		}
		base, err := ParseType(below)
		if err != nil || base.id() != nil {
			return "", fmt.Errorf("%q is not a domain's type that a tenant column can have; below all domains there must be uuid, text, varchar, char, "+
				"bigint, integer or smallint (PostgreSQL has no foreign keys over domains over enums)", shorten(text))
		}
		return Domain(name, base), nil
	}
	base, modifier, _ := strings.Cut(strings.ToLower(text), "(")
	if modifier == "" || strings.HasSuffix(modifier, ")") {
		if t := serverTypes[strings.Join(strings.Fields(base), " ")]; t != "" {
			return t, nil
		}
	}
	return "", fmt.Errorf("%q is not a tenant column's type: those are uuid, text, varchar, char, bigint, integer, smallint, "+
		"an enum (enum schema.name) or a domain (domain schema.name over one of these), since only their values are equal just when their texts are", shorten(text))
}

var errTypeName = errors.New("not the name of a type")

// parseTypeName reads the name of a type from the start of a text, and gives it in normal form.
func parseTypeName(text string) (name, rest string, err error) {
	first, rest, err := parseIdentifier(text)
	if err != nil {
		return "", "", errTypeName
	}
	id := []string{first}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		second, left, err := parseIdentifier(after)
		if err != nil {
			return "", "", errTypeName
		}
		id, rest = append(id, second), left
	}
	return normalise(id), rest, nil
}

// serverTypes are the spellings of the server's own types.
var serverTypes = map[string]Type{
	"uuid": UUID, "text": Text, "varchar": Varchar, "character varying": Varchar, "char": Char, "character": Char, "bpchar": Char,
	"bigint": BigInt, "int8": BigInt, "integer": Integer, "int": Integer, "int4": Integer, "smallint": SmallInt, "int2": SmallInt,
}

// Base is the type of the values: that below a domain, and the type itself of any other.
func (t Type) Base() Type {
	if rest, ok := strings.CutPrefix(string(t), "domain "); ok {
		if _, below, err := parseTypeName(rest); err == nil {
			return Type(strings.TrimPrefix(below, " over "))
		}
	}
	return t
}

// IsEnum reports whether the values are labels of an enum.
func (t Type) IsEnum() bool { return strings.HasPrefix(string(t), "enum ") }

// SQL is the type's name in SQL, as a column is declared with it. That of an enum or a domain has its schema, and is quoted.
func (t Type) SQL() string {
	if id := t.id(); id != nil {
		return quote(id[0]) + "." + quote(id[1])
	}
	if t == Char {
		return "bpchar" // char alone is character(1), and cuts off the rest
	}
	return string(t)
}

// Setting is the type's name in SQL to which a tenant's id is cast that stands in a setting as text, for a comparison with
// the column: the type below a domain, whose own checks would raise errors where no row is the answer, and text for a
// varchar, as which the server compares it.
func (t Type) Setting() string {
	base := t.Base()
	if base == Varchar {
		base = Text
	}
	return base.SQL()
}

// id is the schema and the name of an enum or a domain; nil for the server's types.
func (t Type) id() []string {
	rest, ok := strings.CutPrefix(string(t), "enum ")
	if !ok {
		if rest, ok = strings.CutPrefix(string(t), "domain "); !ok {
			return nil
		}
	}
	name, _, err := parseTypeName(rest)
	if err != nil {
		return nil
	}
	schema, table := splitQualified(name)
	return []string{schema, table}
}

// families are the types whose columns one statement can compare with each other and with one parameter.
var families = [][]Type{{BigInt, Integer, SmallInt}, {Text, Varchar, Char}}

// agrees reports whether one catalog can have both: one id is canonical for both, and one parameter does for both.
func (t Type) agrees(other Type) bool {
	a, b := t.Base(), other.Base()
	return a == b || slices.ContainsFunc(families, func(f []Type) bool { return slices.Contains(f, a) && slices.Contains(f, b) })
}

// largest is the largest number of an integer type, and 0 of another.
func (t Type) largest() int64 {
	switch t {
	case BigInt:
		return 1<<63 - 1
	case Integer:
		return 1<<31 - 1
	case SmallInt:
		return 1<<15 - 1
	}
	return 0
}

// narrower is the type of the two, of one family, that fewer ids are canonical for.
func (t Type) narrower(other Type) Type {
	if limit := t.largest(); other == "" || limit > 0 && limit < other.largest() {
		return t
	}
	return other
}
