package rls_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// A statement that the server does not even parse fails within its savepoint, though that was not sent yet.
func TestSavepointBeforeAStatementThatCantBePrepared(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "one")))
		requireCode(t, tx.Savepoint(c.mary, func(tx *rls.Tx) error {
			return failed(tx.QueryUnproved(c.mary, `select no_such_column from patients`))
		}), "42703")
		return tx.Exec(c.mary, rename, named(2, "two"))
	}))
	require.Equal(t, "one", c.nameOf(t, mary, 1))
	require.Equal(t, "two", c.nameOf(t, mary, 2))
}

// X08: what failed before a savepoint is not forgotten when the savepoint's own part goes well.
func TestSavepointDoesNotHideWhatFailedBefore(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	require.ErrorIs(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		_ = failed(tx.QueryUnproved(c.mary, `select no_such_column from patients`)) // swallowed
		return tx.Savepoint(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, named(1, "half")) })
	}), rls.ErrTxAborted)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
}

// A plan that goes stale in the middle of a transaction fails it: to begin again would lose what was done before.
func TestStalePlanInTheMiddleOfATransaction(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	codes := func(q rls.Querier) error {
		_, err := rls.All[struct{ Code, Title string }](c.mary, q, allCodes)
		return err
	}
	require.NoError(t, codes(c.db))
	err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "half")))
		c.sql(t, `alter table codes alter title type varchar(80)`)
		requireCode(t, codes(tx), "0A000")
		return nil
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	require.NoError(t, codes(c.db))
}

// A deadlock is another transaction's doing, as a serialization failure is.
func TestDeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	for declared, want := range map[int]int{1: 1, 5: 3} {
		attempts := 0
		err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
			if attempts++; attempts < 3 {
				rows, err := tx.QueryUnproved(c.mary, `do $$ begin raise exception using errcode = '40P01'; end $$`)
				rows.Close()
				if err == nil {
					err = rows.Err()
				}
				return err
			}
			return nil
		}, rls.Repeatable(declared))
		require.Equal(t, want, attempts)
		require.Equal(t, declared > 1, err == nil)
	}
}

// A COMMIT is done when the server says COMMIT, undone when it says ROLLBACK, and unknown otherwise.
func TestCommitHasOneAnswer(t *testing.T) {
	t.Parallel()
	c, line := newRelayedClinic(t)
	for tag, want := range map[string]error{"ROLLBACK": rls.ErrTxAborted, "INSERT 0 1": rls.ErrOutcomeUnknown, "COMMIT": nil} {
		line.during(func(m []byte) ([]byte, bool) {
			if m[0] == 'C' && string(m[5:]) == "COMMIT\x00" {
				return wire(t, &pgproto3.CommandComplete{CommandTag: []byte(tag)}), true
			}
			return m, true
		}, func() {
			err := c.db.InTx(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, named(1, "x")) })
			if want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, want, tag)
			}
		})
	}
	c.healthy(t, c.db)
}

// X10: the wait for a connection that can't be made has an end of its own.
func TestWaitForAConnectionHasAnEnd(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	p, url := newProxy(t, c.AppURL)
	db := c.open(t, func(cfg *rls.Config) {
		cfg.URL, cfg.MaxConns, cfg.AcquireTimeout, cfg.ConnectTimeout = url, 1, 200*time.Millisecond, 20*time.Second
	})
	p.silent.Store(true) // whoever connects waits for a greeting
	start := time.Now()
	_, err := rls.One[patient](c.mary, db, onePatient, query.Args{"id": 1})
	require.ErrorIs(t, err, rls.ErrPoolExhausted)
	require.Less(t, time.Since(start), 10*time.Second)
	p.calm()
	require.Eventually(t, func() bool {
		_, err := rls.One[patient](c.mary, db, onePatient, query.Args{"id": 1})
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}
