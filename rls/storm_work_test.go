package rls_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// caller is one of the storm's callers: a tenant's request.
type caller struct {
	*storm
	tc    tenant.Context
	n     int // the tenant
	r     *rand.Rand
	began int64
}

// worker does one thing after another, each for another tenant.
func (s *storm) worker(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil && s.wrong.Load() == nil {
		n := r.IntN(stormTenants) + 1
		limit := time.Second
		if r.IntN(10) == 0 {
			limit = time.Duration(r.IntN(8000)) * time.Microsecond // runs out of time somewhere on the way
		}
		own, cancel := context.WithTimeout(context.Background(), limit)
		if r.IntN(12) == 0 {
			time.AfterFunc(time.Duration(r.IntN(5000))*time.Microsecond, cancel)
		}
		tc, err := tenant.Bind(own, tenant.Principal{Tenant: stormTenant(n), Subject: "storm"})
		if err != nil {
			panic(err)
		}
		(&caller{s, tc, n, r, time.Now().UnixNano()}).one()
		cancel()
	}
}

func (c *caller) one() {
	switch c.r.IntN(11) {
	case 0, 1:
		found, err := rls.All[patient](c.tc, c.db, allPatients)
		c.look("All", found, err)
	case 2: // the database wall alone
		rows, err := c.db.QueryUnproved(c.tc, `select id, name from patients`)
		if err != nil {
			c.count("QueryUnproved", err)
			return
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[patient])
		c.look("QueryUnproved", found, err)
	case 3: // left in the middle
		rows, err := c.db.Query(c.tc, allPatients)
		for range c.r.IntN(stormOwnRows) {
			var p patient
			if err == nil && rows.Next() && rows.Scan(&p.ID, &p.Name) == nil {
				c.look("Query", []patient{p}, nil)
			}
		}
		rows.Close()
	case 4, 5:
		id := c.next.Add(1)
		c.note(c.db.Exec(c.tc, admit, query.Args{"id": id, "name": mark(c.n, id)}), id)
	case 6:
		c.transaction()
	case 7:
		b, one, two := &rls.Batch{}, c.next.Add(1), c.next.Add(1)
		b.Exec(admit, query.Args{"id": one, "name": mark(c.n, one)})
		b.Exec(admit, query.Args{"id": two, "name": mark(c.n, two)})
		c.note(c.db.Batch(c.tc, b), one, two)
	case 8:
		b := &rls.Batch{}
		var found []patient
		rls.Collect(b, &found, allPatients)
		c.look("Batch", found, c.db.Batch(c.tc, b))
		c.look("Batch", found, nil) // also what was read before an error
	case 9: // refused at the last word, when it was written already: there is no such patient
		c.mustFail("a late refusal", c.db.Exec(c.tc, visit, query.Args{"id": c.next.Add(1), "patient": -1, "ward": "none"}))
	case 10:
		c.panics()
	}
}

// panics has the application's own code panic where the library calls it.
func (c *caller) panics() {
	defer func() { _ = recover() }()
	if c.r.IntN(2) == 0 {
		c.mustFail("a panic", c.db.Exec(c.tc, rename, query.Args{"id": 1, "name": panicky{}}))
		return
	}
	b := &rls.Batch{}
	b.Query(func(pgx.Rows) error { panic("in a reader") }, allPatients)
	b.Query(func(pgx.Rows) error { return nil }, allPatients)
	c.mustFail("a panic", c.db.Batch(c.tc, b))
}

var errStorm = errors.New("the function's own error")

// transaction ends in one of all the ways there are.
func (c *caller) transaction() {
	one, two, inner := c.next.Add(1), c.next.Add(1), c.next.Add(1)
	end := c.r.IntN(7)
	err := func() (err error) {
		defer func() {
			if recover() != nil {
				err = errStorm
			}
		}()
		return c.db.InTx(c.tc, func(tx *rls.Tx) error {
			if err := tx.Exec(c.tc, admit, query.Args{"id": one, "name": mark(c.n, one)}); err != nil {
				return err
			}
			_ = tx.Savepoint(c.tc, func(tx *rls.Tx) error { // undone, whatever happens
				if err := tx.Exec(c.tc, admit, query.Args{"id": inner, "name": mark(c.n, inner)}); err != nil {
					return err
				}
				return errStorm
			})
			found, err := rls.All[patient](c.tc, tx, allPatients)
			c.look("Tx", found, err)
			if err != nil {
				return err
			}
			switch end {
			case 0:
				return errStorm
			case 1:
				panic("in a callback")
			case 2:
				_, _ = tx.Query(c.tc, allPatients) // rows left open
			case 3:
				time.Sleep(time.Duration(c.r.IntN(3000)) * time.Microsecond)
			case 4: // the commit is refused
				return tx.Exec(c.tc, visit, query.Args{"id": two, "patient": -1, "ward": "none"})
			case 5: // the transaction is aborted, and nobody says so
				_ = tx.Exec(c.tc, admit, query.Args{"id": one, "name": mark(c.n, one)})
				return nil
			}
			return tx.Exec(c.tc, admit, query.Args{"id": two, "name": mark(c.n, two)})
		})
	}()
	if end != 3 && end != 6 {
		c.mustFail("a transaction", err)
	}
	c.note(err, one, two)
	c.note(errStorm, inner)
}

func mark(n int, id int64) string { return fmt.Sprintf("<%d> %d", n, id) }

func (c *caller) isWrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.wrong.CompareAndSwap(nil, &text)
}

// mustFail takes what came of something that can't be done.
func (c *caller) mustFail(how string, err error) {
	if err == nil {
		c.isWrong("%s was said to be done", how)
	}
	c.count(how, err)
}

// look takes every row that came to a tenant's request.
func (c *caller) look(how string, found []patient, err error) {
	c.count(how, err)
	own := fmt.Sprintf("<%d> ", c.n)
	for _, p := range found {
		c.seen.Add(1)
		if !strings.HasPrefix(p.Name, own) {
			c.isWrong("%s for tenant %d gave %q", how, c.n, p.Name)
		}
	}
	if err == nil && how != "Query" && how != "Batch" && len(found) < stormOwnRows {
		c.isWrong("%s for tenant %d gave %d rows and no error", how, c.n, len(found))
	}
}

func (c *caller) note(err error, ids ...int64) {
	c.count("write", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		c.writes[id] = outcomeOf{c.n, err, errors.Is(err, rls.ErrOutcomeUnknown)}
	}
}

// count keeps what happened, for the log. While the line loses nothing each reply is its request's.
func (c *caller) count(how string, err error) {
	if err == nil {
		return
	}
	kind := "other"
	for _, known := range []error{rls.ErrOutcomeUnknown, rls.ErrPoolExhausted, rls.ErrTenantBusy, rls.ErrTxAborted, rls.ErrBusy, rls.ErrTxDone,
		rls.ErrUnavailable, context.DeadlineExceeded, context.Canceled, errStorm} {
		if errors.Is(err, known) {
			kind = known.Error()
			break
		}
	}
	if kind == "other" {
		kind = err.Error()
	}
	if strings.Contains(err.Error(), "did not belong") && c.lossy.Load() < c.began {
		c.isWrong("%s for tenant %d: %v, though nothing was lost", how, c.n, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[how+": "+kind]++
}
