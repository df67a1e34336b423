package rls_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// A prepared statement whose meaning changed is prepared again where nothing is lost by it.
func TestStalePlans(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	read := func() error { _, err := rls.All[patient](c.mary, c.db, allPatients); return err }
	inTx := func() error {
		return c.db.InTx(c.mary, func(tx *rls.Tx) error { _, err := rls.All[patient](c.mary, tx, allPatients); return err })
	}
	inBatch := func() error {
		var b rls.Batch
		var found []patient
		rls.Collect(&b, &found, allPatients)
		return c.db.Batch(c.mary, &b)
	}
	types := []string{"varchar(80)", "text"}
	for i, run := range []func() error{read, inTx, inBatch, read} {
		require.NoError(t, run())
		c.sql(t, `alter table patients alter name type `+types[i%2]) // 0A000: cached plan must not change result type
		require.NoError(t, run())
	}
	// 26000: something closed the prepared statements, the scope's too. Such a connection is given up.
	deallocate := func() {
		rows, err := c.db.QueryUnproved(c.mary, `deallocate all`)
		require.NoError(t, err)
		rows.Close()
	}
	deallocate()
	require.NoError(t, read())
	for _, run := range []func() error{inTx, inBatch} {
		require.NoError(t, run())
		deallocate()
		requireCode(t, run(), "26000")
		require.NoError(t, run(), "on a new connection")
	}
	// In the middle of a transaction there is no going back.
	err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "x")))
		rows, err := tx.QueryUnproved(c.mary, `deallocate "`+allPatients.ID()+`"`)
		require.NoError(t, err)
		rows.Close()
		require.NoError(t, rows.Err())
		_, err = rls.All[patient](c.mary, tx, allPatients)
		return err
	})
	requireCode(t, err, "26000")
	require.NoError(t, read())
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	c.healthy(t, c.db)
}

func TestStatementCache(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns, cfg.StatementCache = 1, 2 })
	for range 3 {
		for _, stmt := range []*query.Statement{allPatients, countAll, allCodes} {
			rows, err := c.db.Query(c.mary, stmt)
			require.NoError(t, err)
			rows.Close()
			require.NoError(t, rows.Err())
		}
	}
	known, atServer := c.db.Prepared(t.Context())
	require.Equal(t, 2, known)
	require.Equal(t, "2", atServer)

	// A batch may be longer than the cache.
	var b rls.Batch
	var found []patient
	var n []int
	rls.Collect(&b, &found, allPatients)
	rls.Collect(&b, &n, countAll)
	b.Query(func(rows pgx.Rows) error { return nil }, allCodes)
	rls.Collect(&b, &found, onePatient, query.Args{"id": 1})
	require.NoError(t, c.db.Batch(c.mary, &b))
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error { return tx.Batch(c.mary, &b) }))
	require.Equal(t, []int{20}, n)
	require.Equal(t, []patient{{1, "Mary 1"}}, found)
	c.healthy(t, c.db)
	known, atServer = c.db.Prepared(t.Context())
	require.LessOrEqual(t, known, 4)
	require.NotEqual(t, "0", atServer)

	// Equal ids with different texts never meet.
	for _, want := range []int{1, 2} {
		rows, err := c.db.QueryUnproved(c.mary, `select                                              `+string(rune('0'+want)))
		require.Equal(t, want, count(t, rows, err))
	}
}
