package rls_test

import (
	"testing"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// newDistantClinic has a DB whose only connection goes through a proxy.
func newDistantClinic(t testing.TB) (*clinic, *proxy) {
	c := newClinic(t)
	p, url := newProxy(t, c.AppURL)
	c.db = c.open(t, func(cfg *rls.Config) { cfg.URL, cfg.MaxConns, cfg.PingAfter = url, 1, time.Hour })
	return c, p
}

// What the package promises about the network, counted on it.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	c, p := newDistantClinic(t)
	id := query.Args{"id": 1}
	name := query.Args{"id": 1, "name": "x"}
	read := func() {
		_, err := rls.One[patient](c.mary, c.db, onePatient, id)
		require.NoError(t, err)
	}
	write := func() { require.NoError(t, c.db.Exec(c.mary, rename, name)) }
	reads, writes := &rls.Batch{}, &rls.Batch{}
	var patients []patient
	var names []string
	rls.Collect(reads, &patients, allPatients)
	rls.Collect(reads, &names, patientName, id)
	writes.Exec(rename, name)
	writes.Exec(rename, query.Args{"id": 2, "name": "y"})
	batch := func(b *rls.Batch) func() { return func() { require.NoError(t, c.db.Batch(c.mary, b)) } }
	tx := func(fn func(tx *rls.Tx) error, opts ...rls.TxOption) func() {
		return func() { require.NoError(t, c.db.InTx(c.mary, fn, opts...)) }
	}
	in := func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, name) }

	for _, warm := range []func(){read, write, batch(reads), batch(writes)} {
		warm()
	}
	for _, of := range []struct {
		name string
		fn   func()
		want int64
	}{
		{"a read", read, 1},
		{"a write", write, 1},
		{"another tenant's read on the same connection", func() { _, _ = rls.All[patient](c.paul, c.db, allPatients) }, 1},
		{"a refused write", func() { require.Error(t, c.db.Exec(c.mary, rename, query.Args{"id": 99, "name": "z"})) }, 1},
		{"a batch of reads", batch(reads), 1},
		{"a batch of writes, and its commit", batch(writes), 2},
		{"an empty transaction", tx(func(*rls.Tx) error { return nil }), 0},
		{"a transaction of one statement", tx(in), 2},
		{"a transaction of three, with options", tx(func(tx *rls.Tx) error {
			for range 3 {
				if err := in(tx); err != nil {
					return err
				}
			}
			return nil
		}, rls.Isolation("serializable"), rls.Deferrable()), 4},
		{"a transaction with two savepoints", tx(func(tx *rls.Tx) error {
			for range 2 {
				if err := tx.Savepoint(c.mary, in); err != nil {
					return err
				}
			}
			return tx.Savepoint(c.mary, func(*rls.Tx) error { return nil })
		}), 3},
		{"a statement without a tenant's parameter", func() { _, _ = rls.All[struct{ Code, Title string }](c.mary, c.db, allCodes) }, 2},
		{"the same, prepared", func() { _, _ = rls.All[struct{ Code, Title string }](c.mary, c.db, allCodes) }, 1},
	} {
		require.Equal(t, of.want, p.count(of.fn), of.name)
	}
}

// A slow line costs one delay, not more.
func TestDelay(t *testing.T) {
	t.Parallel()
	c, p := newDistantClinic(t)
	read := func() {
		_, err := rls.One[patient](c.mary, c.db, onePatient, query.Args{"id": 1})
		require.NoError(t, err)
	}
	read()
	p.delay.Store(int64(100 * time.Millisecond))
	start := time.Now()
	read()
	took := time.Since(start)
	require.GreaterOrEqual(t, took, 200*time.Millisecond)
	require.Less(t, took, 380*time.Millisecond, "one round trip of 200 ms, not two")
}
