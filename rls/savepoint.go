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
	tx.busy.Store(false)
	tx.depth++
	p := savepoint{tx: tx, tc: tc, name: "septum_" + strconv.Itoa(tx.depth), mark: len(tx.pending), failure: tx.failure}
	tx.pending, tx.failure = append(tx.pending, p.set()), nil
	returned := false
	defer func() {
		tx.depth--
		if !returned {
			_ = p.undo() // a panic is on its way; who recovers it in the transaction's function finds the part undone
		}
	}()
	err := fn(tx)
	returned = true
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

// savepoint is one savepoint of a transaction. Until a statement follows it, it waits among the pending ones.
type savepoint struct {
	tx   *Tx
	tc   tenant.Context
	name string
	mark int // its place among the pending statements, if it is still there

	failure error // what had failed in the transaction before
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

// undo goes back to the savepoint. When it can't, the whole transaction must fail, or it would commit half of the part.
func (p savepoint) undo() error {
	if p.waits() {
		p.tx.pending, p.tx.failure = p.tx.pending[:p.mark], p.failure
		return nil
	}
	err := p.tx.take("Savepoint", nil)
	if err == nil {
		_, err = p.tx.lease.sess.control(p.tc, "rollback to savepoint "+p.name)
		err = fail("Savepoint", nil, err)
		p.tx.busy.Store(false)
	}
	if err != nil {
		p.tx.failure = err
		return err
	}
	p.tx.failure = p.failure
	p.tx.pending = append(p.tx.pending[:0], "release savepoint "+p.name)
	return nil
}
