package sqltext

import "fmt"

// Kind says what a Token is.
type Kind uint8

// The kinds of tokens. White space has none: it lies between tokens.
const (
	Ident       Kind = iota + 1 // unquoted identifier or keyword
	QuotedIdent                 // "x" and U&"x"
	String                      // 'x', E'x', B'x', X'x', N'x', U&'x' and $tag$x$tag$
	Number                      // 1, 1.5e3, 0x1F, 1_000
	Param                       // $1
	Named                       // @name, a named argument
	Question                    // ? alone
	Op                          // an operator, = || <@ ?| …
	Punct                       // one of ( ) [ ] , ; . : and the pairs :: .. := =>
	Comment                     // -- to the end of the line, or a nested block comment
)

var kindNames = [...]string{"", "Ident", "QuotedIdent", "String", "Number", "Param", "Named", "Question", "Op", "Punct", "Comment"}

// String returns the name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// A Token is a piece of the text: sql[Start:End], in bytes.
type Token struct {
	Kind       Kind
	Start, End int
}

// Error says that a text cannot be split into tokens. Its text never quotes the SQL.
type Error struct {
	Offset       int    // byte offset of the fault
	Line, Column int    // the same, 1-based, Column in characters
	Problem      string // what is wrong, such as "unterminated string"
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("sql text: %s (line %d, column %d)", e.Problem, e.Line, e.Column)
}

func fault(sql string, offset int, problem string) *Error {
	line, column := Position(sql, offset)
	return &Error{Offset: offset, Line: line, Column: column, Problem: problem}
}
