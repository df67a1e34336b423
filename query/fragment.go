package query

import (
	"errors"
	"slices"
	"strings"

	"github.com/septum-go/septum/internal/sqlproof"
	"github.com/septum-go/septum/internal/sqltext"
)

// fragment is a user's text, parsed on its own and cut at its placeholders.
type fragment struct {
	segments []segment
	columns  [][]string
	values   int // placeholders
	err      *Refusal
}

// segment is text and the slot behind it.
type segment struct {
	text string
	slot slotKind
	name string
}

type slotKind uint8

const (
	slotNone slotKind = iota
	slotValue
	slotNamed
	slotTenant
	slotColumn
)

// fragments keeps parsed texts; a text that an application puts together anew each time must not fill the memory.
type fragments = cache[*fragment]

const (
	maxFragments    = 4096
	maxFragmentText = 16 << 10
)

// fragment parses a text once. Whether an argument is a sub-select changes how the text reads, so it is part of the key.
func (c *Catalog) fragment(text string, args []any, qualify bool) *fragment {
	key := text
	shape := shapeOf(args)
	if shape != "" || qualify {
		key = text + "\x00" + shape
		if qualify {
			key += "\x01"
		}
	}
	f, ok := c.texts.get(key)
	if !ok {
		f = parseFragment(text, shape, qualify)
		if f.err == nil && len(text) <= maxFragmentText {
			c.texts.put(strings.Clone(key), f)
		}
	}
	// A jsonb operator that was not doubled is no expression either, and this is the better hint.
	if f.values != len(args) && (f.err == nil || f.err.Rule == ruleExpression.ID && f.values > 0) {
		return &fragment{err: rulePlaceholders.refuse("", "an expression has "+plural(f.values, "placeholder")+" and "+plural(len(args), "argument"))}
	}
	return f
}

// shapeOf marks the arguments that are sub-selects; it is "" when there are none.
func shapeOf(args []any) string {
	if !slices.ContainsFunc(args, isQuery) {
		return ""
	}
	shape := make([]byte, len(args))
	for i, arg := range args {
		shape[i] = 'v'
		if isQuery(arg) {
			shape[i] = 'q'
		}
	}
	return string(shape)
}

func isQuery(v any) bool {
	_, ok := v.(Query)
	return ok
}

// parseFragment cuts the text and has the parser read it with parameters in place of its slots.
func parseFragment(text, shape string, qualify bool) *fragment {
	f := &fragment{}
	if strings.TrimSpace(text) == "" {
		f.err = ruleEmpty.refuse("", "an expression is empty")
		return f
	}
	tokens, err := sqltext.Scan(text)
	if err != nil {
		f.err = ruleExpression.refuse("", "a text is not one SQL expression: "+scanProblem(err))
		return f
	}
	cut := cutter{text: text, shape: shape}
	for i, t := range tokens {
		if f.err = cut.token(tokens, i, t); f.err != nil {
			return f
		}
	}
	cut.end()
	f.values = cut.values
	expr, err := sqlproof.ParseExpr(cut.parse.String())
	if err != nil {
		f.err = expressionRefusal(err)
		return f
	}
	if expr.Subselect && !strings.Contains(shape, "q") {
		f.err = ruleSubselect.refuse("", "an expression holds a sub-select as text")
		return f
	}
	f.columns, f.segments = expr.Columns, cut.segments
	if qualify {
		f.segments = cutColumns(f.segments, expr.Columns)
	}
	return f
}

func scanProblem(err error) string {
	var e *sqltext.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return "it can't be read"
}

// expressionRefusal keeps what the parser said under the builder's rule.
func expressionRefusal(err error) *Refusal {
	out := ruleExpression.refuse("", "a text is not one SQL expression")
	var r *sqlproof.Refusal
	if errors.As(err, &r) {
		out.Why = r.Why
		out.Line, out.Column = r.Line, r.Column
	}
	return out
}

// cutter splits a text at its placeholders and writes the text that the parser reads.
type cutter struct {
	text     string
	shape    string
	segments []segment
	pending  strings.Builder // text of the segment in the making
	parse    strings.Builder
	pos      int // what of text was taken
	values   int
}

