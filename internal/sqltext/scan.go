package sqltext

import (
	"strings"
	"unicode/utf8"
)

// Scan splits the text into tokens, comments included. It fails with an *Error on text that is not UTF-8, holds a NUL
// byte, or leaves a string, a quoted identifier or a comment open. Its time is linear in the length of the text.
func Scan(sql string) ([]Token, error) {
	if i := invalid(sql); i >= 0 {
		return nil, fault(sql, i, "text is not valid UTF-8 or holds a NUL byte")
	}
	s := scanner{sql: sql, tokens: make([]Token, 0, len(sql)/4+4)}
	for s.pos < len(sql) {
		if isSpace(sql[s.pos]) {
			s.pos++
			continue
		}
		start := s.pos
		kind, err := s.next()
		if err != nil {
			return nil, err
		}
		s.tokens = append(s.tokens, Token{Kind: kind, Start: start, End: s.pos})
	}
	return s.tokens, nil
}

func invalid(sql string) int {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return i
	}
	if utf8.ValidString(sql) {
		return -1
	}
	for i, r := range sql {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(sql[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

type scanner struct {
	sql    string
	pos    int
	tokens []Token
}

func (s *scanner) at(i int) byte {
	if i < len(s.sql) {
		return s.sql[i]
	}
	return 0
}

// next moves past one token that starts at s.pos.
func (s *scanner) next() (Kind, error) {
	c, d := s.at(s.pos), s.at(s.pos+1)
	switch {
	case c == '-' && d == '-':
		s.lineComment()
		return Comment, nil
	case c == '/' && d == '*':
		return Comment, s.blockComment()
	case c == '\'':
		return String, s.quoted('\'', 1, false, "unterminated string")
	case c == '"':
		return QuotedIdent, s.quoted('"', 1, false, "unterminated quoted identifier")
	case c == '$':
		return s.dollar()
	case isIdentStart(c):
		return s.word()
	case isDigit(c), c == '.' && isDigit(d):
		s.number()
		return Number, nil
	case strings.IndexByte("()[],;", c) >= 0:
		s.pos++
		return Punct, nil
	case c == '.', c == ':', c == '=' && d == '>' && !isOp(s.at(s.pos+2)):
		s.pos++
		if (c == d && (c == '.' || c == ':')) || (c == ':' && d == '=') || c == '=' {
			s.pos++
		}
		return Punct, nil
	case isOp(c):
		return s.operator(), nil
	}
	return 0, fault(s.sql, s.pos, "a character that no SQL token begins with")
}

func (s *scanner) lineComment() {
	if i := strings.IndexAny(s.sql[s.pos:], "\r\n"); i >= 0 {
		s.pos += i
		return
	}
	s.pos = len(s.sql)
}

func (s *scanner) blockComment() error {
	depth := 0
	for i := s.pos; i < len(s.sql); i++ {
		switch {
		case s.sql[i] == '/' && s.at(i+1) == '*':
			depth++
			i++
		case s.sql[i] == '*' && s.at(i+1) == '/':
			depth--
			i++
			if depth == 0 {
				s.pos = i + 1
				return nil
			}
		}
	}
	return fault(s.sql, s.pos, "unterminated comment")
}

// quoted moves past a text that opens prefix bytes after s.pos-1 and in which a doubled quote stands for one. With
// escapes a backslash protects the next byte.
func (s *scanner) quoted(quote byte, prefix int, escapes bool, problem string) error {
	for i := s.pos + prefix; i < len(s.sql); i++ {
		switch {
		case escapes && s.sql[i] == '\\':
			i++
		case s.sql[i] == quote && s.at(i+1) == quote:
			i++
		case s.sql[i] == quote:
			if j := s.continued(i+1, quote); j >= 0 {
				i = j
				continue
			}
			s.pos = i + 1
			return nil
		}
	}
	return fault(s.sql, s.pos, problem)
}

// continued returns the offset of the quote that continues a string on a later line, or -1: 'a' <newline> 'b' is one
// string, whose second half keeps the escapes of the first. Comments from -- to the end of the line may stand between.
func (s *scanner) continued(i int, quote byte) int {
	if quote != '\'' {
		return -1
	}
	newline := false
	for ; i < len(s.sql); i++ {
		switch c := s.sql[i]; {
		case c == '\n' || c == '\r':
			newline = true
		case isSpace(c):
		case c == '-' && s.at(i+1) == '-' && newline:
			for i+1 < len(s.sql) && s.sql[i+1] != '\n' && s.sql[i+1] != '\r' {
				i++
			}
		case c == quote && newline:
			return i
		default:
			return -1
		}
	}
	return -1
}

// dollar moves past $1, $$text$$ or $tag$text$tag$.
func (s *scanner) dollar() (Kind, error) {
	i := s.pos + 1
	if isDigit(s.at(i)) {
		for isDigit(s.at(i)) {
			i++
		}
		// PostgreSQL 15 refuses "$1a" and older ones read two tokens; nobody means either.
		if isIdentStart(s.at(i)) {
			return 0, fault(s.sql, s.pos, "trailing junk after a parameter")
		}
		s.pos = i
		return Param, nil
	}
	if isIdentStart(s.at(i)) {
		for isIdentStart(s.at(i)) || isDigit(s.at(i)) {
			i++
		}
	}
	if s.at(i) != '$' {
		return 0, fault(s.sql, s.pos, "a character that no SQL token begins with")
	}
	tag := s.sql[s.pos : i+1]
	end := strings.Index(s.sql[i+1:], tag)
	if end < 0 {
		return 0, fault(s.sql, s.pos, "unterminated dollar-quoted string")
	}
	s.pos = i + 1 + end + len(tag)
	return String, nil
}

// word moves past an identifier, or a string whose prefix is a letter.
func (s *scanner) word() (Kind, error) {
	c, d, e := s.at(s.pos)|0x20, s.at(s.pos+1), s.at(s.pos+2)
	switch {
	case c == 'e' && d == '\'':
		return String, s.quoted('\'', 2, true, "unterminated string")
	case (c == 'b' || c == 'x' || c == 'n') && d == '\'':
		return String, s.quoted('\'', 2, false, "unterminated string")
	case c == 'u' && d == '&' && e == '\'':
		return String, s.quoted('\'', 3, false, "unterminated string")
	case c == 'u' && d == '&' && e == '"':
		return QuotedIdent, s.quoted('"', 3, false, "unterminated quoted identifier")
	}
	s.pos++
	for c := s.at(s.pos); isIdentStart(c) || isDigit(c) || c == '$'; c = s.at(s.pos) {
		s.pos++
	}
	return Ident, nil
}

func (s *scanner) number() {
	i := s.pos
	if p := s.at(i+1) | 0x20; s.at(i) == '0' && (p == 'x' || p == 'o' || p == 'b') {
		i += 2
		for isHex(s.at(i)) || s.at(i) == '_' {
			i++
		}
		s.pos = i
		return
	}
	digits := func() {
		for isDigit(s.at(i)) || (s.at(i) == '_' && isDigit(s.at(i+1))) {
			i++
		}
	}
	digits()
	if s.at(i) == '.' && s.at(i+1) != '.' {
		i++
		digits()
	}
	if s.at(i)|0x20 == 'e' {
		j := i + 1
		if s.at(j) == '+' || s.at(j) == '-' {
			j++
		}
		if isDigit(s.at(j)) {
			i = j
			digits()
		}
	}
	s.pos = i
}

// operator moves past the longest operator, by PostgreSQL's rules: it stops before a comment, and does not end in + or -
// unless it holds one of ~ ! @ # % ^ & | ` ?. So "=-1" is "=" and "-".
func (s *scanner) operator() Kind {
	i := s.pos
	for isOp(s.at(i)) {
		if i > s.pos && ((s.at(i) == '-' && s.at(i+1) == '-') || (s.at(i) == '/' && s.at(i+1) == '*')) {
			break
		}
		i++
	}
	text := s.sql[s.pos:i]
	for len(text) > 1 && strings.IndexByte("+-", text[len(text)-1]) >= 0 && !strings.ContainsAny(text[:len(text)-1], "~!@#%^&|`?") {
		text = text[:len(text)-1]
	}
	// "=@name" and "= @name" both hold a named argument: an @ that ends a longer operator and touches a letter would
	// be an operator that PostgreSQL has not.
	if n := len(text); n > 1 && text[n-1] == '@' && isNameStart(s.at(s.pos+n)) && !endsInAt[text] {
		text = text[:n-1]
	}
	s.pos += len(text)
	switch {
	case text == "?":
		return Question
	case text == "@" && isNameStart(s.at(s.pos)):
		for isNameStart(s.at(s.pos)) || isDigit(s.at(s.pos)) {
			s.pos++
		}
		return Named
	}
	return Op
}

// endsInAt lists PostgreSQL's operators of two and more characters that end in @ (pg_operator of version 18, and the
// extensions hstore, intarray, ltree and earthdistance).
var endsInAt = map[string]bool{
	"<@": true, "@@": true, "@@@": true, "|@": true, "~@": true, "^<@": true, "?<@": true, "<@>": true, "?@": true, "!@": true, "#@": true, "&@": true, "^@": true,
}

func isSpace(c byte) bool      { return c == ' ' || (c >= '\t' && c <= '\r') }
func isDigit(c byte) bool      { return c >= '0' && c <= '9' }
func isHex(c byte) bool        { return isDigit(c) || (c|0x20 >= 'a' && c|0x20 <= 'f') }
func isNameStart(c byte) bool  { return c == '_' || (c|0x20 >= 'a' && c|0x20 <= 'z') }
func isIdentStart(c byte) bool { return isNameStart(c) || c >= 0x80 }
func isOp(c byte) bool         { return c != 0 && strings.IndexByte("+-*/<>=~!@#%^&|`?", c) >= 0 }
