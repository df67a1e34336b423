package query

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The bounds of a specification. They are far above what a person composes
// and low enough that no input costs more than a few milliseconds.
const (
	reportMaxBytes   = 64 << 10
	reportMaxDepth   = 16
	reportMaxNodes   = 8192
	reportMaxMembers = 24 // of one object; no object of a specification has more fields
)

type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

var jsonKindNames = [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}

func (k jsonKind) String() string { return jsonKindNames[k] }

// jsonNode is one value of a document. The nodes of a document lie in one
// slice and name each other by index, so that reading costs one allocation
// and every node knows its path. Zero as first or next means none: node 0 is
// the root, which is nobody's child.
type jsonNode struct {
	kind   jsonKind
	key    string // of an object's member
	text   string // the string's value, the number's text, "true" or "false"
	parent int32
	index  int32 // of an array's element
	first  int32
	next   int32
	count  int32
	start  int32 // the value's text in the document
	end    int32
}

// jsonDoc is a document read with the rules that encoding/json does not have:
// duplicate keys are refused, size and depth are bounded, strings are valid
// UTF-8 without NUL, and every node has a path.
type jsonDoc struct {
	nodes []jsonNode
	src   string
	pos   int
}

func readJSON(body []byte) (*jsonDoc, error) {
	if len(body) > reportMaxBytes {
		return nil, &ReportError{Reason: ReportTooLarge, Message: "the specification is larger than 64 KiB"}
	}
	d := &jsonDoc{src: string(body), nodes: make([]jsonNode, 0, 8+len(body)/10)}
	if !utf8.ValidString(d.src) {
		return nil, &ReportError{Reason: ReportSyntax, Message: "the specification is not valid UTF-8"}
	}
	d.space()
	if _, err := d.value(0, "", 0, 1); err != nil {
		return nil, err
	}
	d.space()
	if d.pos != len(d.src) {
		return nil, d.syntax(0, "text follows the specification's end")
	}
	return d, nil
}

// at makes an error for a node.
func (d *jsonDoc) at(node int32, reason ReportReason, message string) *ReportError {
	return &ReportError{Path: d.path(node), Reason: reason, Message: message}
}

