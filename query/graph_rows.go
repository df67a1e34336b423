package query

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// GraphRows are the rows of a graph's statement: the part of pgx.Rows that [DecodeGraph] needs.
type GraphRows interface {
	Next() bool
	Scan(dest ...any) error
	RawValues() [][]byte
	Err() error
	Close()
}

// graphReader reads the statement's rows, level by level, and remembers by their keys which belong together. Keys are
// compared as the bytes that came from the server: both ends of an edge have one type, and equal values equal bytes.
type graphReader struct {
	g      *Graph
	sink   graphSink
	tables []graphTable
	rows   int
	nodes  int // a row that a repetition copies counts as often as it is in the graph
	key    []byte
}

// graphSink makes what the caller wants of rows and edges.
type graphSink interface {
	// add takes the present row of rows as the next one of the level.
	add(l *graphLevel, rows GraphRows) error
	// attach gives each row of l its rows of the child: those in the group of its key. The child is complete.
	attach(l *graphLevel, child int, keys []int32, groups *graphGroups) error
}

// graphTable is what is kept of a level beside the rows' values.
type graphTable struct {
	ids   map[string]int32 // keys of the edge that leads to the level, numbered
	short map[uint64]int32 // those of eight bytes: bigints, which most keys are, cost no string each
	known []bool           // by number: a row of the level above has it
	in    []int32          // by row: number of its key
	self  []int32          // by row: number of the key of its next round
	outs  [][]int32        // by child and row: number in the child's ids, -1 for none
}

