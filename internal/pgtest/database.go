package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Template says what stands in a database from the start.
type Template struct {
	// Key stands for the contents: two templates with one key are the same, and Prepare runs for one of them. It may be
	// long, such as the schema itself.
	Key string

	// Prepare fills the template. It must close every connection that it opens. Nil leaves the database empty.
	Prepare func(ctx context.Context, d *Database) error
}

// Database is a database of its own on a [Server]. The connection strings hold random passwords of this run.
type Database struct {
	Name     string
	AdminURL string // the server's administrator
	OwnerURL string // OwnerRole: no superuser; owns the database, its schema public and what Prepare made as OwnerRole
	AppURL   string // AppRole: a login that owns nothing, inherits nothing, and may do nothing but connect

	OwnerRole string
	AppRole   string

	server  *Server
	run     *run
	dropped atomic.Bool
}

// errClosed is the answer of a server that was closed.
var errClosed = errors.New("pgtest: the server is closed")

// Database clones a database from a template, which is made on first use. The clone takes some 20 ms on a server of
// our own. Drop it when it is no longer needed; what is left over goes when the run ends.
func (s *Server) Database(ctx context.Context, t Template) (*Database, error) {
	r, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	from, err := r.template(ctx, t)
	if err == nil {
		var d *Database
		if d, err = r.create(ctx, prefix+r.id+"_d"+strconv.FormatInt(r.count.Add(1), 10), from); err == nil {
			d.server = s
			return d, nil
		}
	}
	return nil, errors.Join(err, s.leave(ctx))
}

// enter begins the run of this process unless it has begun, and counts one more database.
func (s *Server) enter(ctx context.Context) (*run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.run == nil {
		r, err := begin(ctx, s.url)
		if err != nil {
			return nil, fmt.Errorf("pgtest: begin a run on the server: %w", err)
		}
		s.run = r
	}
	s.run.live++
	return s.run, nil
}

// leave counts one database less. Nobody tells a test process that it is about to end, so on a server that outlives us
// the last database takes the run's templates and roles along; another one later begins a new run.
func (s *Server) leave(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil { // closed
		return nil
	}
	s.run.live--
	if s.run.live > 0 || s.run.disposable {
		return nil
	}
	r := s.run
	s.run = nil
	return r.end(ctx)
}

// Close ends the server, or, on a server of way url, drops what this process made there. It is safe to call twice.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var err error
	if s.run != nil {
		if s.stop == nil {
			err = s.run.end(ctx)
		} else {
			err = s.run.close(ctx)
		}
		s.run = nil
	}
	if s.stop != nil {
		err = errors.Join(err, s.stop())
	}
	return err
}

