package query

import (
	"fmt"
	"slices"
)

// filterSpec is a declared filter, filter a checked one.
type filterSpec struct {
	name      string
	cond      frag
	relations []string
}

type filter struct {
	name      string
	cond      frag
	relations map[*relation]bool
}

// WithFilter declares a condition that every builder puts on the relations, wherever they stand in a statement, until
// [SelectBuilder.Without] lifts it: soft deletion, the wards of a nurse, a patient's consent. Its columns are written
// without a relation, and it may have named arguments:
//
//	query.WithFilter("deleted", sq.Eq{"deleted_at": nil}, "patients", "encounters")
//	query.WithFilter("ward", query.Expr("ward = any(@wards)"), "encounters")
//
// Lifting one filter leaves the others alone. The tenant predicate is not a filter: it has no name and can't be lifted.
// Filters are for builders; SQL given to Static is taken as it is written.
func WithFilter(name string, condition Condition, relations ...string) CatalogOption {
	spec := filterSpec{name: name, cond: snapshot(condition), relations: slices.Clone(relations)}
	return func(s *catalogSpec) { s.filters = append(s.filters, spec) }
}

func (s *catalogSpec) catalogFilters(c *Catalog) []filter {
	var filters []filter
	for _, spec := range s.filters {
		f := filter{name: spec.name, cond: spec.cond, relations: map[*relation]bool{}}
		switch {
		case !validArgName(spec.name):
			s.problem("", fmt.Sprintf("the filter %q can't have that name", shorten(spec.name)))
		case slices.ContainsFunc(filters, func(o filter) bool { return o.name == spec.name }):
			s.problem("", fmt.Sprintf("the filter %q is declared twice", spec.name))
		case spec.cond.err() != nil:
			s.problem("", fmt.Sprintf("the filter %q is refused: %s", spec.name, spec.cond.err().What))
		case len(spec.relations) == 0:
			s.problem("", fmt.Sprintf("the filter %q names no relation", spec.name))
		}
		for _, name := range spec.relations {
			r := c.lookup(name)
			if r == nil {
				s.problem("", fmt.Sprintf("the filter %q is for %q, which is not declared", shorten(spec.name), shorten(name)))
				continue
			}
			f.relations[r] = true
		}
		filters = append(filters, f)
	}
	return filters
}

// checkFilters builds a query with each filter on each of its relations, so that a wrong one is found at the start.
func (s *catalogSpec) checkFilters(c *Catalog) {
	for i := range c.filters {
		f := &c.filters[i]
		for r := range f.relations {
			if _, err := c.Select("*").From(r.Name).Build(); err != nil {
				s.problem("", fmt.Sprintf("the filter %q is refused on %s: %v", f.name, r.Name, err))
			}
		}
	}
}

// of gives the filter's condition for a relation, nil when it is not for it.
func (f *filter) of(r *relation) *frag {
	if !f.relations[r] {
		return nil
	}
	return &f.cond
}

// lift notes filters that the builder does without. An unknown name is refused: a misspelt one would not be lifted,
// and the name of the tenant's predicate does not exist.
func (w *writer) lift(s *scope, parts []*part, names []string) {
	for _, name := range names {
		known := slices.ContainsFunc(w.c.filters, func(f filter) bool { return f.name == name }) ||
			slices.ContainsFunc(parts, func(p *part) bool { return p.op == opFilter && p.name == name })
		if !known {
			w.fail(ruleFilter.refuse("", "there is no filter "+shorten(name)+" to lift"))
			return
		}
		s.lifted = append(s.lifted, name)
	}
}

func (s *scope) isLifted(name string) bool { return slices.Contains(s.lifted, name) }
