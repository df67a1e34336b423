package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Relation is one relation of the catalog.
type Relation struct {
	Schema, Table string
	Tenant        bool
	Writable      bool   // a global relation that may be written
	Column        string // of the tenant
	Type          Type   // of that column
	// Accepted gives the texts, as PostgreSQL prints them, of a right predicate for the column's name as SQL has it, whose
	// values are of the type that PostgreSQL prints as base.
	Accepted func(column, base string) []string
	// Default gives the text, as PostgreSQL prints it, of a default that takes the tenant from the session.
	Default func(base string) string
	// Wall is the SQL that puts the relation behind the right policies.
	Wall []string
	// Make is the SQL that makes the relation where it is missing, as far as the catalog knows it, and Add its tenant column.
	Make []string
	Add  string
}

// Type is the type of a tenant column.
type Type struct {
	Name string // as the catalog has it
	SQL  string // as a column is declared with it
	// What ids look like: UUIDs, labels of an enum, numbers up to the largest one, or, with none of these, texts.
	UUID, Enum bool
	Largest    int64
	// Is reports whether a column has the type, of which internal/livetype read how a catalog would write it.
	Is func(declared string) bool
}

// name is the relation's name as the picture has it.
func (r *Relation) name() string { return quote(r.Schema) + "." + quote(r.Table) }

// Input is what to audit and how.
type Input struct {
	Relations        []Relation
	Login, AppRole   string
	Setting          string   // that holds the tenant
	Logins           string   // the table of Septum's own that says whose a login is, with its schema
	Tenants          []string // real ones, to try with; may be empty
	Probe, ProbeRows bool
	StatementTimeout time.Duration
	LockTimeout      time.Duration
	Progress         func(what string, done, total int)
	again            bool // this is the second look
}

// Result is what was found. It is never nil: what was seen before an error is in it.
type Result struct {
	Version           int
	VersionText       string
	Database, Auditor string
	Relations         []State
	Findings          []Finding
	Gaps              []Gap
}

// State is how one relation of the catalog stands.
type State struct {
	Relation, Kind     string
	Exists             bool
	Column, ColumnType string
	NotNull            bool
	Enabled, Forced    bool
	Active             *bool
	Owner              string
	Rights             []string
	Policies           []PolicyState
}

// PolicyState is one policy as the server prints it.
type PolicyState struct {
	Name, Command string
	Permissive    bool
	Roles         []string
	Using, Check  string
}

// InputError says that the audit was asked for something that makes no sense on this database.
type InputError struct{ What string }

// Error implements error.
func (e *InputError) Error() string { return e.What }

// attempts is how often the catalogs are read anew when something was dropped, or locked, while they were read.
const attempts = 3

// Run audits the database that conn is connected to, and leaves conn as it was. The error says why it ended early.
func Run(ctx context.Context, conn *pgx.Conn, in Input) (*Result, error) {
	result := &Result{}
	if conn.PgConn().TxStatus() != 'I' {
		return result, &InputError{What: "the connection is in a transaction; give the audit one that is idle"}
	}
	in.progress("reading the catalogs", 0, 1)
	var d *database
	var err error
	for range attempts {
		if d, err = load(ctx, conn, in, false); !passing(err) {
			break
		}
	}
	held := sqlState(err) == "55P03"
	if held { // by somebody: everything else is looked at, and it last
		d, err = load(ctx, conn, in, true)
	}
	if passing(err) && sqlState(err) != "55P03" {
		err = &ChangedError{}
	}
	if err != nil {
		return result, err
	}
	in.progress("reading the catalogs", 1, 1)
	result.Version, result.VersionText, result.Database, result.Auditor = d.version, d.versionText, d.name, d.auditor
	d.judge()
	rules := Rules()
	for i, rule := range rules {
		if rule.find != nil {
			for _, f := range rule.find(d) {
				f.Rule = rule.ID
				result.Findings = append(result.Findings, f)
			}
		}
		in.progress("checking rules", i+1, len(rules))
	}
	run := &runner{database: d, ctx: ctx, conn: conn, active: map[oid]bool{}}
	if d.anyDeclared() {
		err = run.try()
	} else {
		err = &InputError{What: "the database has none of the catalog's relations: is it the right catalog, and the right database?"}
	}
	result.Relations, result.Gaps = d.states(run.active), append(d.blindSpots(), run.gaps...)
	result.Findings = settle(rules, append(result.Findings, run.findings...))
	if held && err == nil {
		return d.lookAgain(ctx, conn, in, result)
	}
	return result, err
}

// lookAgain runs the audit anew when those have let go who held relations at the beginning. Else it says what was not seen.
func (d *database) lookAgain(ctx context.Context, conn *pgx.Conn, in Input, result *Result) (*Result, error) {
	if _, err := load(ctx, conn, in, false); err == nil && !in.again {
		in.again = true
		return Run(ctx, conn, in)
	}
	e := &HeldError{}
	for _, r := range d.sorted {
		if r.unseen {
			e.Objects = append(e.Objects, r.name)
			result.Gaps = append(result.Gaps, Gap{What: "policies, keys and defaults", Object: r.name, Why: "somebody holds it, a migration as often as not, and printing them takes its lock",
				Do: "run the audit again when that is over"})
		}
	}
	return result, e
}

