package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var sharedResources = []string{asvsTenants, nistShared}

// sharedRules are about what all tenants share beside relations (R16), and about ways out of the database (R17).
func sharedRules() []Rule {
	return []Rule{
		{ID: "SEP080", Name: "sequence", Title: "The application may read or set a sequence", Severity: low, Evidence: byCatalog,
			Threats: []string{"R16"}, References: sharedResources,
			Why:  "A sequence counts all tenants' rows: reading it tells how many the others have, setting it stops them.",
			Mend: "Revoke SELECT and UPDATE on it; USAGE is all that a column's default needs.",
			find: sequences},
		{ID: "SEP081", Name: "large-objects", Title: "The application reaches large objects", Severity: high, Evidence: byCatalog,
			Threats: []string{"R16"}, References: sharedResources,
			Why:  "Large objects have no rows and so no policies: every tenant reads those of all.",
			Mend: "Keep such data in tenant relations or in a blob store, and take the rights.",
			find: largeObjectRights},
		{ID: "SEP082", Name: "statistics-role", Title: "The application belongs to a role that sees what other sessions do", Severity: low, Evidence: byCatalog,
			Threats: []string{"R16"}, References: sharedResources,
			Why:  "Statements of other sessions, with the values that stand in them, and statistics of all tenants can be read.",
			Mend: "Revoke the role; monitor with another login.",
			find: func(d *database) []Finding {
				var out []Finding
				for _, at := range d.reachedRoles() {
					if at.from != nil && slices.Contains([]string{"pg_monitor", "pg_read_all_stats", "pg_stat_scan_tables", "pg_signal_backend"}, at.name) &&
						!d.app[at.from.oid].isMonitor() {
						out = append(out, Finding{Object: "role " + at.name, What: "the application is a member of " + at.name + ": " + d.way(at.oid),
							Show: fmt.Sprintf("select pg_has_role(%s, %s, 'MEMBER')", text(d.login.name), text(at.name)), Mend: d.leave(at)})
					}
				}
				return out
			}},
		{ID: "SEP083", Name: "catalog-data", Title: "The application may read a system catalog that holds rows' values", Severity: high, Evidence: byCatalog,
			Threats: []string{"R01", "R16"}, References: append(slices.Clone(enforcement), nistShared),
			Why:  "pg_statistic holds the most common values of every column, of all tenants.",
			Mend: "Revoke it.",
			find: func(d *database) []Finding {
				return each(d.catalogRights, func(g grant) (Finding, bool) {
					return Finding{Object: "pg_catalog." + g.column, What: fmt.Sprintf("%s has %s on pg_catalog.%s", d.who(g.grantee), g.privilege, g.column),
						Show: "select relacl from pg_class where oid = " + text("pg_catalog."+g.column) + "::regclass",
						Mend: []string{fmt.Sprintf("revoke all on pg_catalog.%s from %s", g.column, d.who(g.grantee))}}, true
				})
			}},
		{ID: "SEP084", Name: "notify", Title: "A trigger or rule of a tenant relation notifies a channel, or locks a number, that all tenants share", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R16"}, References: sharedResources,
			Why:  "Every session may listen on any channel and hears the other tenants' payloads; advisory locks are waited for across tenants.",
			Mend: "Send to a queue table with a tenant column instead.",
			find: notifications},
		{ID: "SEP085", Name: "leakproof", Title: "A function is marked LEAKPROOF that PostgreSQL does not ship so", Severity: high, Evidence: byCatalog,
			Threats: []string{"R17"}, References: enforcement,
			Why:  "It is run before the policy, on rows of all tenants, and whatever it tells the caller leaks.",
			Mend: "Take the mark away.",
			find: leakproofFunctions},
		{ID: "SEP086", Name: "publication", Title: "A publication sends all tenants' rows of a relation", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R17"}, References: []string{asvsTenants, nistFlow},
			Why:  "Logical replication knows no policies: who subscribes has every tenant.",
			Mend: "Publish with a row filter on the tenant column, or not at all.",
			find: publications},
		{ID: "SEP087", Name: "event-trigger", Title: "An event trigger runs code in other people's statements", Severity: low, Evidence: byCatalog,
			Threats: []string{"R17"}, References: []string{nistLeast, nistConfig},
			Why:  "Its function runs as whoever changes the schema, an administrator at best: who may replace it can do all that one can.",
			Mend: "Disable it, or give its function to an administrator and review it.",
			find: eventTriggers},
	}
}

func (r *reached) isMonitor() bool { return r.name == "pg_monitor" }

func sequences(d *database) []Finding {
	var out []Finding
	for _, r := range d.sorted {
		if r.kind != "S" || !hasAny(r.rights, "SELECT", "UPDATE") && (!r.owned || r.follows) {
			continue
		}
		var mend []string
		if r.owned && !r.follows {
			mend = append(mend, "alter sequence "+r.name+" owner to "+quote(d.keeper()))
		}
		for _, g := range r.rights {
			sql := fmt.Sprintf("revoke select, update on sequence %s from %s", r.name, d.who(g.grantee))
			if g.privilege != "USAGE" && !slices.Contains(mend, sql) {
				mend = append(mend, sql)
			}
		}
		out = append(out, Finding{Object: r.name, What: "the application may read or set the sequence " + r.name, Show: r.showRights(), Mend: mend})
	}
	return out
}

