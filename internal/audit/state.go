package audit

import (
	"fmt"
	"slices"
)

var enforcement = []string{asvsTenants, hipaaAccess, nistEnforce}

// stateRules are about whether row-level security stands on every relation that needs it (R02).
func stateRules() []Rule {
	return []Rule{
		{ID: "SEP010", Name: "rls-disabled", Title: "Row-level security is not enabled on a tenant relation", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R02"}, References: enforcement,
			Why:  "Policies of a relation that is not enabled are decoration: every row is everybody's.",
			Mend: "Enable and force row-level security.",
			find: func(d *database) []Finding {
				return d.eachTenant(func(r *relation) (Finding, bool) {
					what := "row-level security is not enabled on " + r.name
					if n := len(r.policies); n > 0 {
						what += fmt.Sprintf(", so its %d policies do nothing", n)
					}
					return Finding{What: what, Show: r.show("relrowsecurity"), Mend: d.wall(r)}, !r.enabled
				})
			}},
		{ID: "SEP011", Name: "rls-not-forced", Title: "Row-level security is not forced on a tenant relation's owner", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R01"}, References: enforcement,
			Why:  "Views, functions and migrations that run as the owner see and write all tenants' rows.",
			Mend: "Force row-level security.",
			find: func(d *database) []Finding {
				return d.eachTenant(func(r *relation) (Finding, bool) {
					return Finding{What: "row-level security is not forced on " + r.name + ", so it does not hold for its owner " + d.who(r.owner),
						Show: r.show("relforcerowsecurity"), Mend: []string{"alter table " + r.name + " force row level security"}}, r.enabled && !r.forced
				})
			}},
		{ID: "SEP012", Name: "no-policy", Title: "No policy lets the application reach its rows", Severity: low, Evidence: byCatalog,
			Threats: []string{"R02"}, References: enforcement,
			Why:  "Without a permissive policy the application sees nothing, and what people do about that in a hurry opens too much.",
			Mend: "Install the policies.",
			find: func(d *database) []Finding {
				return d.eachTenant(func(r *relation) (Finding, bool) {
					entry := slices.ContainsFunc(r.policies, func(p *policy) bool { return p.permissive && d.concerns(p) })
					return Finding{What: "no permissive policy of " + r.name + " is for the application", Show: r.showPolicies(), Mend: d.wall(r)},
						r.enabled && !entry
				})
			}},
		{ID: "SEP013", Name: "undeclared-relation", Title: "The application reaches a relation that the catalog does not name", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R02"}, References: enforcement,
			Why:  "What nobody declared nobody protects: a forgotten table is read whole.",
			Mend: "Declare it in the catalog, as a tenant's or as global, or take the application's rights.",
			find: undeclared},
		{ID: "SEP014", Name: "relation-missing", Title: "A relation of the catalog is missing or can't carry policies", Severity: high, Evidence: byCatalog,
			Threats: []string{"R02", "R10"}, References: enforcement,
			Why:  "Statements were proved against a table that is not there, or is something else.",
			Mend: "Run your migrations, or correct the catalog. A tenant column is added, empty, which septum plan fills; a table is made from the catalog where that has all columns and their types, as septum init writes them. For a table of which the catalog knows no columns, and a view in a table's place, there is no SQL that this rule could know.",
			find: missing},
	}
}

// eachTenant asks one question about every tenant relation.
func (d *database) eachTenant(ask func(*relation) (Finding, bool)) []Finding {
	var out []Finding
	for _, r := range d.tenants() {
		if f, found := ask(r); found {
			f.Object, f.Relation = r.name, r.name
			out = append(out, f)
		}
	}
	return out
}

// wall is the SQL that puts a relation behind the right policies.
func (d *database) wall(r *relation) []string { return slices.Clone(r.declared.Wall) }

func (r *relation) show(columns string) string {
	return fmt.Sprintf("select %s from pg_class where oid = %s::regclass", columns, text(r.name))
}

func (r *relation) showPolicies() string {
	return fmt.Sprintf(`select polname, polpermissive, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
from pg_policy where polrelid = %s::regclass`, text(r.name))
}

func (r *relation) showRights() string {
	return fmt.Sprintf("select relacl from pg_class where oid = %s::regclass", text(r.name))
}

// concerns reports whether a policy is for the login, for a role that it can become, or for everybody.
func (d *database) concerns(p *policy) bool {
	return slices.ContainsFunc(p.roles, func(id oid) bool { return id == 0 || d.isApp(id) })
}

// undeclared lists relations with rows that the login can reach and the catalog does not know. Those that hang on a
// tenant relation (partitions, views) have rules of their own.
func undeclared(d *database) []Finding {
	shown := d.shown()
	var out []Finding
	for _, r := range d.sorted {
		if r.declared != nil || r.extension || !r.isTable() || d.reachedAbove(r) || d.isLogins(r) {
			continue
		}
		above := shown[r]
		if !r.reached() && len(above) == 0 {
			continue
		}
		f := Finding{Object: r.name, Show: r.showRights(), Mend: d.revokeAll(r),
			What: "the application may use " + r.name + ", which the catalog does not name"}
		if !r.reached() {
			f.What = fmt.Sprintf("the application sees %s, which the catalog does not name, through %s", r.name, above[0].name)
		}
		f.Mend = append(f.Mend, d.unshow(above)...)
		if column := d.tenantLike(r); column != "" {
			f.What += "; it has a column " + column + ", so its rows look like tenants'"
			if !r.enabled {
				f.Severity = high
			}
		}
		out = append(out, f)
	}
	return out
}

