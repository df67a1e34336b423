package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Names that a plan gives, and finds again.
const (
	stampTrigger = "septum_stamp"
	notNullCheck = "septum_tenant_not_null"
)

// stampAll gives every relation its tenant column and its rows their tenants, parents before children, and returns those
// that can go on.
func (w *writer) stampAll(tables []*table) []*table {
	full := map[*table]bool{} // have a tenant in each row, by now or by a step
	for _, t := range tables {
		t.derive = derivations(t)
		t.given = t.column != nil && !t.column.notNull && w.in.Existing == "" && len(t.derive) == 0 && !t.vacant
		full[t] = t.given || t.column != nil && t.column.notNull
	}
	var out []*table
	pending := slices.DeleteFunc(slices.Clone(tables), func(t *table) bool { return full[t] })
	for len(pending) > 0 {
		// A row that must refer to a parent has the parent's tenant. Whoever has no such parent left takes what there is.
		i := slices.IndexFunc(pending, func(t *table) bool {
			return slices.ContainsFunc(t.derive, func(k *foreignKey) bool { return full[k.to] && k.required() })
		})
		if i < 0 && w.in.Existing != "" { // those at which the others hang come first
			i = slices.IndexFunc(pending, func(t *table) bool { return !slices.ContainsFunc(t.derive, (*foreignKey).required) })
		}
		if i < 0 {
			i = slices.IndexFunc(pending, func(t *table) bool {
				return w.in.Existing != "" || slices.ContainsFunc(t.derive, func(k *foreignKey) bool { return full[k.to] })
			})
		}
		if i < 0 {
			break
		}
		t := pending[i]
		pending = slices.Delete(pending, i, i+1)
		t.derive = slices.DeleteFunc(t.derive, func(k *foreignKey) bool { return !full[k.to] })
		w.stamp(t)
		full[t] = true
	}
	for _, t := range tables {
		if slices.Contains(pending, t) {
			what := "nothing says which tenant its rows belong to: it has no foreign key to a tenant's relation"
			if t.vacant {
				what = "it has rows without a tenant, and nothing says whose they are: see select * from " + t.name + " where " + quote(t.declared.Column) + " is null"
			}
			w.obstacle(t.name, what,
				"say to whom all rows of now belong (--existing-tenant), or add and fill "+quote(t.declared.Column)+" by a migration of your own")
			continue
		}
		if t.stamped {
			t.stamps = true
		}
		out = append(out, t)
	}
	// All columns and triggers come before the first row is filled.
	slices.SortStableFunc(w.result.Steps, func(a, b Step) int { return cmp.Compare(stageRank(a.Stage), stageRank(b.Stage)) })
	return out
}

func stageRank(stage string) int {
	return slices.Index([]string{Roles, Stamp, Backfill, Tighten, Keys, Enforce}, stage)
}

