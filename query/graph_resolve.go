package query

import (
	"fmt"
	"slices"
	"strings"
)

// graphLevel is one level of a graph: the root, or what an edge leads to from the level above.
type graphLevel struct {
	number   int
	path     string // for messages: "patients.encounters"
	rel      *relation
	edge     *graphEdge // nil for the root
	repeat   int        // how deep the edge repeats itself, 1 if not
	parent   *graphLevel
	children []*graphLevel
	spec     Level
	where    frag
	filtered bool
	set      bool // Root or At was said of it

	order []graphOrder
	after *Expression

	outputs []graphOutput
	columns []graphColumn // what the result shows, in order
	in      []int         // slots of the key by which rows belong to the level above
	outs    [][]int       // slots of the key for each child
	self    []int         // slots of the key for the next round of a level that repeats
}

// graphColumn is a column of the result and the slot of the statement's row that holds it.
type graphColumn struct {
	name string
	slot int
	json bool // decoded as text, since a decoded number of JSON would lose digits
}

// resolve turns paths into levels.
func (b GraphBuilder) resolve() (*graphLevel, error) {
	if b.c == nil {
		return nil, graphError("", "the graph has no catalog; begin with Catalog.Graph")
	}
	rel := b.c.lookup(b.root)
	if rel == nil {
		return nil, graphError(shorten(b.root), "the catalog declares no such relation")
	}
	if b.max < 1 || b.max > graphMaxNodes {
		return nil, graphError(rel.Name, fmt.Sprintf("MaxNodes must be from 1 to %d", graphMaxNodes))
	}
	edges, err := b.resolveEdges()
	if err != nil {
		return nil, err
	}
	root := &graphLevel{path: rel.Name, rel: rel, repeat: 1}
	levels := 1
	for _, path := range b.paths {
		steps, err := parseGraphPath(path)
		if err != nil {
			return nil, graphError(rel.Name, err.Error())
		}
		at := root
		for _, step := range steps {
			next, err := at.step(b.c, edges, step, &levels)
			if err != nil {
				return nil, err
			}
			at = next
		}
	}
	if levels > graphMaxLevels {
		return nil, graphError(rel.Name, fmt.Sprintf("the graph has more than %d levels; load it in parts", graphMaxLevels))
	}
	for _, s := range b.levels {
		if err := root.apply(s); err != nil {
			return nil, err
		}
	}
	return root, root.check()
}

func (b GraphBuilder) resolveEdges() ([]*graphEdge, error) {
	edges := make([]*graphEdge, 0, len(b.edges))
	for _, e := range b.edges {
		edge, err := b.c.resolveEdge(e)
		if err != nil {
			return nil, err
		}
		for _, other := range edges {
			if other.from == edge.from && other.name == edge.name {
				return nil, graphError(edge.from.Name+"."+edge.name, "two edges have this name; names are of one edge each")
			}
		}
		edges = append(edges, edge)
	}
	return edges, nil
}

// step finds or adds the level that a step leads to.
func (l *graphLevel) step(c *Catalog, edges []*graphEdge, s graphStep, levels *int) (*graphLevel, error) {
	path := l.path + "." + s.name
	for _, child := range l.children {
		if child.edge.name != s.name {
			continue
		}
		if child.repeat != s.repeat {
			return nil, graphError(path, "two paths repeat this step to different depths; write one depth")
		}
		return child, nil
	}
	edge, err := l.findEdge(c, edges, s.name)
	if err != nil {
		return nil, err
	}
	if s.repeat > 1 && edge.from != edge.to {
		return nil, graphError(path, fmt.Sprintf("leads from %s to %s, so it can't repeat itself; write the path step by step", edge.from.Name, edge.to.Name))
	}
	child := &graphLevel{path: path, rel: edge.to, edge: edge, repeat: s.repeat, parent: l}
	l.children = append(l.children, child)
	*levels++
	return child, nil
}

// findEdge resolves a name: an edge of that name, a reference by its column, or one by the relation at its other end.
func (l *graphLevel) findEdge(c *Catalog, edges []*graphEdge, name string) (*graphEdge, error) {
	for _, e := range edges {
		if e.from == l.rel && e.name == name {
			return e, nil
		}
	}
	found := referenceEdges(c, l.rel, name)
	if len(found) == 0 {
		found = linkEdges(c, l.rel, name)
	}
	switch len(found) {
	case 0:
		return nil, graphError(l.path, fmt.Sprintf("nothing leads from %s to %s; declare the reference in the catalog, or give the graph an Edge of this name", l.rel.Name, name))
	case 1:
		return found[0], nil
	}
	choices := make([]string, len(found))
	for i, e := range found {
		choices[i] = e.String()
	}
	return nil, graphError(l.path+"."+name, "can mean several ways; use the name of the column that refers, or give the graph an Edge for the one that is meant", choices...)
}

