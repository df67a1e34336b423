package query

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// maxNameLength is NAMEDATALEN-1. PostgreSQL cuts longer names without an error, so two names could be one.
const maxNameLength = 63

var errName = errors.New("not an identifier")

// parseName reads a dotted SQL name: parts are identifiers, folded to lower case unless quoted, as PostgreSQL does.
func parseName(text string) ([]string, error) {
	var parts []string
	for {
		part, rest, err := parseIdentifier(text)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, errName
		}
		text = rest[1:]
	}
}

// parseIdentifier reads one identifier from the start of text.
func parseIdentifier(text string) (name, rest string, err error) {
	if text == "" {
		return "", "", errName
	}
	if text[0] == '"' {
		return parseQuoted(text)
	}
	if !isNameStart(text[0]) {
		return "", "", errName
	}
	end := 1
	fold := text[0] >= 'A' && text[0] <= 'Z'
	for end < len(text) && isNamePart(text[end]) {
		fold = fold || text[end] >= 'A' && text[end] <= 'Z'
		end++
	}
	if end > maxNameLength {
		return "", "", errName
	}
	name = text[:end]
	if fold {
		name = strings.ToLower(name)
	}
	return name, text[end:], nil
}

func parseQuoted(text string) (name, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] == 0 {
			return "", "", errName
		}
		if text[i] != '"' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		name = b.String()
		if name == "" || len(name) > maxNameLength || !utf8.ValidString(name) {
			return "", "", errName
		}
		return name, text[i+1:], nil
	}
	return "", "", errName
}

func isNameStart(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isNamePart(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' || c == '$' }

// appendQuoted writes an identifier in quotes, so that keywords need no list.
func appendQuoted(buf []byte, name string) []byte {
	buf = append(buf, '"')
	if strings.IndexByte(name, '"') < 0 {
		return append(append(buf, name...), '"')
	}
	for i := range len(name) {
		if name[i] == '"' {
			buf = append(buf, '"')
		}
		buf = append(buf, name[i])
	}
	return append(buf, '"')
}

func quote(name string) string { return string(appendQuoted(make([]byte, 0, len(name)+2), name)) }

// quoteIfNeeded leaves a name alone that PostgreSQL reads as itself.
func quoteIfNeeded(name string) string {
	if name == "" || !isNameStart(name[0]) {
		return quote(name)
	}
	for i := range len(name) {
		if !isNamePart(name[i]) || name[i] >= 'A' && name[i] <= 'Z' {
			return quote(name)
		}
	}
	return name
}
