package audit

import (
	"fmt"
	"slices"
	"strings"
)

// policyRules are about what the policies say (R03 to R06, R08, R21). A policy that is word for word the one that Septum
// writes is right; whatever else it says is named as exactly as can be.
func policyRules() []Rule {
	return []Rule{
		{ID: "SEP020", Name: "no-floor", Title: "A tenant relation has no restrictive policy", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R03"}, References: enforcement,
			Why:  "Permissive policies add up, so without a restrictive one the next policy that somebody adds opens the relation.",
			Mend: "Lay the restrictive floor.",
			find: func(d *database) []Finding { return d.floors(false) }},
		{ID: "SEP021", Name: "weak-floor", Title: "The restrictive policy of a tenant relation does not bind everybody, in every command, to the tenant", Severity: high, Evidence: byCatalog,
			Threats: []string{"R03", "R04", "R05"}, References: enforcement,
			Why:  "A floor for one role, one command or a looser condition leaves the others to permissive policies, which add up.",
			Mend: "Lay the floor anew: for all commands, to PUBLIC, with the tenant's predicate on both sides.",
			find: func(d *database) []Finding { return d.floors(true) }},
		{ID: "SEP022", Name: "open-policy", Title: "A permissive policy admits rows of any tenant", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R03", "R04"}, References: enforcement,
			Why:  "A policy that does not compare the tenant column with the session's tenant lets every row through.",
			Mend: "Drop it.",
			find: func(d *database) []Finding {
				return d.permissive("does not compare the tenant column with the session's tenant", func(p predicate) bool { return p.open })
			}},
		{ID: "SEP023", Name: "fail-open-policy", Title: "A permissive policy can be true without a tenant", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R05"}, References: enforcement,
			Why:  "OR, IS NULL, IS NOT DISTINCT FROM, COALESCE and CASE turn a forgotten tenant into all tenants.",
			Mend: "Replace it by the one comparison.",
			find: func(d *database) []Finding {
				return d.permissive("can be true when no tenant is set", func(p predicate) bool { return p.failOpen && !p.open })
			}},
		{ID: "SEP024", Name: "cast-on-column", Title: "A policy casts the tenant column", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R06"}, References: []string{asvsTenants, nistErrors},
			Why:  "A cast on the column loses its index, up to thousands of times slower, and its error texts quote other tenants' values.",
			Mend: "Cast the setting, not the column.",
			find: func(d *database) []Finding {
				return d.eachPolicy("casts the tenant column", func(p *policy, e predicate) bool { return e.cast && !e.open })
			}},
		{ID: "SEP025", Name: "unproved-policy", Title: "A permissive policy is not the one that Septum writes", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R03", "R05"}, References: enforcement,
			Why:  "Only the one text is known to admit the tenant's rows and no others; what another one admits, nobody proved.",
			Mend: "Replace it by the one comparison.",
			find: func(d *database) []Finding {
				return d.permissive("is not the predicate that Septum writes", func(p predicate) bool {
					return !p.open && !p.failOpen && !p.cast && !p.perRow && !p.queries
				})
			}},
		{ID: "SEP026", Name: "loose-check", Title: "WITH CHECK of a policy is looser than its USING", Severity: high, Evidence: byCatalog,
			Threats: []string{"R04"}, References: enforcement,
			Why:  "A session that reads its own rows only can then write rows for other tenants, or move its own to them.",
			Mend: "Give both sides the same predicate.",
			find: looseChecks},
		{ID: "SEP027", Name: "setting-per-row", Title: "A policy reads the session's tenant for each row", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R08"}, References: []string{asvsTenants, nistEnforce},
			Why:  "A set_config in the middle of a statement changes the tenant for the rows that follow, and each row costs a call.",
			Mend: "Read it as (select …), which is computed once per statement.",
			find: func(d *database) []Finding {
				return d.eachPolicy("reads the session's tenant for each row", func(p *policy, e predicate) bool { return e.perRow })
			}},
		{ID: "SEP028", Name: "policy-queries", Title: "A policy reads other relations", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R21"}, References: []string{asvsTenants, nistEnforce},
			Why:  "A sub-select over memberships is run for every row, hundreds to thousands of times slower, and is as safe as the table that it reads.",
			Mend: "Find the tenant out before the statement, and compare with the setting.",
			find: func(d *database) []Finding {
				return d.eachPolicy("reads other relations", func(p *policy, e predicate) bool { return e.queries })
			}},
	}
}

