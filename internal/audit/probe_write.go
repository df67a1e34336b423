package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Bits of pg_trigger.tgtype (src/include/catalog/pg_trigger.h).
const (
	onInsert = 1 << 2
	onDelete = 1 << 3
	onUpdate = 1 << 4
)

// quiet reports whether a command on the relation runs no code of the house: no trigger, no rule. Only then is it tried
// unasked, for a trigger may reach where no rollback does. A row that is inserted meets the triggers of its partition.
func (r *relation) quiet(bit int16, event string) bool {
	return !slices.ContainsFunc(r.triggers, func(t *trigger) bool { return t.enabled && t.kind&bit != 0 }) &&
		!slices.ContainsFunc(r.rules, func(rule *rewrite) bool { return rule.event == event }) &&
		(bit != onInsert || !slices.ContainsFunc(r.children, func(part *relation) bool { return part.partition && !part.quiet(bit, event) }))
}

// write tries writes that must fail or find nothing. None of them gets as far as a row: the insert is refused by WITH CHECK,
// which stands before constraints and sequences (all columns are given, as NULL); update and delete have a condition that
// fails on the first row that the policies let through, and policies are applied before it, since it is not leakproof.
func (r *runner) write(x *relation, real []string) error {
	if r.standby {
		return nil
	}
	// Each takes a round trip; together they take one. When an early one fails, the rest is tried again without it.
	tries := slices.Concat(r.bareWrites(x), r.insertAcross(x, real))
	for len(tries) > 0 {
		statements := []string{r.begin(scene{}, x)}
		for _, try := range tries {
			statements = append(statements, "set local "+settingName(r.input.Setting)+" = "+text(try.tenant), try.sql)
		}
		results, err := r.script(statements...)
		code := sqlState(err)
		if err != nil && code == "" {
			return err
		}
		at := len(tries) // the one that failed
		if err != nil {
			if at = (len(results) - r.beginLength()) / 2; at < 0 || at >= len(tries) {
				r.gone(x, code)
				return nil
			}
		}
		for i, try := range tries[:min(at+1, len(tries))] {
			if i < at {
				try.outcome(nil)
			} else {
				try.outcome(err)
			}
		}
		tries = tries[min(at+1, len(tries)):]
	}
	if r.input.ProbeRows {
		return r.writeRows(x, real)
	}
	return nil
}

// try is one write: in which tenant's session, and what its outcome means.
type try struct {
	tenant, sql string
	outcome     func(error)
}

// beginLength is how many statements begin has for a scene without a tenant.
func (r *runner) beginLength() int { return strings.Count(r.begin(scene{}, nil), ";") + 1 }

// insertAcross inserts a row of one tenant in the session of another.
func (r *runner) insertAcross(x *relation, real []string) []try {
	if !r.input.ProbeRows && !x.quiet(onInsert, "3") {
		r.gap("behaviour: insert", x.name, "its triggers or rules would run", "try it on a copy, with rows probed")
		return nil
	}
	mine, theirs, ok := r.strangers(x)
	if !ok {
		return nil
	}
	if len(real) > 1 {
		mine, theirs = real[0], real[1]
	}
	var columns, values []string
	for _, c := range x.ordered() {
		if c.generated != "" {
			continue
		}
		if !c.may(x, "INSERT") {
			return nil // it can't be inserted as the login either, or only with defaults, which would touch sequences
		}
		value := "null"
		if c == x.tenant {
			value = text(theirs)
		}
		columns, values = append(columns, c.sql), append(values, value)
	}
	return x.inserts(mine, theirs, columns, values, func(err error) {
		code := sqlState(err)
		var pg *pgconn.PgError
		errors.As(err, &pg)
		passed := err == nil || strings.HasPrefix(code, "23") && pg.DataTypeName == "" && (pg.ColumnName != "" || pg.ConstraintName != "")
		switch {
		case passed:
			r.found("SEP103", Finding{Object: x.name, Relation: x.name, Mend: r.wall(x), Show: x.showPolicies(),
				What: "a row of another tenant passes the policies of " + x.name})
		case code == "42501", r.gone(x, code):
		default:
			r.gap("behaviour: insert", x.name, "it failed before the policies were asked (SQLSTATE "+code+")", "look at the policies' WITH CHECK yourself")
		}
	})
}

// gone notes what was dropped, or took too long.
func (r *runner) gone(x *relation, code string) bool {
	switch code {
	case "42P01", "42703", "3F000":
		r.dropped = append(r.dropped, x.name)
	case "57014", "55P03":
		r.gap("behaviour", x.name, "it took longer than the audit may wait (SQLSTATE "+code+")", "raise the timeouts, or run it when there is less to do")
	default:
		return false
	}
	return true
}

// tripwire is a condition that raises division_by_zero on the first row it sees. It is volatile, so that it is not
// computed before, and names no column, so that policies for reading don't hide what those for writing let through.
const tripwire = " where 1 / (pg_catalog.random() * 0)::int = 0"

