package rls

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// Tx is a transaction of one tenant. It lives while the function given to [DB.InTx] runs, has one statement under way
// at a time, and is for one goroutine: anything else is ErrBusy or ErrTxDone, never a mixed-up reply.
type Tx struct {
	db    *DB
	scope string // the tenant of the transaction, which every call must bring again

	lease   lease // from the first statement on
	began   bool
	pending []string // control statements that ride with the next statement: BEGIN, SAVEPOINT, RELEASE
	depth   int      // of savepoints
	failure error    // the first error that made the server abort the transaction
	turn    turn
	doomed  atomic.Pointer[error] // why it can't commit whatever comes; the first is kept
}

// Query runs a statement in the transaction. Its rows must be closed before the next one.
func (tx *Tx) Query(tc tenant.Context, stmt *query.Statement, args ...any) (pgx.Rows, error) {
	r := &rows{op: "Tx.Query", stmt: stmt}
	if err := tx.run(r, tc, args); err != nil {
		return failedRows(err), err
	}
	return r, nil
}

// QueryRow runs a statement in the transaction when the row is scanned; see [DB.QueryRow].
func (tx *Tx) QueryRow(tc tenant.Context, stmt *query.Statement, args ...any) pgx.Row {
	return &row{one: rows{op: "QueryRow", stmt: stmt}, q: tx, tc: tc, args: args}
}

// Exec runs a statement in the transaction; it must write, see [DB.Exec].
func (tx *Tx) Exec(tc tenant.Context, stmt *query.Statement, args ...any) error {
	return execute(tx, tc, stmt, args)
}

// Affected runs a statement in the transaction and counts the rows that it wrote.
func (tx *Tx) Affected(tc tenant.Context, stmt *query.Statement, args ...any) (int64, error) {
	return affected(tx, tc, "Tx.Affected", stmt, args)
}

// check holds a call to the transaction's tenant.
func (tx *Tx) check(tc tenant.Context, op string, stmt *query.Statement) error {
	scope, err := scopeOf(tc)
	if err != nil {
		return err
	}
	if scope != tx.scope {
		return refuse(op, stmt, tenant.ErrConflict, nil)
	}
	return nil
}

// aborted reports whether the server will only take a rollback now, or is gone.
func (tx *Tx) aborted() bool {
	sess := tx.lease.sess
	return sess != nil && (sess.spent || sess.pg.IsClosed() || tx.began && sess.status != 'T')
}

// run sends one statement, with BEGIN and the scope in front of the first.
func (tx *Tx) run(r *rows, tc tenant.Context, args []any) error {
	if err := tx.check(tc, r.op, r.stmt); err != nil {
		return err
	}
	_, values, err := tx.db.admit(tc, r.op, r.stmt, args)
	if err != nil {
		return err
	}
	r.tx = tx
	return tx.send(tc, shapeOf(r.stmt), values, r)
}

// send puts one statement on the transaction's connection.
func (tx *Tx) send(tc tenant.Context, sh shape, values []any, r *rows) (err error) {
	if err := tx.take(r.op, r.stmt); err != nil {
		return err
	}
	defer func() {
		if !r.reply.open() {
			tx.noteFailure(err)
		}
		tx.yield(r.reply.open())
	}()
	if err := tx.hold(tc, r.stmt != nil && r.stmt.Writes()); err != nil {
		return fail(r.op, r.stmt, err)
	}
	r.lease = tx.lease
	fresh, controls := !tx.began, tx.pending
	for attempt := 1; ; attempt++ {
		p, err := tx.prepare(tc, sh)
		if err != nil {
			return fail(r.op, r.stmt, err)
		}
		if err := r.lease.sess.args.build(r.lease.sess.types, p, values); err != nil {
			return refuse(r.op, r.stmt, ErrArgument, err)
		}
		if r.guard, err = tx.db.guardFor(tc, r.lease.sess, p); err != nil {
			return fail(r.op, r.stmt, err)
		}
		if err = tx.start(tc, p); err == nil {
			r.reply.sess = r.lease.sess
			return nil
		}
		stale := r.lease.sess.isStale(err)
		if stale {
			r.lease.sess.forget(sh)
		}
		// A stale plan in the first statement is no reason to fail: nothing has happened in the transaction yet.
		if !stale || attempt > 1 || !fresh || !tx.restart(tc, controls) {
			return fail(r.op, r.stmt, err)
		}
	}
}

// prepare prepares a statement before BEGIN where it can, so that no tenant's scope is set. A savepoint that waits must
// come first, or a failure here could not be rolled back to it.
func (tx *Tx) prepare(ctx context.Context, sh shape) (*prepared, error) {
	if tx.began && len(tx.pending) > 0 && tx.lease.sess.lookup(sh) == nil {
		if err := tx.start(ctx, nil); err != nil {
			return nil, err
		}
	}
	return tx.lease.sess.prepare(ctx, sh)
}

// start sends the control statements that wait, the scope and a statement. From then on the transaction counts as begun,
// whatever came of it.
func (tx *Tx) start(ctx context.Context, p *prepared) error {
	return tx.lease.sess.start(ctx, tx.scope, tx.controls(), p)
}

// controls gives the control statements that wait, to be sent.
func (tx *Tx) controls() []string {
	controls := tx.pending
	tx.pending, tx.began = nil, true
	return controls
}

// restart goes back to the time before the first statement.
func (tx *Tx) restart(ctx context.Context, controls []string) bool {
	if tx.lease.sess.status != 'I' {
		if _, err := tx.lease.sess.control(ctx, "rollback"); err != nil {
			return false
		}
	}
	tx.began, tx.pending = false, controls
	return true
}

// hold takes a connection for the transaction, once, and asks each time whether the statement may run on it.
func (tx *Tx) hold(tc tenant.Context, write bool) (err error) {
	if tx.lease.sess != nil {
		return tx.lease.permit(tc, write)
	}
	tx.lease, err = tx.db.acquire(tc, write)
	return err
}

// noteFailure remembers what the server refused, so that a swallowed error comes up at the commit. That counts also before
// BEGIN was sent, when a statement could not be prepared: in the order of the function it is a part of the transaction.
func (tx *Tx) noteFailure(err error) {
	if tx.failure == nil && err != nil && (tx.aborted() || serverError(err) != nil || errors.Is(err, ErrResultTooLarge)) {
		tx.failure = err
	}
}
