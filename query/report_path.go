package query

import (
	"slices"
	"strings"
)

// reportStep goes from one relation to another over a declared key.
type reportStep struct {
	key      string // "encounters.patient_id": the relation and the column that refers
	from, to *relation
	fromCol  string
	toCol    string
	many     bool // against the key's direction: one row of from has many of to
}

// reportPath is the way from a report's root to a relation: first the steps
// down to many rows, then the steps up to one. Other ways would multiply rows
// in both directions and are never found.
type reportPath []reportStep

// String is the path's name: its keys in order. Two paths are the same way
// when their names are equal.
func (p reportPath) String() string {
	if len(p) == 1 {
		return p[0].key
	}
	return strings.Join(p.keys(), " > ")
}

func (p reportPath) keys() []string {
	keys := make([]string, len(p))
	for i, s := range p {
		keys[i] = s.key
	}
	return keys
}

// down is the number of steps to many rows; they stand first.
func (p reportPath) down() int {
	n := 0
	for n < len(p) && p[n].many {
		n++
	}
	return n
}

func (p reportPath) end(root *relation) *relation {
	if len(p) == 0 {
		return root
	}
	return p[len(p)-1].to
}

const reportMaxSteps = 4 // a join path longer than this is asked for with Via or Paths

// reportPaths finds, for each relation, the ways from root to it that go only
// up (many rows to one) or only down. A reference is many-to-one by its
// nature: what it refers to is unique within the tenant.
func reportPaths(c *Catalog, root *relation) map[*relation][]reportPath {
	found := make(map[*relation][]reportPath)
	var walk func(at *relation, path reportPath, seen []*relation, many bool)
	walk = func(at *relation, path reportPath, seen []*relation, many bool) {
		if len(path) == reportMaxSteps {
			return
		}
		for _, s := range reportSteps(c, at) {
			if s.many != many || slices.Contains(seen, s.to) {
				continue
			}
			next := append(slices.Clone(path), s)
			found[s.to] = append(found[s.to], next)
			walk(s.to, next, append(slices.Clone(seen), s.to), many)
		}
	}
	walk(root, nil, []*relation{root}, false)
	walk(root, nil, []*relation{root}, true)
	return found
}

// reportSteps lists the steps that start at a relation.
func reportSteps(c *Catalog, at *relation) []reportStep {
	var steps []reportStep
	for _, ref := range at.References {
		if to := c.lookup(ref.To); to != nil {
			steps = append(steps, reportStep{
				key: at.Name + "." + ref.Column, from: at, to: to, fromCol: ref.Column, toCol: ref.ToColumn,
			})
		}
	}
	for _, r := range c.sorted {
		for _, ref := range r.References {
			if c.lookup(ref.To) == at && r != at {
				steps = append(steps, reportStep{
					key: r.Name + "." + ref.Column, from: at, to: r, fromCol: ref.ToColumn, toCol: ref.Column, many: true,
				})
			}
		}
	}
	return steps
}

// followKeys turns the keys that a developer wrote into a path.
func followKeys(c *Catalog, root *relation, keys []string) (reportPath, string) {
	var path reportPath
	at := root
	for _, key := range keys {
		i := slices.IndexFunc(reportSteps(c, at), func(s reportStep) bool { return s.key == key })
		if i < 0 {
			return nil, "the catalog declares no reference " + quote(key) + " that touches " + at.Name
		}
		s := reportSteps(c, at)[i]
		if s.many && len(path) > path.down() {
			return nil, "the way goes up to one row and down to many again, which would multiply rows"
		}
		path, at = append(path, s), s.to
	}
	return path, ""
}
