package audit

import (
	"fmt"
	"slices"
	"strings"
)

// rightRules are about rights that get around policies or open what does not exist yet (R15), and about other logins.
func rightRules() []Rule {
	return []Rule{
		{ID: "SEP007", Name: "bypass-login", Title: "A login beside the application's has BYPASSRLS and more rights than a loader's", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R01"}, References: leastPrivilege,
			Why:  "Whoever has its password has every tenant; a loader needs to insert, and to choose no tenant.",
			Mend: "Take BYPASSRLS from it, or all rights but INSERT on the columns beside the tenant's.",
			find: bypassLogins},
		{ID: "SEP070", Name: "rights-past-policies", Title: "The application has TRUNCATE, TRIGGER, REFERENCES or MAINTAIN on a relation", Severity: high, Evidence: byCatalog,
			Threats: []string{"R15"}, References: leastPrivilege,
			Why:  "TRUNCATE knows no policy; a trigger's condition and a foreign key see all rows.",
			Mend: "Revoke them: reading and writing rows is all that the application needs.",
			find: func(d *database) []Finding {
				return d.eachRelation([]string{"TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"}, func(r *relation) bool { return r.declared != nil || d.holdsTenants(r) })
			}},
		{ID: "SEP071", Name: "writable-global", Title: "The application may write a relation that is everybody's", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R15"}, References: leastPrivilege,
			Why:  "What one tenant writes there all the others read.",
			Mend: "Revoke it, or declare the relation writable.",
			find: func(d *database) []Finding {
				return d.eachRelation([]string{"INSERT", "UPDATE", "DELETE"}, func(r *relation) bool { return r.declared != nil && !r.isTenant() && !r.declared.Writable })
			}},
		{ID: "SEP072", Name: "create-in-schema", Title: "The application may create objects in a schema", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R15", "Q14"}, References: leastPrivilege,
			Why:  "A table, function or operator of its own can stand before the one that others mean.",
			Mend: "Revoke CREATE on the schema.",
			find: func(d *database) []Finding {
				var out []Finding
				for _, s := range d.schemas {
					if at := d.app[s.owner]; at != nil && !at.super && !d.holdsDeclared(s) { // else SEP006 says it
						out = append(out, Finding{Object: "schema " + quote(s.name), What: fmt.Sprintf("the schema %s is owned by %s%s", quote(s.name), quote(at.name), d.howReached(at)),
							Show: "select nspowner::regrole from pg_namespace where nspname = " + text(s.name), Mend: d.give(at, "schema "+quote(s.name))})
						continue
					}
					for _, g := range s.rights {
						if g.privilege == "CREATE" && g.grantee != s.owner {
							out = append(out, Finding{Object: "schema " + quote(s.name), What: fmt.Sprintf("%s may create objects in the schema %s", d.who(g.grantee), quote(s.name)),
								Show: "select nspacl from pg_namespace where nspname = " + text(s.name),
								Mend: []string{fmt.Sprintf("revoke create on schema %s from %s", quote(s.name), d.who(g.grantee))}})
						}
					}
				}
				return out
			}},
		{ID: "SEP073", Name: "create-in-database", Title: "The application may create schemas or temporary tables", Severity: low, Evidence: byCatalog,
			Threats: []string{"R15", "Q14"}, References: leastPrivilege,
			Why:  "A temporary table shadows the one of the same name, also in functions without a search_path, and outlives the transaction.",
			Mend: "Revoke CREATE and TEMPORARY on the database; PUBLIC has the latter by default.",
			find: func(d *database) []Finding {
				var out []Finding
				for _, g := range d.databaseRights {
					if (g.privilege == "CREATE" || g.privilege == "TEMPORARY") && g.grantee != d.owner {
						out = append(out, Finding{Object: "database " + quote(d.name) + " " + strings.ToLower(g.privilege), What: fmt.Sprintf("%s has %s on the database %s", d.who(g.grantee), g.privilege, quote(d.name)),
							Show: "select datacl from pg_database where datname = current_database()",
							Mend: []string{fmt.Sprintf("revoke %s on database %s from %s", strings.ToLower(g.privilege), quote(d.name), d.who(g.grantee))}})
					}
				}
				return out
			}},
		{ID: "SEP074", Name: "default-privileges", Title: "Default privileges give the application the next table", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R15"}, References: append(slices.Clone(leastPrivilege), "CWE-1188"),
			Why:  "A table is open from the moment of its creation, before anybody gave it policies.",
			Mend: "Revoke the default privileges; grant with the policies.",
			find: defaultPrivileges},
		{ID: "SEP075", Name: "parameter-right", Title: "The application may set what is for superusers", Severity: high, Evidence: byCatalog,
			Threats: []string{"R15", "R16"}, References: append(slices.Clone(leastPrivilege), nistConfig),
			Why:  "session_replication_role switches triggers and foreign keys off, lo_compat_privileges opens every large object, and ALTER SYSTEM changes the server for all.",
			Mend: "Revoke the right on the parameter.",
			find: parameterRights},
	}
}

