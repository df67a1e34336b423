package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// probeRules are what statements give that are tried as the application, and rolled back.
func probeRules() []Rule {
	return []Rule{
		{ID: "SEP100", Name: "rows-without-tenant", Title: "The application reads rows although no tenant is set", Severity: critical, Evidence: byBehaviour,
			Threats: []string{"R05", "W04", "X02"}, References: enforcement,
			Why:  "A statement that forgets the tenant, or a pooled connection that lost it, reads everybody's rows.",
			Mend: "Install the policies; see what else the report says about the relation."},
		{ID: "SEP101", Name: "rows-of-others", Title: "A tenant that does not exist reads rows", Severity: critical, Evidence: byBehaviour,
			Threats: []string{"R03", "R05"}, References: enforcement,
			Why:  "Rows that a stranger sees belong to somebody else.",
			Mend: "Install the policies; see what else the report says about the relation."},
		{ID: "SEP102", Name: "foreign-rows", Title: "A tenant reads rows of another one", Severity: critical, Evidence: byBehaviour,
			Threats: []string{"R03", "R05"}, References: enforcement,
			Why:  "It was tried with a real tenant, and rows came back that are not its own.",
			Mend: "Install the policies; see what else the report says about the relation."},
		{ID: "SEP103", Name: "insert-across", Title: "A tenant can insert a row for another one", Severity: high, Evidence: byBehaviour,
			Threats: []string{"R04", "W06"}, References: append(slices.Clone(enforcement), hipaaWhole),
			Why:  "Records can be planted in another tenant's file.",
			Mend: "Install the policies: WITH CHECK must hold as USING does."},
		{ID: "SEP104", Name: "write-without-tenant", Title: "Rows can be updated or deleted without their tenant", Severity: critical, Evidence: byBehaviour,
			Threats: []string{"R04", "W01"}, References: append(slices.Clone(enforcement), hipaaWhole),
			Why:  "A bare UPDATE or DELETE reaches everybody's rows.",
			Mend: "Install the policies: they must cover every command."},
		{ID: "SEP105", Name: "conflict-oracle", Title: "Another tenant's key stands in the way of one's own row", Severity: medium, Evidence: byBehaviour,
			Threats: []string{"R13", "J09"}, References: []string{asvsTenants, nistShared, "CWE-203"},
			Why:  "Inserting a row tells whether another tenant has that key.",
			Mend: "Begin every unique constraint with the tenant column."},
		{ID: "SEP106", Name: "policy-error", Title: "A policy fails instead of giving no rows", Severity: low, Evidence: byBehaviour,
			Threats: []string{"X06", "R05"}, References: []string{asvsTenants, nistErrors},
			Why:  "After a transaction the setting is '' and not NULL; casting that raises an error, on a statement that has nothing to do with it.",
			Mend: "Turn the empty string into NULL, as the policies of Septum do."},
		{ID: "SEP107", Name: "move-across", Title: "A tenant can move its row to another one", Severity: high, Evidence: byBehaviour,
			Threats: []string{"R04", "Q07"}, References: append(slices.Clone(enforcement), hipaaWhole),
			Why:  "An update that changes the tenant column leaves the tenant's data with somebody else.",
			Mend: "Install the policies: WITH CHECK must hold as USING does."},
	}
}

// batchSize is how many relations one reading statement looks at: enough to be quick, few enough for the server's
// table of locks (64 for each connection by default).
const batchSize = 40

// scene is whose session is played.
type scene struct {
	rule, what string
	tenant     string // value of the setting; empty for none
	set        bool   // whether it is set at all
	real       bool
}

