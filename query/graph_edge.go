package query

import (
	"slices"
	"strings"

	sq "github.com/Masterminds/squirrel"
)

// Edge is a way from one relation to another, under a name that paths use and that the result has.
//
//	// one of two references between the same relations
//	query.Edge{Name: "referrals", From: "practitioners", To: "encounters", FromColumns: []string{"id"}, ToColumns: []string{"referrer_id"}}
//	// many to many
//	query.Edge{Name: "tags", From: "patients", To: "tags", Link: "taggings", LinkFrom: []string{"patient_id"}, LinkTo: []string{"tag_id"}}
//	// polymorphic: a note is about a patient when its subject_type says so
//	query.Edge{Name: "patient", From: "notes", To: "patients", FromColumns: []string{"subject_id"}, FromIs: sq.Eq{"subject_type": "patient"}}
//
// Both ends, and the link, are bound to the tenant by the graph; the tenant column is never written here.
type Edge struct {
	Name     string // as paths and results call it
	From, To string // relations

	// FromColumns and ToColumns are equal pairwise; with Link they are what its columns refer to. Default: the declared
	// key of the relation.
	FromColumns, ToColumns []string

	// Link is a relation between From and To: LinkFrom equal FromColumns, LinkTo equal ToColumns, pairwise. A pair that
	// the link holds twice counts once.
	Link             string
	LinkFrom, LinkTo []string

	// FromIs, ToIs and LinkIs are columns that must have a value, or [Arg], for the edge to be there: the type column of
	// a polymorphic reference, the type of a relationship.
	FromIs, ToIs, LinkIs sq.Eq
}

func (e Edge) clone() Edge {
	e.FromColumns, e.ToColumns = slices.Clone(e.FromColumns), slices.Clone(e.ToColumns)
	e.LinkFrom, e.LinkTo = slices.Clone(e.LinkFrom), slices.Clone(e.LinkTo)
	e.FromIs, e.ToIs, e.LinkIs = cloneEq(e.FromIs), cloneEq(e.ToIs), cloneEq(e.LinkIs)
	return e
}

func cloneEq(eq sq.Eq) sq.Eq {
	if eq == nil {
		return nil
	}
	out := make(sq.Eq, len(eq))
	for column, value := range eq {
		out[column] = freeze(value)
	}
	return out
}

// graphEdge is an Edge that was checked, or one that was found over references.
type graphEdge struct {
	name             string
	from, to, link   *relation
	fromCols, toCols []string
	linkFrom, linkTo []string
	fromIs, toIs     []graphIs
	linkIs           []graphIs
	one              bool // at most one row of to: its whole key is paired
}

// graphIs is a column and the value that it must have, in a fixed order.
type graphIs struct {
	column string
	value  any
}

// String shows the way, for messages.
func (e *graphEdge) String() string {
	columns := func(r *relation, names []string) string { return r.Name + "(" + strings.Join(names, ", ") + ")" }
	if e.link == nil {
		return columns(e.from, e.fromCols) + " = " + columns(e.to, e.toCols)
	}
	return columns(e.from, e.fromCols) + " = " + columns(e.link, e.linkFrom) + ", " +
		columns(e.link, e.linkTo) + " = " + columns(e.to, e.toCols)
}

