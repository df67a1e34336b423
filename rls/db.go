package rls

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// DB runs statements of one catalog on one database, each for one tenant. Make it with [Open]. It is safe for
// concurrent use; its methods end with their tenant.Context, and then close their connection rather than wait for the
// reply.
type DB struct {
	router  router
	catalog *query.Catalog
	config  Config
	closed  atomic.Bool
	closing sync.Once

	admission *admission
	loader    router // the loader's connections; nil without Config.LoaderURL
}

// Querier runs statements for a tenant: a *DB, each statement on its own, or a *Tx. It is sealed.
type Querier interface {
	// Query runs a statement and gives its rows, which must be closed.
	Query(tc tenant.Context, stmt *query.Statement, args ...any) (pgx.Rows, error)
	// QueryRow runs a statement, when the row is scanned, and gives its first row.
	QueryRow(tc tenant.Context, stmt *query.Statement, args ...any) pgx.Row
	// Exec runs a statement that must write at least one row.
	Exec(tc tenant.Context, stmt *query.Statement, args ...any) error
	// Affected runs a statement and counts the rows that it wrote.
	Affected(tc tenant.Context, stmt *query.Statement, args ...any) (int64, error)
	// Batch runs several statements together.
	Batch(tc tenant.Context, batch *Batch) error

	run(r *rows, tc tenant.Context, args []any) error
}

var (
	_ Querier = (*DB)(nil)
	_ Querier = (*Tx)(nil)
)

// Query runs a statement in one round trip and gives its rows, which must be closed; pgx.CollectRows and friends do so,
// and so does the last Next. As with pgx the error may be left to the rows: they are never nil. Arguments are those of
// query.Statement.Bind.
func (db *DB) Query(tc tenant.Context, stmt *query.Statement, args ...any) (pgx.Rows, error) {
	r := &rows{op: "Query", stmt: stmt}
	if err := db.run(r, tc, args); err != nil {
		return failedRows(err), err
	}
	return r, nil
}

// QueryRow runs a statement when the row is scanned. No row is query.ErrNotFound; rows after the first are passed over.
func (db *DB) QueryRow(tc tenant.Context, stmt *query.Statement, args ...any) pgx.Row {
	return &row{one: rows{op: "QueryRow", stmt: stmt}, q: db, tc: tc, args: args}
}

// Exec runs a statement that must write: when no row was written, because there is none or because it is another
// tenant's, it is query.ErrNotFound. Use [DB.Affected] where nothing to write is a good answer.
func (db *DB) Exec(tc tenant.Context, stmt *query.Statement, args ...any) error {
	return execute(db, tc, stmt, args)
}

// Affected runs a statement and counts the rows that it wrote or, for a SELECT, read.
func (db *DB) Affected(tc tenant.Context, stmt *query.Statement, args ...any) (int64, error) {
	return affected(db, tc, "Affected", stmt, args)
}

// Close waits for the connections in use and closes all. What waits for a connection is ErrClosed at once, as is every later
// call. A second Close, also while the first one waits, returns when all is closed. It must not be called from within a
// transaction's function, or with rows open: it would wait for itself.
func (db *DB) Close() {
	db.closing.Do(func() {
		db.closed.Store(true)
		db.admission.close()
		db.router.close()
		if db.loader != nil {
			db.loader.close()
		}
	})
}

// Catalog is the catalog that the DB was opened with.
func (db *DB) Catalog() *query.Catalog { return db.catalog }

// Pooler is what Open took the connections for: Direct, Pooled or PooledPrepared. With a Directory it is Config.Pooler, since each
// target is found out with its first connection.
func (db *DB) Pooler() Pooler { return db.config.Pooler }

// Stats is a snapshot of the connections.
type Stats struct {
	Max   int // Config.MaxConns
	Open  int // connections open, or being opened
	Idle  int
	InUse int
	Waits int64 // how many times somebody waited for a connection, since Open
}

// Stats gives a snapshot of the connections.
func (db *DB) Stats() Stats { return db.router.stats() }

// acquire takes a connection for a tenant, for no longer than Config.AcquireTimeout. It is the one place where connections
// come from; the caller releases the lease.
func (db *DB) acquire(tc tenant.Context, write bool) (lease, error) {
	return db.acquireOn(db.router, tc, write)
}

