package query

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// TenantCandidate is a column that could be the tenant column.
type TenantCandidate struct {
	Column  string   `json:"column"`
	Type    string   `json:"type"`           // of most of them, as the server writes it
	Tables  int      `json:"tables"`         // that have it
	Root    string   `json:"root,omitempty"` // the relation to which they refer by it
	RootKey string   `json:"root_key,omitempty"`
	Reasons []string `json:"reasons"`

	score int
}

// tenantWords are what tenants are called in schemas. They alone decide nothing.
var tenantWords = []string{"tenant", "organization", "organisation", "org", "hospital", "clinic", "practice", "facility", "institution",
	"company", "customer", "account", "workspace", "site", "mandant"}

// written is the column's type as a catalog has it.
func (c *LiveColumn) written() string {
	base, _, _ := strings.Cut(c.Type, "(")
	return cmp.Or(c.Declared, base)
}

// tenantType is the type under which a catalog can declare the column as the tenant's; empty when it can't.
func (c *LiveColumn) tenantType() Type {
	t, err := ParseType(c.written())
	if err != nil {
		return ""
	}
	return t
}

// couldName reports whether tenants are called by values of the column's type, be it one that a catalog refuses.
func (c *LiveColumn) couldName() bool {
	return c.tenantType() != "" || slices.Contains([]string{"numeric", "citext"}, c.written())
}

// tenantType is the type under which a catalog can declare it; empty when it can't.
func (c *TenantCandidate) tenantType() Type { return (&LiveColumn{Type: c.Type}).tenantType() }

// candidates looks for columns that stand in many tables and refer to one, or are called like a tenant.
func (p *Proposal) candidates() {
	tables := 0
	found := map[string]*TenantCandidate{}
	types, roots := map[string]map[string]int{}, map[string]map[[2]string]int{}
	for name := range p.relations {
		r := p.live[name]
		if r.Extension != "" {
			continue
		}
		tables++
		for i := range r.Columns {
			c := &r.Columns[i]
			if !c.couldName() {
				continue
			}
			if found[c.Name] == nil {
				found[c.Name] = &TenantCandidate{Column: c.Name}
				types[c.Name], roots[c.Name] = map[string]int{}, map[[2]string]int{}
			}
			found[c.Name].Tables++
			types[c.Name][c.written()]++
			for _, key := range r.ForeignKeys {
				if slices.Equal(key.Columns, []string{c.Name}) && key.To != r.Name {
					roots[c.Name][[2]string{key.To, key.ToColumns[0]}]++
				}
			}
		}
	}
	p.found = found
	for name, c := range found {
		c.Type, _ = most(types[name], strings.Compare)
		root, refer := most(roots[name], func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
		c.rank(tables, root, refer)
		if c.score > 0 {
			p.Candidates = append(p.Candidates, *c)
		}
	}
	slices.SortFunc(p.Candidates, func(a, b TenantCandidate) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.Tables, a.Tables), cmp.Compare(a.Column, b.Column))
	})
	p.Candidates = p.Candidates[:min(len(p.Candidates), 10)]
}

func (c *TenantCandidate) rank(tables int, root [2]string, refer int) {
	if refer > 0 {
		c.Root, c.RootKey = root[0], root[1]
	}
	if c.Tables < 2 {
		return
	}
	words := strings.FieldsFunc(strings.ToLower(c.Column), func(r rune) bool { return r == '_' || r == '"' || r == '-' })
	called := ""
	for _, word := range tenantWords {
		if slices.Contains(words, word) {
			called = word
			break
		}
	}
	share := c.Tables * 10 / max(1, tables)
	if called == "" && (refer < 2 || share < 5) {
		return // a column that is common and means something else: created_by, status
	}
	c.Reasons = append(c.Reasons, fmt.Sprintf("%d of %d tables have it", c.Tables, tables))
	c.score = share
	if called != "" {
		c.score += 5
		c.Reasons = append(c.Reasons, fmt.Sprintf("%q is what tenants are called", called))
	}
	if called == "tenant" {
		c.score += 5
	}
	if refer > 0 {
		c.score += 3 + refer*3/c.Tables
		c.Reasons = append(c.Reasons, fmt.Sprintf("%d of them refer by it to %s", refer, c.Root))
	}
	if _, err := ParseType(c.Type); err != nil {
		c.Reasons = append(c.Reasons, err.Error()+": it would have to change")
	}
}

// most gives the key with the largest count, and of equal ones the first.
func most[K comparable](counts map[K]int, compare func(a, b K) int) (best K, count int) {
	for key, n := range counts {
		if n > count || n == count && compare(key, best) < 0 {
			best, count = key, n
		}
	}
	return best, count
}

// chooseColumn takes the column that the caller names, and otherwise the candidate that stands out.
func (p *Proposal) chooseColumn(known Inspection) {
	if known.Catalog != nil && known.Column == "" {
		name, t := known.Catalog.TenantColumn()
		known.Column, known.Type = name, cmp.Or(known.Type, t)
	}
	if known.Column != "" {
		p.Column, p.Type = known.Column, known.Type
		for name, c := range p.found {
			if bareName(name) == bareName(p.Column) {
				p.Type = cmp.Or(p.Type, c.tenantType())
			}
		}
		return
	}
	if len(p.Candidates) == 0 || len(p.Candidates) > 1 && p.Candidates[0].score < p.Candidates[1].score+4 {
		return
	}
	if best := p.Candidates[0]; best.tenantType() != "" {
		p.Column, p.Type = best.Column, best.tenantType()
	}
}
