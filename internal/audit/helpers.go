package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// helperRules are about the functions that policies call (R07) and about where the session's tenant comes from (R08, R09).
func helperRules() []Rule {
	return []Rule{
		{ID: "SEP030", Name: "immutable-helper", Title: "A policy calls a function that is marked IMMUTABLE and is not", Severity: high, Evidence: byCatalog,
			Threats: []string{"R07"}, References: enforcement,
			Why:  "The planner computes an IMMUTABLE function once and keeps the first session's tenant in cached plans.",
			Mend: "Mark it STABLE.",
			find: func(d *database) []Finding {
				return d.helpers(func(f *function) (string, []string) {
					if f.volatility != "i" || !d.readsSession(f) {
						return "", nil
					}
					return "is marked IMMUTABLE and reads the session or tables", []string{"alter function " + f.qualified() + " stable"}
				})
			}},
		{ID: "SEP031", Name: "helper-owner", Title: "A policy relies on a function, operator or type that the application can replace or drop", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R07"}, References: leastPrivilege,
			Why:  "Who owns the function, or its schema, decides what the policy says; dropping it, an operator or a type with CASCADE drops the policy.",
			Mend: "Give it and its schema to the role that runs migrations.",
			find: func(d *database) []Finding {
				return append(d.policyObjects(), d.helpers(func(f *function) (string, []string) {
					var mend []string
					if d.isApp(f.owner) {
						mend = append(mend, "alter function "+f.qualified()+" owner to "+quote(d.keeper()))
					}
					if d.isApp(f.schema.owner) {
						mend = append(mend, "alter schema "+quote(f.schema.name)+" owner to "+quote(d.keeper()))
					}
					return "belongs to the application", mend
				})...)
			}},
		{ID: "SEP032", Name: "helper-search-path", Title: "A policy calls a function without a search_path of its own", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R07"}, References: enforcement,
			Why:  "Names in its body mean what the caller's search_path makes of them, a temporary table of the caller's included.",
			Mend: "Set its search_path, with pg_temp at the end.",
			find: func(d *database) []Finding {
				return d.helpers(func(f *function) (string, []string) {
					if f.parsed || f.pinned() {
						return "", nil
					}
					return "has no search_path that ends with pg_temp", []string{f.pin()}
				})
			}},
		{ID: "SEP033", Name: "helper-reads-writable", Title: "A policy's function reads a table that the application may write", Severity: high, Evidence: byCatalog,
			Threats: []string{"R07", "R21"}, References: enforcement,
			Why:  "Who may write the table decides which tenant the policy lets through.",
			Mend: "Take the right to write it from the application.",
			find: writableMemberships},
		{ID: "SEP034", Name: "tenant-switch", Title: "A function that the application may run sets the tenant", Severity: medium, Evidence: byCatalog,
			Threats: []string{"R08"}, References: enforcement,
			Why:  "A set_config inside a statement changes the tenant for the relations that are read after it.",
			Mend: "Take the right to run it from the application; Septum alone sets the tenant.",
			find: tenantSwitches},
		{ID: "SEP035", Name: "stored-tenant", Title: "A tenant is stored as a default setting", Severity: high, Evidence: byCatalog,
			Threats: []string{"R09"}, References: append(slices.Clone(enforcement), nistConfig),
			Why:  "A default turns a forgotten tenant into that tenant.",
			Mend: "Reset the setting wherever it is stored.",
			find: storedTenants},
		{ID: "SEP036", Name: "stored-bypass", Title: "A stored setting makes the application another role, or switches triggers or policies off", Severity: high, Evidence: byCatalog,
			Threats: []string{"R01", "R09"}, References: append(slices.Clone(enforcement), nistConfig),
			Why:  "role, session_replication_role and row_security decide, as defaults of a login, what holds for it.",
			Mend: "Reset the setting.",
			find: storedBypasses},
	}
}

// readsSession reports whether a function's result can change between two sessions: it takes nothing, or it reads settings,
// the user or tables, itself or by what it calls.
func (d *database) readsSession(f *function) bool {
	seen := map[oid]bool{}
	var asks func(*function) bool
	asks = func(f *function) bool {
		if f == nil || seen[f.oid] {
			return false
		}
		seen[f.oid] = true
		return f.asks || sessionText.MatchString(f.source) || slices.ContainsFunc(d.callees(f), func(id oid) bool { return asks(d.functions[id]) })
	}
	return f.arguments == "" || asks(f)
}

var sessionText = regexp.MustCompile(`(?i)current_setting|session_user|current_user|current_role|\bfrom\b`)

