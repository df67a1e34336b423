package rls

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// Batch is a list of statements that travel together, for one tenant. Its zero value is empty and ready; it is filled
// by one goroutine and can be run again.
type Batch struct{ items []batchItem }

type batchItem struct {
	stmt *query.Statement
	args []any
	read func(*rows) error
}

// Query adds a statement whose rows read gets. The rows are closed after it returns; its error ends the batch.
func (b *Batch) Query(read func(pgx.Rows) error, stmt *query.Statement, args ...any) {
	b.add(stmt, args, func(r *rows) error { return read(r) })
}

// Exec adds a statement that must write at least one row, or the batch fails with query.ErrNotFound.
func (b *Batch) Exec(stmt *query.Statement, args ...any) {
	b.add(stmt, args, func(r *rows) error {
		r.Close()
		if r.err == nil && r.tag.RowsAffected() == 0 {
			return refuse("Batch", stmt, query.ErrNotFound, nil)
		}
		return r.err
	})
}

// Affected adds a statement and stores in n how many rows it wrote.
func (b *Batch) Affected(n *int64, stmt *query.Statement, args ...any) {
	b.add(stmt, args, func(r *rows) error {
		r.Close()
		*n = r.tag.RowsAffected()
		return r.err
	})
}

// Collect adds a statement whose rows are read into a slice, as [All] does.
func Collect[T any](b *Batch, into *[]T, stmt *query.Statement, args ...any) {
	b.add(stmt, args, func(r *rows) (err error) {
		*into, err = pgx.CollectRows(r, readerOf[T]())
		if err != nil {
			return unreadable("Batch", stmt, err)
		}
		return nil
	})
}

// Len is the number of statements.
func (b *Batch) Len() int { return len(b.items) }

func (b *Batch) add(stmt *query.Statement, args []any, read func(*rows) error) {
	b.items = append(b.items, batchItem{stmt, slices.Clone(args), read})
}

func (b *Batch) writes() bool {
	return slices.ContainsFunc(b.items, func(item batchItem) bool {
		return item.stmt != nil && item.stmt.Catalog() != nil && item.stmt.Writes()
	})
}

// Batch runs the statements in order, all or none. A batch that only reads is one round trip. One that writes is two:
// the second commits, after every result was found good, so that nothing is half done.
func (db *DB) Batch(tc tenant.Context, b *Batch) error {
	if b.writes() {
		return db.InTx(tc, func(tx *Tx) error { return tx.Batch(tc, b) })
	}
	scope, err := scopeOf(tc)
	if err != nil {
		return err
	}
	bound, err := db.bindBatch(tc, b)
	if err != nil || len(bound) == 0 {
		return err
	}
	l, err := db.acquire(tc, false)
	if err != nil {
		return fail("Batch", nil, err)
	}
	defer l.release()
	for attempt := 1; ; attempt++ {
		requests, err := db.encodeBatch(tc, l.sess, b, bound)
		if err != nil {
			return err
		}
		group, err := l.sess.startGroup(tc, scope, nil, requests)
		if err != nil {
			return fail("Batch", nil, err)
		}
		done, err := l.sess.readBatch(group, b, requests)
		if !l.sess.isStale(err) {
			return err
		}
		l.sess.forgetBatch(b)
		if done > 0 || attempt > 1 || !l.sess.idle() {
			return err
		}
	}
}

// Batch runs the statements in order in the transaction, in one round trip.
func (tx *Tx) Batch(tc tenant.Context, b *Batch) (err error) {
	if err := tx.check(tc, "Tx.Batch", nil); err != nil {
		return err
	}
	bound, err := tx.db.bindBatch(tc, b)
	if err != nil || len(bound) == 0 {
		return err
	}
	if err := tx.take("Tx.Batch", nil); err != nil {
		return err
	}
	defer func() {
		tx.noteFailure(err)
		tx.yield(false)
	}()
	if err := tx.hold(tc, b.writes()); err != nil {
		return fail("Tx.Batch", nil, err)
	}
	if err := tx.prepareBatch(tc, b); err != nil {
		return err
	}
	requests, err := tx.db.encodeBatch(tc, tx.lease.sess, b, bound)
	if err != nil {
		return err
	}
	group, err := tx.lease.sess.startGroup(tc, tx.scope, tx.controls(), requests)
	if err != nil {
		return fail("Tx.Batch", nil, err)
	}
	_, err = tx.lease.sess.readBatch(group, b, requests)
	if tx.lease.sess.isStale(err) {
		tx.lease.sess.forgetBatch(b)
	}
	return err
}

func (tx *Tx) prepareBatch(ctx context.Context, b *Batch) error {
	prepared := &tx.lease.sess.prepared
	prepared.keep = true
	defer func() { prepared.keep = false }()
	for _, item := range b.items {
		if _, err := tx.prepare(ctx, shapeOf(item.stmt)); err != nil {
			return fail("Tx.Batch", item.stmt, err)
		}
	}
	return nil
}

// bindBatch binds every statement before anything is sent.
func (db *DB) bindBatch(tc tenant.Context, b *Batch) ([][]any, error) {
	if db.closed.Load() {
		return nil, refuse("Batch", nil, ErrClosed, nil)
	}
	bound := make([][]any, len(b.items))
	for i, item := range b.items {
		if err := db.accepts("Batch", item.stmt); err != nil {
			return nil, err
		}
		values, err := item.stmt.Bind(tc, item.args...)
		if err != nil {
			return nil, err
		}
		bound[i] = values
	}
	return bound, nil
}

// encodeBatch prepares what is not prepared yet and encodes all arguments.
func (db *DB) encodeBatch(tc tenant.Context, s *session, b *Batch, bound [][]any) ([]request, error) {
	s.prepared.keep = true
	defer func() { s.prepared.keep = false }()
	requests := make([]request, len(b.items))
	for i, item := range b.items {
		p, err := s.prepare(tc, shapeOf(item.stmt))
		if err != nil {
			return nil, fail("Batch", item.stmt, err)
		}
		if requests[i], err = encodeAlone(s.types, p, bound[i]); err != nil {
			return nil, refuse("Batch", item.stmt, ErrArgument, err)
		}
		if requests[i].guard, err = db.guardFor(tc, s, p); err != nil {
			return nil, fail("Batch", item.stmt, err)
		}
	}
	return requests, nil
}

// readBatch gives each result to its reader. Done counts the results that readers have seen.
func (s *session) readBatch(group *pgconn.MultiResultReader, b *Batch, requests []request) (done int, err error) {
	for i, item := range b.items {
		if !group.NextResult() {
			return done, fail("Batch", item.stmt, s.closeGroup(group))
		}
		done++
		r := &rows{op: "Batch", stmt: item.stmt, lease: lease{sess: s}, shared: true, reply: reply{s, group.ResultReader()}}
		if r.guard = requests[i].guard; r.guard != nil && !slices.Equal(requests[i].p.fields, r.reply.fields()) {
			r.guard.check = nil // some DDL came in between, and the columns are others
		}
		err := item.read(r)
		r.Close()
		if err == nil {
			err = r.err
		}
		if err != nil {
			_ = s.endGroup(group)
			return done, err
		}
	}
	return done, fail("Batch", nil, s.endGroup(group))
}

func (s *session) forgetBatch(b *Batch) {
	for _, item := range b.items {
		s.forget(shapeOf(item.stmt))
	}
}