// referenceEdges are the direct ways under a name. The name of the very column that refers decides alone.
func referenceEdges(c *Catalog, from *relation, name string) []*graphEdge {
	var found []*graphEdge
	for _, ref := range from.References {
		to := c.lookup(ref.To)
		if to == nil {
			continue
		}
		e := newReferenceEdge(name, from, ref.Column, to, ref.ToColumn)
		if ref.Column == name {
			return []*graphEdge{e}
		}
		if strings.TrimSuffix(ref.Column, "_id") == name || to.isCalled(name) {
			found = append(found, e)
		}
	}
	for _, to := range c.sorted {
		if !to.isCalled(name) {
			continue
		}
		for _, ref := range to.References {
			if c.lookup(ref.To) == from {
				found = append(found, newReferenceEdge(name, from, ref.ToColumn, to, ref.Column))
			}
		}
	}
	return found
}

// linkEdges are the ways through one relation that refers to both ends.
func linkEdges(c *Catalog, from *relation, name string) []*graphEdge {
	var found []*graphEdge
	for _, link := range c.sorted {
		for _, near := range link.References {
			if c.lookup(near.To) != from {
				continue
			}
			for _, far := range link.References {
				to := c.lookup(far.To)
				if far == near || to == nil || !to.isCalled(name) {
					continue
				}
				found = append(found, &graphEdge{name: name, from: from, to: to, link: link,
					fromCols: []string{near.ToColumn}, linkFrom: []string{near.Column},
					linkTo: []string{far.Column}, toCols: []string{far.ToColumn}})
			}
		}
	}
	return found
}

func newReferenceEdge(name string, from *relation, fromCol string, to *relation, toCol string) *graphEdge {
	e := &graphEdge{name: name, from: from, to: to, fromCols: []string{fromCol}, toCols: []string{toCol}}
	e.setOne()
	return e
}

func (r *relation) isCalled(name string) bool { return r.Name == name || r.table == name }

// apply puts what Root or At said on its level.
func (l *graphLevel) apply(s graphSetting) error {
	at := l
	if s.path != "" {
		steps, err := parseGraphPath(s.path)
		if err != nil {
			return graphError(l.path, err.Error())
		}
		for _, step := range steps {
			i := slices.IndexFunc(at.children, func(c *graphLevel) bool { return c.edge.name == step.name })
			if i < 0 {
				return graphError(at.path+"."+step.name, "At names a level that no path of the graph has")
			}
			at = at.children[i]
		}
	}
	if at.set {
		return graphError(at.path, "Root or At was called twice for this level; say all of it in one Level")
	}
	at.set, at.spec, at.where, at.filtered = true, s.level, s.where, s.level.Where != nil
	return nil
}

// check fills in what a level loads by default, and checks the rest.
func (l *graphLevel) check() error {
	if err := l.checkColumns(); err != nil {
		return err
	}
	if err := l.checkOrder(); err != nil {
		return err
	}
	if l.spec.Limit >= graphMaxNodes {
		return graphError(l.path, fmt.Sprintf("Limit must be below %d", graphMaxNodes))
	}
	for _, child := range l.children {
		if err := child.check(); err != nil {
			return err
		}
	}
	return nil
}

func (l *graphLevel) checkColumns() error {
	names := l.spec.Columns
	if len(names) == 0 {
		for _, column := range l.rel.Columns {
			if !l.rel.isTenantColumn(column.Name) {
				names = append(names, column.Name)
			}
		}
		if len(names) == 0 {
			return graphError(l.path, "the catalog declares no columns for "+l.rel.Name+"; name them in Level.Columns")
		}
	}
	names, why := l.rel.graphNames(names)
	if why != "" {
		return graphError(l.path, why)
	}
	l.spec.Columns = names
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return graphError(l.path, "the column "+name+" is asked for twice")
		}
		if slices.ContainsFunc(l.children, func(c *graphLevel) bool { return c.edge.name == name }) {
			return graphError(l.path, "the step "+name+" has the name of a column that is loaded too; give the graph an Edge with another name, or leave the column out of Level.Columns")
		}
	}
	return nil
}