// policyObjects finds operators and types of the application that policies can't do without.
func (d *database) policyObjects() []Finding {
	var out []Finding
	for _, p := range d.policies {
		if !d.concerns(p) {
			continue
		}
		out = append(out, each(p.objects, func(o policyObject) (Finding, bool) {
			return Finding{Object: o.kind + " " + o.name, Relation: p.relation.name, What: fmt.Sprintf("the %s %s, which %s needs, belongs to the application", o.kind, o.name, p.object()),
				Show: p.relation.showPolicies(), Mend: []string{"alter " + o.kind + " " + o.name + " owner to " + quote(d.keeper())}}, d.isApp(o.owner)
		})...)
	}
	return out
}

// helpers asks about every function that policies for the application call, also behind another function.
func (d *database) helpers(ask func(*function) (string, []string)) []Finding {
	var out []Finding
	for _, h := range d.policyFunctions() {
		what, mend := ask(h.function)
		if len(mend) == 0 {
			continue
		}
		out = append(out, Finding{Object: "function " + h.function.qualified(), Relation: h.policy.relation.name, Mend: mend, Show: h.function.show(),
			What: fmt.Sprintf("%s, which %s calls, %s", h.function.qualified(), h.policy.object(), what)})
	}
	return out
}

func (f *function) show() string {
	return fmt.Sprintf(`select oid::regprocedure, proowner::regrole, prosecdef, provolatile, proleakproof, proconfig, proacl, prosrc
from pg_proc where oid = %s::regprocedure`, text(f.qualified()))
}

// pin is the SQL that gives the function a search_path.
func (f *function) pin() string {
	path := "pg_catalog, " + quote(f.schema.name) + ", pg_temp"
	return "alter " + f.kindWord() + " " + f.qualified() + " set search_path = " + path
}

// policyFunction is a function and a policy that calls it.
type policyFunction struct {
	function *function
	policy   *policy
}

// policyFunctions lists the functions of policies that concern the application, and what those call, as far as their
// text tells.
func (d *database) policyFunctions() []policyFunction {
	seen := map[oid]bool{}
	var out []policyFunction
	for _, p := range d.policies {
		if !d.concerns(p) {
			continue
		}
		queue := slices.Clone(p.functions)
		for _, c := range d.calls { // behind an operator
			if c.class == "pg_operator" && slices.Contains(p.operators, c.by) {
				queue = append(queue, c.function)
			}
		}
		for len(queue) > 0 {
			f := d.functions[queue[0]]
			queue = queue[1:]
			if f == nil || seen[f.oid] {
				continue
			}
			seen[f.oid] = true
			out = append(out, policyFunction{f, p})
			queue = append(queue, d.callees(f)...)
		}
	}
	return out
}

// callees are the functions that a function's text names, and those of a body that the server keeps parsed.
func (d *database) callees(f *function) []oid {
	out := slices.Clone(d.parsedCalls[f.oid])
	for _, word := range words(f.source) {
		for _, called := range d.byFunctionName[word] {
			if called != f.oid {
				out = append(out, called)
			}
		}
	}
	return out
}

