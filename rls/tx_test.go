package rls_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

func named(id int, name string) query.Args { return query.Args{"id": id, "name": name} }

func TestInTx(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		if err := tx.Exec(c.mary, rename, named(1, "one")); err != nil {
			return err
		}
		var name string
		if err := tx.QueryRow(c.mary, patientName, query.Args{"id": 1}).Scan(&name); err != nil {
			return err
		}
		require.Equal(t, "one", name)
		require.Equal(t, "Mary 1", c.nameOf(t, mary, 1), "nobody else sees it yet")
		n, err := tx.Affected(c.mary, rename, named(99, "none"))
		require.NoError(t, err)
		require.Zero(t, n)
		found, err := rls.All[patient](c.mary, tx, allPatients)
		require.Len(t, found, 20)
		return err
	}))
	require.Equal(t, "one", c.nameOf(t, mary, 1))
	require.Equal(t, "Paul 1", c.nameOf(t, paul, 1))
	require.Empty(t, c.db.LeftOver(t.Context()))
	c.healthy(t, c.db)
}

func TestInTxRollsBack(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	mine := errors.New("mine")
	change := func(tx *rls.Tx) { require.NoError(t, tx.Exec(c.mary, rename, named(1, "gone"))) }

	require.Equal(t, mine, c.db.InTx(c.mary, func(tx *rls.Tx) error { change(tx); return mine }), "the error comes back as it is")
	require.PanicsWithValue(t, "mine", func() { _ = c.db.InTx(c.mary, func(tx *rls.Tx) error { change(tx); panic("mine") }) })
	done := make(chan struct{})
	go func() { // runtime.Goexit, as t.FailNow does
		defer close(done)
		_ = c.db.InTx(c.mary, func(tx *rls.Tx) error { change(tx); new(testing.T).SkipNow(); return nil })
	}()
	<-done
	require.ErrorIs(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		change(tx)
		return tx.Exec(c.mary, rename, named(99, "nobody"))
	}), query.ErrNotFound)

	ctx, cancel := context.WithCancel(context.Background())
	tc := bind(t, ctx, mary)
	require.ErrorIs(t, c.db.InTx(tc, func(tx *rls.Tx) error { change(tx); cancel(); return nil }), context.Canceled)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	c.healthy(t, c.db)
}

// X08: a statement's error that was swallowed can't become a commit.
func TestSwallowedError(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	for name, fail := range map[string]func(tx *rls.Tx){
		"a write": func(tx *rls.Tx) { _ = tx.Exec(c.mary, admit, named(1, "twice")) },
		"rows": func(tx *rls.Tx) {
			rows, _ := tx.QueryUnproved(c.mary, `select 1 / (n - 5) from generate_series(1, 9) n`)
			rows.Close()
		},
		"a row":        func(tx *rls.Tx) { _ = tx.QueryRow(c.mary, patientName, query.Args{"id": "x"}).Scan(new(string)) },
		"a batch":      func(tx *rls.Tx) { var b rls.Batch; b.Exec(admit, named(1, "twice")); _ = tx.Batch(c.mary, &b) },
		"its rollback": func(tx *rls.Tx) { rows, _ := tx.QueryUnproved(c.mary, `rollback`); rows.Close() },
		"a commit of it": func(tx *rls.Tx) {
			_ = tx.Exec(c.mary, admit, named(1, "twice"))
			_ = failed(tx.QueryUnproved(c.mary, `commit`))
		},
		"prepared": func(tx *rls.Tx) { _ = failed(tx.QueryUnproved(c.mary, `select no_such_column from patients`)) },
	} {
		t.Run(name, func(t *testing.T) {
			err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
				require.NoError(t, tx.Exec(c.mary, rename, named(1, "half")))
				fail(tx)
				return nil
			})
			require.ErrorIs(t, err, rls.ErrTxAborted)
			require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
		})
	}
	err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
		_ = failed(tx.QueryUnproved(c.mary, `select no_such_column from patients`)) // fails before BEGIN is sent
		return tx.Exec(c.mary, rename, named(1, "half"))
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		err := tx.Savepoint(c.mary, func(tx *rls.Tx) error {
			_ = failed(tx.QueryUnproved(c.mary, `select no_such_column from patients`))
			return nil
		})
		requireCode(t, err, "42703")
		return tx.Exec(c.mary, rename, named(2, "two"))
	}))
	require.Equal(t, "two", c.nameOf(t, mary, 2))
	err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
		_ = tx.Exec(c.mary, admit, named(1, "twice"))
		return nil
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	requireCode(t, err, "23505")
	require.Contains(t, err.Error(), "patients_pkey", "it names the statement's own failure")
	c.healthy(t, c.db)
}

// A transaction has one tenant, one goroutine, one statement at a time, and an end.
func TestTxMisuse(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	var kept *rls.Tx
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		kept = tx
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "one")))
		require.ErrorIs(t, tx.Exec(c.paul, rename, named(1, "stolen")), tenant.ErrConflict) // X03
		require.ErrorIs(t, tx.Savepoint(c.paul, func(*rls.Tx) error { return nil }), tenant.ErrConflict)
		require.ErrorIs(t, tx.Exec(tenant.Context{}, rename, named(1, "x")), tenant.ErrUnbound)
		require.ErrorIs(t, tx.Exec(c.mary, onePatient, query.Args{}), query.ErrArgs)
		rows, err := tx.Query(c.mary, allPatients)
		require.NoError(t, err)
		require.ErrorIs(t, tx.Exec(c.mary, rename, named(2, "two")), rls.ErrBusy)
		require.ErrorIs(t, tx.Savepoint(c.mary, func(*rls.Tx) error { return nil }), rls.ErrBusy)
		var b rls.Batch
		b.Exec(rename, named(2, "two"))
		require.ErrorIs(t, tx.Batch(c.mary, &b), rls.ErrBusy)
		rows.Close()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := tx.Exec(c.mary, rename, named(3, "three")); err != nil && !errors.Is(err, rls.ErrBusy) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		return nil
	}))
	require.ErrorIs(t, kept.Exec(c.mary, rename, named(1, "late")), rls.ErrTxDone)
	require.ErrorIs(t, kept.Savepoint(c.mary, func(*rls.Tx) error { return nil }), rls.ErrTxDone)
	err := failed(kept.Query(c.mary, allPatients))
	require.ErrorIs(t, err, rls.ErrTxDone)
	require.Equal(t, "one", c.nameOf(t, mary, 1))

	err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(4, "with rows open")))
		rows, err := tx.Query(c.mary, allPatients)
		t.Cleanup(rows.Close)
		return err
	})
	require.ErrorIs(t, err, rls.ErrBusy)
	require.Equal(t, "Mary 4", c.nameOf(t, mary, 4))
	c.healthy(t, c.db)
}

