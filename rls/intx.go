package rls

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/tenant"
)

// TxOption is how a transaction differs from PostgreSQL's default.
type TxOption func(*txOptions)

type txOptions struct {
	isolation  pgx.TxIsoLevel
	readOnly   bool
	deferrable bool
	attempts   int
}

// Isolation sets the isolation level: pgx.Serializable, pgx.RepeatableRead, pgx.ReadCommitted or pgx.ReadUncommitted.
// Default: the database's, normally read committed.
func Isolation(level pgx.TxIsoLevel) TxOption { return func(o *txOptions) { o.isolation = level } }

// ReadOnly has the server refuse writes.
func ReadOnly() TxOption { return func(o *txOptions) { o.readOnly = true } }

// Deferrable lets a serializable, read-only transaction wait until it can run without being aborted.
func Deferrable() TxOption { return func(o *txOptions) { o.deferrable = true } }

// Repeatable declares that the function may run again from the start, up to attempts times in all, when the server
// aborted the transaction for another one's sake (SQLSTATE 40001 and 40P01). It waits a random, growing time in
// between. The function must have no effects outside the transaction, or ones that bear repetition.
func Repeatable(attempts int) TxOption { return func(o *txOptions) { o.attempts = attempts } }

// InTx runs fn in a transaction of one tenant and commits when it returns nil. When it returns an error the transaction
// is rolled back and the error returned as it is; a panic rolls back and goes on. BEGIN and the tenant's scope ride with
// the first statement; a function without statements costs no round trip.
//
// Nothing that failed is committed quietly: when the server aborted the transaction because of a statement whose error
// fn did not return, InTx returns ErrTxAborted. When the connection is lost during the commit it returns
// ErrOutcomeUnknown. When tc ends, the connection is closed and the server rolls back.
func (db *DB) InTx(tc tenant.Context, fn func(*Tx) error, opts ...TxOption) error {
	scope, err := scopeOf(tc)
	if err != nil {
		return err
	}
	if db.closed.Load() {
		return refuse("InTx", nil, ErrClosed, nil)
	}
	options := txOptions{attempts: 1}
	for _, option := range opts {
		option(&options)
	}
	begin, err := options.begin()
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := db.attempt(tc, scope, begin, fn)
		if err == nil || attempt >= options.attempts || !isRepeatable(err) {
			return err
		}
		if pause(tc, attempt) != nil {
			return err
		}
	}
}

// attempt runs the transaction once.
func (db *DB) attempt(tc tenant.Context, scope, begin string, fn func(*Tx) error) error {
	tx := &Tx{db: db, scope: scope, pending: []string{begin}}
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit: roll back, and let it pass
			tx.rollback(tc)
		}
	}()
	err := fn(tx)
	returned = true
	if err != nil {
		tx.rollback(tc)
		return err
	}
	return tx.commit(tc)
}

// commit ends the transaction well, or says why it could not.
func (tx *Tx) commit(tc tenant.Context) error {
	if !tx.end() {
		return refuse("InTx", nil, ErrBusy, errors.New("its function returned with rows open, or with a statement under way in another goroutine; it is rolled back"))
	}
	if doomed := tx.doomed.Load(); doomed != nil {
		tx.failure = *doomed
	}
	switch {
	case tx.failure != nil || tx.aborted():
		tx.undo(tc)
		return refuse("InTx", nil, ErrTxAborted, tx.failure)
	case tx.lease.sess == nil:
		return nil // nothing was ever sent
	case tc.Err() != nil:
		tx.undo(tc)
		return fail("InTx", nil, tc.Err())
	}
	defer tx.lease.release()
	if !tx.began {
		return nil // a connection was taken, and no statement came to be sent
	}
	tag, err := tx.lease.sess.control(tc, "commit")
	if err != nil {
		return outcome("InTx", nil, err, true)
	}
	switch tag.String() {
	case "COMMIT":
		return nil
	case "ROLLBACK": // the server's answer to COMMIT of an aborted transaction, without an error
		return refuse("InTx", nil, ErrTxAborted, nil)
	}
	return outcome("InTx", nil, tx.lease.sess.outOfStep(), true)
}

// rollback ends the transaction without a trace.
func (tx *Tx) rollback(tc tenant.Context) {
	if tx.end() {
		tx.undo(tc)
	}
}

// undo rolls back what has ended. It never leaves a transaction open on a connection that goes back.
func (tx *Tx) undo(tc tenant.Context) {
	sess := tx.lease.sess
	if sess == nil {
		return
	}
	defer tx.lease.release()
	switch {
	case sess.pg.IsClosed():
	case tc.Err() != nil:
		sess.destroy() // there is no time left; the server rolls back when the connection ends
	case sess.status != 'I':
		ctx, cancel := context.WithTimeout(tc, closeTimeout)
		defer cancel()
		if _, err := sess.control(ctx, "rollback"); err != nil {
			sess.destroy()
		}
	}
}

// begin is the text of BEGIN. It is made of known words only.
func (o txOptions) begin() (string, error) {
	words := []string{"begin"}
	switch o.isolation {
	case "":
	case pgx.Serializable, pgx.RepeatableRead, pgx.ReadCommitted, pgx.ReadUncommitted:
		words = append(words, "isolation level "+string(o.isolation))
	default:
		return "", refuse("InTx", nil, ErrOption, errors.New("take the isolation level from package pgx"))
	}
	if o.readOnly {
		words = append(words, "read only")
	}
	if o.deferrable {
		words = append(words, "deferrable")
	}
	return strings.Join(words, " "), nil
}

// isRepeatable reports that the server gave the transaction up for another one's sake: serialization failure, deadlock.
func isRepeatable(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "40001" || pg.Code == "40P01")
}

// pause waits before another attempt: up to 10 ms doubled each time, to at most a second.
func pause(ctx context.Context, attempt int) error {
	limit := min(10*time.Millisecond<<min(attempt-1, 10), time.Second)
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