// probe tries statements as the login. Tenants of one type are played on relations of that type.
func (r *runner) probe() error {
	byType := map[string][]*relation{}
	for _, x := range r.tenants() {
		if x.tenant != nil {
			byType[x.declared.Type.Name] = append(byType[x.declared.Type.Name], x)
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(byType)) {
		if err := r.probeType(byType[typ]); err != nil {
			return err
		}
	}
	return nil
}

// probeType plays on relations whose tenant columns have one type.
func (r *runner) probeType(relations []*relation) error {
	if err := r.loadLabels(relations[0]); err != nil {
		return err
	}
	real, err := r.realTenants(relations)
	if err != nil {
		return err
	}
	scenes := []scene{{rule: "SEP100", what: "with no tenant set"}, {rule: "SEP100", what: "with an empty tenant", set: true}}
	if !relations[0].declared.Type.Enum { // of which each label may be a tenant
		scenes = append(scenes, scene{rule: "SEP101", what: "as a tenant that does not exist", set: true, tenant: "?"})
	}
	for _, id := range real {
		scenes = append(scenes, scene{rule: "SEP102", what: "as a real tenant", set: true, tenant: id, real: true})
	}
	for _, p := range r.policies {
		if r.auditor != r.login.name && slices.ContainsFunc(p.relations, func(id oid) bool { return r.relations[id] != nil && r.relations[id].name == r.input.Logins }) {
			r.gap("behaviour as the tenant's login", "role "+r.login.name, "policies read the login of the session, which only connecting as that login gives",
				"also run the audit on the login's own connection")
			break
		}
	}
	steps, done := len(scenes)*len(relations)+len(relations), 0
	for _, s := range scenes {
		for batch := range slices.Chunk(relations, batchSize) {
			if err := r.read(s, batch); err != nil {
				return err
			}
			done += len(batch)
			r.input.progress("trying statements", done, steps)
		}
	}
	for _, x := range relations {
		if err := r.write(x, real); err != nil {
			return err
		}
		done++
		r.input.progress("trying statements", done, steps)
	}
	return nil
}

// realTenants are those that were given, else up to two that the audit's login finds by an index.
func (r *runner) realTenants(relations []*relation) ([]string, error) {
	if len(r.input.Tenants) > 0 || !r.readsAll {
		return slices.DeleteFunc(slices.Clone(r.input.Tenants), func(id string) bool { return !r.isOf(relations[0], id) }), nil
	}
	var found []string
	for i, x := range relations {
		if i >= 20 || len(found) > 1 {
			break
		}
		if !slices.ContainsFunc(x.indexes, func(x2 *index) bool { return !x2.partial && x2.leads(x.tenant) }) {
			continue
		}
		err := r.input.inTx(r.ctx, r.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			rows, err := tx.Query(r.ctx, fmt.Sprintf(`(select %[1]s::text from %[2]s where %[1]s is not null order by %[1]s limit 1)
				union (select %[1]s::text from %[2]s where %[1]s is not null order by %[1]s desc limit 1) order by 1`, x.tenant.sql, x.name))
			if err != nil {
				return err
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
			for _, id := range ids {
				if id != "" && !slices.Contains(found, id) && len(found) < 2 {
					found = append(found, id)
				}
			}
			return err
		})
		if err != nil && sqlState(err) == "" {
			return nil, err
		}
	}
	return found, nil
}

// begin is the SQL that starts a transaction as the login in a scene.
func (r *runner) begin(s scene, x *relation) string {
	sql := fmt.Sprintf(`begin; set local search_path = pg_catalog, pg_temp; set local row_security = on; set local statement_timeout = %d; set local lock_timeout = %d; %s`,
		max(1, r.input.StatementTimeout.Milliseconds()), max(1, r.input.LockTimeout.Milliseconds()), become(r.login))
	if s.set {
		sql += "; set local " + settingName(r.input.Setting) + " = " + text(s.value(x))
	}
	return sql
}

// settingName quotes the parts of a setting's name.
func settingName(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = quote(parts[i])
	}
	return strings.Join(parts, ".")
}

// value is the tenant of the scene, for the relation's type.
func (s scene) value(x *relation) string {
	if s.tenant != "?" {
		return s.tenant
	}
	return nobody(x)
}

