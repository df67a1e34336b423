package audit

import (
	"fmt"
	"slices"
	"strings"
)

// columnRules are about the tenant column and the indexes that policies need (R06, R20). Those about indexes are about
// time, for which no standard of isolation asks.
func columnRules() []Rule {
	return []Rule{
		{ID: "SEP015", Name: "nullable-tenant", Title: "The tenant column may be NULL", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R20", "W04"}, References: []string{asvsTenants, hipaaWhole},
			Why:  "A row without a tenant is nobody's: no tenant sees it, and whatever treats NULL as a value shows it to all.",
			Mend: "Set the column NOT NULL.",
			find: func(d *database) []Finding {
				return d.eachTenant(func(r *relation) (Finding, bool) {
					if r.tenant == nil {
						return Finding{}, false
					}
					unchecked := slices.IndexFunc(r.constraints, func(c *constraint) bool {
						return c.kind == "n" && slices.Equal(c.columns, []int16{r.tenant.number})
					})
					f := Finding{What: "the tenant column " + r.tenant.sql + " of " + r.name + " may be NULL",
						Show: fmt.Sprintf("select count(*) from %s where %s is null", r.name, r.tenant.sql),
						Mend: []string{"alter table " + r.name + " alter column " + r.tenant.sql + " set not null"}}
					if unchecked >= 0 { // since PostgreSQL 18
						f.What = "NOT NULL of the tenant column " + r.tenant.sql + " of " + r.name + " was never validated"
						f.Mend = []string{"alter table " + r.name + " validate constraint " + quote(r.constraints[unchecked].name)}
					}
					return f, !r.tenant.notNull || unchecked >= 0
				})
			}},
		{ID: "SEP016", Name: "tenant-type", Title: "The tenant column has another type than the catalog says", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R20", "R06"}, References: []string{asvsTenants},
			Why:  "Comparing two types takes a cast, on the column as often as not: the index is lost, and errors quote values.",
			Mend: "Make column and catalog the same. Changing the column takes a role that sees all rows, and rewrites the table while all wait; a view whose text needs the old type is yours to write anew.",
			find: func(d *database) []Finding {
				return d.eachTenant(func(r *relation) (Finding, bool) {
					if r.tenant == nil || r.declared.Type.Is(r.tenant.declared) {
						return Finding{}, false
					}
					return Finding{What: fmt.Sprintf("the tenant column %s of %s is %s; the catalog says %s", r.tenant.sql, r.name, r.tenant.typ, r.declared.Type.Name),
						Show: fmt.Sprintf("select format_type(atttypid, atttypmod) from pg_attribute where attrelid = %s::regclass and attname = %s", text(r.name), text(r.tenant.name)),
						Mend: d.retype(r, r.declared.Type.SQL, r.declared.Type.SQL)}, true
				})
			}},
		{ID: "SEP018", Name: "tenant-collation", Title: "Two tenants' ids can be equal under the tenant column's collation", Severity: high, Evidence: byCatalog,
			Threats: []string{"R20"}, References: []string{asvsTenants, hipaaAccess, nistEnforce},
			Why:  "A nondeterministic collation takes Mary and mary for one: statements and policies compare under it, and each sees the other's rows.",
			Mend: "Give the column a deterministic collation; in place of a domain that has such a one, take the type below it, in the catalog too.",
			find: func(d *database) []Finding {
				return d.eachTenant(func(r *relation) (Finding, bool) {
					if r.tenant == nil || !r.tenant.vague {
						return Finding{}, false
					}
					what, typ := fmt.Sprintf("the tenant column %s of %s has a collation under which two ids can be equal", r.tenant.sql, r.name), r.tenant.typ
					if strings.HasPrefix(r.tenant.declared, "domain ") { // no domain can be given another collation
						typ = r.tenant.base
						what += "; it comes from its domain, so let the catalog say " + typ
					}
					return Finding{What: what, Mend: d.retype(r, typ+` collate "default"`, typ),
						Show: fmt.Sprintf("select attcollation::regcollation from pg_attribute where attrelid = %s::regclass and attname = %s", text(r.name), text(r.tenant.name))}, true
				})
			}},
		{ID: "SEP066", Name: "no-tenant-index", Title: "No index of a tenant relation starts with the tenant column", Severity: low, Evidence: byCatalog,
			Threats: []string{"R20"},
			Why:     "Every statement reads the rows of all tenants to find one's own: slow for all, and slower the more the others have.",
			Mend:    "Create an index that starts with the tenant column.",
			find: func(d *database) []Finding {
				return d.eachTenant(func(r *relation) (Finding, bool) {
					if r.tenant == nil {
						return Finding{}, false
					}
					leads := slices.ContainsFunc(r.indexes, func(x *index) bool { return !x.partial && x.leads(r.tenant) })
					return Finding{What: "no index of " + r.name + " starts with " + r.tenant.sql, Show: r.showIndexes(),
						Mend: []string{"create index" + r.concurrently() + " on " + r.name + " (" + r.tenant.sql + ")"}}, !leads
				})
			}},
		{ID: "SEP067", Name: "index-without-tenant", Title: "An index of a tenant relation does not start with the tenant column", Severity: low, Evidence: byCatalog,
			Threats: []string{"R20"},
			Why:     "Searching it meets the rows of all tenants, most of which the policy then throws away.",
			Mend:    "Put the tenant column in front.",
			find:    indexesWithoutTenant},
		{ID: "SEP068", Name: "leaky-index", Title: "An index is of little use under a policy, since its operators are not leakproof", Severity: info, Evidence: byCatalog,
			Threats: []string{"R06", "R20"},
			Why:     "PostgreSQL applies the policy before any operator that could leak (LIKE, numeric =, lower(x), jsonb, arrays, full text), so it does not search the index by it.",
			Mend:    "Keep what is searched in a column of a leakproof type (a generated one, say), behind the tenant column in a btree index.",
			find:    leakyIndexes},
	}
}

