package audit

import "strings"

// node is a part of an expression as PostgreSQL stores it (pg_node_tree; src/backend/nodes/outfuncs.c). It has a name
// and fields, or is a list, or a single word.
type node struct {
	name   string // "OPEXPR"; empty for lists and words
	word   string
	fields map[string][]*node // a field's value is mostly one node; a constant's is its length and bytes
	list   []*node
}

// parseTree reads a pg_node_tree. What it can't read is nil, which no rule takes for a right predicate.
func parseTree(text *string) *node {
	if text == nil {
		return nil
	}
	p := treeParser{words: treeWords(*text)}
	n := p.node()
	if p.failed || p.at != len(p.words) {
		return nil
	}
	return n
}

type treeParser struct {
	words  []string
	at     int
	depth  int
	failed bool
}

// maxTreeDepth is far above what a person writes, and far below what the stack holds.
const maxTreeDepth = 2000

func (p *treeParser) next() string {
	if p.at >= len(p.words) {
		p.failed = true
		return ""
	}
	p.at++
	return p.words[p.at-1]
}

func (p *treeParser) peek() string {
	if p.at >= len(p.words) {
		p.failed = true
		return ""
	}
	return p.words[p.at]
}

func (p *treeParser) node() *node {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxTreeDepth {
		p.failed = true
		return nil
	}
	switch word := p.next(); word {
	case "{":
		n := &node{name: p.next(), fields: map[string][]*node{}}
		for !p.failed && p.peek() != "}" {
			field := p.next()
			if !strings.HasPrefix(field, ":") {
				p.failed = true
				return nil
			}
			for !p.failed && p.peek() != "}" && !strings.HasPrefix(p.peek(), ":") {
				n.fields[field] = append(n.fields[field], p.node())
			}
		}
		p.next()
		return n
	case "(":
		n := &node{}
		for !p.failed && p.peek() != ")" {
			n.list = append(n.list, p.node())
		}
		p.next()
		return n
	default:
		return &node{word: word}
	}
}

// treeWords cuts a tree into words. A backslash takes the next character as it is.
func treeWords(text string) []string {
	var words []string
	var word strings.Builder
	quoted := false
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
		case c == '"':
			quoted = !quoted
			word.WriteByte(c)
		case quoted:
			word.WriteByte(c)
		case c == ' ' || c == '\n' || c == '\t':
			end()
		case strings.IndexByte("(){}", c) >= 0:
			end()
			words = append(words, string(c))
		default:
			word.WriteByte(c)
		}
	}
	end()
	return words
}

// word gives a field that is a single word: "" when it is none.
func (n *node) value(field string) string {
	if n == nil || len(n.fields[field]) != 1 {
		return ""
	}
	return n.fields[field][0].word
}

// children gives the nodes right below, in no order.
func (n *node) children() []*node {
	if n == nil {
		return nil
	}
	out := append([]*node(nil), n.list...)
	for _, values := range n.fields {
		out = append(out, values...)
	}
	return out
}

// walk calls f for the node and all below it, until f says that it has seen enough of a branch.
func (n *node) walk(f func(*node) bool) {
	if n == nil || !f(n) {
		return
	}
	for _, child := range n.children() {
		child.walk(f)
	}
}

// has reports whether a node, or one below it, is what f looks for.
func (n *node) has(f func(*node) bool) bool {
	found := false
	n.walk(func(n *node) bool {
		found = found || f(n)
		return !found
	})
	return found
}

// constant gives the text of a constant of type text, as current_setting has it for its argument: the value is its
// length and the bytes of a varlena with a header of four bytes.
func (n *node) constant() string {
	if n == nil || n.name != "CONST" || n.value(":consttype") != "25" {
		return ""
	}
	var out strings.Builder
	for i, part := range n.fields[":constvalue"] {
		if i < 6 || part.word == "]" { // the length, "[", and the header
			continue
		}
		var b int
		for _, c := range strings.TrimPrefix(part.word, "-") {
			b = b*10 + int(c-'0')
		}
		if strings.HasPrefix(part.word, "-") {
			b = 256 - b
		}
		out.WriteByte(byte(b))
	}
	return out.String()
}
