package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/internal/scram"
)

// prefix starts the name of every database and role that the package makes; it drops nothing else.
const prefix = "septum_test_"

// lockClass is the first half of the advisory lock that marks a run as alive; the second half is the run's id.
const lockClass = 0x5e97

// idleConns is how many connections of the administrator a run keeps.
const idleConns = 4

// disposableSetting marks a server that this package started.
const disposableSetting = "septum_test.disposable"

// run is what one process made on a server: an owner role, an application login, templates and their clones. Each
// process has roles of its own, so that nothing a test does to a role is seen by another process.
type run struct {
	id       string // 8 hexadecimal digits
	keeper   *pgx.Conn
	idle     chan *pgx.Conn // the administrator's, for whoever needs one next
	closed   atomic.Bool
	admin    string // the administrator's connection string
	password string // of all roles of the run
	verifier string // what the server keeps of it
	limited  bool   // the administrator is no superuser

	// strategy is FILE_COPY on a server that does not wait for its disk (18 ms a clone against 59 on PostgreSQL 15).
	// It asks for a checkpoint, which a server with durable storage would pay dearly; there it is PostgreSQL's default.
	strategy string

	count atomic.Int64
	live  int // databases in use; guarded by Server.mu

	// disposable says that the server is one that this package started, here or in a process that wraps us, and that
	// it goes with all that is in it.
	disposable bool

	mu        sync.Mutex // held while a template is made: roles are shared by all databases of the server
	templates map[string]*template
}

type template struct {
	once sync.Once
	name string
	err  error
}

// begin marks the run as alive, sweeps what dead runs left, and makes the run's roles.
func begin(ctx context.Context, admin string) (*run, error) {
	var id [4]byte
	var password [16]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	_, _ = rand.Read(password[:])
	r := &run{
		id: hex.EncodeToString(id[:]), admin: admin, password: hex.EncodeToString(password[:]),
		templates: map[string]*template{}, idle: make(chan *pgx.Conn, idleConns),
	}
	var err error
	if r.verifier, err = verify(r.password); err != nil {
		return nil, err
	}
	keeper, err := connect(ctx, admin)
	if err != nil {
		return nil, err
	}
	r.keeper = keeper
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.close(ctx))
	}
	return r, nil
}

func (r *run) open(ctx context.Context) error {
	// The lock lives as long as the keeper's connection, and so as long as the process: the sweep of another run can
	// tell without asking for process ids, which mean nothing on another machine.
	if _, err := r.keeper.Exec(ctx, "select pg_advisory_lock($1::int, ('x' || $2)::bit(32)::int)", lockClass, r.id); err != nil {
		return err
	}
	if err := sweep(ctx, r.keeper); err != nil {
		return err
	}
	var fsync string
	if err := r.keeper.QueryRow(ctx, `
		select current_setting('fsync'), coalesce(current_setting($1, true), '') = 'on', not rolsuper
		from pg_roles where rolname = current_user`, disposableSetting).Scan(&fsync, &r.disposable, &r.limited); err != nil {
		return err
	}
	if fsync == "off" {
		r.strategy = " STRATEGY FILE_COPY"
	}
	// The owner inherits: its rights on schema public are those of pg_database_owner.
	if err := r.createRole(ctx, r.owner(), "INHERIT"); err != nil {
		return err
	}
	return r.createRole(ctx, r.app(), "NOINHERIT")
}

func (r *run) owner() string { return prefix + r.id + "_owner" }
func (r *run) app() string   { return prefix + r.id + "_app" }

// createRole makes a login with the run's password. Attributes that aren't named have PostgreSQL's defaults, all of
// them the harmless ones except INHERIT.
func (r *run) createRole(ctx context.Context, name, attributes string) error {
	commands := []string{"CREATE ROLE " + quote(name) + " LOGIN PASSWORD '" + r.verifier + "' " + attributes}
	if r.limited { // to create a database for the role, and to end its sessions; a superuser may do both anyway
		commands = append(commands, "GRANT "+quote(name)+" TO CURRENT_USER")
	}
	return r.exec(ctx, commands...)
}

// end drops everything that the run made. Databases that are in use are closed under their users.
func (r *run) end(ctx context.Context) error {
	err := drop(ctx, r.keeper, r.id)
	if err != nil {
		err = fmt.Errorf("pgtest: run %s was not removed whole: %w", r.id, err)
	}
	return errors.Join(err, r.close(ctx))
}

// verify gives what the server keeps of a random password of 128 bits. With one round instead of PostgreSQL's 4096 each
// connection of a test takes 2 ms less, and 28 under the race detector.
func verify(password string) (string, error) { return scram.Verifier(password, 1) }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