// HeldError says that relations were held for so long that what their policies say could not be read.
type HeldError struct {
	Objects []string
}

// Error implements error.
func (e *HeldError) Error() string {
	return "somebody held " + strings.Join(e.Objects, ", ") + " all the while, so not all of it was seen; run the audit again when that is over (SQLSTATE 55P03)"
}

// try gathers the evidence that takes the application's role.
func (r *runner) try() error {
	if !r.input.Probe {
		r.gap("impersonation and behaviour", "", "only the catalogs were to be read", "allow the audit to try statements")
		return nil
	}
	able, err := r.impersonate()
	if err != nil {
		return err
	}
	if able && !r.login.super && !r.login.bypass {
		if err := errors.Join(r.probe(), r.close()); err != nil {
			return err
		}
		if r.standby {
			r.gap("behaviour: writes", "", "the server is a standby", "run the audit on the primary")
		}
	}
	if err := r.orphans(); err != nil {
		return err
	}
	if len(r.dropped) > 0 {
		slices.Sort(r.dropped)
		return &ChangedError{Objects: slices.Compact(r.dropped)}
	}
	return nil
}

// ChangedError says that the database's schema changed while it was audited.
type ChangedError struct{ Objects []string }

// Error implements error.
func (e *ChangedError) Error() string {
	objects := ""
	if len(e.Objects) > 0 {
		objects = " (" + strings.Join(e.Objects, ", ") + ")"
	}
	return "the schema changed while it was audited" + objects + "; run the audit again"
}

func (in *Input) progress(what string, done, total int) {
	if in.Progress != nil {
		in.Progress(what, done, total)
	}
}

// passing reports errors that another look may not meet: an object was dropped or locked meanwhile.
func passing(err error) bool {
	var pg *pgconn.PgError
	var changed *ChangedError
	if errors.As(err, &changed) {
		return true
	}
	if !errors.As(err, &pg) {
		return false
	}
	dropped := pg.Code == "XX000" && strings.Contains(pg.Message, "lookup failed")
	return dropped || pg.Code == "55P03" || pg.Code == "40001" || pg.Code == "42P01" || pg.Code == "42883" || pg.Code == "42704"
}

// inTx runs f in a transaction that is rolled back whatever happens, with settings under which names are printed
// alike everywhere and nobody waits for long.
func (in *Input) inTx(ctx context.Context, conn *pgx.Conn, o pgx.TxOptions, f func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // a connection that was lost needs none
	_, err = tx.Exec(ctx, fmt.Sprintf(`set local search_path = pg_catalog, pg_temp; set local quote_all_identifiers = off;
		set local jit = off; set local client_encoding = 'UTF8'; set local standard_conforming_strings = on;
		set local statement_timeout = %d; set local lock_timeout = %d; set local idle_in_transaction_session_timeout = 60000`,
		max(1, in.StatementTimeout.Milliseconds()), max(1, in.LockTimeout.Milliseconds())))
	if err != nil {
		return err
	}
	return f(tx)
}

// anyDeclared reports whether the database has at least one relation of the catalog.
func (d *database) anyDeclared() bool {
	for _, r := range d.sorted {
		if r.declared != nil {
			return true
		}
	}
	return false
}

// states lists, with what was seen as the login, how the catalog's relations stand.
func (d *database) states(active map[oid]bool) []State {
	states := make([]State, 0, len(d.input.Relations))
	for i := range d.input.Relations {
		declared := &d.input.Relations[i]
		s := State{Relation: declared.name(), Kind: "global"}
		if declared.Tenant {
			s.Kind, s.Column = "tenant", declared.Column
		}
		if r := d.byName[s.Relation]; r != nil && r.declared != nil {
			s.Exists, s.Enabled, s.Forced, s.Owner = true, r.enabled, r.forced, d.roleName(r.owner)
			s.Rights = d.rightsOn(r)
			if yes, asked := active[r.oid]; asked {
				s.Active = &yes
			}
			if r.tenant != nil {
				s.ColumnType, s.NotNull = r.tenant.typ, r.tenant.notNull
			}
			for _, p := range r.policies {
				if r.unseen {
					break
				}
				s.Policies = append(s.Policies, d.policyState(p))
			}
		}
		states = append(states, s)
	}
	return states
}

func (d *database) policyState(p *policy) PolicyState {
	s := PolicyState{Name: p.name, Command: p.command, Permissive: p.permissive}
	for _, role := range p.roles {
		s.Roles = append(s.Roles, d.roleName(role))
	}
	if p.using != nil {
		s.Using = squeeze(*p.using)
	}
	if p.check != nil {
		s.Check = squeeze(*p.check)
	}
	return s
}

// blindSpots lists what the auditor's login can't see.
func (d *database) blindSpots() []Gap {
	var gaps []Gap
	if !d.login.login {
		gaps = append(gaps, Gap{What: "the application's login", Object: d.login.name,
			Why: "it is a role that can't log in, so whoever logs in as a member of it was not looked at", Do: "name the login"})
	}
	if d.login.oid != d.appRole.oid && !d.isApp(d.appRole.oid) {
		gaps = append(gaps, Gap{What: "the application's role", Object: d.appRole.name,
			Why: "the login does not belong to the role that the policies are for", Do: "name the right login and role"})
	}
	return gaps
}
