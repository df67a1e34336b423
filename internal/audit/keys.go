package audit

import (
	"fmt"
	"slices"
	"strings"
)

// keyRules are about constraints, which look at all tenants' rows whatever the policies say (R13, R14, R18).
func keyRules() []Rule {
	return []Rule{
		{ID: "SEP060", Name: "key-without-tenant", Title: "A unique or exclusion constraint of a tenant relation lacks the tenant column", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R13", "J09"}, References: []string{asvsTenants, nistShared, "CWE-203"},
			Why:  "Its violation tells a tenant that another one has that value, and ON CONFLICT meets the other's row.",
			Mend: "Begin the constraint with the tenant column.",
			find: keysWithoutTenant},
		{ID: "SEP061", Name: "reference-without-tenant", Title: "A foreign key to a tenant relation does not compare the tenant columns", Severity: high, Evidence: byCatalog,
			Threats: []string{"R14", "W05"}, References: []string{asvsTenants, hipaaWhole, nistFlow},
			Why:  "Foreign keys are checked without policies, so a row can refer to another tenant's, and be changed with it.",
			Mend: "Refer by tenant column and key together.",
			find: referencesWithoutTenant},
		{ID: "SEP062", Name: "reference-not-validated", Title: "A foreign key of a tenant relation was never validated or is not enforced", Severity: low, Evidence: byCatalog,
			Threats: []string{"R18"}, References: []string{hipaaWhole},
			Why:  "Rows from before may refer to nothing or to another tenant's row.",
			Mend: "Validate it, as a role that sees all rows: under FORCE the owner sees none and validates nothing.",
			find: notValidated},
		{ID: "SEP063", Name: "orphans", Title: "Rows refer to rows that don't exist, though a foreign key says they can't", Severity: high, Evidence: byBehaviour,
			Threats: []string{"R18"}, References: []string{hipaaWhole},
			Why:  "A foreign key that was added under FORCE by an owner for whom no policy holds was validated against no rows.",
			Mend: "Delete or repair the rows."},
		{ID: "SEP064", Name: "crossing-rows", Title: "Rows refer to rows of another tenant", Severity: high, Evidence: byBehaviour,
			Threats: []string{"W05", "R14"}, References: []string{asvsTenants, hipaaWhole, nistFlow},
			Why:  "One tenant's record hangs on another's: it shows, changes and vanishes with it.",
			Mend: "Repair the rows, then refer by tenant column and key together."},
	}
}

func keysWithoutTenant(d *database) []Finding {
	var out []Finding
	for _, r := range d.sorted {
		if r.whose() == nil || !r.isTable() || r.unseen || d.ofOneTenant(r) {
			continue
		}
		for _, x := range r.indexes {
			loose := x.exclusion && slices.ContainsFunc(r.constraints, func(c *constraint) bool { return c.index == x.oid && c.loose })
			if !x.unique && !x.exclusion || x.inherited || slices.Contains(x.keys, r.whose().number) && !loose {
				continue
			}
			f := Finding{Object: "index " + quote(x.name) + " on " + r.name, Relation: r.name,
				What: fmt.Sprintf("%s of %s does not contain the tenant column %s", quote(x.name), r.name, r.whose().sql),
				Show: fmt.Sprintf("select pg_get_indexdef(indexrelid) from pg_index where indrelid = %s::regclass and (indisunique or indisexclusion)", text(r.name))}
			if loose {
				f.What = fmt.Sprintf("%s of %s compares the tenant column %s by something else than equality", quote(x.name), r.name, r.whose().sql)
			}
			f.Mend = d.widen(r, x)
			out = append(out, f)
		}
	}
	return out
}

// ofOneTenant reports whether a partition takes rows of one tenant only, so that no key of it can meet another's.
func (d *database) ofOneTenant(r *relation) bool {
	for ; r != nil && r.partition && len(r.parents) > 0; r = r.parents[0] {
		above := r.parents[0]
		by := above.whose()
		if above.split == "l" && by != nil && slices.Equal(above.splitBy, []int16{by.number}) && len(boundValues(r.bound)) == 1 {
			return true
		}
	}
	return false
}

// widen makes a unique index or constraint anew with the tenant column in front, and the foreign keys that rely on it.
func (d *database) widen(r *relation, x *index) []string {
	var before, after []string
	for _, child := range d.sorted {
		for _, c := range child.constraints {
			if c.kind != "f" || c.index != x.oid || c.parent {
				continue
			}
			before = append(before, "alter table "+child.name+" drop constraint "+quote(c.name))
			if child.whose() != nil {
				after = append(after, "alter table "+child.name+" add constraint "+quote(c.name)+" "+c.withTenant())
			}
		}
	}
	i := slices.IndexFunc(r.constraints, func(c *constraint) bool { return c.index == x.oid && c.kind != "f" })
	if i < 0 {
		drop := "drop index " + quote(r.schema.name) + "." + quote(x.name)
		return slices.Concat(before, []string{drop, x.withTenant("create unique index", x.name, r.whose().sql)}, after)
	}
	c := r.constraints[i]
	definition := strings.Replace(c.definition, "(", "("+r.whose().sql+", ", 1)
	if c.kind == "x" {
		before = append([]string{"create extension if not exists btree_gist"}, before...)
		definition = strings.Replace(c.definition, "(", "("+r.whose().sql+" WITH =, ", 1)
	}
	return slices.Concat(before, []string{
		"alter table " + r.name + " drop constraint " + quote(c.name),
		"alter table " + r.name + " add constraint " + quote(c.name) + " " + definition,
	}, after)
}

