package sqlproof

import (
	"slices"

	"github.com/sqlc-dev/oliphant/ast"
)

// A group is a part of a FROM tree whose rows all obey the same facts: whatever row does not is dropped before it can
// influence the result. Inner joins lie in one group. The nullable side of an outer join is a group below, with the
// facts of the one above and those of its ON.
type group struct {
	above    *group
	below    []*group
	entry    *from // the tree of a group below
	level    *level
	nullable bool
	classes  map[*column]*class
	facts    []equality
	order    []*class
	// continued maps classes above to those that continue them here.
	continued map[*class]*class
	edges     map[*column][]*column // for explanations
}

// A class is a set of columns that are equal in all rows of a group. It may continue classes of the group above.
type class struct {
	up      *class // merged into
	size    int
	members []*column
	above   []*class
	tenant  bool // holds the tenant parameter
	bound   bool // its value is the tenant: solved
}

func (c *class) root() *class {
	for c.up != nil {
		if c.up.up != nil {
			c.up = c.up.up
		}
		c = c.up
	}
	return c
}

// class returns the class of a column in this group, making one when create is set.
func (g *group) class(c *column, create bool) *class {
	if k := g.classes[c]; k != nil {
		return k.root()
	}
	var above *class
	if g.above != nil {
		above = g.above.class(c, false)
	}
	if above != nil {
		// One class here stands for the whole class above.
		if k := g.continued[above]; k != nil {
			return k.root()
		}
	}
	if !create && above == nil {
		return nil
	}
	if !create {
		return above
	}
	k := &class{size: 1}
	if above != nil {
		k.above = []*class{above}
		g.continued[above] = k
	} else {
		k.members = []*column{c}
		g.classes[c] = k
	}
	k.tenant = c == theTenant
	g.order = append(g.order, k)
	return k
}

func (p *prover) union(g *group, e equality) {
	p.step(1)
	a, b := g.class(e.a, true), g.class(e.b, true)
	if a == b {
		return
	}
	if a.size < b.size {
		a, b = b, a
	}
	b.up, a.size = a, a.size+b.size
	a.members, a.above = append(a.members, b.members...), append(a.above, b.above...)
	a.tenant = a.tenant || b.tenant
}

// arrange puts every item of a level into its group. facts are those of WHERE.
func (p *prover) arrange(lv *level, roots []*from, facts []equality) {
	lv.root = newGroup(lv, nil, nil)
	p.fill(lv.root, roots, facts)
}

func newGroup(lv *level, above *group, entry *from) *group {
	g := &group{level: lv, above: above, entry: entry, classes: map[*column]*class{}, continued: map[*class]*class{}}
	if above != nil {
		g.nullable = true
		above.below = append(above.below, g)
	}
	return g
}

// fill places trees in a group. It goes on while facts turn outer joins into inner ones, which PostgreSQL does too
// (reduce_outer_joins).
func (p *prover) fill(g *group, roots []*from, facts []equality) {
	a := &arranger{p: p, g: g, todo: slices.Clone(roots)}
	a.add(facts)
	for len(a.todo) > 0 && p.step(1) {
		f := a.todo[len(a.todo)-1]
		a.todo = a.todo[:len(a.todo)-1]
		a.place(f)
	}
	for _, f := range a.waiting {
		if f.group != g || p.refusal != nil {
			continue
		}
		f.group = nil
		p.fillBelow(g, f)
	}
}

// fillBelow makes the groups of an outer join that stays one.
func (p *prover) fillBelow(g *group, f *from) {
	switch f.join {
	case ast.JoinType_JOIN_LEFT:
		p.fill(newGroup(g.level, g, f.right), []*from{f.right}, f.facts)
	case ast.JoinType_JOIN_RIGHT:
		p.fill(newGroup(g.level, g, f.left), []*from{f.left}, f.facts)
	case ast.JoinType_JOIN_FULL:
		p.fill(newGroup(g.level, g, f.left), []*from{f.left}, nil)
		p.fill(newGroup(g.level, g, f.right), []*from{f.right}, nil)
	}
}

type arranger struct {
	p       *prover
	g       *group
	todo    []*from
	waiting []*from // outer joins
}

// add takes facts into the group and marks the trees on whose columns they are strict: a row with NULLs there is dropped.
func (a *arranger) add(facts []equality) {
	for _, e := range facts {
		if !a.p.step(1) {
			return
		}
		a.p.union(a.g, e)
		a.g.facts = append(a.g.facts, e)
		for _, c := range [2]*column{e.a, e.b} {
			if c.item != nil && c.item.level == a.g.level {
				a.mark(c.item.from)
			}
		}
	}
}

func (a *arranger) mark(f *from) {
	if e := a.g.entry; e != nil && (f.lo < e.lo || f.hi > e.hi) {
		return
	}
	for ; f != nil && f.mark != a.g && a.p.step(1); f = f.parent {
		f.mark = a.g
		if f.parent != nil && f.parent.group == a.g {
			a.todo = append(a.todo, f.parent) // look at it again
		}
		if f == a.g.entry {
			return
		}
	}
}

// place puts a tree into the group, as far as its rows obey the group's facts.
func (a *arranger) place(f *from) {
	g := a.g
	if f.item != nil {
		f.item.group, f.item.nullable = g, g.nullable
		return
	}
	again := f.group == g // an outer join that waits
	left, right := f.left.mark == g, f.right.mark == g
	switch f.join {
	case ast.JoinType_JOIN_INNER:
		a.add(f.facts)
		a.todo = append(a.todo, f.right, f.left)
	case ast.JoinType_JOIN_LEFT:
		if !again {
			a.todo = append(a.todo, f.left)
		}
		a.outer(f, right, f.right)
	case ast.JoinType_JOIN_RIGHT:
		if !again {
			a.todo = append(a.todo, f.right)
		}
		a.outer(f, left, f.left)
	case ast.JoinType_JOIN_FULL:
		switch {
		case left:
			// Rows of the right side alone are dropped: what is left is a LEFT JOIN.
			f.group = nil
			f.join = ast.JoinType_JOIN_LEFT
			a.p.lintJoin(f)
			a.place(f)
		case right:
			f.group = nil
			f.join = ast.JoinType_JOIN_RIGHT
			a.p.lintJoin(f)
			a.place(f)
		case !again:
			f.group = g
			a.waiting = append(a.waiting, f)
		}
	}
}

// outer handles LEFT and RIGHT: with a strict fact on the nullable side the join is inner.
func (a *arranger) outer(f *from, strict bool, nullable *from) {
	if !strict {
		if f.group != a.g {
			f.group = a.g
			a.waiting = append(a.waiting, f)
		}
		return
	}
	if f.reduced {
		return
	}
	f.group, f.reduced = nil, true
	a.p.lintJoin(f)
	a.add(f.facts)
	a.todo = append(a.todo, nullable)
}
