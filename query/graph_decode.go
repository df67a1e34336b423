package query

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
)

// DecodeGraph reads the rows of g's Statement and closes them. T is a struct, or *[Node] for what is only known at run
// time.
//
// A struct's fields are found by their `db` tag, or else by their name in snake_case. A field for a column is whatever
// the driver scans the column into. A field for a step of a path is a slice of structs, a slice of pointers to structs, or
// a pointer to a struct when there is at most one:
//
//	type Encounter struct {
//		ID           int64
//		AdmittedAt   time.Time
//		Practitioner *Practitioner
//		Observations []Observation
//		More         bool `db:"observations,more"` // Level.Limit left some out
//	}
//
// Every step needs a field. A field for which nothing was loaded is an error, unless it is a pointer or a slice, which stays
// nil. A slice that was loaded and has no rows is empty and not nil. Rows that several rows of the level above belong to, as the practitioner of two
// encounters, are loaded once and shared: don't change one in place.
//
// Errors: *GraphError, with ErrGraphLimit when the graph is larger than it may be; what rows reports. Nothing of the
// graph is returned with an error.
func DecodeGraph[T any](g *Graph, rows GraphRows) ([]T, error) {
	defer rows.Close()
	if g == nil || g.stmt == nil {
		return nil, graphError("", "the graph is nil; take it from Build or MustGraph")
	}
	if reflect.TypeFor[T]() == reflect.TypeFor[*Node]() {
		nodes, err := decodeNodes(g, rows)
		out, _ := any(nodes).([]T)
		return out, err
	}
	plan, err := g.plan(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	sink := newStructSink(g, plan)
	if err := g.load(sink, rows); err != nil {
		return nil, err
	}
	out, _ := sink.tables[0].rows.Interface().([]T)
	return out, nil
}

func (g *Graph) load(sink graphSink, rows GraphRows) error {
	r := &graphReader{g: g, sink: sink}
	if err := r.read(rows); err != nil {
		return err
	}
	return r.assemble()
}

// nodeSink makes Nodes.
type nodeSink struct {
	tables []nodeTable
}

type nodeTable struct {
	nodes  []*Node
	values []any // of one row
	texts  [][]byte
	dest   []any
}

func decodeNodes(g *Graph, rows GraphRows) ([]*Node, error) {
	s := &nodeSink{tables: make([]nodeTable, len(g.levels))}
	for i, l := range g.levels {
		t := &s.tables[i]
		t.values, t.texts, t.dest = make([]any, len(l.columns)), make([][]byte, len(l.columns)), make([]any, g.width)
		for j, column := range l.columns {
			t.dest[column.slot] = &t.values[j]
			if column.json {
				t.dest[column.slot] = &t.texts[j]
			}
		}
	}
	if err := g.load(s, rows); err != nil {
		return nil, err
	}
	return append([]*Node{}, s.tables[0].nodes...), nil
}

func (s *nodeSink) add(l *graphLevel, rows GraphRows) error {
	t := &s.tables[l.number]
	if err := rows.Scan(t.dest...); err != nil {
		return graphScanError(l, err)
	}
	values := make([]any, len(t.values))
	for i, v := range t.values {
		if l.columns[i].json {
			if t.texts[i] != nil {
				v = json.RawMessage(t.texts[i])
			}
			t.texts[i] = nil
		}
		values[i] = nodeValue(v)
	}
	t.nodes = append(t.nodes, &Node{level: l, values: values})
	return nil
}

// nodeValue gives types that only the driver knows in a form that everyone knows.
func nodeValue(v any) any {
	switch v := v.(type) {
	case [16]byte:
		return fmt.Sprintf("%x-%x-%x-%x-%x", v[0:4], v[4:6], v[6:8], v[8:10], v[10:16])
	case driver.Valuer:
		if plain, err := v.Value(); err == nil {
			return plain
		}
	}
	return v
}

func (s *nodeSink) attach(l *graphLevel, child int, keys []int32, groups *graphGroups) error {
	for row, node := range s.tables[l.number].nodes {
		if node.edges == nil {
			node.edges = make([]nodeEdge, len(l.children))
		}
		edge, err := s.edge(groups, keys[row], graphRound{1, []int32{keys[row]}})
		if err != nil {
			return err
		}
		edge.level = l.children[child]
		node.edges[child] = edge
	}
	return nil
}

// edge gives the nodes under a key.
func (s *nodeSink) edge(groups *graphGroups, key int32, at graphRound) (nodeEdge, error) {
	start, end, more := groups.span(key)
	edge := nodeEdge{level: groups.level, nodes: make([]*Node, 0, end-start), more: more}
	if groups.level.edge.one && end-start > 1 {
		return edge, graphMany(groups.level)
	}
	nodes := s.tables[groups.level.number].nodes
	for _, row := range groups.rows[start:end] {
		node := nodes[row]
		if groups.level.repeat > 1 {
			var err error
			if node, err = s.expand(groups, row, at); err != nil {
				return edge, err
			}
		}
		edge.nodes = append(edge.nodes, node)
	}
	return edge, nil
}

// expand copies a row of a level that repeats itself, since what is below it depends on the way to it.
func (s *nodeSink) expand(groups *graphGroups, row int32, at graphRound) (*Node, error) {
	if err := groups.count(); err != nil {
		return nil, err
	}
	node := *s.tables[groups.level.number].nodes[row]
	next, more := groups.next(at, row)
	if !more {
		return &node, nil
	}
	edge, err := s.edge(groups, groups.self[row], next)
	node.edges = append(node.edges[:len(node.edges):len(node.edges)], edge)
	return &node, err
}

func graphMany(l *graphLevel) error {
	return graphError(l.path, "more than one row came back where at most one can be; the key that the catalog declares is not unique")
}

func graphScanError(l *graphLevel, err error) error {
	return fmt.Errorf("query: graph at %s: %w", l.path, err)
}
