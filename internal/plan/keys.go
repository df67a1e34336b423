package plan

import (
	"fmt"
	"slices"
	"strings"
)

// widened is an index that has to start with the tenant column, and its successor.
type widened struct {
	old *index
	new string // name
}

// successors lists the indexes of a table that need one.
func (t *table) successors() []widened {
	var out []widened
	for _, x := range t.indexes {
		has := t.column != nil && slices.Contains(x.keys, t.column.number)
		leads := t.column != nil && len(x.keys) > 0 && x.keys[0] == t.column.number
		if x.exclusion || x.method != "btree" || !x.valid || (x.unique && has) || (!x.unique && leads) {
			continue
		}
		out = append(out, widened{x, named(x.name, "_tenant")})
	}
	return out
}

func (t *table) index(name string) *index {
	i := slices.IndexFunc(t.indexes, func(x *index) bool { return x.name == name })
	if i < 0 {
		return nil
	}
	return t.indexes[i]
}

// keys builds, beside each index that does not start with the tenant column, one that does.
func (w *writer) keys(t *table) {
	column := quote(t.declared.Column)
	for _, x := range t.indexes {
		if x.exclusion && (t.column == nil || !slices.Contains(x.keys, t.column.number)) {
			w.obstacle(t.name, "the exclusion constraint "+quote(x.name)+" looks at all tenants' rows",
				"make it anew with "+column+" with = in front, by a migration of your own: PostgreSQL can't build one beside writers")
		}
	}
	leads := slices.ContainsFunc(t.indexes, func(x *index) bool {
		return x.valid && !x.partial && t.column != nil && len(x.keys) > 0 && x.keys[0] == t.column.number
	})
	for _, s := range t.successors() {
		leads = leads || !s.old.partial
		if built := t.index(s.new); built != nil && built.valid {
			continue
		}
		kind := "create index"
		if s.old.unique {
			kind = "create unique index"
		}
		rest := " using btree (" + column + ", " + s.old.listed
		w.index(t, s.new, kind, rest, "build "+quote(s.old.name)+" anew with the tenant column in front")
	}
	if !leads {
		name := named("septum_"+t.declared.Table, "_tenant")
		if built := t.index(name); built == nil || !built.valid {
			w.index(t, name, "create index", " ("+column+")", "build an index on the tenant column")
		}
	}
}

// index builds one without stopping anybody.
func (w *writer) index(t *table, name, kind, rest, purpose string) {
	if t.kind == "p" {
		w.indexParts(t, name, kind, rest, purpose)
		return
	}
	qualified := quote(t.declared.Schema) + "." + quote(name)
	s := Step{ID: "index " + qualified, Stage: Keys, Relation: t.name, Purpose: purpose, Lock: shareUE, Time: Build, Outside: true,
		SQL: []string{kind + " concurrently if not exists " + quote(name) + " on " + t.name + rest}, Undo: []string{"drop index concurrently if exists " + qualified}}
	if broken := t.index(name); broken != nil && !broken.valid {
		w.dropBroken(t, []string{qualified})
	}
	w.step(s)
}

// dropBroken drops what an attempt to build indexes has left behind, and never one that has become valid since.
func (w *writer) dropBroken(t *table, indexes []string) {
	s := Step{ID: "drop broken " + indexes[0], Stage: Keys, Relation: t.name, Purpose: "drop what an earlier attempt has left, which is not valid", Lock: exclusive, Time: Instant}
	for _, qualified := range indexes {
		s.SQL = append(s.SQL, do(fmt.Sprintf("if exists (select from pg_catalog.pg_index where indexrelid = to_regclass(%s) and not indisvalid) then drop index %s; end if",
			literal(qualified), qualified)))
	}
	w.step(s)
}

// wanted says what a foreign key between tenants' relations needs.
type wanted int

const (
	fine      wanted = iota // compares the tenant columns
	widen                   // has them on neither side
	misplaced               // has one of them, or both apart
)

func (k *foreignKey) judge() wanted {
	from, to := -1, -1
	if c := k.table.column; c != nil {
		from = slices.Index(k.columns, c.number)
	}
	if c := k.to.column; c != nil {
		to = slices.Index(k.toColumns, c.number)
	}
	switch {
	case from < 0 && to < 0 && k.period():
		return misplaced
	case from < 0 && to < 0:
		return widen
	case from == to:
		return fine
	}
	return misplaced
}

// period reports whether the key is one over time (PostgreSQL 18), which no unique index that is built beside writers can hold.
func (k *foreignKey) period() bool { return strings.Contains(k.definition, ", PERIOD ") }

// tenantKeys are a table's foreign keys to tenants' relations.
func (t *table) tenantKeys() []*foreignKey {
	return slices.DeleteFunc(slices.Clone(t.keys), func(k *foreignKey) bool { return k.to == nil || !k.to.declared.Tenant })
}

