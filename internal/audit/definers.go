package audit

import (
	"fmt"
	"slices"
	"strings"
)

// definerRules are about code in the database that runs with other rights than the caller's (R11).
func definerRules() []Rule {
	return []Rule{
		{ID: "SEP050", Name: "security-definer", Title: "The application can run a SECURITY DEFINER function whose owner no policy binds", Severity: high, Evidence: byCatalog,
			Threats: []string{"R11"}, References: leastPrivilege,
			Why:  "Whatever the function reads or writes, it does for all tenants.",
			Mend: "Make it SECURITY INVOKER, or give it to a role that policies bind.",
			find: definers},
		{ID: "SEP051", Name: "definer-search-path", Title: "A SECURITY DEFINER function that the application can run has no search_path that ends with pg_temp", Severity: high, Evidence: byCatalog,
			Threats: []string{"R11"}, References: append(slices.Clone(leastPrivilege), "CWE-426"),
			Why:  "The caller puts a table or function of its own before the one that is meant, and it is used with the owner's rights.",
			Mend: "Set its search_path, with pg_temp at the end.",
			find: func(d *database) []Finding {
				return d.eachDefiner(func(f *function, way string) (Finding, bool) {
					return Finding{What: fmt.Sprintf("%s runs with the rights of %s under the caller's search_path%s", f.qualified(), d.who(f.owner), way),
						Mend: []string{f.pin()}}, !f.pinned() && !f.parsed
				})
			}},
		{ID: "SEP052", Name: "rule", Title: "A rule reads or writes other relations with its owner's rights, and tenants' rows are on one side", Severity: high, Evidence: byCatalog,
			Threats: []string{"R11"}, References: enforcement,
			Why:  "What a rule adds to a statement is done with the rights of the relation's owner, not of the one who asks.",
			Mend: "Drop it; a trigger does the same with the caller's rights.",
			find: rewriteRules},
		{ID: "SEP053", Name: "server-function", Title: "The application may run a function of the server's own that not everybody may", Severity: high, Evidence: byCatalog,
			Threats: []string{"Q10", "R17"}, References: leastPrivilege,
			Why:  "PostgreSQL keeps these from PUBLIC since they read the server's files, its log or other sessions, or run as if no policy were there.",
			Mend: "Revoke the right to run it.",
			find: func(d *database) []Finding {
				return append(each(d.serverFunctions, func(g grant) (Finding, bool) {
					return Finding{Object: "function " + g.column, What: fmt.Sprintf("%s may run %s, which is kept from PUBLIC where it comes from", d.who(g.grantee), g.column),
						Show: "select proacl from pg_proc where oid = " + text(g.column) + "::regprocedure",
						Mend: []string{fmt.Sprintf("revoke execute on function %s from %s", g.column, d.who(g.grantee))}}, true
				}), each(d.aliases, func(id oid) (Finding, bool) {
					f := d.functions[id]
					if f == nil || f.extension || !d.runs(f) {
						return Finding{}, false
					}
					return Finding{Object: "function " + f.qualified(), What: fmt.Sprintf("%s is the server's own %s by another name, and the application may run it", f.qualified(), f.source),
						Show: f.show(), Mend: d.revokeExecute(f)}, true
				})...)
			}},
	}
}

// eachDefiner asks about the SECURITY DEFINER functions that the application can run in any way.
func (d *database) eachDefiner(ask func(f *function, way string) (Finding, bool)) []Finding {
	ways := d.waysToFunctions()
	return each(d.sortedFunctions, func(f *function) (Finding, bool) {
		by, reached := ways[f.oid]
		if !f.definer || !reached {
			return Finding{}, false
		}
		found, yes := ask(f, by.text)
		found.Object, found.Show = "function "+f.qualified(), f.show()
		return found, yes
	})
}

func definers(d *database) []Finding {
	tenants := d.tenants()
	return d.eachDefiner(func(f *function, way string) (Finding, bool) {
		owner := d.roles[f.owner]
		if owner == nil || d.isApp(f.owner) && !owner.super {
			return Finding{}, false
		}
		what, severity := "", ""
		switch {
		case owner.super:
			what = "a superuser"
		case owner.bypass:
			what = "a role with BYPASSRLS"
		default:
			for _, r := range tenants {
				if !d.mayRead(f.owner, r) {
					continue
				}
				if !d.bound(f.owner, r) {
					what, severity = "a role for which the policies of "+r.name+" don't hold", ""
					break
				}
				if what == "" && (f.dynamic() || policing.MatchString(f.source)) {
					what, severity = "who can switch the policies of "+r.name+" off, and puts SQL together or changes policies", medium
				}
			}
		}
		if what == "" {
			return Finding{}, false
		}
		return Finding{Severity: severity, What: fmt.Sprintf("%s runs with the rights of %s, %s, and the application can run it%s", f.qualified(), d.who(f.owner), what, way),
			Mend: []string{"alter " + f.kindWord() + " " + f.qualified() + " security invoker"}}, true
	})
}

// mayRead reports whether a role beside the application owns a relation. Its granted rights were not read.
func (d *database) mayRead(role oid, r *relation) bool { return d.becomes(role, r.owner) }

// rewriteRules finds rules beside those that make views: on a tenant relation all that touch another one, and on what else
// the application writes, views with security_invoker included, those that touch a tenant's.
func rewriteRules(d *database) []Finding {
	var out []Finding
	for _, rule := range d.rules {
		on := rule.relation
		holds := d.holdsTenants(on) && on.kind != "v"
		if rule.event == "1" || !holds && !on.writes() && !on.owned {
			continue
		}
		var names []string
		severity := low
		for _, id := range rule.relations {
			if r := d.relations[id]; r != nil && (holds || d.showsTenants(r)) {
				names = append(names, r.name)
				if holds || !d.bound(on.owner, r) {
					severity = high
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		out = append(out, Finding{Object: "rule " + quote(rule.name) + " on " + rule.relation.name, Relation: rule.relation.name, Severity: severity,
			What: fmt.Sprintf("the rule %s on %s uses %s with the rights of %s", quote(rule.name), rule.relation.name, strings.Join(slices.Compact(names), ", "), d.who(rule.relation.owner)),
			Show: fmt.Sprintf("select pg_get_ruledef(oid) from pg_rewrite where ev_class = %s::regclass", text(rule.relation.name)),
			Mend: []string{"drop rule " + quote(rule.name) + " on " + rule.relation.name}})
	}
	return out
}
