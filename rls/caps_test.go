package rls_test

import (
	"errors"
	"testing"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

var renameAll = query.MustStatic(hospital, `update patients set name = @name where tenant_id = @tenant returning id, name`).Named("renameAll")

// A result that is too large fails with a typed error, in each way to read one, and the next request works.
func TestResultTooLarge(t *testing.T) {
	t.Parallel()
	for _, limit := range []struct {
		name string
		set  func(*rls.Config)
	}{
		{"rows", func(cfg *rls.Config) { cfg.Limits.MaxRows = 19 }},
		{"bytes", func(cfg *rls.Config) { cfg.Limits.MaxBytes = 100 }},
	} {
		t.Run(limit.name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, limit.set, func(cfg *rls.Config) { cfg.MaxConns = 1 })
			for name, read := range map[string]func() error{
				"All":      func() error { _, err := rls.All[patient](c.mary, c.db, allPatients); return err },
				"Query":    func() error { rows, _ := c.db.Query(c.mary, allPatients); rows.Close(); return rows.Err() },
				"Affected": func() error { _, err := c.db.Affected(c.mary, allPatients); return err },
				"Batch": func() error {
					var b rls.Batch
					var found []patient
					rls.Collect(&b, &found, onePatient, query.Args{"id": 1})
					rls.Collect(&b, &found, allPatients)
					return c.db.Batch(c.mary, &b)
				},
				"InTx": func() error {
					var inner error
					err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
						require.NoError(t, tx.Exec(c.mary, rename, named(1, "lost")))
						_, inner = rls.All[patient](c.mary, tx, allPatients)
						return nil // swallowed
					})
					require.ErrorIs(t, err, rls.ErrTxAborted)
					return inner
				},
			} {
				require.ErrorIs(t, read(), rls.ErrResultTooLarge, name)
				one, err := rls.One[patient](c.paul, c.db, onePatient, query.Args{"id": 1})
				require.NoError(t, err, name)
				require.Equal(t, "Paul 1", one.Name, name)
			}
			require.Equal(t, "Mary 1", c.nameOf(t, mary, 1), "the transaction was rolled back")
			few, err := rls.All[patient](c.mary, c.db, onePatient, query.Args{"id": 2})
			require.NoError(t, err, "what fits the limits is not touched")
			require.Len(t, few, 1)
		})
	}
}

// A write that returns too much is heard out: outside a transaction it was done, and says so; inside it is rolled back.
func TestWriteReturnsTooMuch(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns, cfg.Limits.MaxRows = 1, 5 })
	_, err := rls.All[patient](c.mary, c.db, renameAll, query.Args{"name": "Mary Ann"})
	require.ErrorIs(t, err, rls.ErrResultTooLarge)
	require.ErrorContains(t, err, "the write was done")
	require.Equal(t, "Mary Ann", c.nameOf(t, mary, 20))
	err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
		_, err := rls.All[patient](c.mary, tx, renameAll, query.Args{"name": "Mary Sue"})
		require.ErrorIs(t, err, rls.ErrResultTooLarge)
		return nil
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	var b rls.Batch
	var found []patient
	rls.Collect(&b, &found, renameAll, query.Args{"name": "Mary Sue"})
	require.ErrorIs(t, c.db.Batch(c.mary, &b), rls.ErrResultTooLarge)
	require.Equal(t, "Mary Ann", c.nameOf(t, mary, 20))
	require.Equal(t, "Paul 20", c.nameOf(t, paul, 20))
}

// What a result that is too large still has to say is not waited for: the server is told to stop.
func TestTooLargeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns, cfg.Limits.MaxRows = 1, 50 })
	start := time.Now()
	require.ErrorIs(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		rows, err := tx.QueryUnproved(c.mary, `select repeat('x', 2000), pg_sleep(case when n > 200 then 20 else 0 end) from generate_series(1, 300) n`)
		for rows.Next() {
		}
		return errors.Join(err, rows.Err())
	}), rls.ErrResultTooLarge)
	require.Less(t, time.Since(start), 10*time.Second)
	c.healthy(t, c.db)
}