// read looks whether rows can be read in a scene that should show none. One statement looks at many relations; when it
// fails, each is looked at alone.
func (r *runner) read(s scene, batch []*relation) error {
	var parts []string
	var asked []*relation
	for _, x := range batch {
		if !x.readsAny() {
			continue
		}
		// Tenants' ids stand as plain constants, which take the column's type: the login may not be able to name that.
		condition := ""
		if s.real {
			if !x.tenant.reads(x) {
				continue
			}
			condition = " where " + x.tenant.sql + " is distinct from " + text(s.tenant)
		}
		parts = append(parts, fmt.Sprintf("select %d, exists (select from %s%s)", len(asked), x.name, condition))
		asked = append(asked, x)
	}
	if len(asked) == 0 {
		return nil
	}
	results, err := r.script(r.begin(s, asked[0]), strings.Join(parts, " union all ")+" order by 1")
	if err == nil {
		rows := results[len(results)-2].Rows // the last but ROLLBACK
		for i, x := range asked {
			if string(rows[i][1]) == "t" {
				r.found(s.rule, Finding{Object: x.name, Relation: x.name, What: s.what + ", the application reads rows of " + x.name,
					Show: r.showScene(s, x, "select count(*) from "+x.name), Mend: r.wall(x)})
			}
		}
		return nil
	}
	if sqlState(err) == "" {
		return err
	}
	if len(asked) > 1 {
		for _, x := range asked {
			if err := r.read(s, []*relation{x}); err != nil {
				return err
			}
		}
		return nil
	}
	r.refused(s, asked[0], err)
	return nil
}

// showScene is how a reader plays the scene. Real tenants stay out of reports, so one is looked up.
func (r *runner) showScene(s scene, x *relation, sql string) string {
	set := ""
	switch {
	case s.real:
		set = fmt.Sprintf("select set_config(%s, (select %s::text from %s limit 1), true); ", text(r.input.Setting), x.tenant.sql, x.name)
	case s.set:
		set = "set local " + settingName(r.input.Setting) + " = " + text(s.value(x)) + "; "
	}
	return "begin; " + set + become(r.login) + "; " + sql + "; rollback"
}

// refused sorts out why a reading statement failed.
func (r *runner) refused(s scene, x *relation, err error) {
	switch code := sqlState(err); code {
	case "42P01", "42703", "3F000":
		r.dropped = append(r.dropped, x.name)
		r.gap("behaviour", x.name, "it was dropped or changed while the audit ran", "run the audit again")
	case "57014", "55P03":
		r.gap("behaviour", x.name, "it took longer than the audit may wait (SQLSTATE "+code+")", "raise the timeouts, or run it when there is less to do")
	case "42501":
		r.gap("behaviour", x.name, "the application may not use it, or something that its policies use", "look at the rights")
	default:
		if s.real || s.tenant == "?" {
			r.gap("behaviour", x.name, s.what+", reading it failed (SQLSTATE "+code+")", "look at the policies")
			return
		}
		r.found("SEP106", Finding{Object: x.name, Relation: x.name, Mend: r.wall(x), Show: r.showScene(s, x, "select count(*) from "+x.name),
			What: s.what + ", reading " + x.name + " fails with SQLSTATE " + code + " where it should give no rows"})
	}
}

// script runs statements in one round trip, in a transaction that they begin and that it ends. The error is the first
// one's; the results are those of the statements before it. A transaction that failed is ended by the next script, or
// by close, which saves a round trip for each statement that is meant to fail.
func (r *runner) script(statements ...string) ([]*pgconn.Result, error) {
	pg := r.conn.PgConn()
	if pg.TxStatus() != 'I' {
		statements = append([]string{"rollback"}, statements...)
	}
	results, err := pg.Exec(r.ctx, strings.Join(append(statements, "rollback"), "; ")).ReadAll()
	if len(results) > 0 && len(statements) > 0 && statements[0] == "rollback" {
		results = results[1:]
	}
	for _, result := range results {
		if err == nil {
			err = result.Err
		}
	}
	return results, err
}

// close ends a transaction that failed.
func (r *runner) close() error {
	pg := r.conn.PgConn()
	if pg.IsClosed() || pg.TxStatus() == 'I' {
		return nil
	}
	_, err := pg.Exec(context.WithoutCancel(r.ctx), "rollback").ReadAll()
	return err
}

// sqlState is the server's code for an error; empty when it is not the server's, or says that it goes away.
func sqlState(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08") {
		return ""
	}
	return pg.Code
}

func doubleQuotes(name string) string { return strings.ReplaceAll(name, `"`, `""`) }

// readsAny reports whether the login may read at least one column.
func (r *relation) readsAny() bool { return hasAny(r.rights, "SELECT") }

// may reports whether the login has a right on the whole relation or on one column.
func (c *column) may(r *relation, privilege string) bool {
	return slices.ContainsFunc(r.rights, func(g grant) bool {
		return g.privilege == privilege && (g.column == "" || g.column == c.name)
	})
}

func (c *column) reads(r *relation) bool { return c.may(r, "SELECT") }