func (d *jsonDoc) syntax(node int32, message string) *ReportError {
	return d.at(node, ReportSyntax, message+" (byte "+strconv.Itoa(d.pos)+")")
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// path is the node's JSON Pointer.
func (d *jsonDoc) path(node int32) string {
	if node <= 0 || int(node) >= len(d.nodes) {
		return ""
	}
	n := &d.nodes[node]
	step := n.key
	if d.nodes[n.parent].kind == jsonArray {
		step = strconv.Itoa(int(n.index))
	}
	// A key that nobody declared may be as long as the document.
	if len(step) > 64 {
		step = strings.ToValidUTF8(step[:64], "") + "…"
	}
	return d.path(n.parent) + "/" + pointerEscape.Replace(step)
}

// child gives the member of an object, or 0.
func (d *jsonDoc) child(node int32, key string) int32 {
	for c := d.nodes[node].first; c != 0; c = d.nodes[c].next {
		if d.nodes[c].key == key {
			return c
		}
	}
	return 0
}

func (d *jsonDoc) space() {
	for d.pos < len(d.src) {
		switch d.src[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *jsonDoc) peek() byte {
	if d.pos < len(d.src) {
		return d.src[d.pos]
	}
	return 0
}

func (d *jsonDoc) value(parent int32, key string, index int32, depth int) (int32, error) {
	id := int32(len(d.nodes))
	if id >= reportMaxNodes {
		return 0, d.at(parent, ReportTooLarge, "the specification has more than 8192 values")
	}
	d.nodes = append(d.nodes, jsonNode{key: key, parent: parent, index: index, start: int32(d.pos)})
	if err := d.body(id, depth); err != nil {
		return 0, err
	}
	d.nodes[id].end = int32(d.pos)
	return id, nil
}

// body reads the value of a node that was begun.
func (d *jsonDoc) body(id int32, depth int) error {
	if depth > reportMaxDepth {
		return d.at(id, ReportTooLarge, "the specification is nested deeper than 16 levels")
	}
	switch c := d.peek(); {
	case c == '{':
		return d.object(id, depth)
	case c == '[':
		return d.array(id, depth)
	case c == '"':
		s, err := d.str(id)
		d.nodes[id].kind, d.nodes[id].text = jsonString, s
		return err
	case c == '-' || c >= '0' && c <= '9':
		s, err := d.number(id)
		d.nodes[id].kind, d.nodes[id].text = jsonNumber, s
		return err
	}
	for _, word := range [...]string{"null", "true", "false"} {
		if strings.HasPrefix(d.src[d.pos:], word) {
			d.pos += len(word)
			if word != "null" {
				d.nodes[id].kind, d.nodes[id].text = jsonBool, word
			}
			return nil
		}
	}
	return d.syntax(id, "a JSON value is expected here")
}

// link makes child the last child of node, after prev.
func (d *jsonDoc) link(node, prev, child int32) {
	if prev == 0 {
		d.nodes[node].first = child
	} else {
		d.nodes[prev].next = child
	}
	d.nodes[node].count++
}

func (d *jsonDoc) object(id int32, depth int) error {
	d.nodes[id].kind = jsonObject
	d.pos++
	d.space()
	if d.peek() == '}' {
		d.pos++
		return nil
	}
	for prev := int32(0); ; {
		d.space()
		if d.peek() != '"' {
			return d.syntax(id, "a field's name in double quotes is expected here")
		}
		key, err := d.str(id)
		if err != nil {
			return err
		}
		if dup := d.child(id, key); dup != 0 {
			return d.at(dup, ReportSyntax, "the field is written twice")
		}
		if d.nodes[id].count == reportMaxMembers {
			return d.at(id, ReportTooLarge, "the object has more fields than any of a specification")
		}
		d.space()
		if d.peek() != ':' {
			return d.syntax(id, "a colon is expected after the field's name")
		}
		d.pos++
		d.space()
		child, err := d.value(id, key, 0, depth+1)
		if err != nil {
			return err
		}
		d.link(id, prev, child)
		prev = child
		d.space()
		switch d.peek() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return nil
		default:
			return d.syntax(id, "a comma or a closing brace is expected here")
		}
	}
}

func (d *jsonDoc) array(id int32, depth int) error {
	d.nodes[id].kind = jsonArray
	d.pos++
	d.space()
	if d.peek() == ']' {
		d.pos++
		return nil
	}
	for prev, i := int32(0), int32(0); ; i++ {
		d.space()
		child, err := d.value(id, "", i, depth+1)
		if err != nil {
			return err
		}
		d.link(id, prev, child)
		prev = child
		d.space()
		switch d.peek() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return nil
		default:
			return d.syntax(id, "a comma or a closing bracket is expected here")
		}
	}
}

// number reads a number by RFC 8259's grammar and keeps its text.
func (d *jsonDoc) number(id int32) (string, error) {
	start := d.pos
	digits := func() bool {
		from := d.pos
		for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
			d.pos++
		}
		return d.pos > from
	}
	if d.peek() == '-' {
		d.pos++
	}
	if d.peek() == '0' {
		d.pos++
	} else if !digits() {
		return "", d.syntax(id, "a digit is expected here")
	}
	if d.peek() == '.' {
		d.pos++
		if !digits() {
			return "", d.syntax(id, "a digit is expected here")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		if !digits() {
			return "", d.syntax(id, "a digit is expected here")
		}
	}
	return d.src[start:d.pos], nil
}

// str reads a string. Without escapes it is a slice of the document.
func (d *jsonDoc) str(id int32) (string, error) {
	d.pos++
	start := d.pos
	for d.pos < len(d.src) {
		switch c := d.src[d.pos]; {
		case c == '"':
			d.pos++
			return d.src[start : d.pos-1], nil
		case c == '\\':
			return d.escaped(id, start)
		case c < 0x20:
			return "", d.syntax(id, "a control character in a string must be escaped")
		default:
			d.pos++
		}
	}
	return "", d.syntax(id, "the string has no closing quote")
}

// jsonEscape is the byte that an escape's letter stands for, 0 for none.
func jsonEscape(letter byte) byte {
	switch letter {
	case '"', '\\', '/':
		return letter
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

func (d *jsonDoc) escaped(id int32, start int) (string, error) {
	b := make([]byte, 0, 2*(d.pos-start)+16)
	b = append(b, d.src[start:d.pos]...)
	for d.pos < len(d.src) {
		c := d.src[d.pos]
		d.pos++
		switch {
		case c == '"':
			return string(b), nil
		case c < 0x20:
			return "", d.syntax(id, "a control character in a string must be escaped")
		case c != '\\':
			b = append(b, c)
			continue
		}
		e := d.peek()
		d.pos++
		if e == 'u' {
			r, ok := d.hex4()
			if utf16.IsSurrogate(r) {
				ok = ok && strings.HasPrefix(d.src[min(d.pos, len(d.src)):], `\u`)
				d.pos += 2
				low, lowOK := d.hex4()
				r = utf16.DecodeRune(r, low)
				ok = ok && lowOK && r != utf8.RuneError
			}
			if !ok || r == 0 {
				return "", d.syntax(id, "the \\u escape is not a character that PostgreSQL can store")
			}
			b = utf8.AppendRune(b, r)
			continue
		}
		plain := jsonEscape(e)
		if plain == 0 {
			return "", d.syntax(id, "unknown escape in a string")
		}
		b = append(b, plain)
	}
	return "", d.syntax(id, "the string has no closing quote")
}

func (d *jsonDoc) hex4() (rune, bool) {
	if d.pos+4 > len(d.src) || d.pos < 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(d.src[d.pos:d.pos+4], 16, 32)
	d.pos += 4
	return rune(n), err == nil
}