// acquireOn takes the connection from one of the DB's routers.
func (db *DB) acquireOn(router router, tc tenant.Context, write bool) (lease, error) {
	if db.closed.Load() {
		return lease{}, ErrClosed
	}
	limits := db.limits(tc)
	ctx := context.Context(tc) // once, since each conversion allocates
	share, err := db.admission.enter(ctx, tc.Tenant(), limits)
	if err != nil {
		return lease{}, err
	}
	held := slot{db.admission, share}
	defer func() {
		if held.share != nil { // an error, or a panic in somebody's Directory
			held.release()
		}
	}()
	wait := &patience{Context: ctx, limit: db.config.AcquireTimeout}
	l, err := router.acquire(wait, tc.Tenant(), write)
	ended := wait.end()
	switch {
	case err == nil:
		l.sess.limit(limits)
		l.slot, held = held, slot{}
		return l, nil
	case db.closed.Load():
		return lease{}, ErrClosed
	case ended && errors.Is(err, context.DeadlineExceeded):
		return lease{}, ErrPoolExhausted
	}
	return lease{}, err
}

// admit checks what every operation starts with: the tenant, the statement and its arguments, before any connection.
func (db *DB) admit(tc tenant.Context, op string, stmt *query.Statement, args []any) (scope string, values []any, err error) {
	if scope, err = scopeOf(tc); err != nil {
		return "", nil, err
	}
	if err = db.accepts(op, stmt); err != nil {
		return "", nil, err
	}
	values, err = stmt.Bind(tc, args...)
	return scope, values, err
}

// accepts refuses statements that were proved against other declarations: what is global there may be a tenant's here.
func (db *DB) accepts(op string, stmt *query.Statement) error {
	if stmt == nil || stmt.Catalog() == nil || stmt.Catalog() != db.catalog {
		return refuse(op, stmt, ErrStatement, nil)
	}
	return nil
}

// run is Query, Exec and the others outside a transaction.
func (db *DB) run(r *rows, tc tenant.Context, args []any) error {
	scope, values, err := db.admit(tc, r.op, r.stmt, args)
	if err != nil {
		return err
	}
	r.write = r.stmt.Writes()
	return db.send(tc, scope, shapeOf(r.stmt), values, r)
}

// send puts one statement on a connection, and readies r for reading when its first reply is there.
func (db *DB) send(tc tenant.Context, scope string, sh shape, values []any, r *rows) error {
	l, err := db.acquire(tc, r.write)
	if err != nil {
		return fail(r.op, r.stmt, err)
	}
	r.lease = l
	defer func() {
		if !r.reply.open() && l.sess != nil { // an error, or a panic in an argument's own encoder
			l.release()
		}
	}()
	ctx := context.Context(tc) // once, since each conversion allocates
	for attempt := 1; ; attempt++ {
		p, err := l.sess.prepare(ctx, sh)
		if err != nil {
			return fail(r.op, r.stmt, err)
		}
		if err := l.sess.args.build(l.sess.types, p, values); err != nil {
			return refuse(r.op, r.stmt, ErrArgument, err)
		}
		if r.guard, err = db.guardFor(tc, l.sess, p); err != nil {
			return fail(r.op, r.stmt, err)
		}
		if err = l.sess.start(ctx, scope, nil, p); err == nil {
			r.reply.sess = l.sess
			return nil
		}
		switch {
		case attempt == 1 && l.sess.isStale(err) && l.sess.idle():
			l.sess.forget(sh)
		case attempt == 1 && isTampered(err):
			l.release()
			fresh, err := db.acquire(tc, r.write)
			if err != nil {
				r.lease, l = lease{}, lease{}
				return fail(r.op, r.stmt, err)
			}
			r.lease, l = fresh, fresh
		default:
			return outcome(r.op, r.stmt, err, r.write)
		}
	}
}

func execute(q Querier, tc tenant.Context, stmt *query.Statement, args []any) error {
	n, err := affected(q, tc, "Exec", stmt, args)
	if err == nil && n == 0 {
		return refuse("Exec", stmt, query.ErrNotFound, nil)
	}
	return err
}

func affected(q Querier, tc tenant.Context, op string, stmt *query.Statement, args []any) (int64, error) {
	r := rows{op: op, stmt: stmt}
	if err := q.run(&r, tc, args); err != nil {
		return 0, err
	}
	r.Close()
	return r.tag.RowsAffected(), r.err
}
