package main

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

// scopedTx reads three rows in a transaction of Septum's.
func (w *world) scopedTx(n int) error {
	for i := range n {
		err := w.db.InTx(w.tc, func(tx *rls.Tx) error {
			for k := range 3 {
				var p patient
				row := tx.QueryRow(w.tc, onePatient, query.Args{"id": (i+k)%wardPatients + 1})
				if err := row.Scan(&p.ID, &p.Name, &p.Ward, &p.Born); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bareTx reads the same rows in a transaction of pgx alone.
func (w *world) bareTx(n int) error {
	ctx := context.Context(w.tc)
	for i := range n {
		err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
			for k := range 3 {
				var p patient
				row := tx.QueryRow(ctx, onePatient.SQL(), int64(7), (i+k)%wardPatients+1)
				if err := row.Scan(&p.ID, &p.Name, &p.Ward, &p.Born); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	poolSize    = 8
	poolWorkers = 32
)

// together has many goroutines share the calls of one side.
func together(side func(int) error) func(int) error {
	return func(n int) error {
		var work sync.WaitGroup
		failed := make(chan error, poolWorkers)
		for g := range poolWorkers {
			share := n / poolWorkers
			if g < n%poolWorkers {
				share++
			}
			work.Go(func() {
				if err := side(share); err != nil {
					failed <- err
				}
			})
		}
		work.Wait()
		close(failed)
		return <-failed
	}
}