func (c *cutter) token(tokens []sqltext.Token, i int, t sqltext.Token) *Refusal {
	word := c.text[t.Start:t.End]
	switch t.Kind {
	case sqltext.Comment:
		return ruleExpression.refuse("", "an expression holds a comment")
	case sqltext.Param:
		return rulePlaceholders.refuse("", "an expression holds a numbered parameter; write ? or @name")
	case sqltext.Ident:
		if i+1 < len(tokens) && (strings.EqualFold(word, "select") || strings.EqualFold(word, "table")) {
			return ruleSubselect.refuse("", "an expression holds a sub-select as text")
		}
	case sqltext.Question:
		c.take(t.Start)
		c.slot(slotValue, "")
		c.pos = t.End
	case sqltext.Named:
		c.take(t.Start)
		if name := word[1:]; name == tenantArgName {
			c.slot(slotTenant, "")
		} else {
			c.slot(slotNamed, name)
		}
		c.pos = t.End
	case sqltext.Op:
		if strings.IndexByte(word, '?') >= 0 {
			c.operator(t, word)
		}
	}
	return nil
}

// operator reads an operator that holds question marks, as squirrel's users write them: "??" is the character, "=?" an
// operator and a placeholder.
func (c *cutter) operator(t sqltext.Token, word string) {
	c.take(t.Start)
	c.pos = t.End
	if questionOperators[word] {
		c.write(word)
		return
	}
	for i := 0; i < len(word); i++ {
		switch {
		case word[i] != '?':
			c.write(word[i : i+1])
		case i+1 < len(word) && word[i+1] == '?':
			c.write("?")
			i++
		default:
			c.slot(slotValue, "")
		}
	}
}

// questionOperators are PostgreSQL's operators with a question mark that can't be meant as a placeholder. The operator
// ? itself is written ??.
var questionOperators = map[string]bool{
	"?|": true, "?&": true, "@?": true, "?#": true, "?-": true, "?||": true, "?-|": true,
}

func (c *cutter) take(to int) {
	c.write(c.text[c.pos:to])
	c.pos = to
}

func (c *cutter) write(text string) {
	c.pending.WriteString(text)
	c.parse.WriteString(text)
}

func (c *cutter) slot(kind slotKind, name string) {
	c.segments = append(c.segments, segment{text: c.pending.String(), slot: kind, name: name})
	c.pending.Reset()
	if kind == slotValue {
		c.values++
		if c.values <= len(c.shape) && c.shape[c.values-1] == 'q' {
			c.parse.WriteString("(select 1)")
			return
		}
	}
	c.parse.WriteString("$1")
}

func (c *cutter) end() {
	c.take(len(c.text))
	if c.pending.Len() > 0 {
		c.segments = append(c.segments, segment{text: c.pending.String()})
	}
}

// cutColumns makes slots of the plain columns, so that a filter written for "deleted_at" can be put on any alias.
func cutColumns(segments []segment, columns [][]string) []segment {
	var out []segment
	for _, seg := range segments {
		tokens, err := sqltext.Scan(seg.text)
		if err != nil {
			return segments // each part of a text that was scanned as a whole, so never
		}
		pos := 0
		for i, t := range tokens {
			if t.Kind != sqltext.Ident && t.Kind != sqltext.QuotedIdent || besides(seg.text, tokens, i) {
				continue
			}
			word := seg.text[t.Start:t.End]
			name, err := parseColumnName(word)
			if err != nil || !slices.ContainsFunc(columns, func(c []string) bool { return len(c) == 1 && c[0] == name }) {
				continue
			}
			out = append(out, segment{text: seg.text[pos:t.Start], slot: slotColumn, name: word})
			pos = t.End
		}
		seg.text = seg.text[pos:]
		out = append(out, seg)
	}
	return out
}

// besides reports whether the name at i is not a column's: it is qualified, called, or a type's.
func besides(text string, tokens []sqltext.Token, i int) bool {
	if i+1 < len(tokens) {
		if c := text[tokens[i+1].Start]; c == '(' || c == '.' {
			return true
		}
	}
	if i == 0 {
		return false
	}
	before := text[tokens[i-1].Start:tokens[i-1].End]
	return before == "." || before == "::" || strings.EqualFold(before, "as")
}