func (r *graphReader) read(rows GraphRows) error {
	r.tables = make([]graphTable, len(r.g.levels))
	for i, l := range r.g.levels {
		r.tables[i] = graphTable{ids: map[string]int32{}, short: map[uint64]int32{}, outs: make([][]int32, len(l.children))}
	}
	for rows.Next() {
		if r.rows++; r.rows > r.g.max {
			return r.tooMany()
		}
		raw := rows.RawValues()
		if len(raw) != r.g.width {
			return graphError(r.g.root.path, "the rows are not those of the graph's statement")
		}
		n, ok := levelNumber(raw[0])
		if !ok || n >= len(r.g.levels) {
			return graphError(r.g.root.path, "the rows are not those of the graph's statement")
		}
		l := r.g.levels[n]
		if l.repeat == 1 {
			r.nodes++
		}
		r.link(l, raw)
		if err := r.sink.add(l, rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *graphReader) tooMany() error {
	return &GraphError{Path: r.g.root.path, Why: fmt.Sprintf("it has more than %d nodes; narrow it with Where or Limit, or raise MaxNodes", r.g.max), err: ErrGraphLimit}
}

// levelNumber reads an int4 in PostgreSQL's binary or text format; texts of level numbers have at most two characters.
func levelNumber(raw []byte) (int, bool) {
	if len(raw) == 4 {
		return int(binary.BigEndian.Uint32(raw)), true
	}
	n, err := strconv.Atoi(string(raw))
	return n, err == nil && n >= 0
}

// link notes a row's keys. Children may come before their parents; nothing here depends on the order of levels.
func (r *graphReader) link(l *graphLevel, raw [][]byte) {
	t := &r.tables[l.number]
	if l.edge != nil {
		t.in = append(t.in, t.id(r.bytes(raw, l.in), false))
	}
	if l.repeat > 1 {
		t.self = append(t.self, t.id(r.bytes(raw, l.self), true))
	}
	for i, child := range l.children {
		t.outs[i] = append(t.outs[i], r.tables[child.number].id(r.bytes(raw, l.outs[i]), true))
	}
}

// bytes is a key as bytes, nil when a part of it is NULL. Parts of a key of several columns carry their length, since
// ("a", "bc") and ("ab", "c") are two keys.
func (r *graphReader) bytes(raw [][]byte, slots []int) []byte {
	if len(slots) == 1 {
		return raw[slots[0]]
	}
	r.key = r.key[:0]
	for _, slot := range slots {
		if raw[slot] == nil {
			return nil
		}
		r.key = binary.BigEndian.AppendUint32(r.key, uint32(len(raw[slot])))
		r.key = append(r.key, raw[slot]...)
	}
	return r.key
}

// id numbers a key; -1 stands for NULL, which is equal to nothing.
func (t *graphTable) id(key []byte, parent bool) int32 {
	if key == nil {
		return -1
	}
	id, ok := t.lookup(key)
	if !ok {
		id = int32(len(t.known))
		t.known = append(t.known, false)
		if len(key) == 8 {
			t.short[binary.BigEndian.Uint64(key)] = id
		} else {
			t.ids[string(key)] = id
		}
	}
	if parent {
		t.known[id] = true
	}
	return id
}

func (t *graphTable) lookup(key []byte) (id int32, ok bool) {
	if len(key) == 8 {
		id, ok = t.short[binary.BigEndian.Uint64(key)]
	} else {
		id, ok = t.ids[string(key)]
	}
	return id, ok
}

// assemble puts the levels together, the deepest first, so that a row is complete before it is put into another.
func (r *graphReader) assemble() error {
	for _, l := range slices.Backward(r.g.levels) {
		for i, child := range l.children {
			groups, err := r.group(child)
			if err != nil {
				return err
			}
			if err := r.sink.attach(l, i, r.tables[l.number].outs[i], groups); err != nil {
				return err
			}
		}
	}
	return nil
}

// graphGroups are a level's rows by the key of the level above.
type graphGroups struct {
	reader *graphReader
	level  *graphLevel
	start  []int32 // by key: where its rows start
	rows   []int32 // row numbers, those of a key together and in their order
	self   []int32
	limit  int
}

// group sorts a level's rows by key. A row whose key no row above has would be lost without a word, so it is an error.
func (r *graphReader) group(l *graphLevel) (*graphGroups, error) {
	t := &r.tables[l.number]
	g := &graphGroups{reader: r, level: l, start: make([]int32, len(t.known)+1), rows: make([]int32, len(t.in)), self: t.self, limit: int(l.spec.Limit)}
	for _, id := range t.in {
		if id < 0 || !t.known[id] {
			return nil, graphError(l.path, "rows came back under a key that no row above has; the columns of the edge differ in type or collation: declare their types in the catalog")
		}
		g.start[id+1]++
	}
	for i := 1; i < len(g.start); i++ {
		g.start[i] += g.start[i-1]
	}
	next := slices.Clone(g.start)
	for row, id := range t.in {
		g.rows[next[id]] = int32(row)
		next[id]++
	}
	return g, nil
}

// span is where a key's rows are, and whether there are more than the limit.
func (g *graphGroups) span(id int32) (start, end int, more bool) {
	if id < 0 {
		return 0, 0, false
	}
	start, end = int(g.start[id]), int(g.start[id+1])
	if g.limit > 0 && end-start > g.limit {
		return start, start + g.limit, true
	}
	return start, end, false
}

// inOrder reports whether the rows are together as they came.
func (g *graphGroups) inOrder() bool {
	for i, row := range g.rows {
		if int(row) != i {
			return false
		}
	}
	return true
}

// graphRound is one step of a level that repeats itself. The keys on the way from the root of the repetition end
// cycles: from the same key a step is taken once on a way, so the row that would take it again has nothing below it.
type graphRound struct {
	depth int
	keys  []int32
}

// next says whether a row is expanded further, and as what.
func (g *graphGroups) next(at graphRound, row int32) (graphRound, bool) {
	key := g.self[row]
	if at.depth >= g.level.repeat || slices.Contains(at.keys, key) {
		return at, false
	}
	return graphRound{at.depth + 1, append(slices.Clip(at.keys), key)}, true
}

// count counts a node that a repetition made of a row.
func (g *graphGroups) count() error {
	if g.reader.nodes++; g.reader.nodes > g.reader.g.max {
		return g.reader.tooMany()
	}
	return nil
}
