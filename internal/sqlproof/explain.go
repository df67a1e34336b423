package sqlproof

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/septum-go/septum/internal/sqltext"
)

// maxChain bounds the length of an explanation and the work for it.
const maxChain = 24

// proof writes down what was found.
func (p *prover) proof(q *query) *Proof {
	proof := &Proof{
		Command: q.command, ReturnsRows: q.rows, Params: int(p.params), UsesTenant: p.usesTenant, Lints: p.lints,
		Functions: p.called,
		Relations: make([]BoundRelation, 0, len(p.bases)),
	}
	var text strings.Builder
	for _, it := range p.bases {
		r := BoundRelation{Schema: it.relation.Schema, Name: it.relation.Name, Kind: it.relation.Kind, Written: it.target}
		if it.aliased {
			r.Alias = it.alias
		}
		r.Line, r.Column = sqltext.Position(p.sql, int(it.location))
		reason := "global"
		if it.tenant != nil {
			r.Chain = p.chain(it.tenant, nil)
			reason = strings.Join(r.Chain, " = ")
		}
		proof.Relations = append(proof.Relations, r)
		fmt.Fprintf(&text, "%s (%d:%d): %s\n", it.written(), r.Line, r.Column, reason)
	}
	for _, l := range p.lints {
		fmt.Fprintf(&text, "lint %s %s (%d:%d): %s\n", l.Rule, l.Relation, l.Line, l.Column, l.Why)
	}
	proof.text = strings.TrimSuffix(text.String(), "\n")
	return proof
}

// chain is the equalities from a column down to the parameter. Each step goes to a column whose label was found earlier,
// so it ends.
func (p *prover) chain(c *column, sofar []string) []string {
	switch {
	case c == theTenant:
		return append(sofar, p.tenantText())
	case len(sofar) >= maxChain:
		return append(sofar, "…", p.tenantText())
	case c.item == nil:
		return p.chainOutput(c.source, append(sofar, c.name))
	}
	path := p.path(c)
	for _, step := range path {
		sofar = append(sofar, p.columnText(step))
	}
	last := path[len(path)-1]
	switch {
	case last == theTenant:
		return sofar
	case last != c:
		return p.chain(last, sofar[:len(sofar)-1])
	case c.given != unknown:
		return append(sofar, p.tenantText())
	}
	return p.chainOutput(c.source, sofar)
}

func (p *prover) chainOutput(o *output, sofar []string) []string {
	for depth := 0; o != nil && depth < maxChain; depth++ {
		switch {
		case o.column != nil:
			return p.chain(o.column, sofar)
		case len(o.arms) > 0:
			o = o.arms[0]
			continue
		}
		break
	}
	return append(sofar, p.tenantText())
}

// path is the shortest way through a group's facts from a column to the tenant or to a column that was known before. It
// is the column alone when its label has another reason.
func (p *prover) path(c *column) []*column {
	if c.given != unknown || c.item.group == nil || (c.source != nil && p.labelOf(c.source, 0) != unknown) {
		return []*column{c}
	}
	from := map[*column]*column{c: c}
	queue := []*column{c}
	for len(queue) > 0 && len(from) < 256 {
		at := queue[0]
		queue = queue[1:]
		for g := c.item.group; g != nil; g = g.above {
			for _, next := range g.neighbours(at) {
				if from[next] != nil {
					continue
				}
				from[next] = at
				if next == theTenant || next.item == nil || (next.label != unknown && next.rank < c.rank) {
					return backwards(from, next)
				}
				queue = append(queue, next)
			}
		}
	}
	return []*column{c, theTenant} // a class too large to walk
}

func backwards(from map[*column]*column, at *column) []*column {
	var path []*column
	for ; from[at] != at; at = from[at] {
		path = append(path, at)
	}
	path = append(path, at)
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
	return path
}

func (g *group) neighbours(c *column) []*column {
	if g.edges == nil {
		g.edges = make(map[*column][]*column, 2*len(g.facts))
		for _, e := range g.facts {
			g.edges[e.a] = append(g.edges[e.a], e.b)
			g.edges[e.b] = append(g.edges[e.b], e.a)
		}
	}
	return g.edges[c]
}

func (p *prover) tenantText() string { return "$" + strconv.Itoa(int(p.tenant)) }

func (p *prover) columnText(c *column) string {
	switch {
	case c == theTenant:
		return p.tenantText()
	case c.item == nil:
		return c.name
	}
	return p.tenantColumn(c.item, c.name)
}

func (p *prover) tenantOf(it *item) string { return p.tenantColumn(it, it.tenant.name) }

func (p *prover) tenantColumn(it *item, name string) string {
	if it.name == "" {
		return quoteName(name)
	}
	return quoteName(it.name) + "." + quoteName(name)
}

// relationName is the relation for a suggestion, quoted where SQL needs it.
func (it *item) relationName() string {
	name := quoteName(it.relation.Name)
	if it.relation.Schema != DefaultSchema {
		name = quoteName(it.relation.Schema) + "." + name
	}
	return name
}

func (it *item) quoted() string {
	if it.aliased {
		return it.relationName() + " " + quoteName(it.alias)
	}
	return it.relationName()
}

// quoteName quotes a name that is not plain lower case. Keywords stay as they are: this is text for people.
func quoteName(name string) string {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return name
}