func TestTxOptions(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	show := func(tx *rls.Tx, setting string) (v string) {
		rows, err := tx.QueryUnproved(c.mary, `select current_setting('`+setting+`')`)
		require.NoError(t, err)
		v, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return v
	}
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.Equal(t, "serializable", show(tx, "transaction_isolation"))
		require.Equal(t, "on", show(tx, "transaction_read_only"))
		require.Equal(t, "on", show(tx, "transaction_deferrable"))
		return nil
	}, rls.Isolation(pgx.Serializable), rls.ReadOnly(), rls.Deferrable()))
	err := c.db.InTx(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, named(1, "x")) }, rls.ReadOnly())
	requireCode(t, err, "25006")
	err = c.db.InTx(c.mary, func(tx *rls.Tx) error { return nil }, rls.Isolation("read committed; drop table patients"))
	require.ErrorIs(t, err, rls.ErrOption)
	c.healthy(t, c.db)
}

func TestRepeatable(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	// Two transactions that read each other's patient and write their own can't both be serializable.
	contend := func(opts ...rls.TxOption) (attempts int, err error) {
		err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
			attempts++
			first := attempts == 1
			if _, err := rls.All[patient](c.mary, tx, allPatients); err != nil {
				return err
			}
			if first {
				require.NoError(t, c.db.InTx(c.mary, func(other *rls.Tx) error {
					if _, err := rls.All[patient](c.mary, other, allPatients); err != nil {
						return err
					}
					return other.Exec(c.mary, rename, named(2, "other"))
				}, rls.Isolation(pgx.Serializable)))
			}
			return tx.Exec(c.mary, rename, named(1, "mine"))
		}, append(opts, rls.Isolation(pgx.Serializable))...)
		return attempts, err
	}
	attempts, err := contend()
	requireCode(t, err, "40001")
	require.Equal(t, 1, attempts, "not unless the function is declared repeatable")
	attempts, err = contend(rls.Repeatable(5))
	require.NoError(t, err)
	require.Equal(t, 2, attempts)
	tries := 0
	err = c.db.InTx(c.mary, func(tx *rls.Tx) error { tries++; return tx.Exec(c.mary, admit, named(1, "twice")) }, rls.Repeatable(5))
	requireCode(t, err, "23505")
	require.Equal(t, 1, tries, "only what another transaction caused is tried again")
	c.healthy(t, c.db)
}

func TestSavepoints(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	mine := errors.New("mine")
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.Equal(t, mine, tx.Savepoint(c.mary, func(*rls.Tx) error { return mine }), "nothing was sent yet")
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "kept")))
		require.ErrorIs(t, tx.Savepoint(c.mary, func(tx *rls.Tx) error {
			require.NoError(t, tx.Exec(c.mary, rename, named(2, "undone")))
			return mine
		}), mine)
		requireCode(t, tx.Savepoint(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, admit, named(1, "twice")) }), "23505")
		err := tx.Savepoint(c.mary, func(tx *rls.Tx) error {
			_ = tx.Exec(c.mary, admit, named(1, "twice")) // swallowed
			return nil
		})
		require.ErrorIs(t, err, rls.ErrTxAborted)
		require.NoError(t, tx.Savepoint(c.mary, func(tx *rls.Tx) error {
			require.NoError(t, tx.Exec(c.mary, rename, named(3, "outer")))
			require.ErrorIs(t, tx.Savepoint(c.mary, func(tx *rls.Tx) error {
				require.NoError(t, tx.Exec(c.mary, rename, named(3, "inner")))
				return mine
			}), mine)
			return tx.Savepoint(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, named(4, "inner")) })
		}))
		func() {
			defer func() { require.Equal(t, "mine", recover()) }()
			_ = tx.Savepoint(c.mary, func(tx *rls.Tx) error {
				require.NoError(t, tx.Exec(c.mary, rename, named(5, "undone")))
				panic("mine")
			})
		}()
		return nil
	}))
	for id, want := range []string{1: "kept", "Mary 2", "outer", "inner", "Mary 5"} {
		if id > 0 {
			require.Equal(t, want, c.nameOf(t, mary, id))
		}
	}
	c.healthy(t, c.db)
}

// A part that can't be undone takes the whole transaction with it.
func TestSavepointThatCannotBeUndone(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
		var open pgx.Rows
		err := tx.Savepoint(c.mary, func(tx *rls.Tx) (err error) {
			require.NoError(t, tx.Exec(c.mary, rename, named(1, "half")))
			open, err = tx.Query(c.mary, allPatients)
			require.NoError(t, err)
			return errors.New("with rows open")
		})
		require.ErrorIs(t, err, rls.ErrBusy)
		open.Close()
		return open.Err()
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	c.healthy(t, c.db)
}