func (x *index) leads(c *column) bool { return len(x.keys) > 0 && x.keys[0] == c.number }

func (r *relation) showIndexes() string {
	return fmt.Sprintf("select pg_get_indexdef(indexrelid) from pg_index where indrelid = %s::regclass", text(r.name))
}

// concurrently is the word for indexes that are made beside writers; a partitioned table's can't be.
func (r *relation) concurrently() string {
	if r.kind == "p" {
		return ""
	}
	return " concurrently"
}

func (x *index) qualified() string { return quote(x.relation.schema.name) + "." + quote(x.name) }

func indexesWithoutTenant(d *database) []Finding {
	var out []Finding
	for _, r := range d.tenants() {
		for _, x := range r.indexes {
			if r.tenant == nil || x.unique || x.exclusion || x.inherited || x.method != "btree" || x.leads(r.tenant) {
				continue
			}
			made := x.withTenant("create index"+r.concurrently()+" if not exists", widened(x.name), r.tenant.sql)
			out = append(out, Finding{Object: "index " + quote(x.name) + " on " + r.name, Relation: r.name, Show: r.showIndexes(),
				What: fmt.Sprintf("index %s of %s does not start with %s", quote(x.name), r.name, r.tenant.sql),
				Mend: []string{made, "drop index" + r.concurrently() + " " + x.qualified()}})
		}
	}
	return out
}

func leakyIndexes(d *database) []Finding {
	var out []Finding
	for _, r := range d.tenants() {
		for _, x := range r.indexes {
			if len(x.leaky) == 0 || x.constraint || x.inherited {
				continue
			}
			leaky := x.leaky
			if len(leaky) > 5 {
				leaky = append(slices.Clone(leaky[:5]), "…")
			}
			out = append(out, Finding{Object: "index " + quote(x.name) + " on " + r.name, Relation: r.name, Show: r.showIndexes(),
				What: fmt.Sprintf("index %s of %s relies on %s, not leakproof, so statements under the policy can't search by it", quote(x.name), r.name, strings.Join(leaky, ", ")),
				Mend: []string{"drop index" + r.concurrently() + " " + x.qualified()}})
		}
	}
	return out
}
