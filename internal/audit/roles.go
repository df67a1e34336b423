package audit

import (
	"cmp"
	"fmt"
	"slices"
)

var leastPrivilege = []string{asvsTenants, hipaaAccess, nistEnforce, nistLeast}

// roleRules are about what the login is and can become (R01).
func roleRules() []Rule {
	return []Rule{
		{ID: "SEP001", Name: "superuser", Title: "The application is, or can become, a superuser", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R01"}, References: leastPrivilege,
			Why:  "No policy and no right holds for a superuser.",
			Mend: "Use a login that is NOSUPERUSER and a member of no superuser.",
			find: func(d *database) []Finding {
				return d.attribute("is a superuser", "nosuperuser", "rolsuper", func(r *role) bool { return r.super })
			}},
		{ID: "SEP002", Name: "bypassrls", Title: "The application has, or can become a role that has, BYPASSRLS", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R01"}, References: leastPrivilege,
			Why:  "BYPASSRLS switches every policy off.",
			Mend: "Take BYPASSRLS from the role, or the role from the login.",
			find: func(d *database) []Finding {
				return d.attribute("has BYPASSRLS", "nobypassrls", "rolbypassrls", func(r *role) bool { return r.bypass && !r.super })
			}},
		{ID: "SEP003", Name: "createrole", Title: "The application has, or can become a role that has, CREATEROLE", Severity: high, Evidence: byCatalog,
			Threats: []string{"R01"}, References: leastPrivilege,
			Why:  "Who makes roles can give itself their rights.",
			Mend: "Take CREATEROLE from the role; let migrations make roles.",
			find: func(d *database) []Finding {
				return d.attribute("has CREATEROLE", "nocreaterole", "rolcreaterole", func(r *role) bool { return r.createRole && !r.super })
			}},
		{ID: "SEP004", Name: "replication", Title: "The application has, or can become a role that has, REPLICATION", Severity: high, Evidence: byCatalog,
			Threats: []string{"R01"}, References: leastPrivilege,
			Why:  "Who replicates reads every change of every tenant from the write-ahead log.",
			Mend: "Take REPLICATION from the role.",
			find: func(d *database) []Finding {
				return d.attribute("has REPLICATION", "noreplication", "rolreplication", func(r *role) bool { return r.replication && !r.super })
			}},
		{ID: "SEP005", Name: "predefined-role", Title: "The application belongs to a predefined role that reaches all data or the machine", Severity: high, Evidence: byCatalog,
			Threats: []string{"R01"}, References: leastPrivilege,
			Why:  "pg_read_all_data and its kind give rights on every table, and on pg_statistic, which holds values of all tenants' rows.",
			Mend: "Revoke the predefined role.",
			find: predefinedRoles},
		{ID: "SEP006", Name: "owner", Title: "The application owns a relation of the catalog, its schema or the database, or can become the owner", Severity: high, Evidence: byCatalog,
			Threats: []string{"R01", "R15"}, References: leastPrivilege,
			Why:  "An owner can switch policies off, drop them, and grant itself whatever it lacks.",
			Mend: "Give it to a role that runs migrations and nothing else.",
			find: ownership},
	}
}

// attribute lists the reached roles that have one, and takes it from the login itself, or the role from the login.
func (d *database) attribute(what, without, column string, has func(*role) bool) []Finding {
	var out []Finding
	for _, at := range d.reachedRoles() {
		if !has(at.role) {
			continue
		}
		f := Finding{Object: "role " + at.name, What: quote(at.name) + " " + what + d.howReached(at),
			Show: fmt.Sprintf("select rolname, %s from pg_roles where rolname = %s", column, text(at.name))}
		if at.from == nil {
			f.Mend = []string{"alter role " + quote(at.name) + " " + without}
		} else {
			f.Mend = d.leave(at)
		}
		out = append(out, f)
	}
	return out
}

// reachedRoles lists the login and what it can become, by name.
func (d *database) reachedRoles() []*reached {
	out := make([]*reached, 0, len(d.app))
	for _, at := range d.app {
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b *reached) int { return cmp.Compare(a.name, b.name) })
	return out
}

func (d *database) howReached(at *reached) string {
	if at.from == nil {
		return ""
	}
	return ", and the application can become it: " + d.way(at.oid)
}

// leave ends the membership by which the login reaches a role.
func (d *database) leave(at *reached) []string {
	if at.name == "pg_database_owner" {
		return []string{fmt.Sprintf("alter database %s owner to %s", quote(d.name), quote(d.keeper()))}
	}
	sql := fmt.Sprintf("revoke %s from %s", quote(at.name), quote(at.from.name))
	if by := d.grantors[[2]oid{at.oid, at.from.oid}]; by != "" {
		sql += " granted by " + quote(by)
	}
	return []string{sql}
}

// give takes what the login owns from it, or the login from the role that owns it.
func (d *database) give(at *reached, ddl string) []string {
	if at.from != nil {
		return d.leave(at)
	}
	return []string{"alter " + ddl + " owner to " + quote(d.keeper())}
}

// holdsDeclared reports whether a relation of the catalog stands in a schema.
func (d *database) holdsDeclared(s *schema) bool {
	return slices.ContainsFunc(d.sorted, func(r *relation) bool { return r.declared != nil && r.schema == s })
}

// keeper is a role that may own things: the owner of the database, else the superuser that every cluster has.
func (d *database) keeper() string {
	if r := d.roles[d.owner]; r != nil && !d.isApp(d.owner) {
		return r.name
	}
	if first := d.roles[10]; first != nil && !d.isApp(10) {
		return first.name
	}
	return d.auditor
}

// reaching are predefined roles that reach all data or the server's machine.
var reaching = []string{"pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_write_server_files",
	"pg_execute_server_program", "pg_create_subscription", "pg_maintain"}

func predefinedRoles(d *database) []Finding {
	var out []Finding
	for _, at := range d.reachedRoles() {
		if !slices.Contains(reaching, at.name) || at.from == nil || at.from.super {
			continue
		}
		out = append(out, Finding{Object: "role " + at.name, What: "the application is a member of " + at.name + ": " + d.way(at.oid),
			Show: fmt.Sprintf("select pg_has_role(%s, %s, 'MEMBER')", text(d.login.name), text(at.name)), Mend: d.leave(at)})
	}
	return out
}

func ownership(d *database) []Finding {
	if d.login.super {
		return nil // SEP001 says it all
	}
	var out []Finding
	add := func(object, ddl string, owner oid) {
		at := d.app[owner]
		if at == nil {
			return
		}
		f := Finding{Object: object, What: object + " is owned by " + quote(at.name) + d.howReached(at),
			Show: "select pg_has_role(" + text(d.login.name) + ", " + text(at.name) + ", 'MEMBER')"}
		f.Mend = d.give(at, ddl)
		out = append(out, f)
	}
	schemas := map[*schema]bool{}
	for _, r := range d.sorted {
		if r.declared == nil {
			continue
		}
		add(r.name, r.is()+" "+r.name, r.owner)
		schemas[r.schema] = true
	}
	for s := range schemas {
		add("schema "+quote(s.name), "schema "+quote(s.name), s.owner)
	}
	add("database "+quote(d.name), "database "+quote(d.name), d.owner)
	return out
}
