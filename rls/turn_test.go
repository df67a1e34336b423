package rls_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// X01, X09: a goroutine that outlives the function of its transaction gets ErrBusy or ErrTxDone, or its own tenant's rows, and
// never a connection that is another tenant's by then; and that one gets its own replies, all of them.
func TestAGoroutineThatOutlivesItsTransaction(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 2 })
	var wrong atomic.Pointer[string]
	note := func(text string) { wrong.CompareAndSwap(nil, &text) }
	lates := []func(tx *rls.Tx) error{
		func(tx *rls.Tx) error {
			found, err := rls.All[patient](c.mary, tx, allPatients)
			for _, p := range found {
				if !strings.HasPrefix(p.Name, "Mary ") {
					note("mary's goroutine read " + p.Name)
				}
			}
			if err == nil && len(found) != 20 {
				note("mary's goroutine read less than all, and no error")
			}
			return err
		},
		func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, named(1, "Mary late")) },
		func(tx *rls.Tx) error {
			var b rls.Batch
			b.Exec(rename, named(2, "Mary late"))
			return tx.Batch(c.mary, &b)
		},
		func(tx *rls.Tx) error {
			return tx.Savepoint(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, named(3, "Mary late")) })
		},
		func(tx *rls.Tx) error {
			rows, err := tx.Query(c.mary, allPatients)
			for rows.Next() {
			}
			return errors.Join(err, rows.Err())
		},
	}
	var stop atomic.Bool
	var others, late sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for !stop.Load() {
				found, err := rls.All[patient](c.paul, c.db, allPatients)
				switch {
				case err != nil:
					note("paul's request failed: " + err.Error())
				case len(found) != 20 || !strings.HasPrefix(found[0].Name, "Paul "):
					note("paul's request read something else")
				}
			}
		})
	}
	end := time.Now().Add(200 * time.Millisecond)
	for i := 0; time.Now().Before(end) && wrong.Load() == nil; i++ {
		func() {
			defer func() { _ = recover() }()
			err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
				_ = tx.Exec(c.mary, rename, named(4, "Mary late"))
				for range 2 {
					late.Go(func() {
						for n := range 8 {
							if err := lates[(i+n)%len(lates)](tx); err != nil && !errors.Is(err, rls.ErrBusy) && !errors.Is(err, rls.ErrTxDone) &&
								!errors.Is(err, rls.ErrTxAborted) { // a savepoint that could not be undone
								note("mary's goroutine: " + err.Error())
							}
						}
					})
				}
				time.Sleep(rand.N(300 * time.Microsecond))
				switch i % 3 {
				case 0:
					return errors.New("rolled back")
				case 1:
					panic("rolled back")
				}
				return nil
			})
			if i%3 == 2 && err != nil && !errors.Is(err, rls.ErrBusy) && !errors.Is(err, rls.ErrTxAborted) {
				note("mary's transaction: " + err.Error())
			}
		}()
		late.Wait()
	}
	stop.Store(true)
	others.Wait()
	if text := wrong.Load(); text != nil {
		t.Fatal(*text)
	}
	free, tenants, _ := c.db.Admission().State()
	require.Equal(t, []int{2, 0}, []int{free, tenants})
	c.healthy(t, c.db)
}

// Rows of a transaction that has ended give no rows, and an error.
func TestRowsThatOutliveTheirTransaction(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
		rows, err := tx.Query(c.mary, allPatients)
		require.NoError(t, err)
		require.True(t, rows.Next())
		t.Cleanup(func() {
			var p patient
			require.NoError(t, rows.Scan(&p.ID, &p.Name), "what was read is there")
			require.Equal(t, "Mary 1", p.Name)
			require.False(t, rows.Next())
			require.ErrorIs(t, rows.Err(), rls.ErrTxDone)
			rows.Close()
			require.Error(t, rows.Scan(&p.ID, &p.Name))
			c.healthy(t, c.db)
		})
		return nil
	})
	require.ErrorIs(t, err, rls.ErrBusy)
	found, err := rls.All[patient](c.paul, c.db, allPatients)
	require.NoError(t, err, "the connection came back at once")
	require.Equal(t, "Paul 1", found[0].Name)

	// A part that ends with rows open can't be told from a half one.
	err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "half")))
		require.ErrorIs(t, tx.Savepoint(c.mary, func(tx *rls.Tx) error {
			rows, err := tx.Query(c.mary, allPatients)
			t.Cleanup(rows.Close)
			return err
		}), rls.ErrBusy)
		return nil
	})
	require.ErrorIs(t, err, rls.ErrBusy)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	c.healthy(t, c.db)
}
