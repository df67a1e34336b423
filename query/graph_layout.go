package query

import (
	"slices"
	"strconv"
	"strings"
)

// A graph is one statement: the levels' rows one after the other, each row with the number of its level. Columns of
// different levels share a slot of the statement's row when the catalog says that their types are the same, since each
// slot costs bytes in every row; docs/graphs.md has the measurements.

// graphOutput is a value that a level's rows carry.
type graphOutput struct {
	alias  string // what it is read from: c the level's relation, l the link, k the keys of the level above
	column string
	is     []graphIs // the value is NULL unless these hold
	cast   string    // to the type of the key at the edge's other end
	slot   int

	rel    *relation // the column that it has the type of
	source string
	typ    string // its type in one spelling, empty when it is not declared
}

// graphSlot is a column of the statement; the first one is the level's number.
type graphSlot struct {
	typ    string
	rel    *relation // a column of the slot's type
	source string
}

// graphLayout gives every value of every level its slot.
type graphLayout struct {
	levels []*graphLevel
	slots  []graphSlot
}

func newGraphLayout(root *graphLevel) *graphLayout {
	l := &graphLayout{slots: make([]graphSlot, 1)}
	l.add(root)
	return l
}

// add numbers levels so that a level stands before those below it.
func (a *graphLayout) add(l *graphLevel) {
	l.number = len(a.levels)
	a.levels = append(a.levels, l)
	used := map[int]bool{}
	for _, name := range l.spec.Columns {
		o := l.column(name)
		slot := a.place(l, o, used)
		l.columns = append(l.columns, graphColumn{name: name, slot: slot, json: o.typ == "json" || o.typ == "jsonb"})
	}
	for _, o := range l.parentKey() {
		l.in = append(l.in, a.place(l, o, used))
	}
	if l.repeat > 1 {
		for _, o := range l.edgeKey(l.edge) {
			l.self = append(l.self, a.place(l, o, used))
		}
	}
	for _, child := range l.children {
		var key []int
		for _, o := range l.edgeKey(child.edge) {
			key = append(key, a.place(l, o, used))
		}
		l.outs = append(l.outs, key)
	}
	for _, child := range l.children {
		a.add(child)
	}
}

// place gives a value a slot that is free in its level, and an equal value the slot that it has.
func (a *graphLayout) place(l *graphLevel, o graphOutput, used map[int]bool) int {
	for _, other := range l.outputs {
		if other.alias == o.alias && other.column == o.column && other.cast == o.cast && slices.Equal(other.is, o.is) {
			return other.slot
		}
	}
	o.slot = -1
	for i := 1; i < len(a.slots) && o.typ != ""; i++ {
		if a.slots[i].typ == o.typ && !used[i] {
			o.slot = i
			break
		}
	}
	if o.slot < 0 {
		o.slot = len(a.slots)
		a.slots = append(a.slots, graphSlot{typ: o.typ, rel: o.rel, source: o.source})
	}
	used[o.slot] = true
	l.outputs = append(l.outputs, o)
	return o.slot
}

func (l *graphLevel) column(name string) graphOutput {
	return graphOutput{alias: "c", column: name, rel: l.rel, source: name, typ: l.rel.graphType(name)}
}

// keyed reports whether the level is joined to the distinct keys of the level above, rather than looked up in an array
// of them: a limit is for each key, and an array holds one column.
func (l *graphLevel) keyed() bool { return l.spec.Limit > 0 || len(l.edge.fromCols) > 1 }

// parentKey is by what a row finds its rows in the level above.
func (l *graphLevel) parentKey() []graphOutput {
	if l.edge == nil {
		return nil
	}
	var key []graphOutput
	for i, from := range l.edge.fromCols {
		want := l.edge.from.graphType(from)
		o := graphOutput{alias: "k", column: graphKey(i), rel: l.edge.from, source: from, typ: want}
		if !l.keyed() {
			if o = l.column(l.edge.toCols[i%len(l.edge.toCols)]); l.edge.link != nil {
				o = graphOutput{alias: "l", column: l.edge.linkFrom[i], rel: l.edge.link, source: l.edge.linkFrom[i], typ: l.edge.link.graphType(l.edge.linkFrom[i])}
			}
			if want != "" && o.typ != "" && want != o.typ {
				o.cast, o.typ = want, want
			}
		}
		key = append(key, o)
	}
	return key
}

// edgeKey is by what rows of the level below find a row of this one.
func (l *graphLevel) edgeKey(e *graphEdge) []graphOutput {
	var key []graphOutput
	for _, name := range e.fromCols {
		o := l.column(name)
		o.is = e.fromIs
		key = append(key, o)
	}
	return key
}

func graphKey(i int) string { return "k" + strconv.Itoa(i) }

// graphTypes are the types that can share a slot and be written as null::type, with their other spellings.
var graphTypes = map[string]string{
	"bigint": "bigint", "int8": "bigint", "bigserial": "bigint", "integer": "integer", "int": "integer", "int4": "integer", "serial": "integer",
	"smallint": "smallint", "int2": "smallint", "text": "text", "varchar": "varchar", "character varying": "varchar",
	"uuid": "uuid", "boolean": "boolean", "bool": "boolean", "date": "date", "bytea": "bytea", "json": "json", "jsonb": "jsonb",
	"timestamptz": "timestamptz", "timestamp with time zone": "timestamptz", "timestamp": "timestamp", "timestamp without time zone": "timestamp",
	"numeric": "numeric", "decimal": "numeric", "double precision": "float8", "float8": "float8", "real": "float4", "float4": "float4",
}

// graphType is a column's declared type in one spelling, without length or precision; empty when it is not one of graphTypes.
func (r *relation) graphType(column string) string {
	for _, c := range r.Columns {
		if c.Name == column {
			typ, _, _ := strings.Cut(strings.ToLower(c.Type), "(")
			return graphTypes[strings.Join(strings.Fields(typ), " ")]
		}
	}
	return ""
}