func largeObjectRights(d *database) []Finding {
	var out []Finding
	const show = "select oid, lomowner::regrole, lomacl from pg_largeobject_metadata"
	if n := d.largeObjects.count; n > 0 {
		var roles []string
		for id := range d.app {
			roles = append(roles, text(d.roles[id].name))
		}
		slices.Sort(roles)
		keeper := text(d.keeper())
		out = append(out, Finding{Object: "large objects", Show: show,
			What: fmt.Sprintf("the application reaches %d large objects, such as %s", n, strings.Join(d.largeObjects.first, ", ")),
			Mend: []string{"do " + dollars(` declare lo record; to_role text; begin
	for lo in select oid, pg_get_userbyid(lomowner) as owner from pg_largeobject_metadata loop
		if lo.owner = any (array[`+strings.Join(roles, ", ")+`]) then
			execute format('alter large object %s owner to %I', lo.oid, `+keeper+`);
		end if;
		execute format('revoke all on large object %s from public', lo.oid);
		foreach to_role in array array[`+strings.Join(roles, ", ")+`] loop
			execute format('revoke all on large object %s from %I', lo.oid, to_role);
		end loop;
	end loop;
end `)}})
	}
	if d.lowCompat && !slices.ContainsFunc(d.settings, func(s *storedSetting) bool { return s.name == "lo_compat_privileges" }) { // SEP036 says it
		out = append(out, Finding{Object: "lo_compat_privileges", What: "lo_compat_privileges is on: everybody reads and writes every large object",
			Show: "show lo_compat_privileges", Mend: []string{"alter database " + quote(d.name) + " set lo_compat_privileges = off"}})
	}
	return out
}

var channels = regexp.MustCompile(`(?i)\bpg_notify\b|\bnotify\s+\w|\bpg_(try_)?advisory_\w*lock`)

func notifications(d *database) []Finding {
	var out []Finding
	for _, t := range d.triggers {
		if !t.enabled || !d.holdsTenants(t.relation) {
			continue
		}
		if f := d.telling(d.functions[t.function], map[*function]bool{}); f != nil {
			out = append(out, Finding{Object: "trigger " + quote(t.name) + " on " + t.relation.name, Relation: t.relation.name, Show: f.show(),
				What: fmt.Sprintf("the trigger %s on %s uses what all sessions share: %s in %s", quote(t.name), t.relation.name, strings.ToLower(channels.FindString(f.source)), f.qualified()),
				Mend: []string{"drop trigger " + quote(t.name) + " on " + t.relation.name}})
		}
	}
	return append(out, each(d.rules, func(rule *rewrite) (Finding, bool) {
		return Finding{Object: "rule " + quote(rule.name) + " on " + rule.relation.name, Relation: rule.relation.name,
			What: fmt.Sprintf("the rule %s on %s notifies a channel, which all sessions share", quote(rule.name), rule.relation.name),
			Show: fmt.Sprintf("select pg_get_ruledef(oid) from pg_rewrite where ev_class = %s::regclass", text(rule.relation.name)),
			Mend: []string{"drop rule " + quote(rule.name) + " on " + rule.relation.name}}, rule.notifies && d.holdsTenants(rule.relation)
	})...)
}

// telling finds the function that uses what all sessions share: one itself, or one that it calls.
func (d *database) telling(f *function, seen map[*function]bool) *function {
	if f == nil || seen[f] {
		return nil
	}
	seen[f] = true
	if channels.MatchString(f.source) {
		return f
	}
	for _, called := range d.callees(f) {
		if found := d.telling(d.functions[called], seen); found != nil {
			return found
		}
	}
	return nil
}

func publications(d *database) []Finding {
	var out []Finding
	for _, p := range d.publications {
		show := "select * from pg_publication_tables where pubname = " + text(p.name)
		if p.all {
			out = append(out, Finding{Object: "publication " + quote(p.name), What: "the publication " + quote(p.name) + " sends all tables", Show: show,
				Mend: []string{"drop publication " + quote(p.name)}})
			continue
		}
		for _, r := range d.sorted {
			if !d.holdsTenants(r) {
				continue
			}
			filtered, named := p.relations[r.oid]
			var mend string
			switch {
			case named && !filtered:
				mend = "alter publication " + quote(p.name) + " drop table " + r.name
			case slices.Contains(p.schemas, r.schema.oid) && !named:
				mend = "alter publication " + quote(p.name) + " drop tables in schema " + quote(r.schema.name)
			default:
				continue
			}
			f := Finding{Object: "publication " + quote(p.name) + " of " + r.name, Relation: r.name, Show: show, Mend: []string{mend},
				What: fmt.Sprintf("the publication %s sends all rows of %s, or filters them by something else than the tenant column", quote(p.name), r.name)}
			if !named {
				f.Object = "publication " + quote(p.name) + " of schema " + quote(r.schema.name)
				f.What = fmt.Sprintf("the publication %s sends all rows of the schema %s, such as those of %s", quote(p.name), quote(r.schema.name), r.name)
			}
			out = append(out, f)
		}
	}
	return out
}

func eventTriggers(d *database) []Finding {
	var out []Finding
	for _, e := range d.eventTriggers {
		if !e.enabled || e.extension {
			continue
		}
		f := Finding{Object: "event trigger " + quote(e.name), What: "the event trigger " + quote(e.name) + " is enabled",
			Show: "select evtname, evtevent, evtowner::regrole, evtfoid::regprocedure, evtenabled from pg_event_trigger",
			Mend: []string{"alter event trigger " + quote(e.name) + " disable"}}
		if fn := d.functions[e.function]; fn != nil && (d.isApp(fn.owner) || d.isApp(fn.schema.owner)) {
			f.Severity = critical
			f.What += ", and its function " + fn.qualified() + " belongs to the application"
		}
		out = append(out, f)
	}
	return out
}