// eachRelation finds rights on relations.
func (d *database) eachRelation(privileges []string, ask func(*relation) bool) []Finding {
	var out []Finding
	for _, r := range d.sorted {
		if !ask(r) {
			continue
		}
		var held, mend []string
		for _, g := range r.rights {
			if !slices.Contains(privileges, g.privilege) {
				continue
			}
			on := ""
			if g.column != "" {
				on = " (" + quote(g.column) + ")"
			}
			held = append(held, g.privilege+on+" to "+d.who(g.grantee))
			mend = append(mend, fmt.Sprintf("revoke %s%s on %s from %s", strings.ToLower(g.privilege), on, r.name, d.who(g.grantee)))
		}
		if len(held) > 0 {
			out = append(out, Finding{Object: r.name, Relation: r.name, Show: r.showRights(), Mend: mend, What: "on " + r.name + " there is " + strings.Join(held, ", ")})
		}
	}
	return out
}

// harmful are parameters of superusers that isolation hangs on; the others, such as those of logging, are the operator's choice.
var harmful = []string{"session_replication_role", "lo_compat_privileges", "allow_system_table_mods", "session_preload_libraries",
	"shared_preload_libraries", "dynamic_library_path", "extension_control_path", "ignore_checksum_failure", "zero_damaged_pages"}

func parameterRights(d *database) []Finding {
	return each(d.parameterRights, func(g grant) (Finding, bool) {
		return Finding{Object: "parameter " + g.column + " " + strings.ToLower(g.privilege), What: fmt.Sprintf("%s has %s on the parameter %s", d.who(g.grantee), g.privilege, g.column),
				Show: "select parname, paracl from pg_parameter_acl where parname = " + text(g.column),
				Mend: []string{fmt.Sprintf("revoke %s on parameter %s from %s", strings.ToLower(g.privilege), settingName(g.column), d.who(g.grantee))}},
			g.privilege == "ALTER SYSTEM" || slices.Contains(harmful, strings.ToLower(g.column))
	})
}

// opening are the kinds of objects of default privileges (pg_default_acl.defaclobjtype), with the rights on the next one that
// count; all of them where none is named.
var opening = map[string]struct {
	what   string
	rights []string
}{
	"r": {"tables", nil}, "S": {"sequences", []string{"SELECT", "UPDATE"}}, "n": {"schemas", []string{"CREATE"}}, "L": {"large objects", nil},
}

func defaultPrivileges(d *database) []Finding {
	return each(d.defaults, func(p *defaultRight) (Finding, bool) {
		kind, counts := opening[p.kind]
		if !counts || p.grantee == p.owner || d.isApp(p.owner) || kind.rights != nil && !slices.Contains(kind.rights, p.privilege) {
			return Finding{}, false
		}
		object, in := "default privileges of "+d.who(p.owner), ""
		if p.schema != "" {
			in = " in schema " + quote(p.schema)
		}
		object += in
		if p.kind != "r" {
			object += " on " + kind.what
		}
		object += " to " + d.who(p.grantee)
		return Finding{Object: object, What: fmt.Sprintf("the %s that %s will create%s are open to %s", kind.what, d.who(p.owner), in, d.who(p.grantee)),
			Show: "select defaclrole::regrole, defaclnamespace, defaclobjtype, defaclacl from pg_default_acl",
			Mend: []string{fmt.Sprintf("alter default privileges for role %s%s revoke all on %s from %s", d.who(p.owner), in, kind.what, d.who(p.grantee))}}, true
	})
}

// bypassLogins finds logins that no policy binds, beside the application's. One shape is accepted: a loader, which may
// insert into some columns, the tenant column not among them, and do nothing else.
func bypassLogins(d *database) []Finding {
	held := map[oid][]string{}
	mend := map[oid][]string{}
	for _, r := range d.sorted {
		if !d.holdsTenants(r) || r.unseen {
			continue
		}
		for _, g := range r.others {
			if g.privilege == "INSERT" && g.column != "" && r.tenant != nil && g.column != r.tenant.name && d.fillsTenant(r) {
				continue
			}
			held[g.grantee] = append(held[g.grantee], g.privilege+" on "+r.name)
			mend[g.grantee] = append(mend[g.grantee], fmt.Sprintf("revoke all on %s from %s", r.name, d.who(g.grantee)))
		}
	}
	var out []Finding
	for id, r := range d.roles {
		if !r.bypass || !r.login || r.super || d.isApp(id) || !d.connects[id] {
			continue
		}
		for _, of := range r.memberOf {
			held[id] = append(held[id], "membership of "+d.who(of))
		}
		for _, owned := range d.sorted {
			if owned.owner == id && d.holdsTenants(owned) {
				held[id] = append(held[id], "ownership of "+owned.name)
			}
		}
		if len(held[id]) == 0 {
			continue
		}
		slices.Sort(held[id])
		what := slices.Compact(held[id])
		if len(what) > 4 {
			what = append(what[:4:4], "…")
		}
		out = append(out, Finding{Object: "role " + r.name, What: fmt.Sprintf("%s has BYPASSRLS and %s", quote(r.name), strings.Join(what, ", ")),
			Show: "select rolname, rolbypassrls from pg_roles where rolname = " + text(r.name), Mend: []string{"alter role " + quote(r.name) + " nobypassrls"}})
	}
	return out
}

// fillsTenant reports whether the tenant column's default comes from the session's tenant, so that a loader can't choose
// one, and fails without.
func (d *database) fillsTenant(r *relation) bool {
	return r.tenant.notNull && squeeze(r.tenant.defaults) == r.declared.Default(r.tenant.base)
}
