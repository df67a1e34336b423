package model

import (
	"fmt"
	"slices"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Entity is a loaded entity. Entities below several others are shared between them: they are for reading.
type Entity struct {
	ID      int64                `json:"id"`
	Type    string               `json:"type"`
	Values  Values               `json:"values"`
	Related map[string][]*Entity `json:"related,omitempty"` // by relation, as far as paths lead
}

// Options says what Load loads.
type Options struct {
	// IDs are the entities to begin with. Default: all of the type.
	IDs []int64
	// Paths are chains of relations to follow, with dots between them: "treats.admitted to".
	Paths []string
	// MaxNodes bounds rows of entities and fields together. Default: query.DefaultMaxNodes.
	MaxNodes int
}

// Load loads entities of a type, with their fields and what is related to them: one round trip for the tenant's
// definitions and one for all entities of all levels. Entities are in the order of their ids.
func (s *Store) Load(tc tenant.Context, typeName string, o Options) ([]*Entity, error) {
	all, err := s.definitions(tc, s.db)
	if err != nil {
		return nil, err
	}
	root := byName(all, typeName)
	if root == nil {
		return nil, undefined("type", typeName)
	}
	l := loader{store: s, all: all, args: query.Args{"type": root.ID}, root: &step{typ: root}}
	for _, path := range o.Paths {
		if err := l.path(path); err != nil {
			return nil, err
		}
	}
	g, err := l.graph(o)
	if err != nil {
		return nil, err
	}
	nodes, err := rls.Graph[*query.Node](tc, s.db, g, l.args)
	if err != nil {
		return nil, err
	}
	return l.entities(l.root, nodes, map[*query.Node]*Entity{}), nil
}

// loader turns paths of a tenant's names into a graph. The tenant's names stay here: the statement's text holds steps
// r1, r2, … and the ids of relations as arguments, so it is the same for every tenant whose graph has this shape.
type loader struct {
	store *Store
	all   []*definition
	args  query.Args
	root  *step
	count int
}

// step is one level of entities.
type step struct {
	typ   *definition
	name  string // the relation's name
	edge  query.Edge
	below []*step
}

func (l *loader) path(path string) error {
	at := l.root
	for name := range strings.SplitSeq(path, ".") {
		i := slices.IndexFunc(at.below, func(s *step) bool { return s.name == name })
		if i < 0 {
			r, to, inverse, ok := at.typ.relation(name)
			if !ok {
				return undefined("relation", name)
			}
			at.below = append(at.below, l.step(name, r, byID(l.all, to), inverse))
			i = len(at.below) - 1
		}
		at = at.below[i]
	}
	return nil
}

func (l *loader) step(name string, r relationDefinition, to *definition, inverse bool) *step {
	l.count++
	arg := fmt.Sprintf("r%d", l.count)
	l.args[arg] = r.ID
	edge := query.Edge{Name: arg, From: "entities", To: "entities", Link: "relationships",
		LinkFrom: []string{"from_id"}, LinkTo: []string{"to_id"}, LinkIs: sq.Eq{"relation_type_id": query.Arg(arg)}}
	if inverse {
		edge.LinkFrom, edge.LinkTo = edge.LinkTo, edge.LinkFrom
	}
	return &step{typ: to, name: name, edge: edge}
}

// graph builds the graph: at each level the entities, and the tables of those kinds of fields that their type has.
func (l *loader) graph(o Options) (*query.Graph, error) {
	root := query.Level{Columns: []string{"id"}, Where: sq.Eq{"type_id": query.Arg("type")}, OrderBy: []string{"id"}}
	if o.IDs != nil {
		root.Where = sq.And{root.Where, query.Expr("id = any(?)", query.Arg("ids"))}
		l.args["ids"] = o.IDs
	}
	var paths []string
	levels := map[string]query.Level{}
	var edges []query.Edge
	var walk func(s *step, prefix string)
	walk = func(s *step, prefix string) {
		for _, kind := range s.kinds() {
			paths = append(paths, prefix+kind.table())
			levels[prefix+kind.table()] = query.Level{Columns: []string{"field_id", "value"}}
		}
		for _, below := range s.below {
			path := prefix + below.edge.Name
			paths = append(paths, path)
			levels[path] = query.Level{Columns: []string{"id"}, OrderBy: []string{"id"}}
			edges = append(edges, below.edge)
			walk(below, path+".")
		}
	}
	walk(l.root, "")
	b := l.store.catalog.Graph("entities", paths...).Root(root)
	for _, edge := range edges {
		b = b.Edge(edge)
	}
	for path, level := range levels {
		b = b.At(path, level)
	}
	if o.MaxNodes > 0 {
		b = b.MaxNodes(o.MaxNodes)
	}
	return b.Build()
}

// kinds are the kinds of fields that the step's type has, in a fixed order.
func (s *step) kinds() []Kind {
	var used []Kind
	for _, kind := range kinds {
		if slices.ContainsFunc(s.typ.Fields, func(f fieldDefinition) bool { return f.Kind == kind }) {
			used = append(used, kind)
		}
	}
	return used
}

// entities turns nodes back into the tenant's words.
func (l *loader) entities(s *step, nodes []*query.Node, seen map[*query.Node]*Entity) []*Entity {
	list := make([]*Entity, len(nodes))
	for i, n := range nodes {
		if list[i] = seen[n]; list[i] != nil {
			continue
		}
		id, _ := n.Value("id").(int64)
		e := &Entity{ID: id, Type: s.typ.Name, Values: Values{}}
		for _, kind := range s.kinds() {
			for _, v := range n.Nodes(kind.table()) {
				at := slices.IndexFunc(s.typ.Fields, func(f fieldDefinition) bool { return f.ID == v.Value("field_id") })
				if at >= 0 { // a field that was defined after the definitions were read shows from the next Load on
					e.Values[s.typ.Fields[at].Name] = v.Value("value")
				}
			}
		}
		for _, below := range s.below {
			if e.Related == nil {
				e.Related = map[string][]*Entity{}
			}
			e.Related[below.name] = l.entities(below, n.Nodes(below.edge.Name), seen)
		}
		list[i], seen[n] = e, e
	}
	return list
}
