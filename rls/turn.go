package rls

import (
	"sync/atomic"

	"github.com/septum-go/septum/query"
)

// turn says who may use a transaction's connection. It changes by compare-and-swap alone, so that two goroutines never speak on
// the connection at once, whatever the function of the transaction does, and none speaks on it when the transaction has ended
// and the connection is another tenant's (threats X01, X09). A goroutine that outlives its transaction's function is the
// usual way to that.
type turn struct{ atomic.Int32 }

const (
	nobodys  int32 = iota
	calling        // a call is under way
	reading        // rows are open, and nobody is at them
	fetching       // rows are open, and somebody reads one
	over           // the transaction has ended
	orphaned       // the same, while a call was under way: who made it closes the connection
)

// take makes the caller the one that uses the connection, until it yields.
func (tx *Tx) take(op string, stmt *query.Statement) error {
	return tx.enter(op, stmt, nobodys, calling)
}

// yield ends a turn. Rows are open then, or not.
func (tx *Tx) yield(open bool) {
	was, next := tx.turn.Load(), nobodys
	if open {
		next = reading
	}
	if was == orphaned || !tx.turn.CompareAndSwap(was, next) {
		tx.abandon()
	}
}

func (tx *Tx) enter(op string, stmt *query.Statement, from, to int32) error {
	if tx.turn.CompareAndSwap(from, to) {
		return nil
	}
	if was := tx.turn.Load(); was == over || was == orphaned {
		return refuse(op, stmt, ErrTxDone, nil)
	}
	return refuse(op, stmt, ErrBusy, nil)
}

// end ends the transaction for every goroutine, and reports that the connection is the caller's now. Otherwise it is closed,
// since rows were open, or will be as soon as the call ends that another goroutine has under way; the server rolls back then.
func (tx *Tx) end() bool {
	for {
		switch was := tx.turn.Load(); was {
		case nobodys:
			if tx.turn.CompareAndSwap(was, over) {
				return true
			}
		case reading:
			if tx.turn.CompareAndSwap(was, over) {
				tx.abandon()
				return false
			}
		case calling, fetching:
			if tx.turn.CompareAndSwap(was, orphaned) {
				return false
			}
		default:
			return false
		}
	}
}

// abandon closes the connection of a transaction that has ended, and gives its place back.
func (tx *Tx) abandon() {
	if sess := tx.lease.sess; sess != nil {
		sess.destroy()
		tx.lease.release()
	}
}

// enter is the rows' part of Tx.take. Rows outside a transaction have their connection to themselves.
func (r *rows) enter() bool {
	if r.tx == nil {
		return true
	}
	err := r.tx.enter(r.op, r.stmt, reading, fetching)
	if err == nil {
		return true
	}
	r.fatal(err)
	r.forget() // the connection is not the transaction's any more, or not this goroutine's
	return false
}

func (r *rows) leave() {
	if r.tx != nil {
		r.tx.yield(!r.closed)
	}
}