// floors finds tenant relations without a restrictive policy (weak: with some, none of which is right).
func (d *database) floors(weak bool) []Finding {
	return d.eachTenant(func(r *relation) (Finding, bool) {
		any, right := false, false
		var names []string
		for _, p := range r.policies {
			if p.permissive {
				continue
			}
			any = true
			names = append(names, quote(p.name))
			right = right || p.command == "ALL" && p.lays("ALL")
		}
		f := Finding{Show: r.showPolicies(), Mend: d.wall(r)}
		if weak {
			f.What = fmt.Sprintf("no restrictive policy of %s (%s) is for all commands, TO PUBLIC, and exactly the tenant's predicate", r.name, strings.Join(names, ", "))
			if d.hasFloor(r) {
				f.Severity = low
				f.What += "; one for each command holds as much, and rls.Open asks for the one"
			}
			return f, r.enabled && any && !right && !r.unseen
		}
		f.What = r.name + " has no restrictive policy"
		return f, r.enabled && !any && len(r.policies) > 0
	})
}

// hasFloor reports whether a right restrictive policy stands for every command, whatever the permissive ones say.
func (d *database) hasFloor(r *relation) bool {
	for _, command := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		if !r.enabled || !slices.ContainsFunc(r.policies, func(p *policy) bool { return p.lays(command) }) {
			return false
		}
	}
	return true
}

// lays reports whether a policy holds everybody to the tenant in a command.
func (p *policy) lays(command string) bool {
	if p.permissive || p.command != "ALL" && p.command != command || !slices.Equal(p.roles, []oid{0}) {
		return false
	}
	return !slices.ContainsFunc(p.expressions(), func(e predicate) bool { return !e.right })
}

// eachPolicy finds the policies for the application of which one expression is as asked.
func (d *database) eachPolicy(what string, ask func(*policy, predicate) bool) []Finding {
	var out []Finding
	for _, p := range d.policies {
		if !p.relation.isTenant() || p.relation.tenant == nil || p.relation.unseen || !d.concerns(p) {
			continue
		}
		found := false
		for _, judged := range p.expressions() {
			found = found || !judged.right && ask(p, judged)
		}
		if !found {
			continue
		}
		f := Finding{Object: p.object(), Relation: p.relation.name, What: p.object() + " " + what, Show: p.relation.showPolicies(), Mend: d.replace(p)}
		if p.permissive && d.hasFloor(p.relation) {
			f.What += "; the restrictive floor holds what it opens"
			f.Severity = low
		}
		out = append(out, f)
	}
	return out
}

// permissive is eachPolicy for those that open rows.
func (d *database) permissive(what string, ask func(predicate) bool) []Finding {
	found := d.eachPolicy(what, func(p *policy, e predicate) bool { return p.permissive && ask(e) })
	for i := range found {
		if found[i].Severity == low {
			found[i].Severity = medium
		}
	}
	return found
}

// expressions are those that count for the policy's command. USING stands for a missing CHECK.
func (p *policy) expressions() []predicate {
	switch {
	case p.command == "INSERT":
		return []predicate{p.checkIs}
	case p.check == nil:
		return []predicate{p.usingIs}
	}
	return []predicate{p.usingIs, p.checkIs}
}

func (p *policy) object() string { return "policy " + quote(p.name) + " on " + p.relation.name }

// replace drops a policy and installs the right ones. A cast that calls one of its functions goes as well, since the right
// policy has a cast too.
func (d *database) replace(p *policy) []string {
	out := []string{"drop policy if exists " + quote(p.name) + " on " + p.relation.name}
	for _, c := range d.calls {
		types, isCast := strings.CutPrefix(c.what, "cast from ")
		from, to, both := strings.Cut(types, " to ")
		if c.class == "pg_cast" && isCast && both && slices.Contains(p.functions, c.function) {
			out = append(out, "drop cast if exists ("+from+" as "+to+")")
		}
	}
	return append(out, d.wall(p.relation)...)
}

// looseChecks finds permissive policies that read the tenant's rows and let others be written.
func looseChecks(d *database) []Finding {
	var out []Finding
	for _, p := range d.policies {
		if !p.relation.isTenant() || p.relation.tenant == nil || p.relation.unseen || !p.permissive || !d.concerns(p) || p.check == nil || p.using == nil {
			continue
		}
		using, check := p.usingIs, p.checkIs
		if squeeze(*p.using) == squeeze(*p.check) || check.right || !(check.open || check.failOpen) || using.open {
			continue
		}
		f := Finding{Object: p.object(), Relation: p.relation.name, Show: p.relation.showPolicies(), Mend: d.replace(p),
			What: p.object() + " lets rows be written that it would not let be read"}
		if d.hasFloor(p.relation) {
			f.Severity = medium
			f.What += "; the restrictive floor holds what it opens"
		}
		out = append(out, f)
	}
	return out
}
