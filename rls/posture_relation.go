package rls

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/livetype"
	"github.com/septum-go/septum/query"
)

// again is what to do about everything that Policies writes.
const again = "run rls.Apply, or the file of rls.WriteSQL, as the owner"

// relation looks at one relation of the catalog.
func (p *posture) relation(r query.Relation) error {
	var oid uint32
	var kind string
	var enabled, forced, owner bool
	err := p.conn.QueryRow(p.ctx, `select c.oid, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity,
			pg_has_role(session_user, c.relowner, 'MEMBER') or pg_has_role(session_user, n.nspowner, 'MEMBER')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'v', 'm', 'f')`,
		p.schemaOf(r), r.Table()).Scan(&oid, &kind, &enabled, &forced, &owner)
	if errors.Is(err, pgx.ErrNoRows) {
		p.add(RelationMissing, r.Name, "the catalog names it and the database does not have it",
			"run the migrations, or take it out of the catalog")
		return nil
	}
	if err != nil {
		return err
	}
	if owner && !p.superuser {
		p.add(RoleOwner, r.Name, "the login owns it or its schema, or can become the owner",
			"give it to a role of its own and run the application as another")
	}
	p.distributed(r, oid)
	if err := p.privileges(r, oid); err != nil || r.Kind == query.GlobalKind {
		return err
	}
	if kind != "r" && kind != "p" {
		p.add(RelationNotTable, r.Name, "it is not a table, so it can't carry policies", "name the tables behind it in the catalog instead")
		return nil
	}
	if !enabled {
		p.add(RLSDisabled, r.Name, "row-level security is not enabled", again)
	}
	if !forced {
		p.add(RLSNotForced, r.Name, "row-level security does not hold for the owner", again)
	}
	typ, err := p.column(r, oid)
	if err != nil {
		return err
	}
	if err := p.policies(r, typ, oid); err != nil {
		return err
	}
	return p.partitions(r, oid)
}

// privileges looks for rights that get around rows: TRUNCATE knows no policy, a trigger or a foreign key sees all rows.
func (p *posture) privileges(r query.Relation, oid uint32) error {
	unwanted := []string{"TRUNCATE", "TRIGGER", "REFERENCES"}
	if r.Kind == query.GlobalKind && !r.Writable {
		unwanted = append(unwanted, "INSERT", "UPDATE", "DELETE")
	}
	return p.writers(r.Name, oid, unwanted...)
}

// writers looks for rights that the login must not have on a table.
func (p *posture) writers(name string, oid uint32, unwanted ...string) error {
	if p.superuser {
		return nil
	}
	// Rights of every role that the login can become count, and so do rights on single columns.
	rows, err := p.conn.Query(p.ctx, `select distinct right_name from unnest($2::text[]) as right_name, pg_roles
		where pg_has_role(session_user, pg_roles.oid, 'MEMBER') and (has_table_privilege(pg_roles.oid, $1::oid, right_name)
			or right_name in ('INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(pg_roles.oid, $1::oid, right_name))
		order by right_name`, oid, unwanted)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(found) > 0 {
		p.add(PrivilegeExtra, name, "the login has "+strings.Join(found, ", "), again+"; look at grants to PUBLIC too")
	}
	return err
}

// column looks at the tenant column, and gives its type as the server prints it.
func (p *posture) column(r query.Relation, oid uint32) (printedType, error) {
	var notNull, vague bool
	var typ string
	out := printedType{Type: r.Type}
	err := p.conn.QueryRow(p.ctx, `select attnotnull, `+livetype.Vague("attcollation", "atttypid")+`, `+livetype.Declared("atttypid")+`, `+livetype.Base("atttypid")+`
		from pg_attribute where attrelid = $1 and attname = $2 and attnum > 0 and not attisdropped`, oid, r.Column).Scan(&notNull, &vague, &typ, &out.base)
	object := r.Name + "." + r.Column
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		p.add(ColumnMissing, object, "the tenant column is not there", "add it, or name the right one in the catalog")
		return out, nil
	case err != nil:
		return out, err
	}
	if !notNull {
		p.add(ColumnNullable, object, "the tenant column may be NULL, and such rows are nobody's", "alter table … set not null")
	}
	if vague {
		p.add(ColumnCollation, object, "under the tenant column's collation two ids can be equal, so one tenant sees another's rows",
			`give it a deterministic one, as in alter table … alter column … type … collate "default"`)
	}
	if live, err := query.ParseType(typ); err != nil || live != r.Type && live != movedType(r.Type, p.schema) {
		p.add(ColumnType, object, fmt.Sprintf("the tenant column is %s, the catalog says %s", typ, r.Type), "make them the same")
	}
	return out, nil
}