// bareWrites updates and deletes without naming a column, with no tenant and as a tenant that does not exist.
func (r *runner) bareWrites(x *relation) []try {
	var commands []string
	add := func(bit int16, event, name, sql string) {
		if r.input.ProbeRows || x.quiet(bit, event) {
			commands = append(commands, sql+tripwire)
		} else {
			r.gap("behaviour: "+name, x.name, "its triggers or rules would run", "try it on a copy, with rows probed")
		}
	}
	if x.tenant.may(x, "UPDATE") && x.tenant.generated == "" && x.tenant.identity == "" {
		add(onUpdate, "2", "update", "update "+x.name+" set "+x.tenant.sql+" = null")
	}
	if hasAny(x.rights, "DELETE") {
		add(onDelete, "4", "delete", "delete from "+x.name)
	}
	var tries []try
	scenes := []scene{{what: "with no tenant set", set: true}, {what: "as a tenant that does not exist", set: true, tenant: "?"}}
	if x.declared.Type.Enum {
		scenes = scenes[:1]
	}
	for _, s := range scenes {
		for _, sql := range commands {
			tries = append(tries, try{s.value(x), sql, func(err error) {
				switch code := sqlState(err); {
				case code == "22012":
					r.found("SEP104", Finding{Object: x.name, Relation: x.name, Mend: r.wall(x), Show: r.showScene(s, x, "explain delete from "+x.name),
						What: s.what + ", a bare UPDATE or DELETE reaches rows of " + x.name})
				case code == "", code == "42501", r.gone(x, code):
				default: // reading failed alike, and said so
				}
			}})
		}
	}
	return tries
}

// ordered lists the columns by number.
func (r *relation) ordered() []*column {
	out := make([]*column, 0, len(r.columns))
	for _, c := range r.columns {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *column) int { return int(a.number) - int(b.number) })
	return out
}

// writeRows tries what touches rows: it moves one to another tenant, and takes another tenant's keys.
func (r *runner) writeRows(x *relation, real []string) error {
	if len(real) < 2 {
		r.gap("behaviour: rows", x.name, "it takes two real tenants", "name two, or let a login audit that sees all rows")
		return nil
	}
	if x.tenant.may(x, "UPDATE") {
		// Without WHERE, which would have the new row pass the policies for reading too.
		sql := fmt.Sprintf("update %s set %s = %s", x.name, x.tenant.sql, text(real[1]))
		results, err := r.script(r.begin(scene{set: true, tenant: real[0]}, x), sql)
		code := sqlState(err)
		if err != nil && code == "" {
			return err
		}
		moved := err == nil && results[len(results)-2].CommandTag.RowsAffected() > 0
		if moved || strings.HasPrefix(code, "23") {
			r.found("SEP107", Finding{Object: x.name, Relation: x.name, Mend: r.wall(x), Show: x.showPolicies(),
				What: "a row of " + x.name + " can be moved to another tenant"})
		}
	}
	if !r.readsAll || !hasAny(x.rights, "INSERT") {
		return nil
	}
	return r.takeKeys(x, real)
}

// takeKeys inserts, for a tenant that has no rows, a copy of another one's row with the tenant replaced: no key may object.
func (r *runner) takeKeys(x *relation, real []string) error {
	mine, err := r.newcomer(x)
	if err != nil || mine == "" {
		return err
	}
	var columns, values []string
	for _, c := range x.ordered() {
		if c.generated != "" {
			continue
		}
		value := "v." + c.sql
		if c == x.tenant {
			value = text(mine)
		}
		columns, values = append(columns, c.sql), append(values, value)
	}
	// The other's row is read by the audit's own login and kept in a setting of the transaction, out of this program's reach.
	sql := []string{
		fmt.Sprintf("begin; set local search_path = pg_catalog, pg_temp; set local lock_timeout = %d; set local statement_timeout = %d",
			max(1, r.input.LockTimeout.Milliseconds()), max(1, r.input.StatementTimeout.Milliseconds())),
		fmt.Sprintf("select set_config('septum_audit.row', to_jsonb(v)::text, true) is null from %s v where %s = %s limit 1", x.name, x.tenant.sql, text(real[1])),
		become(r.login),
		"set local " + settingName(r.input.Setting) + " = " + text(mine),
		fmt.Sprintf(`insert into %[1]s (%[2]s) overriding system value select %[3]s
			from jsonb_populate_record(null::%[1]s, nullif(current_setting('septum_audit.row', true), '')::jsonb) v
			where nullif(current_setting('septum_audit.row', true), '') is not null`, x.name, strings.Join(columns, ", "), strings.Join(values, ", ")),
	}
	_, err = r.script(sql...)
	code := sqlState(err)
	if err != nil && code == "" {
		return err
	}
	if code != "23505" && code != "23P01" {
		return nil
	}
	var pg *pgconn.PgError
	errors.As(err, &pg)
	var mend []string
	for _, index := range x.indexes {
		if index.name == pg.ConstraintName && !slices.Contains(index.keys, x.tenant.number) {
			mend = r.widen(x, index)
		}
	}
	r.found("SEP105", Finding{Object: x.name, Relation: x.name, Mend: mend, Show: x.showIndexes(),
		What: fmt.Sprintf("the constraint %s of %s objects to a row because another tenant has one like it", quote(pg.ConstraintName), x.name)})
	return nil
}
