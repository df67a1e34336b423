// Package plan writes the steps that take a live database to where a catalog wants it, while the application that knows
// nothing of tenants goes on working. It reads PostgreSQL's catalogs and changes nothing. Package rls is its public face.
//
// The order is what makes it safe. Tenant columns come first, filled by triggers for what is written from then on; then the
// rows of before are filled, in batches; then keys and foreign keys that start with the tenant are built beside the old
// ones and validated, while no policy hides rows from that (R18). Only then does the stage begin that the old application
// does not survive: old keys go, policies come.
package plan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Stages, in order. Until Enforce the application of before works.
const (
	Roles    = "roles"
	Stamp    = "stamp"
	Backfill = "backfill"
	Tighten  = "tighten"
	Keys     = "keys"
	Enforce  = "enforce"
)

// How long a step takes.
const (
	Instant = "instant" // milliseconds once it has its lock
	Scan    = "scan"    // reads the whole table; others read and write it meanwhile
	Build   = "build"   // builds an index; others read and write meanwhile
	Rows    = "rows"    // writes rows, in batches with a commit after each
	Blocks  = "blocks"  // reads the whole table, and writers wait
)

// Locks that steps take on the relation.
const (
	none      = "none"
	shareUE   = "SHARE UPDATE EXCLUSIVE"
	shareRE   = "SHARE ROW EXCLUSIVE"
	share     = "SHARE"
	exclusive = "ACCESS EXCLUSIVE"
	rowLock   = "ROW EXCLUSIVE"
)

// Input is what the database should become.
type Input struct {
	AppRole   string
	Relations []Relation
	Existing  string   // tenant of the rows that nothing else gives one; empty when unknown
	Pages     int      // of a batch
	Schemas   []string // statements that open schemas to the role
}

// Relation is a relation of the catalog.
type Relation struct {
	Schema, Table, Column string
	Type, Written         string                     // of the tenant column: as SQL and as the catalog has it
	IsType                func(declared string) bool // whether a column has it, of which internal/livetype read how a catalog would write it
	Tenant, Writable      bool
	Wall                  []string // statements that put it behind the right policies and rights
	Walled                bool     // all of that is there
}

// Step is one step. Its statements run in one transaction, or outside any.
type Step struct {
	ID, Stage, Relation, Purpose string
	SQL, Undo                    []string
	Lock, Time, Note             string
	Outside                      bool
}

// Obstacle is what no step can do by itself.
type Obstacle struct{ Object, What, Do string }

// Result is the plan.
type Result struct {
	Version   int
	Steps     []Step
	Obstacles []Obstacle
	RoleKnown bool
}

// attempts is how often the catalogs are read when something was dropped, or locked, while they were read.
const attempts = 3

// ErrChanged says that an object went while the catalogs were read: what prints definitions sees the newest state, not the
// snapshot's.
var ErrChanged = errors.New("the schema changed while it was read; plan again")

// passing reports errors that another look may not meet.
func passing(err error) bool {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, ErrChanged):
		return true
	case errors.As(err, &pg):
		return slices.Contains([]string{"55P03", "40001", "42P01", "42704"}, pg.Code) || pg.Code == "XX000" && strings.Contains(pg.Message, "lookup failed")
	}
	return false
}

// changed says of an error that every look met what it means: a cache that has no entry is an object that was dropped.
func changed(err error) error {
	var pg *pgconn.PgError
	if passing(err) && errors.As(err, &pg) && pg.Code != "55P03" {
		return fmt.Errorf("%w (SQLSTATE %s)", ErrChanged, pg.Code)
	}
	return err
}

// Make reads the database and writes the plan.
func Make(ctx context.Context, conn *pgx.Conn, in Input) (*Result, error) {
	w := &writer{in: in, result: &Result{}}
	var err error
	for range attempts {
		err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			var err error
			w.db, err = load(ctx, tx, in)
			return err
		})
		if !passing(err) {
			break
		}
	}
	if err != nil {
		return w.result, changed(err)
	}
	w.result.Version, w.result.RoleKnown = w.db.version, w.db.roleKnown
	w.write()
	return w.result, nil
}

type writer struct {
	in     Input
	db     *database
	result *Result
	ready  map[*table]bool // nothing stands between them and the last stage
}

func (w *writer) step(s Step) { w.result.Steps = append(w.result.Steps, s) }

func (w *writer) obstacle(object, what, do string) {
	w.result.Obstacles = append(w.result.Obstacles, Obstacle{object, what, do})
}

func (w *writer) write() {
	w.roles()
	var ready []*table
	for _, t := range w.db.tables {
		switch {
		case !t.exists:
			w.obstacle(t.name, "the catalog names it and the database does not have it", "run the migrations, or take it out of the catalog")
		case !t.declared.Tenant:
		case t.kind != "r" && t.kind != "p":
			w.obstacle(t.name, "it is no table, so it can't carry policies", "declare the tables behind it")
		case t.column == nil || t.declared.IsType(t.column.declared):
			ready = append(ready, t)
		default:
			w.retype(t)
		}
	}
	ready = w.stampAll(ready)
	w.ready = map[*table]bool{}
	for _, t := range ready {
		w.ready[t] = true
	}
	for _, t := range ready {
		w.tighten(t)
	}
	for _, t := range ready {
		w.keys(t)
	}
	for _, t := range ready {
		w.references(t)
	}
	w.enforce(ready)
}

// retype names what stands between a tenant column and its type.
func (w *writer) retype(t *table) {
	w.obstacle(t.name, fmt.Sprintf("its tenant column %s is %s; the catalog says %s", quote(t.declared.Column), t.column.typ, t.declared.Written),
		"correct the catalog, or add a column of the right type, fill it from the old one and swap the two by a migration of your own: "+
			"changing the type in place rewrites the table while everybody waits")
}

func (w *writer) roles() {
	if w.db.roleKnown {
		return
	}
	role := quote(w.in.AppRole)
	w.step(Step{ID: "role " + w.in.AppRole, Stage: Roles, Purpose: "make the application's role, which owns nothing", Lock: none, Time: Instant,
		SQL: []string{do(fmt.Sprintf("if to_regrole(%s) is null then create role %s login noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls; end if",
			literal(role), role))},
		Undo: []string{"drop role if exists " + role},
		Note: "give it a password; plan again when it is there, since what it can reach by PUBLIC was not looked at"})
}

func do(body string) string { return "do " + dollars("begin "+body+"; end") }

// dollars quotes a body of code. Names stand in it, and a name can hold any text: the mark is one that the body does not have.
func dollars(body string) string {
	mark := "$septum$"
	for i := 1; strings.Contains(body, mark); i++ {
		mark = fmt.Sprintf("$septum%d$", i)
	}
	return mark + body + mark
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// named makes a name that PostgreSQL does not cut, by a suffix.
func named(base, suffix string) string {
	if len(base)+len(suffix) <= 63 {
		return base + suffix
	}
	sum := sha256.Sum256([]byte(base))
	mark := "_" + hex.EncodeToString(sum[:4]) + suffix
	return strings.ToValidUTF8(base[:63-len(mark)], "") + mark
}