// schemaOf is where a relation stands at this place.
func (p *posture) schemaOf(r query.Relation) string { return Options{Schema: p.schema}.schemaOf(r) }

// livePolicy is a row of pg_policy.
type livePolicy struct {
	Name       string
	Permissive bool
	All        bool // FOR ALL
	Public     bool // TO PUBLIC alone
	Reaches    bool // it is for PUBLIC, or a role that the login belongs to
	Using      *string
	Check      *string
}

// policies compares what the server has with what Policies writes, in the server's own words.
func (p *posture) policies(r query.Relation, typ printedType, oid uint32) error {
	var column string
	if err := p.conn.QueryRow(p.ctx, `select quote_ident($1)`, r.Column).Scan(&column); err != nil {
		return err
	}
	right := printedPredicates(column, typ, p.source)
	if _, distributed := p.citus[oid]; distributed {
		right = []string{printedPlain(column, typ)}
	}
	isRight := func(text *string) bool {
		return text != nil && slices.Contains(right, strings.Join(strings.Fields(*text), " "))
	}
	rows, err := p.conn.Query(p.ctx, `select polname as name, polpermissive as permissive, polcmd = '*' as all, polroles = '{0}' as public,
			exists (select from unnest(polroles) as role where role = 0 or pg_has_role(session_user, role, 'MEMBER')) as reaches,
			pg_get_expr(polqual, polrelid) as using, pg_get_expr(polwithcheck, polrelid) as check
		from pg_policy where polrelid = $1 order by polname`, oid)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[livePolicy])
	if err != nil {
		return err
	}
	floor, entry := false, false
	for _, policy := range found {
		exact := policy.All && isRight(policy.Using) && isRight(policy.Check)
		switch {
		case !policy.Permissive:
			floor = floor || exact && policy.Public // a restrictive policy can only close, so others are harmless
		case exact:
			entry = entry || policy.Reaches
		default:
			p.add(PolicyDiffers, r.Name+" "+policy.Name,
				"a permissive policy is not the one that Septum writes, and permissive policies add up", "drop it; "+again)
		}
	}
	if !floor {
		p.add(PolicyFloor, r.Name, "there is no restrictive policy, for all commands and TO PUBLIC, with exactly the tenant's predicate", again)
	}
	if !entry {
		p.add(PolicyMissing, r.Name, "no permissive policy with the tenant's predicate is for the login, so it would see no rows",
			again+", with the login's role as AppRole")
	}
	return nil
}

// partitions looks for children that are reached by their own name, where the parent's policies don't count (R12).
func (p *posture) partitions(r query.Relation, oid uint32) error {
	if p.superuser {
		return nil
	}
	rows, err := p.conn.Query(p.ctx, `with recursive child as (
			select inhrelid as oid from pg_inherits where inhparent = $1
			union select i.inhrelid from pg_inherits i join child on i.inhparent = child.oid)
		select c.oid::regclass::text from child join pg_class c using (oid)
		where not (c.relrowsecurity and c.relforcerowsecurity) and exists (
			select from pg_roles where pg_has_role(session_user, pg_roles.oid, 'MEMBER')
				and (has_any_column_privilege(pg_roles.oid, c.oid, 'SELECT, INSERT, UPDATE')
					or has_table_privilege(pg_roles.oid, c.oid, 'DELETE, TRUNCATE')))
		order by 1`, oid)
	if err != nil {
		return err
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range open {
		p.add(PartitionOpen, name, "the login reaches this partition of "+r.Name+" by its own name, past the parent's policies",
			"revoke its rights there; rights on the parent are enough")
	}
	return err
}