// derivations are the foreign keys by which a row's tenant can be found, those that each row has first.
func derivations(t *table) []*foreignKey {
	var out []*foreignKey
	for _, k := range t.keys {
		if k.to != nil && k.to != t && k.to.declared.Tenant && (t.column == nil || !slices.Contains(k.columns, t.column.number)) {
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b *foreignKey) int { return boolRank(b.required()) - boolRank(a.required()) })
	return out
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// required reports whether each row has the reference.
func (k *foreignKey) required() bool {
	return !slices.ContainsFunc(k.columns, func(n int16) bool { c := k.table.columns[n]; return c == nil || !c.notNull })
}

// match is the condition that a row of the child refers to the parent p.
func (k *foreignKey) match(parent, child string) string {
	var parts []string
	for i, n := range k.columns {
		parts = append(parts, parent+"."+quote(k.to.columns[k.toColumns[i]].name)+" = "+child+"."+quote(k.table.columns[n].name))
	}
	return strings.Join(parts, " and ")
}

func (w *writer) stamp(t *table) {
	column, typ := quote(t.declared.Column), t.declared.Type
	constant := ""
	certain := slices.ContainsFunc(t.derive, (*foreignKey).required)
	if !certain && w.in.Existing != "" {
		constant = literal(w.in.Existing) + "::" + typ
	}
	if t.column == nil {
		add := fmt.Sprintf("alter table %s add column if not exists %s %s", t.name, column, typ)
		if constant != "" && len(t.derive) == 0 {
			add += " default " + constant
			t.constant = true
		}
		w.step(Step{ID: "column " + t.name, Stage: Stamp, Relation: t.name, Purpose: "add the tenant column, which may be NULL for now", SQL: []string{add},
			Undo: []string{fmt.Sprintf("alter table %s drop column if exists %s", t.name, column)}, Lock: exclusive, Time: Instant,
			Note: "no row is rewritten, also with a default"})
	}
	if t.constant {
		return // the default has filled the rows that are there, and fills those that come
	}
	function := w.stampFunction(t)
	w.step(Step{ID: "stamp " + t.name, Stage: Stamp, Relation: t.name, Purpose: "give each row that is written its tenant, whoever writes it", SQL: []string{
		w.stampBody(t, constant),
		fmt.Sprintf("revoke all on function %s() from public", function),
		fmt.Sprintf("create or replace trigger %s before insert or update on %s for each row when (new.%s is null) execute function %s()",
			stampTrigger, t.name, column, function),
	}, Undo: []string{fmt.Sprintf("drop trigger if exists %s on %s", stampTrigger, t.name), "drop function if exists " + function + "()"},
		Lock: shareRE, Time: Instant})
	t.stamps = true
	w.step(Step{ID: "backfill " + t.name, Stage: Backfill, Relation: t.name, Purpose: "give the rows of before their tenant, in batches",
		SQL: []string{w.backfillBody(t)}, Undo: nil, Lock: rowLock, Time: Rows, Outside: true,
		Note: "may be stopped and started again at any time; a stamped row needs no undoing; triggers of yours on UPDATE run for each row"})
}

func (w *writer) stampFunction(t *table) string {
	return quote(t.declared.Schema) + "." + quote(named("septum_stamp_"+t.declared.Table, ""))
}

// stampBody is the trigger's function. It runs with its owner's rights, since who may write a child need not be allowed to
// read the parent; its names are all qualified, and its path is pinned.
func (w *writer) stampBody(t *table, constant string) string {
	column := quote(t.declared.Column)
	var b strings.Builder
	for _, k := range t.derive {
		fmt.Fprintf(&b, "  if new.%s is null then select p.%s into new.%s from %s p where %s; end if;\n",
			column, quote(k.to.declared.Column), column, k.to.name, k.match("p", "new"))
	}
	if constant != "" {
		fmt.Fprintf(&b, "  if new.%s is null then new.%s := %s; end if;\n", column, column, constant)
	}
	return fmt.Sprintf("create or replace function %s() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as %s",
		w.stampFunction(t), dollars("\nbegin\n"+b.String()+"  return new;\nend "))
}

// backfillBody fills page after page. Rows that are written meanwhile get their tenant from the trigger, so none is
// missed, and pages added later need no visit. The update need not say the tenant: the trigger does.
func (w *writer) backfillBody(t *table) string {
	column := quote(t.declared.Column)
	return "do " + dollars(fmt.Sprintf(`
declare part regclass; page bigint; pages bigint;
begin
  if (select attnotnull from pg_catalog.pg_attribute where attrelid = %[1]s::regclass and attname = %[2]s) then return; end if;
  if pg_catalog.row_security_active(%[1]s::regclass) then
    raise exception 'policies hide rows of %% from %%: run this as a role with BYPASSRLS', %[1]s, current_user;
  end if;
  for part in select oid from pg_catalog.pg_class where oid = %[1]s::regclass and relkind = 'r'
    union all select relid from pg_catalog.pg_partition_tree(%[1]s::regclass) where isleaf
  loop
    page := 0;
    pages := pg_catalog.pg_relation_size(part) / pg_catalog.current_setting('block_size')::bigint;
    while page <= pages loop
      execute pg_catalog.format('update only %%s t set %[5]s = null where t.ctid >= %%L::tid and t.ctid < %%L::tid and t.%[5]s is null',
        part, pg_catalog.format('(%%s,0)', page), pg_catalog.format('(%%s,0)', page + %[3]d));
      commit;
      page := page + %[3]d;
    end loop;
  end loop;
  if exists (select from %[4]s t where t.%[6]s is null) then
    raise exception 'rows of %% have no tenant, since they refer to nobody: give them one by hand, then run this again', %[1]s;
  end if;
end `, literal(t.name), literal(t.declared.Column), w.in.Pages, t.name, strings.ReplaceAll(strings.ReplaceAll(column, "%", "%%"), "'", "''"), column))
}

// tighten makes the column NOT NULL without a scan under an exclusive lock.
func (w *writer) tighten(t *table) {
	column := quote(t.declared.Column)
	dropCheck := fmt.Sprintf("alter table %s drop constraint if exists %s", t.name, notNullCheck)
	if t.column != nil && t.column.notNull {
		if t.checked {
			w.step(Step{ID: "uncheck " + t.name, Stage: Tighten, Relation: t.name, Purpose: "drop the CHECK that NOT NULL has replaced", SQL: []string{dropCheck}, Lock: exclusive, Time: Instant})
		}
		return
	}
	isNotNull := fmt.Sprintf("(select attnotnull from pg_catalog.pg_attribute where attrelid = %s::regclass and attname = %s)", literal(t.name), literal(t.declared.Column))
	hasCheck := fmt.Sprintf("exists (select from pg_catalog.pg_constraint where conrelid = %s::regclass and conname = %s)", literal(t.name), literal(notNullCheck))
	note := ""
	if t.given {
		note = "the application of today must say the tenant of each row, as it seems to"
	}
	w.step(Step{ID: "check " + t.name, Stage: Tighten, Relation: t.name, Purpose: "refuse new rows without a tenant", Lock: exclusive, Time: Instant, Note: note,
		SQL:  []string{do(fmt.Sprintf("if not %s and not %s then alter table %s add constraint %s check (%s is not null) not valid; end if", isNotNull, hasCheck, t.name, notNullCheck, column))},
		Undo: []string{dropCheck}})
	w.step(Step{ID: "validate " + t.name, Stage: Tighten, Relation: t.name, Purpose: "see that no row of before is without one", Lock: shareUE, Time: Scan,
		SQL:  []string{do(fmt.Sprintf("if %s then alter table %s validate constraint %s; end if", hasCheck, t.name, notNullCheck))},
		Note: fmt.Sprintf("fails when one is; see select * from %s where %s is null", t.name, column)})
	w.step(Step{ID: "not null " + t.name, Stage: Tighten, Relation: t.name, Purpose: "NOT NULL, which the validated CHECK proves without a scan", Lock: exclusive, Time: Instant,
		SQL:  []string{fmt.Sprintf("alter table %s alter column %s set not null", t.name, column), dropCheck},
		Undo: []string{fmt.Sprintf("alter table %s alter column %s drop not null", t.name, column)}})
}
