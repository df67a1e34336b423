package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/septum-go/septum/internal/sqltext"
	"github.com/septum-go/septum/query"
)

// statement is one piece of a file.
type statement struct {
	file string
	text string // as written, with the comments before it
	line int    // where it starts in the file
	col  int
	name string // of sqlc's "-- name: X :many"; may be empty
}

// inputs are what verify and explain work on.
type inputs struct {
	catalog       *query.Catalog
	catalogFile   string
	catalogSHA256 string
	files         []string
	statements    []statement
}

// readInputs parses the flags, has them checked, and reads catalog and files. A nil result comes with the exit code.
func readInputs(flags *flag.FlagSet, args []string, stdin io.Reader, stdout, stderr io.Writer, check func() error) (*inputs, int) {
	catalogFile := flags.String("catalog", "", "JSON `file` that declares each relation (required)")
	if code, done := parseFlags(flags, args, stdout); done {
		return nil, code
	}
	if err := check(); err != nil {
		return nil, failed(stderr, err)
	}
	in, err := load(*catalogFile, flags.Args(), stdin)
	if err != nil {
		return nil, failed(stderr, err)
	}
	return in, exitClean
}

func load(catalogFile string, files []string, stdin io.Reader) (*inputs, error) {
	if catalogFile == "" {
		return nil, errors.New("which relations belong to a tenant? Give --catalog FILE")
	}
	data, err := os.ReadFile(catalogFile)
	if err != nil {
		return nil, err
	}
	catalog, err := query.ParseCatalog(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", catalogFile, err)
	}
	if len(files) == 0 {
		return nil, errors.New("no file to read; name SQL files, or - for standard input")
	}
	in := &inputs{catalog: catalog, catalogFile: catalogFile, catalogSHA256: hashOf(data), files: files}
	for _, file := range files {
		text, err := readFile(file, stdin)
		if err != nil {
			return nil, err
		}
		in.statements = append(in.statements, split(file, string(text))...)
	}
	if len(in.statements) == 0 {
		return nil, errors.New("the files hold no statement, so nothing was proved")
	}
	return in, nil
}

func readFile(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

// split cuts a file into statements. Text that can't be cut (an open string, say) is one statement, which the
// prover then refuses.
func split(file, text string) []statement {
	text = strings.TrimPrefix(text, "\ufeff")
	pieces, err := sqltext.Split(text)
	if err != nil {
		pieces = []sqltext.Piece{{Start: 0, End: len(text)}}
	}
	out := make([]statement, 0, len(pieces))
	for _, piece := range pieces {
		sql := text[piece.Start:piece.End]
		line, col := sqltext.Position(text, piece.Start)
		out = append(out, statement{file: file, text: sql, line: line, col: col, name: sqlcName(sql)})
	}
	return out
}

var sqlcHeader = regexp.MustCompile(`(?m)^--\s*name:\s*(\w+)\s+:\w+`)

func sqlcName(sql string) string {
	if m := sqlcHeader.FindStringSubmatch(sql); m != nil {
		return m[1]
	}
	return ""
}

// prove shows the proof of one statement, or gives its *query.Refusal, whose position is that of the file.
func prove(c *query.Catalog, s statement) (string, error) {
	proof, err := explainText(c, plain(s.text))
	var refusal *query.Refusal
	if !errors.As(err, &refusal) {
		return proof, err
	}
	moved := *refusal
	if moved.Line == 1 {
		moved.Column += s.col - 1
	}
	if moved.Line > 0 {
		moved.Line += s.line - 1
	} else {
		moved.Line, moved.Column = s.line, s.col
	}
	return "", &moved
}

// explainText proves a statement with $1, $2 … as it is, and one with @names as query.Static does.
func explainText(c *query.Catalog, sql string) (string, error) {
	if positional(sql) {
		return query.Explain(c, sql)
	}
	proved, err := query.Static(c, sql)
	if err != nil {
		return "", err
	}
	return proved.Explain(), nil
}

// positional reports whether the statement's parameters are $1, $2 … and not @names.
func positional(sql string) bool {
	tokens, err := sqltext.Scan(sql)
	if err != nil {
		return false
	}
	for _, token := range tokens {
		if token.Kind == sqltext.Param {
			return true
		}
	}
	return false
}

// sqlc's macros (https://docs.sqlc.dev/en/stable/reference/macros.html), which are no functions of the server.
var sqlcMacro = regexp.MustCompile(`^sqlc\.(arg|narg|slice|embed)\(\s*'?(\w+)'?\s*\)`)

// plain writes sqlc's macros as the arguments and columns that they stand for, padded to their length, so that
// positions stay. Strings and comments are left alone, and what the prover then does not know it refuses.
func plain(sql string) string {
	tokens, err := sqltext.Scan(sql)
	if err != nil {
		return sql
	}
	out := []byte(sql)
	for _, token := range tokens {
		m := sqlcMacro.FindStringSubmatch(sql[token.Start:])
		if m == nil { // a string or a comment does not begin with sqlc
			continue
		}
		text := "@" + m[2]
		if m[1] == "embed" {
			text = m[2] + ".*"
		}
		copy(out[token.Start:], text+strings.Repeat(" ", len(m[0])-len(text)))
	}
	return string(out)
}
