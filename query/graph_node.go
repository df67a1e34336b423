package query

import (
	"bytes"
	"encoding/json"
)

// Node is an entity of a graph whose shape is only known at run time. Values are what the driver makes of a column,
// with these exceptions: a uuid is its text, a numeric is a string with all its digits, and json and jsonb are
// json.RawMessage when the catalog declares the column's type, so that large numbers in them stay exact.
//
// Nodes may be shared between the nodes above them; they are for reading, and safe for concurrent use.
type Node struct {
	level  *graphLevel
	values []any
	edges  []nodeEdge
}

type nodeEdge struct {
	level *graphLevel
	nodes []*Node
	more  bool
}

// Relation is the name of the relation that the entity is in.
func (n *Node) Relation() string { return n.level.rel.Name }

// Columns are the names of the columns that were loaded. The caller owns the slice.
func (n *Node) Columns() []string {
	names := make([]string, len(n.level.columns))
	for i, column := range n.level.columns {
		names[i] = column.name
	}
	return names
}

// Value is the value of a column: nil when it is NULL, and when the column was not loaded.
func (n *Node) Value(column string) any {
	for i, c := range n.level.columns {
		if c.name == column {
			return n.values[i]
		}
	}
	return nil
}

// Nodes are the entities that a step of a path leads to, in the level's order. They are nil when the step was not
// loaded, or ends here because the depth is reached or the entity is below itself.
func (n *Node) Nodes(step string) []*Node {
	for _, e := range n.edges {
		if e.level != nil && e.level.edge.name == step {
			return e.nodes
		}
	}
	return nil
}

// Node is the first entity that a step leads to, nil when there is none.
func (n *Node) Node(step string) *Node {
	if nodes := n.Nodes(step); len(nodes) > 0 {
		return nodes[0]
	}
	return nil
}

// More reports whether Level.Limit left out entities that the step leads to.
func (n *Node) More(step string) bool {
	for _, e := range n.edges {
		if e.level != nil && e.level.edge.name == step {
			return e.more
		}
	}
	return false
}

// MarshalJSON writes the columns and then the steps as one object: a step that leads to at most one entity as an object
// or null, others as arrays. "encounters_more": true says that Level.Limit left some out.
func (n *Node) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	before := byte('{')
	field := func(name string, value any) error {
		b.WriteByte(before)
		before = ','
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		text, err := json.Marshal(value)
		b.Write(key)
		b.WriteByte(':')
		b.Write(text)
		return err
	}
	for i, column := range n.level.columns {
		if err := field(column.name, n.values[i]); err != nil {
			return nil, err
		}
	}
	for _, e := range n.edges {
		var value any = e.nodes
		if e.level.edge.one {
			value = n.Node(e.level.edge.name)
		}
		if err := field(e.level.edge.name, value); err != nil {
			return nil, err
		}
		if e.more {
			if err := field(e.level.edge.name+"_more", true); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