// template gives the name of the template database for t, made once. A template that failed stays failed: its error is
// the same for every test that asks.
func (r *run) template(ctx context.Context, t Template) (string, error) {
	sum := sha256.Sum256([]byte(t.Key))
	key := hex.EncodeToString(sum[:8])
	if t.Prepare == nil {
		key = "empty"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	made, ok := r.templates[key]
	if !ok {
		made = &template{name: prefix + r.id + "_t" + key}
		r.templates[key] = made
	}
	made.once.Do(func() { made.err = r.prepare(ctx, made.name, t) })
	return made.name, made.err
}

func (r *run) prepare(ctx context.Context, name string, t Template) error {
	d, err := r.create(ctx, name, "template0") // template1 may hold what this machine's users put there
	if err != nil {
		return err
	}
	if t.Prepare != nil {
		if err := t.Prepare(ctx, d); err != nil {
			return errors.Join(fmt.Errorf("pgtest: prepare the template: %w", err), d.Drop(ctx))
		}
	}
	// A connection to a template would make every clone fail.
	return r.exec(ctx, "ALTER DATABASE "+quote(name)+" ALLOW_CONNECTIONS false")
}

func (r *run) create(ctx context.Context, name, from string) (*Database, error) {
	d := &Database{Name: name, OwnerRole: r.owner(), AppRole: r.app(), run: r}
	for _, u := range []struct {
		to   *string
		role string
	}{{&d.AdminURL, ""}, {&d.OwnerURL, d.OwnerRole}, {&d.AppURL, d.AppRole}} {
		var err error
		if *u.to, err = rebase(r.admin, name, u.role, r.password); err != nil {
			return nil, err
		}
	}
	// The rights on a database itself are not cloned. PUBLIC would have CONNECT and TEMP.
	return d, r.exec(ctx,
		"CREATE DATABASE "+quote(name)+" TEMPLATE "+quote(from)+" OWNER "+quote(d.OwnerRole)+r.strategy,
		"REVOKE ALL ON DATABASE "+quote(name)+" FROM PUBLIC",
		"GRANT CONNECT ON DATABASE "+quote(name)+" TO "+quote(d.AppRole))
}

// exec runs commands, each in a transaction of its own, on a connection that nobody else uses meanwhile, so that tests in parallel
// don't wait for each other. Connections are kept: making one takes a server as long as making a small table.
func (r *run) exec(ctx context.Context, commands ...string) error {
	conn, err := r.borrow(ctx)
	if err != nil {
		return err
	}
	defer r.giveBack(ctx, conn)
	for _, command := range commands {
		if _, err := conn.Exec(ctx, command); err != nil {
			verb, _, _ := strings.Cut(command, prefix) // what follows the name may be a password
			return fmt.Errorf("%w (%s…)", err, verb)
		}
	}
	return nil
}

// borrow gives a connection that was given back, or a new one.
func (r *run) borrow(ctx context.Context) (*pgx.Conn, error) {
	select {
	case conn := <-r.idle:
		if conn.Ping(ctx) == nil { // else it was ended meanwhile
			return conn, nil
		}
	default:
	}
	return connect(ctx, r.admin)
}

// giveBack keeps the connection for the next one, unless it broke or there are enough.
func (r *run) giveBack(ctx context.Context, conn *pgx.Conn) {
	if !conn.IsClosed() && !r.closed.Load() {
		select {
		case r.idle <- conn:
			return
		default:
		}
	}
	_ = conn.Close(ctx)
}

// close ends the run's connections.
func (r *run) close(ctx context.Context) error {
	r.closed.Store(true)
	for {
		select {
		case conn := <-r.idle:
			_ = conn.Close(ctx)
		default:
			return r.keeper.Close(ctx)
		}
	}
}

// Drop drops the database, closing the connections to it. Calling it again does nothing.
func (d *Database) Drop(ctx context.Context) error {
	if d.dropped.Swap(true) {
		return nil
	}
	err := d.run.exec(ctx, "DROP DATABASE IF EXISTS "+quote(d.Name)+" WITH (FORCE)")
	if d.server == nil { // a template that failed
		return err
	}
	return errors.Join(err, d.server.leave(ctx))
}

// Login makes one more login for this database, with role attributes such as "BYPASSRLS" or "INHERIT IN ROLE x", and
// gives its name and connection string. Roles are shared by all databases of a server, so a test that wants to spoil a
// role must spoil one of its own. DropLogin removes it.
func (d *Database) Login(ctx context.Context, attributes string) (role, connString string, err error) {
	role = prefix + d.run.id + "_login" + strconv.FormatInt(d.run.count.Add(1), 10)
	if connString, err = rebase(d.AdminURL, d.Name, role, d.run.password); err != nil {
		return "", "", err
	}
	if err := d.run.createRole(ctx, role, attributes); err != nil {
		return "", "", err
	}
	return role, connString, d.run.exec(ctx, "GRANT CONNECT ON DATABASE "+quote(d.Name)+" TO "+quote(role))
}

// DropLogin removes a role that [Database.Login] made. The database must be dropped before: it holds the role's rights.
func (d *Database) DropLogin(ctx context.Context, role string) error {
	return d.run.exec(ctx, "DROP ROLE IF EXISTS "+quote(role))
}
