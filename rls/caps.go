package rls

import (
	"errors"

	"github.com/septum-go/septum/tenant"
)

// guard looks at each row of a result before anybody else does: at how many there were, and whose they are. A result
// without limits and without check has none, and costs nothing.
type guard struct {
	maxRows, maxBytes int64 // zero is no limit
	rows, bytes       int64
	check             *ownership // nil when this result is not checked
}

// guardFor gives the guard of a result, nil when there is nothing to look at. It may ask the server about the statement's
// columns, once per table and connection, and therefore comes before the statement is sent.
func (db *DB) guardFor(tc tenant.Context, sess *session, p *prepared) (*guard, error) {
	limits := db.limits(tc)
	due := sess.checkIsDue(db.config.CheckEvery)
	if !due && limits.MaxRows <= 0 && limits.MaxBytes <= 0 {
		return nil, nil
	}
	var own *ownership
	if due {
		var err error
		if own, err = sess.checkFor(tc, p, db); err != nil {
			return nil, err
		}
	}
	if own == nil && limits.MaxRows <= 0 && limits.MaxBytes <= 0 {
		return nil, nil
	}
	return &guard{maxRows: limits.MaxRows, maxBytes: limits.MaxBytes, check: own}, nil
}

// pass says what is wrong with a row: ErrResultTooLarge or ErrForeignRow.
func (g *guard) pass(values [][]byte) error {
	g.rows++
	if g.maxRows > 0 && g.rows > g.maxRows {
		return ErrResultTooLarge
	}
	if g.maxBytes > 0 {
		for _, value := range values {
			g.bytes += int64(len(value))
		}
		if g.bytes > g.maxBytes {
			return ErrResultTooLarge
		}
	}
	if g.check != nil && !g.check.own(values) {
		return ErrForeignRow
	}
	return nil
}

// stop ends a result that its guard did not let pass. What a read still has to say is not waited for: its connection is
// closed and the server told to stop. A write is heard out, or nobody would know whether it was done.
func (r *rows) stop(reason error) {
	sess := r.lease.sess
	write := r.write || r.stmt != nil && r.stmt.Writes()
	var cause error
	switch {
	case errors.Is(reason, ErrForeignRow):
		sess.destroy() // it must never serve again, whoever mixed it up
	case !write:
		sess.abandon()
	case r.tx == nil && !r.shared:
		cause = errWritten
	}
	r.fatal(refuse(r.op, r.stmt, reason, cause))
	g := r.guard
	r.guard = nil // what is left is passed over
	r.close()
	if errors.Is(reason, ErrForeignRow) {
		g.check.report(r.stmt)
	}
}

// errWritten goes with ErrResultTooLarge where the statement was done all the same.
var errWritten = errors.New("the write was done, and only what it returns was not read")

// readOn looks at the rows that nobody read.
func (r *rows) readOn() {
	for r.guard != nil && !r.closed && r.reply.next() {
		if err := r.guard.pass(r.reply.values()); err != nil {
			r.stop(err)
			return
		}
	}
}
