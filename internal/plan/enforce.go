package plan

import (
	"fmt"
	"slices"
	"strings"
)

// enforce is the stage that the application of before does not survive.
func (w *writer) enforce(ready []*table) {
	for _, t := range ready {
		w.unstamp(t)
	}
	for _, t := range w.db.tables {
		w.dropReferences(t)
	}
	for _, t := range ready {
		w.swap(t)
	}
	for _, sql := range w.in.Schemas {
		w.step(Step{ID: sql, Stage: Enforce, Purpose: "let the application reach the schema", SQL: []string{sql}, Lock: none, Time: Instant,
			Undo: []string{strings.Replace(strings.Replace(sql, "grant ", "revoke ", 1), " to ", " from ", 1)}})
	}
	for _, t := range w.db.tables {
		if !t.exists || t.declared.Walled || t.declared.Tenant && !slices.Contains(ready, t) {
			continue
		}
		s := Step{ID: "wall " + t.name, Stage: Enforce, Relation: t.name, Purpose: "policies and rights", SQL: slices.Clone(t.declared.Wall), Lock: exclusive, Time: Instant}
		if !t.declared.Tenant {
			s.Purpose, s.Lock = "rights", none
		}
		if t.declared.Tenant {
			s.Undo = []string{"alter table " + t.name + " no force row level security", "alter table " + t.name + " disable row level security"}
		}
		s.Undo = append(s.Undo, "revoke all on table "+t.name+" from "+quote(w.in.AppRole))
		w.step(s)
	}
	for _, t := range w.db.tables {
		if !t.declared.Writable {
			continue
		}
		for _, name := range t.sequences {
			w.step(Step{ID: "sequence " + name, Stage: Enforce, Relation: t.name, Purpose: "let the column's default count", Lock: none, Time: Instant,
				SQL: []string{"grant usage on sequence " + name + " to " + quote(w.in.AppRole)}, Undo: []string{"revoke usage on sequence " + name + " from " + quote(w.in.AppRole)}})
		}
	}
}

// unstamp takes down what filled the tenant column for an application that knew nothing of it.
func (w *writer) unstamp(t *table) {
	column := quote(t.declared.Column)
	if t.stamps {
		function := w.stampFunction(t) + "()"
		w.step(Step{ID: "unstamp " + t.name, Stage: Enforce, Relation: t.name, Purpose: "from here on the application says the tenant", Lock: exclusive, Time: Instant,
			SQL: []string{fmt.Sprintf("drop trigger if exists %s on %s", stampTrigger, t.name), "drop function if exists " + function}, Note: "its undoing is the step that made it"})
	}
	constant := t.column != nil && t.column.fallback != "" && !strings.Contains(t.column.fallback, "current_setting(")
	if t.constant || constant {
		undo := []string{}
		if constant {
			undo = append(undo, fmt.Sprintf("alter table %s alter column %s set default %s", t.name, column, t.column.fallback))
		}
		w.step(Step{ID: "no default " + t.name, Stage: Enforce, Relation: t.name, Purpose: "no tenant by default", Lock: exclusive, Time: Instant,
			SQL: []string{fmt.Sprintf("alter table %s alter column %s drop default", t.name, column)}, Undo: undo})
	}
}

// dropReferences drops the foreign keys that the new ones have replaced, and those from everybody's relations, which would hold
// the old keys in place.
func (w *writer) dropReferences(t *table) {
	for _, k := range t.tenantKeys() {
		if t.declared.Tenant && !w.replaces(k) {
			continue
		}
		s := Step{ID: "drop reference " + t.name + " " + k.name, Stage: Enforce, Relation: t.name, Lock: exclusive, Time: Instant,
			Purpose: "drop the foreign key that does not compare tenants", Note: "the lock is on both tables",
			SQL:  []string{"alter table " + t.name + " drop constraint if exists " + quote(k.name)},
			Undo: []string{fmt.Sprintf("alter table %s add constraint %s %s not valid", t.name, quote(k.name), strings.TrimSuffix(k.definition, " NOT VALID"))}}
		if !t.declared.Tenant {
			s.Note = "what is everybody's can't refer to what is one tenant's; " + s.Note
		}
		w.step(s)
	}
}

// replaces reports whether this plan, or an earlier one, has put a foreign key that compares tenants beside one that does not.
func (w *writer) replaces(k *foreignKey) bool {
	return k.judge() == widen && w.ready[k.table] && w.ready[k.to]
}

// swap puts the new indexes in the place of the old ones.
func (w *writer) swap(t *table) {
	for _, s := range t.successors() {
		if held := w.heldBy(s.old); held != "" {
			w.obstacle(t.name, quote(s.old.name)+" can't go, since "+held+" refers to it", "remove what stands in that relation's way, declare it, or drop its foreign key")
			continue
		}
		old := quote(t.declared.Schema) + "." + quote(s.old.name)
		if s.old.constraint == "" {
			concurrently, lock := " concurrently", shareUE
			if t.kind == "p" {
				concurrently, lock = "", exclusive
			}
			w.step(Step{ID: "drop index " + old, Stage: Enforce, Relation: t.name, Purpose: "drop the index that does not start with the tenant", Lock: lock, Time: Instant,
				Outside: concurrently != "", SQL: []string{"drop index" + concurrently + " if exists " + old},
				Undo: []string{strings.Replace(strings.Replace(s.old.definition, "INDEX ", "INDEX"+concurrently+" IF NOT EXISTS ", 1), "CREATE", "create", 1)}})
			continue
		}
		kind := "unique"
		if s.old.primary {
			kind = "primary key"
		}
		add := fmt.Sprintf("add constraint %s %s using index %s", quote(s.new), kind, quote(s.new))
		if s.old.deferrable {
			add += " deferrable"
		}
		if s.old.deferred {
			add += " initially deferred"
		}
		step := Step{ID: "swap " + t.name + " " + s.old.constraint, Stage: Enforce, Relation: t.name, Purpose: "make the key with the tenant the table's own", Lock: exclusive, Time: Instant,
			SQL: []string{"alter table " + t.name + " drop constraint if exists " + quote(s.old.constraint),
				do(fmt.Sprintf("if not %s then alter table %s %s; end if", hasConstraint(t, s.new, ""), t.name, add))},
			Undo: []string{fmt.Sprintf("alter table %s drop constraint if exists %s", t.name, quote(s.new)),
				fmt.Sprintf("alter table %s add constraint %s %s (%s)", t.name, quote(s.old.constraint), kind, t.plain(s.old))},
			Note: "ON CONFLICT of the old columns has no index from here on; undoing it builds an index while writers wait"}
		if t.kind == "p" { // whose indexes can't become constraints; the unique index holds what the constraint held
			step.SQL, step.Undo = step.SQL[:1], step.Undo[1:]
			step.Note = "PostgreSQL can't make a primary key of a partitioned table's index, so the unique index stands for it; " + step.Note
		}
		w.step(step)
	}
}

// heldBy names a foreign key that no step drops.
func (w *writer) heldBy(x *index) string {
	for _, k := range w.db.strangers {
		if k.index == x.oid {
			return quote(k.name) + " of " + k.child
		}
	}
	for _, t := range w.db.tables {
		for _, k := range t.keys {
			if k.index == x.oid && t.declared.Tenant && k.to.declared.Tenant && !w.replaces(k) {
				return quote(k.name) + " of " + t.name
			}
		}
	}
	return ""
}

func (t *table) plain(x *index) string {
	var names []string
	for _, n := range x.keys {
		if c := t.columns[n]; c != nil {
			names = append(names, quote(c.name))
		}
	}
	return strings.Join(names, ", ")
}
