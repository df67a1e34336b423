package query

import "encoding/binary"

// shape is what a SELECT of the common kind becomes, whatever its values are: a statement that is put together at run
// time has one of few shapes, and finding it again is cheaper than writing and checking the text again.
type shape struct {
	proof     *proof
	params    []param // without the values of constants
	constants int
	tenant    bool
}

// shapes are kept under a key that says everything that the text is made of, and nothing of the values.
type shapes = cache[*shape]

const maxShapes = 4096

// buildSelect is build for a SelectBuilder. What the key does not cover is written anew each time.
func buildSelect(b SelectBuilder) (*Statement, error) {
	if b.c == nil {
		return build(b.c, b)
	}
	var space [partSpace]*part
	var keySpace [512]byte
	parts := b.last.parts(space[:])
	key, ok := shapeKey(keySpace[:0], parts)
	if !ok {
		return build(b.c, b)
	}
	if s, found := b.c.shapes.getBytes(key); found {
		return s.statement(b.c, parts)
	}
	stmt, err := build(b.c, b)
	if err == nil {
		if s := shapeOfStatement(stmt, parts); s != nil {
			b.c.shapes.put(string(key), s)
		}
	}
	return stmt, err
}

// statement fills the values of this builder into the shape's parameters.
func (s *shape) statement(c *Catalog, parts []*part) (*Statement, error) {
	stmt := &Statement{c: c, proof: s.proof, tenant: s.tenant, name: s.proof.name, params: make([]param, len(s.params))}
	copy(stmt.params, s.params)
	f := filler{params: stmt.params}
	f.all(parts)
	if f.why != "" {
		return nil, ruleValue.refuse("", "a value "+f.why)
	}
	for i := range stmt.params {
		if stmt.params[i].name != "" {
			stmt.named++ // a shape's names are different from each other
		}
	}
	return stmt, nil
}

// shapeOfStatement makes the shape, after it made sure that its values would be found again where the writer put them.
func shapeOfStatement(stmt *Statement, parts []*part) *shape {
	s := &shape{proof: stmt.proof, tenant: stmt.tenant, params: make([]param, len(stmt.params))}
	for i, p := range stmt.params {
		p.value = nil
		s.params[i] = p
		if p.constant {
			s.constants++
		}
	}
	f := filler{params: append([]param(nil), s.params...)}
	f.all(parts)
	if f.why != "" || f.filled != s.constants || f.extra {
		return nil
	}
	return s
}

// filler takes the constants of a builder in the order in which the writer meets them.
type filler struct {
	params []param
	next   int
	filled int
	extra  bool // more constants than parameters
	why    string
}

func (f *filler) all(parts []*part) {
	for _, clause := range [...]op{opExprs, opJoin, opWhere, opGroupExprs, opHaving, opOrderExprs, opLimit, opOffset} {
		for _, p := range parts {
			if p.op != clause {
				continue
			}
			switch clause {
			case opExprs, opGroupExprs, opOrderExprs:
				for _, e := range p.exprs() {
					for _, arg := range e.args {
						f.value(arg)
					}
				}
			case opLimit, opOffset:
				f.value(p.value)
			default:
				f.piece(&p.cond.first)
				rest := p.cond.rest()
				for i := range rest {
					f.piece(&rest[i])
				}
			}
		}
	}
}

func (f *filler) piece(p *piece) {
	switch p.kind {
	case pieceCompare, pieceValue:
		f.value(p.value)
	case pieceRaw:
		args, _ := p.value.([]any)
		for _, arg := range args {
			f.value(arg)
		}
	}
}

func (f *filler) value(v any) {
	if _, named := v.(Argument); named {
		return
	}
	for f.next < len(f.params) && !f.params[f.next].constant {
		f.next++
	}
	if f.next == len(f.params) {
		f.extra = true
		return
	}
	if why := checkValue(v); why != "" && f.why == "" {
		f.why = why
	}
	f.params[f.next].value = v
	f.next++
	f.filled++
}

// shapeKey writes the key. Every text has its length before it and every list its count, so that no two builders with
// different texts have one key. It is not ok for builders that hold other builders, sources, filters or typed arguments.
func shapeKey(key []byte, parts []*part) ([]byte, bool) {
	for _, p := range parts {
		switch p.op {
		case opColumns, opFrom, opJoin, opWhere, opHaving, opGroupBy, opOrderBy, opDistinct, opDistinctOn, opLimit, opOffset, opLock, opWait, opExprs, opGroupExprs, opOrderExprs:
		default:
			return nil, false
		}
		key = append(key, byte(p.op), byte(p.kind), byte(p.cond.first.kind))
		key = appendText(key, p.name)
		var ok bool
		if key, ok = appendFrag(key, &p.cond); !ok {
			return nil, false
		}
		if key, ok = appendPartValue(key, p); !ok {
			return nil, false
		}
	}
	return key, len(key) <= maxText
}

func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

func appendFrag(key []byte, f *frag) ([]byte, bool) {
	if f.err() != nil {
		return nil, false
	}
	if f.first.kind == pieceNone {
		return key, true
	}
	rest := f.rest()
	key = binary.AppendUvarint(key, uint64(len(rest)))
	key, ok := appendPiece(key, &f.first)
	for i := 0; ok && i < len(rest); i++ {
		key, ok = appendPiece(key, &rest[i])
	}
	return key, ok
}

func appendPiece(key []byte, p *piece) ([]byte, bool) {
	key = append(key, byte(p.kind), byte(p.operator))
	key = appendText(key, p.text)
	switch p.kind {
	case pieceCompare, pieceValue:
		return appendValue(key, p.value)
	case pieceRaw:
		args, _ := p.value.([]any)
		return appendValues(key, args)
	}
	return key, true
}

func appendPartValue(key []byte, p *part) ([]byte, bool) {
	switch v := p.value.(type) {
	case nil:
		return key, p.op != opLimit && p.op != opOffset
	case nameList:
		key = binary.AppendUvarint(key, uint64(len(v)))
		for _, name := range v {
			key = appendText(key, name)
		}
		return key, true
	case []Expression:
		key = binary.AppendUvarint(key, uint64(len(v)))
		ok := true
		for i := 0; ok && i < len(v); i++ {
			key = appendText(appendText(key, v[i].text), v[i].alias)
			key = append(key, byte(v[i].order.nulls), byte(btoi(v[i].order.desc)))
			key, ok = appendValues(key, v[i].args)
		}
		return key, ok
	case int64, Argument:
		return appendValue(key, v)
	}
	return nil, false
}

func appendValues(key []byte, values []any) ([]byte, bool) {
	key = binary.AppendUvarint(key, uint64(len(values)))
	ok := true
	for i := 0; ok && i < len(values); i++ {
		key, ok = appendValue(key, values[i])
	}
	return key, ok
}

// appendValue writes whether a value is a constant, or the name of an argument.
func appendValue(key []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case Argument:
		if v.typ != nil || v.tenant {
			return nil, false
		}
		return appendText(append(key, 'a'), v.name), true
	case Expression, Builder, frag, Source, *Source, Over:
		return nil, false
	}
	return append(key, 'c'), true
}
