package query

import (
	"fmt"
	"slices"
	"sync"
)

// GraphBuilder makes a [Graph]: which relations to load below a root, how far, and how much of each. Start with
// [Catalog.Graph]. It is a value: its methods return changed copies, so a common beginning can be kept and shared.
type GraphBuilder struct {
	c      *Catalog
	root   string
	paths  []string
	edges  []Edge
	levels []graphSetting
	max    int
}

// graphSetting is one call of At or Root; conditions are kept as they were when they were given.
type graphSetting struct {
	path  string
	level Level
	where frag
}

// Level says what of one level to load. The zero value loads all declared columns of all rows that belong to the
// level above.
type Level struct {
	// Columns to load, without the tenant column. Default: all columns that the catalog declares for the relation; it
	// is an error when it declares none.
	Columns []string
	// Where is a condition on the level's rows, on columns of its own relation: sq.Eq{"ward": query.Arg("ward")}. It
	// narrows the level and what is below it, never the level above.
	Where Condition
	// Without lifts filters of the catalog by name, as SelectBuilder.Without does.
	Without []string
	// OrderBy sorts by columns: "admitted_at desc", "id". Default: no order.
	OrderBy []string
	// Limit is the most rows that are loaded: of the root, or below each row of the level above. 0 means no limit
	// but the graph's own, see [GraphBuilder.MaxNodes].
	Limit uint32
	// After continues behind the last row of an earlier page: one value, or [Arg], for each term of OrderBy. Rows are
	// told apart by these columns alone, so end OrderBy with the key; the columns must not be NULL.
	After []any
}

// DefaultMaxNodes is how many nodes a graph may have when MaxNodes says nothing.
const DefaultMaxNodes = 100_000

// Graph begins a graph at a relation. Each path is a chain of relations below it, written with dots:
//
//	catalog.Graph("patients", "encounters.observations", "charges")
//
// A step is the name of an [Edge], or of a relation that the catalog's references lead to from the step before, in
// either direction or through a link relation, or of a column that refers ("attending_id", or "attending" for it). When
// a name can mean two ways, Build lists them and refuses to choose. A relation that refers to itself is loaded to a
// depth: "children*5"; where it has a cycle the way ends at the row from which it would begin again. Paths that begin alike share their levels.
func (c *Catalog) Graph(root string, paths ...string) GraphBuilder {
	return GraphBuilder{c: c, root: root, paths: slices.Clone(paths), max: DefaultMaxNodes}
}

// Edge names a way from one relation to another that the catalog does not declare, or one of several that it does.
func (b GraphBuilder) Edge(e Edge) GraphBuilder {
	b.edges = append(slices.Clip(b.edges), e.clone())
	return b
}

// Root says what to load of the root.
func (b GraphBuilder) Root(l Level) GraphBuilder { return b.At("", l) }

// At says what to load at a path, written as in Graph but without depths: "encounters.observations".
func (b GraphBuilder) At(path string, l Level) GraphBuilder {
	s := graphSetting{path: path, level: l}
	if l.Where != nil {
		s.where = snapshot(l.Where)
	}
	s.level.Columns = slices.Clone(l.Columns)
	s.level.Without = slices.Clone(l.Without)
	s.level.OrderBy = slices.Clone(l.OrderBy)
	s.level.After = freezeAll(l.After)
	b.levels = append(slices.Clip(b.levels), s)
	return b
}

// MaxNodes bounds the whole graph, 1 to 1,000,000 nodes; DefaultMaxNodes is the default. A larger result is an error
// that is [ErrGraphLimit], never a part of the graph that looks like all of it.
func (b GraphBuilder) MaxNodes(n int) GraphBuilder {
	b.max = n
	return b
}

// Build resolves the paths, writes one statement for the whole graph and has it proved. Errors are *GraphError, or
// *Refusal for a condition or statement that is refused.
func (b GraphBuilder) Build() (*Graph, error) {
	root, err := b.resolve()
	if err != nil {
		return nil, err
	}
	layout := newGraphLayout(root)
	if len(layout.slots) > graphMaxSlots {
		return nil, graphError(root.path, fmt.Sprintf("the levels have more than %d columns; name fewer in Level.Columns, or load the graph in parts", graphMaxSlots))
	}
	stmt, err := build(b.c, graphStatement{c: b.c, layout: layout, max: b.max})
	if err != nil {
		return nil, err
	}
	return &Graph{stmt: stmt.Named("graph " + root.path), root: root, levels: layout.levels, width: len(layout.slots), max: b.max}, nil
}

// MustGraph is for package-level variables: it panics when the graph is refused, so that a program that holds one does
// not start.
func MustGraph(b GraphBuilder) *Graph {
	g, err := b.Build()
	if err != nil {
		panic(err)
	}
	return g
}

// Graph loads entities with what is related to them, in one statement: one round trip, one snapshot. Run it with
// rls.Graph, or run its Statement and hand the rows to [DecodeGraph]. It never changes and is safe for concurrent use.
type Graph struct {
	stmt   *Statement
	root   *graphLevel
	levels []*graphLevel // in the order of the statement's level numbers
	width  int           // columns of the statement
	max    int
	plans  sync.Map // reflect.Type → *graphPlan
}

// Statement is the proved statement that loads the graph. Its rows are the graph's own; only DecodeGraph reads them.
func (g *Graph) Statement() *Statement { return g.stmt }
