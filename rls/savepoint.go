package rls

import (
	"errors"
	"strconv"

	"github.com/septum-go/septum/tenant"
)

// Savepoint runs a part of the transaction that can fail alone: when fn returns an error or panics, what it did is
// rolled back, the transaction goes on, and the error is returned. Savepoints nest. Setting one costs no round trip,
// since it rides with the first statement of fn; only rolling back to it does.
func (tx *Tx) Savepoint(tc tenant.Context, fn func(*Tx) error) error {
	if err := tx.check(tc, "Savepoint", nil); err != nil {
		return err
	}
	if err := tx.take("Savepoint", nil); err != nil {
		return err
	}
	tx.depth++
	p := savepoint{tx: tx, tc: tc, name: "septum_" + strconv.Itoa(tx.depth), mark: len(tx.pending), failure: tx.failure}
	tx.pending, tx.failure = append(tx.pending, p.set()), nil
	tx.yield(false)
	returned := false
	defer func() {
		if !returned {
			_ = p.end(errPanicked) // it is on its way; who recovers it in the transaction's function finds the part undone
		}
	}()
	err := fn(tx)
	returned = true
	return p.end(err)
}

// savepoint is one savepoint of a transaction. Until a statement follows it, it waits among the pending ones.
type savepoint struct {
	tx   *Tx
	tc   tenant.Context
	name string
	mark int // its place among the pending statements, if it is still there

	failure error // what had failed in the transaction before
}

// end releases the savepoint when its part ended well, and goes back to it otherwise. When it can do neither, since rows are
// open or another goroutine is at work, the whole transaction must fail, or it would commit half of the part.
func (p savepoint) end(err error) error {
	tx := p.tx
	if busy := tx.take("Savepoint", nil); busy != nil {
		tx.doomed.CompareAndSwap(nil, &busy)
		if err == nil {
			return busy
		}
		return errors.Join(err, busy)
	}
	defer tx.yield(false)
	tx.depth--
	if err == nil && (tx.aborted() || tx.failure != nil) {
		err = refuse("Savepoint", nil, ErrTxAborted, tx.failure)
	}
	if err == nil {
		p.release()
		return nil
	}
	if undoErr := p.undo(); undoErr != nil {
		return errors.Join(err, undoErr)
	}
	return err
}

func (p savepoint) set() string { return "savepoint " + p.name }

// waits reports that the server has not seen the savepoint yet.
func (p savepoint) waits() bool {
	return p.mark < len(p.tx.pending) && p.tx.pending[p.mark] == p.set()
}

func (p savepoint) release() {
	p.tx.failure = p.failure
	if p.waits() {
		p.tx.pending = p.tx.pending[:p.mark]
		return
	}
	p.tx.pending = append(p.tx.pending, "release savepoint "+p.name)
}

// undo goes back to the savepoint. When it can't, the whole transaction must fail too.
func (p savepoint) undo() error {
	if p.waits() {
		p.tx.pending, p.tx.failure = p.tx.pending[:p.mark], p.failure
		return nil
	}
	if _, err := p.tx.lease.sess.control(p.tc, "rollback to savepoint "+p.name); err != nil {
		p.tx.failure = fail("Savepoint", nil, err)
		return p.tx.failure
	}
	p.tx.failure = p.failure
	p.tx.pending = append(p.tx.pending[:0], "release savepoint "+p.name)
	return nil
}
