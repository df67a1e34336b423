package sqlproof

import (
	"errors"
	"strings"

	"github.com/sqlc-dev/oliphant/ast"
	"github.com/sqlc-dev/oliphant/parser"

	"github.com/septum-go/septum/internal/sqltext"
)

// Limits of the gate. Parentheses cost the parser more than linear time: 100,000 of them take a minute and a million
// overflow its stack, so depth is counted on the tokens, before parsing.
const (
	maxText    = 64 << 10 // bytes of text
	maxNesting = 64       // open parentheses, brackets and CASEs, or prefix operators in a row
	maxDepth   = 2000     // levels of the parse tree; a||b||c… is one level for each operator
	maxSteps   = 400_000  // nodes and facts visited; a statement of 200 bytes takes about 200
	maxParams  = 65_535   // PostgreSQL's protocol counts parameters in 16 bits
)

// parseTree is the seam to the parser: nothing else calls it. Its tree is read, never changed.
func parseTree(sql string) (*ast.ParseResult, error) { return parser.ParseToTree(sql) }

// gate checks the text and parses it into one statement.
func (p *prover) gate() *ast.Node {
	if len(p.sql) > maxText {
		p.refuseAt(0, ruleTooLong, "", "", "")
		return nil
	}
	tokens, err := sqltext.Scan(p.sql)
	if err != nil {
		offset := 0
		if e := (*sqltext.Error)(nil); errors.As(err, &e) {
			offset = e.Offset
		}
		p.refuseAt(offset, ruleSyntax, "", "", "")
		return nil
	}
	if !p.nesting(tokens) {
		return nil
	}
	tree, err := parseTree(p.sql)
	if err != nil {
		offset := 0
		if e := (*parser.Error)(nil); errors.As(err, &e) {
			// Cursorpos counts characters from 1.
			offset = byteOffset(p.sql, e.Cursorpos-1)
		}
		p.refuseAt(offset, ruleSyntax, "", "", "")
		return nil
	}
	switch n := len(tree.GetStmts()); {
	case n == 0:
		p.refuseAt(0, ruleEmpty, "", "", "")
		return nil
	case n > 1:
		p.refuseAt(int(tree.Stmts[1].StmtLocation), ruleManyStatements, "", "", "")
		return nil
	}
	return tree.Stmts[0].GetStmt()
}

// nesting refuses what would make the parser recurse deeply, names that the server would cut to 63 bytes, and marks
// that are not SQL.
func (p *prover) nesting(tokens []sqltext.Token) bool {
	depth, cases, run := 0, 0, 0
	label := false // the token before was AS or a dot: a keyword here is a name
	for _, t := range tokens {
		prefix, wasLabel := false, label
		label = false
		switch text := p.sql[t.Start:t.End]; t.Kind {
		case sqltext.Punct:
			switch text[0] {
			case '(', '[':
				depth++
			case ')', ']':
				depth--
			}
			label = text == "."
		case sqltext.Op:
			prefix = true
		case sqltext.Ident:
			switch {
			case len(text) > maxIdentifier:
				p.refuseAt(t.Start, ruleLongName, "", "", "")
				return false
			case len(text) > 4 || wasLabel:
			case strings.EqualFold(text, "as"):
				label = true
			case strings.EqualFold(text, "not"):
				prefix = true
			case strings.EqualFold(text, "case"):
				cases++
			case strings.EqualFold(text, "end"):
				cases = max(0, cases-1)
			}
		case sqltext.QuotedIdent:
			if len(text) > maxIdentifier+2 {
				p.refuseAt(t.Start, ruleLongName, "", "", "")
				return false
			}
		case sqltext.Named:
			p.refuseAt(t.Start, rulePlaceholder, "", "", "")
			return false
		case sqltext.Comment:
			label = wasLabel
			continue
		}
		if prefix {
			run++
		} else {
			run = 0
		}
		if depth+cases > maxNesting || run > maxNesting {
			p.refuseAt(t.Start, ruleNesting, "", "", "")
			return false
		}
	}
	return true
}

// byteOffset turns a count of characters into one of bytes.
func byteOffset(s string, characters int) int {
	for i := range s {
		if characters <= 0 {
			return i
		}
		characters--
	}
	return len(s)
}