func (t *table) foreignKey(name string) *foreignKey {
	i := slices.IndexFunc(t.keys, func(k *foreignKey) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return t.keys[i]
}

// references adds, beside each foreign key that does not compare tenants, one that does, first unchecked, then validated:
// before any policy could hide rows from the check.
func (w *writer) references(t *table) {
	for _, k := range t.tenantKeys() {
		switch name := named(k.name, "_tenant"); k.judge() {
		case fine:
			if !k.validated {
				w.validate(t, k, k.name)
			}
		case misplaced:
			// The root's key is its tenant column, so a reference to it by the child's tenant column is fine, and by another
			// column it names a tenant as such.
			what := " has a tenant column on one side, or the two at different places"
			if k.period() {
				what = " is one over time and does not compare tenants"
			}
			w.obstacle(t.name, "the foreign key "+quote(k.name)+what, "make it anew by a migration of your own, so that the tenant columns stand at the same place")
		case widen:
			if !w.ready[k.to] {
				continue // which has no key with the tenant to refer to; its obstacle is listed
			}
			built := t.foreignKey(name)
			if built == nil {
				w.reference(t, k, name)
			}
			if (built == nil || !built.validated) && !(t.kind == "p" && w.db.version < 180000) {
				w.validate(t, k, name)
			}
		}
	}
}

func (w *writer) reference(t *table, k *foreignKey, name string) {
	s := Step{ID: "reference " + t.name + " " + name, Stage: Keys, Relation: t.name, Purpose: "refer to " + k.to.name + " by tenant and key",
		Lock: shareRE, Time: Instant, Undo: []string{"alter table " + t.name + " drop constraint if exists " + quote(name)},
		Note: "the lock is on both tables"}
	definition, note := k.withTenant()
	if note != "" {
		s.Note += "; " + note
	}
	if !(t.kind == "p" && w.db.version < 180000) {
		definition += " not valid"
	} else {
		s.Time = Blocks
		s.Note += "; PostgreSQL before 18 checks a partitioned table's rows at once"
	}
	s.SQL = []string{do(fmt.Sprintf("if not %s then alter table %s add constraint %s %s; end if", hasConstraint(t, name, ""), t.name, quote(name), definition))}
	w.step(s)
}

func hasConstraint(t *table, name, condition string) string {
	return fmt.Sprintf("exists (select from pg_catalog.pg_constraint where conrelid = %s::regclass and conname = %s%s)", literal(t.name), literal(name), condition)
}

// validate checks the rows of before. Under FORCE an owner for whom no policy holds would see no rows and find them all right.
func (w *writer) validate(t *table, k *foreignKey, name string) {
	hidden := fmt.Sprintf("pg_catalog.row_security_active(%s::regclass) or pg_catalog.row_security_active(%s::regclass)", literal(t.name), literal(k.to.name))
	w.step(Step{ID: "validate " + t.name + " " + name, Stage: Keys, Relation: t.name, Purpose: "see that no row refers to another tenant's, or to none",
		Lock: shareUE, Time: Scan, Note: "fails when one does: SEP063 and SEP064 of septum audit show them",
		SQL: []string{do(fmt.Sprintf("if %s then if %s then raise exception 'policies hide rows from %%: run this as a role with BYPASSRLS', current_user; end if; alter table %s validate constraint %s; end if",
			hasConstraint(t, name, " and not convalidated"), hidden, t.name, quote(name)))}})
}

// withTenant is the key's definition with the tenant columns in front. SET NULL must not empty the tenant column too.
func (k *foreignKey) withTenant() (definition, note string) {
	var from, to []string
	for i, n := range k.columns {
		from = append(from, quote(k.table.columns[n].name))
		to = append(to, quote(k.to.columns[k.toColumns[i]].name))
	}
	definition = fmt.Sprintf("foreign key (%s, %s) references %s (%s, %s)", quote(k.table.declared.Column), strings.Join(from, ", "),
		k.to.name, quote(k.to.declared.Column), strings.Join(to, ", "))
	// What follows the second list: actions and deferral. The lists may hold anything, so they are skipped as the server wrote them.
	rest := k.definition[strings.LastIndex(k.definition, ")")+1:]
	for _, action := range []string{"SET NULL", "SET DEFAULT"} {
		if at := strings.Index(k.definition, " ON DELETE "+action+" ("); at >= 0 { // a list of its own, which stays
			rest = k.definition[at:]
		}
		if at := strings.Index(rest, " ON DELETE "+action); at >= 0 && !strings.Contains(rest, " ON DELETE "+action+" (") {
			at += len(" ON DELETE " + action)
			rest = rest[:at] + " (" + strings.Join(from, ", ") + ")" + rest[at:]
		}
		if strings.Contains(rest, " ON UPDATE "+action) {
			rest = strings.Replace(rest, " ON UPDATE "+action, "", 1)
			note = "ON UPDATE " + action + " is left out, since it would empty the tenant column too"
		}
	}
	for _, word := range []string{" NOT VALID", " NOT ENFORCED"} {
		rest = strings.Replace(rest, word, "", 1)
	}
	if strings.Contains(rest, " MATCH FULL") {
		rest = strings.Replace(rest, " MATCH FULL", "", 1)
		if len(from) > 1 {
			note = "MATCH FULL is left out, since the tenant is never NULL; add a CHECK that the others are NULL together"
		}
	}
	return definition + rest, note
}
