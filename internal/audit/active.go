package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// activeRules are what is seen as the application's roles.
func activeRules() []Rule {
	return []Rule{
		{ID: "SEP017", Name: "rls-inactive", Title: "Row-level security is not active for the application, or a role that it can become", Severity: critical, Evidence: byImpersonation,
			Threats: []string{"R01", "R02"}, References: enforcement,
			Why:  "Whatever the policies say, PostgreSQL itself answers that none is applied for this role.",
			Mend: "Enable and force row-level security; use a role that does not own the relation."},
	}
}

// runner takes on the application's role and tries things.
type runner struct {
	*database
	ctx      context.Context
	conn     *pgx.Conn
	findings []Finding
	gaps     []Gap
	active   map[oid]bool // row_security_active for the login
	dropped  []string
	labels   []string // of the enum whose tenants are played
	slow     int      // statements that took too long
}

func (r *runner) found(rule string, f Finding) {
	f.Rule = rule
	r.findings = append(r.findings, f)
}

func (r *runner) gap(what, object, why, do string) {
	r.gaps = append(r.gaps, Gap{what, object, why, do})
}

// become is the SQL that takes on a role for the transaction.
func become(role *role) string { return `set local role "` + doubleQuotes(role.name) + `"` }

// impersonate asks, as the login and as every role that it can become, for which relations policies are applied. It
// reports whether the login could be taken on.
func (r *runner) impersonate() (bool, error) {
	var ids []oid
	for _, relation := range r.tenants() {
		ids = append(ids, relation.oid)
	}
	able := true
	for _, at := range r.reachedRoles() {
		if at.super || at.bypass {
			continue // SEP001 and SEP002 say it all
		}
		err := r.input.inTx(r.ctx, r.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(r.ctx, become(at.role)); err != nil {
				return err
			}
			rows, err := tx.Query(r.ctx, `select oid, row_security_active(oid) from pg_class where oid = any($1)`, ids)
			if err != nil {
				return err
			}
			var id oid
			var active bool
			_, err = pgx.ForEachRow(rows, []any{&id, &active}, func() error {
				r.sawActive(at, id, active)
				return nil
			})
			return err
		})
		switch code := sqlState(err); {
		case err == nil:
		case code == "42501" || code == "22023":
			if at.from == nil {
				able = false
			}
			r.gap("impersonation", "role "+at.name, "the audit's login may not become that role",
				"grant it to the audit's login, or run the audit as a superuser")
		case code != "":
			r.gap("impersonation", "role "+at.name, "the server refused it (SQLSTATE "+code+")", "run the audit again")
		default:
			return false, err
		}
	}
	return able, nil
}

func (r *runner) sawActive(at *reached, id oid, active bool) {
	relation := r.relations[id]
	if at.from == nil {
		r.active[id] = active
	}
	if active {
		return
	}
	f := Finding{Object: relation.name, Relation: relation.name, Mend: r.wall(relation),
		What: fmt.Sprintf("row_security_active(%s) is false for %s", text(relation.name), quote(at.name)),
		Show: fmt.Sprintf("select row_security_active(%s::regclass) -- as %s", text(relation.name), quote(at.name))}
	if at.from != nil {
		f.Object += " as role " + at.name
		f.Mend = append(f.Mend, r.leave(at)...)
	}
	r.found("SEP017", f)
}