// shown lists, by relation, the views and copies that read it with other rights than those of the application, which reaches
// them. One that the catalog declares was looked at by somebody, with what it shows.
func (d *database) shown() map[*relation][]*relation {
	out := map[*relation][]*relation{}
	seen := map[*relation]bool{}
	var queue []*relation
	for _, r := range d.sorted {
		if r.reached() {
			queue = append(queue, r)
		}
	}
	for len(queue) > 0 {
		r := queue[0]
		queue = queue[1:]
		if seen[r] || r.declared != nil || r.extension || r.kind != "m" && (r.kind != "v" || r.invoker) {
			continue
		}
		seen[r] = true
		for _, below := range d.under(r) {
			out[below] = append(out[below], r)
			queue = append(queue, below)
		}
	}
	return out
}

// unshow is the SQL after which views show what the one who asks may see, and copies nothing.
func (d *database) unshow(views []*relation) []string {
	var out []string
	for _, view := range views {
		if view.kind == "m" {
			out = append(out, d.revokeAll(view)...)
		} else {
			out = append(out, "alter view "+view.name+" set (security_invoker = true)")
		}
	}
	return out
}

// reachedAbove reports whether a partition or child belongs to a relation that is looked at itself: one of the catalog, or one
// that the application reaches.
func (d *database) reachedAbove(r *relation) bool {
	return slices.ContainsFunc(r.parents, func(above *relation) bool { return above.declared != nil || above.reached() || d.reachedAbove(above) })
}

// isLogins reports whether a relation is the table that says whose a login is, in the shape that Septum gives it: each
// login reads its own line, and the application writes none.
func (d *database) isLogins(r *relation) bool {
	own := r.name == d.input.Logins && r.kind == "r" && r.enabled && !r.writes() && !hasAny(r.rights, "TRIGGER", "REFERENCES")
	for _, p := range r.policies {
		own = own && (!p.permissive || p.using != nil && squeeze(*p.using) == "(login = SESSION_USER)")
	}
	return own
}

// tenantLike finds a column that has the name of a tenant column in the catalog.
func (d *database) tenantLike(r *relation) string {
	for _, declared := range d.input.Relations {
		if declared.Tenant && declared.Column != "id" {
			if c := r.column(declared.Column); c != nil {
				return c.sql
			}
		}
	}
	return ""
}

// revokeAll takes every right on a relation from the login's roles and PUBLIC, and the relation itself from an owner among them.
func (d *database) revokeAll(r *relation) []string {
	var out []string
	if r.owned {
		out = append(out, fmt.Sprintf("alter %s %s owner to %s", r.is(), r.name, quote(d.keeper())))
	}
	seen := map[oid]bool{}
	for _, g := range r.rights {
		if !seen[g.grantee] {
			seen[g.grantee] = true
			out = append(out, fmt.Sprintf("revoke all on %s from %s", r.name, d.who(g.grantee)))
		}
	}
	return out
}

func missing(d *database) []Finding {
	var out []Finding
	for i := range d.input.Relations {
		declared := &d.input.Relations[i]
		name := declared.name()
		r := d.byName[name]
		show := fmt.Sprintf("select to_regclass(%s)", text(name))
		switch {
		case r == nil || r.declared == nil:
			f := Finding{Object: name, Relation: name, What: "the catalog names " + name + " and the database does not have it", Show: show}
			if declared.Make != nil {
				f.Mend = slices.Concat(declared.Make, declared.Wall)
			}
			out = append(out, f)
		case declared.Tenant && !r.isTable():
			out = append(out, Finding{Object: name, Relation: name, Show: show,
				What: fmt.Sprintf("%s is a %s, which can't carry policies; declare the tables behind it", name, r.is())})
		case declared.Tenant && r.tenant == nil:
			out = append(out, Finding{Object: name, Relation: name, What: name + " has no column " + quote(declared.Column) + ", its tenant column by the catalog",
				Show: "select attname from pg_attribute where attnum > 0 and attrelid = " + text(name) + "::regclass",
				Mend: append([]string{declared.Add}, declared.Wall...)})
		}
	}
	return out
}

func (d *database) roleName(id oid) string {
	if r := d.roles[id]; r != nil {
		return r.name
	}
	return d.who(id)
}

// rightsOn lists the login's rights on a relation, owner's rights and rights on single columns included.
func (d *database) rightsOn(r *relation) []string {
	var out []string
	for _, g := range r.rights {
		if !slices.Contains(out, g.privilege) {
			out = append(out, g.privilege)
		}
	}
	slices.Sort(out)
	return out
}
