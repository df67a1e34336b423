package rls_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// No slot is lost by errors, cancels and panics, and the next request works.
func TestSlotsComeBack(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.Limits = rls.Limits{MaxWait: 50 * time.Millisecond, MaxConns: 3} })
	for range 5 {
		_ = c.db.Exec(c.mary, admit, query.Args{"id": 1, "name": "again"})
		_ = c.db.Exec(c.mary, admit, query.Args{"id": "no number", "name": "x"})
		ctx, cancel := context.WithCancel(context.Background())
		rows, _ := c.db.Query(bind(t, ctx, mary), allPatients)
		rows.Next()
		cancel()
		for rows.Next() {
		}
		require.Error(t, failed(c.db.Query(bind(t, ctx, mary), allPatients)))
		for _, gone := range []func(*rls.Tx) error{
			func(*rls.Tx) error { return errors.New("rolled back") },
			func(tx *rls.Tx) error { _, _ = tx.Query(c.mary, allPatients); panic("with rows open") },
			func(tx *rls.Tx) error { _ = tx.Exec(c.mary, admit, query.Args{"id": 1, "name": "x"}); return nil },
		} {
			func() {
				defer func() { _ = recover() }()
				_ = c.db.InTx(c.mary, gone)
			}()
		}
	}
	free, tenants, _ := c.db.Admission().State()
	require.Equal(t, []int{4, 0}, []int{free, tenants})

	open := make([]func(), 0, 3)
	for range 3 {
		rows, err := c.db.Query(c.mary, allPatients)
		require.NoError(t, err)
		open = append(open, rows.Close)
	}
	err := failed(c.db.Query(c.mary, allPatients))
	require.ErrorIs(t, err, rls.ErrTenantBusy)
	var status interface{ HTTPStatus() int }
	require.ErrorAs(t, err, &status)
	require.Equal(t, 429, status.HTTPStatus())
	found, err := rls.All[patient](c.paul, c.db, allPatients)
	require.NoError(t, err, "another tenant is not in its way")
	require.Len(t, found, 20)
	for _, close := range open {
		close()
	}
	c.healthy(t, c.db)
}

// A statement that is too slow, and a transaction that does nothing for too long, are ended by the server, as the tenant's
// limits say; and the next request works. On direct connections and behind a pooler.
func TestTooSlow(t *testing.T) {
	t.Parallel()
	limits := rls.Limits{StatementTimeout: 300 * time.Millisecond, IdleInTransaction: 300 * time.Millisecond}
	own := func(id tenant.ID) rls.Limits {
		if id == mary {
			return limits
		}
		return rls.Limits{}
	}
	all := func(cfg *rls.Config) { cfg.Limits = limits }
	each := func(cfg *rls.Config) { cfg.LimitsFor = own }
	for _, of := range []struct {
		name   string
		pooled bool
		set    func(*rls.Config)
	}{
		{"for all, direct", false, all}, {"for one tenant, direct", false, each},
		{"for all, behind a pooler", true, all}, {"for one tenant, behind a pooler", true, each},
	} {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			var cfg rls.Config
			of.set(&cfg)
			var c *clinic
			if of.pooled {
				c = newClinic(t)
				c.settle(t, cfg.Limits)
				url := c.newBouncer(t, map[string]string{"default_pool_size": "2"})
				c.db = c.open(t, of.set, func(cfg *rls.Config) { cfg.URL = url })
			} else {
				c = newClinic(t, of.set)
			}
			slow := func(tc tenant.Context, seconds float64) error {
				rows, err := c.db.QueryUnproved(tc, fmt.Sprintf(`select pg_sleep(%v)`, seconds))
				rows.Close()
				return errors.Join(err, rows.Err())
			}
			for range 2 {
				start := time.Now()
				require.ErrorIs(t, slow(c.mary, 30), rls.ErrTooSlow)
				require.Less(t, time.Since(start), 5*time.Second)
				require.NoError(t, slow(c.mary, 0.001))
			}
			require.ErrorIs(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
				if err := tx.Exec(c.mary, rename, query.Args{"id": 1, "name": "half done"}); err != nil {
					return err
				}
				time.Sleep(900 * time.Millisecond)
				return tx.Exec(c.mary, rename, query.Args{"id": 2, "name": "half done"})
			}), rls.ErrTooSlow)
			require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
			if cfg.LimitsFor != nil {
				require.NoError(t, slow(c.paul, 0.6), "another tenant's limit is its own")
				require.NoError(t, c.db.InTx(c.paul, func(tx *rls.Tx) error {
					for range 2 {
						if err := tx.Exec(c.paul, rename, query.Args{"id": 1, "name": "Paul 1"}); err != nil {
							return err
						}
						time.Sleep(600 * time.Millisecond)
					}
					return nil
				}))
			}
			for range c.db.Stats().Max { // the connection that the server ended is found out
				_, _ = rls.All[patient](c.mary, c.db, allPatients)
			}
			c.healthy(t, c.db)
		})
	}
}