// withTenant is the index anew, under a name, with the tenant column in front. Of what the server prints the part behind the
// first bracket is taken; what stands before it is written here, since names may hold brackets and words of SQL.
func (x *index) withTenant(create, name, tenant string) string {
	return create + " " + quote(name) + " on " + x.relation.name + " using " + quote(x.method) + " (" + tenant + ", " + x.listed
}

// withTenant is the foreign key's definition with the tenant columns in front of both sides. SET NULL would otherwise
// empty the tenant column too.
func (c *constraint) withTenant() string {
	rest := c.definition[strings.LastIndex(c.definition, ")")+1:]
	for _, action := range []string{" ON DELETE SET NULL (", " ON DELETE SET DEFAULT ("} {
		if at := strings.LastIndex(c.definition, action); at >= 0 { // with a list of its own
			rest = c.definition[at:]
		}
	}
	definition := fmt.Sprintf("FOREIGN KEY (%s, %s) REFERENCES %s (%s, %s)%s", c.relation.whose().sql, c.span(c.relation.names(c.columns)),
		c.to.name, c.to.whose().sql, c.span(c.to.names(c.toColumns)), rest)
	for _, action := range []string{" ON DELETE SET NULL", " ON DELETE SET DEFAULT"} {
		if at := strings.Index(definition, action); at >= 0 && !strings.HasPrefix(definition[at+len(action):], " (") {
			definition = definition[:at+len(action)] + " (" + c.relation.list(c.columns) + ")" + definition[at+len(action):]
		}
	}
	return definition
}

// span is a list of columns, of which the last is a period where the key is one over time (PostgreSQL 18).
func (c *constraint) span(names []string) string {
	if c.period && len(names) > 0 {
		names[len(names)-1] = "PERIOD " + names[len(names)-1]
	}
	return strings.Join(names, ", ")
}

// comparesTenants reports whether a foreign key has the two tenant columns at the same position.
func (c *constraint) comparesTenants() bool {
	for i, number := range c.columns {
		if number == c.relation.whose().number && i < len(c.toColumns) && c.toColumns[i] == c.to.whose().number {
			return true
		}
	}
	return false
}

// references lists the foreign keys to tenant relations.
func (d *database) references() []*constraint {
	var out []*constraint
	for _, r := range d.sorted {
		for _, c := range r.constraints {
			if c.kind == "f" && !c.parent && c.to != nil && c.to.whose() != nil {
				out = append(out, c)
			}
		}
	}
	return out
}

func (c *constraint) object() string { return "constraint " + quote(c.name) + " on " + c.relation.name }

func (c *constraint) show() string {
	return fmt.Sprintf("select conname, convalidated, pg_get_constraintdef(oid) from pg_constraint where contype = 'f' and conrelid = %s::regclass", text(c.relation.name))
}

func referencesWithoutTenant(d *database) []Finding {
	var out []Finding
	for _, c := range d.references() {
		r := c.relation
		f := Finding{Object: c.object(), Relation: r.name, Show: c.show()}
		switch {
		case c.definition == "": // somebody holds the relation
			continue
		case r.whose() != nil:
			if c.comparesTenants() {
				continue
			}
			f.What = fmt.Sprintf("%s of %s refers to %s without comparing %s with %s", quote(c.name), r.name, c.to.name, r.whose().sql, c.to.whose().sql)
			if !slices.Contains(c.columns, r.whose().number) && !slices.Contains(c.toColumns, c.to.whose().number) {
				key := append([]int16{c.to.whose().number}, c.toColumns...)
				switch {
				case c.to.hasKey(key, c.period):
				case c.period:
					f.Mend = append(f.Mend, "create extension if not exists btree_gist", fmt.Sprintf("alter table %s add unique (%s WITHOUT OVERLAPS)", c.to.name, c.to.list(key)))
				default:
					f.Mend = append(f.Mend, fmt.Sprintf("create unique index on %s (%s)", c.to.name, c.to.list(key)))
				}
				f.Mend = append(f.Mend, "alter table "+r.name+" drop constraint if exists "+quote(c.name),
					"alter table "+r.name+" add constraint "+quote(c.name)+" "+c.withTenant())
			} else { // the tenant column is there and stands opposite another column
				f.Mend = []string{"alter table " + r.name + " drop constraint if exists " + quote(c.name)}
			}
		case r.declared != nil && !r.isTenant():
			f.Severity = medium
			f.What = fmt.Sprintf("%s, which is everybody's, refers to %s by %s", r.name, c.to.name, quote(c.name))
			f.Mend = []string{"alter table " + r.name + " drop constraint if exists " + quote(c.name)}
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// hasKey reports whether a unique index, or one without overlaps, has exactly these columns, in any order.
func (r *relation) hasKey(columns []int16, period bool) bool {
	want := slices.Sorted(slices.Values(columns))
	return slices.ContainsFunc(r.indexes, func(x *index) bool {
		return x.unique && !x.partial && x.exclusion == period && slices.Equal(slices.Sorted(slices.Values(x.keys)), want)
	})
}

func notValidated(d *database) []Finding {
	var out []Finding
	for _, r := range d.tenants() {
		for _, c := range r.constraints {
			if c.kind != "f" || c.validated || c.parent || c.definition == "" {
				continue
			}
			f := Finding{Object: c.object(), Relation: r.name, Show: c.show(), What: fmt.Sprintf("%s of %s was never validated", quote(c.name), r.name),
				Mend: []string{"alter table " + r.name + " validate constraint " + quote(c.name)}}
			if strings.Contains(c.definition, " NOT ENFORCED") {
				f.What = fmt.Sprintf("%s of %s is not enforced", quote(c.name), r.name)
				f.Mend = []string{"alter table " + r.name + " alter constraint " + quote(c.name) + " enforced"}
			}
			out = append(out, f)
		}
	}
	return out
}
