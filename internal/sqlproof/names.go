package sqlproof

import (
	"github.com/sqlc-dev/oliphant/ast"
)

// newItem adds an entry to a level. Two entries must not go by one name; PostgreSQL lets two tables of different schemas
// do so, and then refuses every reference.
func (p *prover) newItem(lv *level, it *item) *from {
	it.level, it.index = lv, len(lv.items)
	lv.items = append(lv.items, it)
	if it.name != "" {
		if len(lv.byName[it.name]) > 0 {
			p.refuseAt(int(it.location), ruleDuplicateAlias, it.written(), "", "")
		}
		if lv.byName == nil {
			lv.byName = map[string][]*item{}
		}
		lv.byName[it.name] = append(lv.byName[it.name], it)
	}
	f := &from{lo: it.index, hi: it.index + 1, item: it, location: it.location}
	it.from = f
	return f
}

// written is the relation as the statement writes it: "encounters e".
func (it *item) written() string {
	name := it.name
	if it.relation != nil {
		name = it.relation.Name
		if it.relation.Schema != DefaultSchema {
			name = it.relation.Schema + "." + name
		}
	}
	if it.aliased && it.alias != name {
		return name + " " + it.alias
	}
	return name
}

// column returns the column that an output of the item stands for, or nil when the output cannot carry the tenant.
func (it *item) column(o *output) *column {
	if it.relation != nil {
		return o.column
	}
	if o == nil || !o.exact {
		return nil
	}
	if c := it.columns[o]; c != nil {
		return c
	}
	if it.columns == nil {
		it.columns = map[*output]*column{}
	}
	c := &column{item: it, name: o.name, source: o}
	it.columns[o] = c
	it.order = append(it.order, c)
	return c
}

// lookup finds the outputs of an item by name. maybe is true when a column of that name might exist beside them.
func (p *prover) lookup(it *item, name string) (found []*output, maybe bool) {
	p.step(1)
	if it.names == nil {
		p.step(len(it.outputs))
		it.names = make(map[string][]*output, len(it.outputs))
		for _, o := range it.outputs {
			if !o.anyName {
				it.names[o.name] = append(it.names[o.name], o)
			}
		}
	}
	return it.names[name], it.open
}

// A hit is a column found by its name. Its column is nil when it cannot carry the tenant.
type hit struct {
	item   *item
	output *output
	column *column
}

// search looks for an unqualified name below a node of a FROM tree.
func (p *prover) search(f *from, name string) (hits []hit, maybe bool) {
	if f.qualified || !p.step(1) {
		return nil, false
	}
	if f.item != nil {
		outs, maybe := p.lookup(f.item, name)
		for _, o := range outs {
			hits = append(hits, hit{f.item, o, f.item.column(o)})
		}
		return hits, maybe
	}
	for _, m := range f.using {
		if m.name == name {
			return []hit{{nil, m.output, m.column}}, false
		}
	}
	hits, maybe = p.search(f.left, name)
	more, maybeToo := p.search(f.right, name)
	return append(hits, more...), maybe || maybeToo
}

// resolve finds what a column reference means, as PostgreSQL does: a lone name is a column of the innermost level that
// has one, a qualified one belongs to the innermost relation of that name. It returns nil for a value that can't carry
// the tenant, and for whole rows.
func (p *prover) resolve(sc *scope, ref *ast.ColumnRef) *column {
	var parts []string
	star := false
	for _, f := range ref.GetFields() {
		switch f := f.GetNode().(type) {
		case *ast.Node_String_:
			parts = append(parts, f.String_.GetSval())
		case *ast.Node_AStar:
			star = true
		default:
			p.refuse(ref.Location, ruleUnknownForm)
			return nil
		}
	}
	switch {
	case len(parts) == 0: // count(*) has no fields either; a bare * is expanded elsewhere
		return nil
	case len(parts) == 1 && !star:
		return p.unqualified(sc, parts[0], ref.Location)
	case len(parts) > 3 || (len(parts) == 3 && star):
		p.refuse(ref.Location, ruleOtherDatabase)
		return nil
	}
	name := ""
	if !star {
		parts, name = parts[:len(parts)-1], parts[len(parts)-1]
	}
	it := p.qualifier(sc, parts, ref.Location)
	if it == nil || star {
		return nil
	}
	return p.member(it, name, ref.Location)
}

// qualifier finds the relation that alias. or schema.relation. means.
func (p *prover) qualifier(sc *scope, parts []string, location int32) *item {
	for s := sc; s != nil; s = s.outer {
		if s.level == nil {
			continue
		}
		for _, it := range s.level.byName[parts[len(parts)-1]] {
			if len(parts) == 2 && (it.relation == nil || it.aliased || it.relation.Schema != parts[0]) {
				continue
			}
			if inside(s.blocked, it) {
				p.refuse(location, ruleLateral)
				return nil
			}
			if inside(s.visible, it) {
				return it
			}
		}
	}
	p.refuse(location, ruleUnknownAlias)
	return nil
}

func inside(nodes []*from, it *item) bool {
	for _, f := range nodes {
		if f.lo <= it.index && it.index < f.hi {
			return true
		}
	}
	return false
}

// member is the column of a relation that was named.
func (p *prover) member(it *item, name string, location int32) *column {
	found, maybe := p.lookup(it, name)
	switch {
	case len(found) > 1:
		p.refuse(location, ruleAmbiguous)
	case len(found) == 1:
		return it.column(found[0])
	case it.relation != nil && systemColumns[name]:
		p.refuseAt(int(location), ruleSystemColumn, it.written(), "", "")
	case !maybe:
		p.refuseAt(int(location), ruleUnknownColumn, it.written(), "", "")
	}
	return nil
}

func (p *prover) unqualified(sc *scope, name string, location int32) *column {
	for s := sc; s != nil; s = s.outer {
		var hits []hit
		blocked, maybe, base := false, false, false
		for i, f := range [2][]*from{s.visible, s.blocked} {
			for _, node := range f {
				found, open := p.search(node, name)
				hits, maybe = append(hits, found...), maybe || open
				blocked = blocked || (i == 1 && len(found) > 0)
				base = base || (systemColumns[name] && p.anyBase(s.level, node))
			}
		}
		switch {
		case len(hits) > 1:
			p.refuse(location, ruleAmbiguous)
			return nil
		case blocked:
			p.refuse(location, ruleLateral)
			return nil
		case len(hits) == 1:
			return hits[0].column
		case base:
			p.refuse(location, ruleSystemColumn)
			return nil
		case maybe && !systemColumns[name]:
			// The name may belong to this level or to an outer one, so it proves nothing.
			return nil
		}
	}
	return nil
}

func (p *prover) anyBase(lv *level, f *from) bool {
	for _, it := range lv.items[f.lo:f.hi] {
		if it.relation != nil {
			return true
		}
	}
	return false
}