// resolveEdge checks an Edge against the catalog.
func (c *Catalog) resolveEdge(e Edge) (*graphEdge, error) {
	fail := func(why string) (*graphEdge, error) {
		return nil, graphError(shorten(e.From)+"."+shorten(e.Name), why)
	}
	if steps, err := parseGraphPath(e.Name); err != nil || len(steps) != 1 || steps[0].name != e.Name {
		return fail("the edge's Name must be one name of letters, digits and _")
	}
	out := &graphEdge{name: e.Name, from: c.lookup(e.From), to: c.lookup(e.To), fromCols: e.FromColumns, toCols: e.ToColumns,
		linkFrom: e.LinkFrom, linkTo: e.LinkTo}
	if out.from == nil || out.to == nil {
		return fail("the edge's From and To must be relations of the catalog")
	}
	if len(out.fromCols) == 0 {
		out.fromCols = out.from.Key
	}
	if len(out.toCols) == 0 {
		out.toCols = out.to.Key
	}
	if len(out.fromCols) == 0 || len(out.toCols) == 0 {
		return fail("the edge needs FromColumns and ToColumns, since the catalog declares no key for them to default to")
	}
	if e.Link == "" {
		if len(out.fromCols) != len(out.toCols) {
			return fail("FromColumns and ToColumns must be pairs")
		}
		if len(e.LinkFrom)+len(e.LinkTo)+len(e.LinkIs) > 0 {
			return fail("LinkFrom, LinkTo and LinkIs need a Link")
		}
	} else {
		if out.link = c.lookup(e.Link); out.link == nil {
			return fail("the edge's Link must be a relation of the catalog")
		}
		if len(out.fromCols) != len(out.linkFrom) || len(out.toCols) != len(out.linkTo) {
			return fail("LinkFrom must pair with FromColumns, and LinkTo with ToColumns")
		}
	}
	if why := out.setColumns(); why != "" {
		return fail(why)
	}
	if why := out.setConditions(e); why != "" {
		return fail(why)
	}
	out.setOne()
	return out, nil
}

func (e *graphEdge) setColumns() (why string) {
	for _, part := range []struct {
		r     *relation
		names *[]string
	}{{e.from, &e.fromCols}, {e.to, &e.toCols}, {e.link, &e.linkFrom}, {e.link, &e.linkTo}} {
		if part.r == nil {
			continue
		}
		if *part.names, why = part.r.graphNames(*part.names); why != "" {
			return why
		}
	}
	return ""
}

// setConditions checks FromIs, ToIs and LinkIs. Values that are NULL or lists would not be what "is" says.
func (e *graphEdge) setConditions(edge Edge) string {
	for _, part := range []struct {
		r    *relation
		eq   sq.Eq
		into *[]graphIs
	}{{e.from, edge.FromIs, &e.fromIs}, {e.to, edge.ToIs, &e.toIs}, {e.link, edge.LinkIs, &e.linkIs}} {
		for column, value := range part.eq {
			names, why := part.r.graphNames([]string{column})
			if why != "" {
				return why
			}
			switch value := value.(type) {
			case string, bool, int, int16, int32, int64, [16]byte:
			case Argument:
				if !validArgName(value.name) {
					return "the value of " + shorten(column) + " must be a value or query.Arg; the tenant is bound by itself"
				}
			default:
				return "the value of " + shorten(column) + " must be a string, a number, a bool, a [16]byte or query.Arg"
			}
			*part.into = append(*part.into, graphIs{names[0], value})
		}
		slices.SortFunc(*part.into, func(a, b graphIs) int { return strings.Compare(a.column, b.column) })
	}
	return ""
}

// setOne: a row has at most one partner when the pairs cover the partner's key.
func (e *graphEdge) setOne() {
	e.one = e.link == nil && len(e.to.Key) > 0 && !slices.ContainsFunc(e.to.Key, func(key string) bool {
		return !slices.Contains(e.toCols, key)
	})
}

// graphNames reads names of columns of a relation, as the catalog stores them. The tenant column is no part of a graph,
// since it is the same for all its rows.
func (r *relation) graphNames(names []string) (columns []string, why string) {
	for _, name := range names {
		if !r.columns[name] {
			parsed, err := parseColumnName(name)
			if err != nil {
				return nil, shorten(name) + " is not the name of a column"
			}
			name = parsed
		}
		switch {
		case r.columns != nil && !r.columns[name]:
			return nil, r.Name + " has no column " + shorten(name)
		case r.isTenantColumn(name):
			return nil, name + " is the tenant column of " + r.Name + "; leave it out, it is bound by itself"
		}
		columns = append(columns, name)
	}
	return columns, ""
}

// isTenantColumn leaves out the tenant column that is the row's own key, as in a relation of tenants.
func (r *relation) isTenantColumn(name string) bool {
	return r.Kind == TenantKind && r.Column == name && !slices.Contains(r.Key, name)
}
