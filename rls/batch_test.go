package rls_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

func TestBatches(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	var b rls.Batch
	var found []patient
	var n int64
	b.Exec(rename, named(1, "one"))
	b.Affected(&n, rename, named(99, "none"))
	rls.Collect(&b, &found, allPatients)
	b.Query(func(rows pgx.Rows) error {
		require.Nil(t, rows.Conn())
		require.True(t, rows.Next())
		return nil // the rest is read for it
	}, allPatients)
	require.Equal(t, 4, b.Len())
	for range 2 {
		require.NoError(t, c.db.Batch(c.mary, &b))
		require.Len(t, found, 20)
		require.Equal(t, "one", found[0].Name, "later statements see what earlier ones wrote")
		require.Zero(t, n)
	}
	require.NoError(t, c.db.Batch(c.paul, &b))
	require.Equal(t, "Paul 2", found[1].Name)

	mine := errors.New("mine")
	for name, add := range map[string]func(b *rls.Batch){
		"the server refuses":    func(b *rls.Batch) { b.Exec(admit, named(3, "twice")) },
		"nothing to write":      func(b *rls.Batch) { b.Exec(rename, named(99, "none")) },
		"a reader's error":      func(b *rls.Batch) { b.Query(func(pgx.Rows) error { return mine }, allPatients) },
		"an argument's type":    func(b *rls.Batch) { b.Query(func(pgx.Rows) error { return nil }, onePatient, query.Args{"id": "abc"}) },
		"a destination's type":  func(b *rls.Batch) { rls.Collect(b, new([]int), allPatients) },
		"an argument's name":    func(b *rls.Batch) { b.Exec(rename, query.Args{"nme": 1}) },
		"no statement":          func(b *rls.Batch) { b.Exec(nil) },
		"an argument's encoder": func(b *rls.Batch) { b.Exec(rename, query.Args{"id": struct{ X chan int }{}, "name": "x"}) },
	} {
		var b rls.Batch
		b.Exec(rename, named(3, "half done"))
		add(&b)
		b.Exec(rename, named(4, "half done"))
		require.Error(t, c.db.Batch(c.mary, &b), name)
		require.Equal(t, "Mary 3", c.nameOf(t, mary, 3), name)
		require.Equal(t, "Mary 4", c.nameOf(t, mary, 4), name)
	}
	require.Panics(t, func() {
		var b rls.Batch
		b.Query(func(pgx.Rows) error { panic("mine") }, allPatients)
		b.Query(func(pgx.Rows) error { return nil }, allPatients)
		_ = c.db.Batch(c.mary, &b)
	})
	c.healthy(t, c.db)
	require.Eventually(t, func() bool { return c.db.Stats().InUse == 0 }, time.Second, time.Millisecond)
}