var wordPattern = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_$]*`)

// words are the distinct words of a function's text, in lower case.
func words(source string) []string {
	found := wordPattern.FindAllString(strings.ToLower(source), -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// readsOf lists the relations that a function names: those of a parsed body, and those whose name its text contains.
func (d *database) readsOf(f *function) []*relation {
	var out []*relation
	for _, id := range f.relations {
		if r := d.relations[id]; r != nil {
			out = append(out, r)
		}
	}
	for _, word := range words(f.source) {
		out = append(out, d.byTable[word]...)
	}
	return out
}

// writableMemberships finds tables that policies rely on, by themselves or through a function, and that the application
// may write.
func writableMemberships(d *database) []Finding {
	var out []Finding
	add := func(r *relation, by string, p *policy) {
		if r == nil || !r.writes() && !r.owned || r.isTenant() {
			return
		}
		var mend []string
		if r.owned {
			mend = append(mend, fmt.Sprintf("alter %s %s owner to %s", r.is(), r.name, quote(d.keeper())))
		}
		for _, g := range r.rights {
			sql := fmt.Sprintf("revoke insert, update, delete, truncate on %s from %s", r.name, d.who(g.grantee))
			if !slices.Contains(mend, sql) {
				mend = append(mend, sql)
			}
		}
		out = append(out, Finding{Object: r.name, Relation: r.name, Mend: mend, Show: r.showRights(),
			What: fmt.Sprintf("the application may write %s, which decides in %s (%s)", r.name, by, p.object())})
	}
	for _, p := range d.policies {
		if p.relation.isTenant() && d.concerns(p) {
			for _, id := range p.relations {
				add(d.relations[id], "the policy itself", p)
			}
		}
	}
	for _, h := range d.policyFunctions() {
		for _, r := range d.readsOf(h.function) {
			add(r, h.function.qualified(), h.policy)
		}
	}
	return out
}

func tenantSwitches(d *database) []Finding {
	// A body that has both names in it sets the one by the other, however it puts them together: also by name, in dollar
	// quotes, or out of a variable.
	name := regexp.QuoteMeta(d.input.Setting)
	sets := regexp.MustCompile(`(?is)\bset_config\b.*` + name + `|` + name + `.*\bset_config\b|\bset\s+(local\s+|session\s+)?` + name + `\b`)
	ways := d.waysToFunctions()
	return each(d.sortedFunctions, func(f *function) (Finding, bool) {
		if f.extension || !f.sets && !sets.MatchString(f.source) {
			return Finding{}, false
		}
		by, reached := ways[f.oid]
		if d.runs(f) { // also a trigger's function that no trigger runs yet
			by.mend = append(d.revokeExecute(f), by.mend...)
			slices.Sort(by.mend)
			by.mend = slices.Compact(by.mend)
		} else if !reached {
			return Finding{}, false
		}
		return Finding{Object: "function " + f.qualified(), What: f.qualified() + " sets " + d.input.Setting + ", and the application may run it" + by.text,
			Show: f.show(), Mend: by.mend}, true
	})
}

// revokeExecute takes the right to run a function from PUBLIC and the login's roles.
func (d *database) revokeExecute(f *function) []string {
	var out []string
	for _, g := range f.rights {
		if g.grantee == 0 || d.isApp(g.grantee) {
			out = append(out, fmt.Sprintf("revoke execute on %s %s from %s", strings.Replace(f.kindWord(), "aggregate", "function", 1), f.qualified(), d.who(g.grantee)))
		}
	}
	return out
}

// runs reports whether the application may call a function by its name.
func (d *database) runs(f *function) bool {
	usable := d.isApp(f.schema.owner) || hasAny(f.schema.rights, "USAGE")
	return usable && (d.isApp(f.owner) || hasAny(f.rights, "EXECUTE"))
}

func storedTenants(d *database) []Finding {
	out := d.stored("a tenant is stored", func(s *storedSetting) bool { return s.name == d.input.Setting && s.value != "" })
	for _, f := range d.sortedFunctions {
		for _, setting := range f.config {
			if name, _, _ := strings.Cut(setting, "="); strings.EqualFold(name, d.input.Setting) {
				out = append(out, Finding{Object: "function " + f.qualified(), What: f.qualified() + " runs under a tenant of its own", Show: f.show(),
					Mend: []string{"alter " + f.kindWord() + " " + f.qualified() + " reset " + d.input.Setting}})
			}
		}
	}
	if d.storedTenant && len(out) == 0 {
		out = append(out, Finding{Object: "session", What: "a new session starts with a tenant: look into postgresql.conf, ALTER SYSTEM and the connection string",
			Show: "select current_setting(" + text(d.input.Setting) + ", true)",
			Mend: []string{"alter system reset " + d.input.Setting, "select pg_reload_conf()"}})
	}
	return out
}

// stored finds settings of roles and databases.
func (d *database) stored(what string, ask func(*storedSetting) bool) []Finding {
	var out []Finding
	for _, s := range d.settings {
		if !ask(s) {
			continue
		}
		var object, sql string
		switch {
		case s.role == "":
			object, sql = "database "+quote(s.database), "alter database "+quote(s.database)+" reset "+s.name
		case s.database == "":
			object, sql = "role "+s.role, "alter role "+quote(s.role)+" reset "+s.name
		default:
			object = "role " + s.role + " in database " + s.database
			sql = "alter role " + quote(s.role) + " in database " + quote(s.database) + " reset " + s.name
		}
		if s.role == "" && s.database == "" {
			object, sql = "every role", "alter role all reset "+s.name
		}
		out = append(out, Finding{Object: object, What: fmt.Sprintf("%s for %s: %s", what, object, s.name), Mend: []string{sql},
			Show: "select setrole::regrole, setdatabase, setconfig from pg_db_role_setting"})
	}
	return out
}

func storedBypasses(d *database) []Finding {
	return d.stored("a setting that decides what holds is stored", func(s *storedSetting) bool {
		switch s.name {
		case "lo_compat_privileges":
			return isTrue(s.value)
		case "role":
			return s.value != "none" && s.value != d.appRole.name
		case "session_authorization":
			return true
		case "session_replication_role":
			return s.value != "origin"
		case "row_security":
			return !isTrue(s.value)
		}
		return false
	})
}
