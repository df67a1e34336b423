package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// stormTime is how long storms rage: SEPTUM_STORM=60s, or some seconds.
func stormTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SEPTUM_STORM")
	if text == "" {
		if testing.Short() {
			return time.Second
		}
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// B03, B05: 12 writers, each a tenant of its own, put, read and delete the same few contents while 3 sweeps run. No writer
// loses what it put, and at the end nothing is left that nobody owns. With scope Global writers share content, so that storm
// rages for the whole time; the other is beside it, and shorter.
func TestStormOfWritersAndSweeps(t *testing.T) {
	t.Parallel()
	for _, scope := range []blob.Scope{blob.PerTenant, blob.Global} {
		t.Run(fmt.Sprintf("scope=%d", scope), func(t *testing.T) {
			t.Parallel()
			length := stormTime(t)
			if scope == blob.PerTenant {
				length /= 4
			}
			w := newWorld(t, func(c *blob.Config) { c.Scope = scope })
			db := w.database.Open(t, func(c *rls.Config) { c.MaxConns, c.AcquireTimeout = 16, time.Minute })
			store := w.also(func(c *blob.Config) { c.DB = db })
			var ids []string
			for i := range 12 {
				ids = append(ids, fmt.Sprintf("tenant-%d", i))
			}
			var stop atomic.Bool
			var writers, sweepers sync.WaitGroup
			var puts, reads, merged, freed atomic.Int64
			problems := make(chan error, 100)
			report := func(err error) {
				select {
				case problems <- err:
				default:
				}
				stop.Store(true)
			}
			for i, id := range ids {
				tc := w.as(id)
				writers.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(i)))
					for !stop.Load() {
						if err := oneWriter(store, tc, random, &puts, &reads); err != nil {
							report(fmt.Errorf("writer %d: %w", i, err))
						}
					}
				})
			}
			ops := []tenant.Operator{operator(t), operator(t), operator(t)}
			for i, op := range ops {
				sweepers.Go(func() {
					for !stop.Load() {
						swept, err := store.Sweep(op, tenants(ids...))
						merged.Add(swept.Merged)
						freed.Add(swept.Freed)
						if err != nil {
							report(fmt.Errorf("sweep %d: %w", i, causes(err)))
						}
					}
				})
			}
			for end := time.Now().Add(length); time.Now().Before(end) && !stop.Load(); {
				time.Sleep(20 * time.Millisecond)
			}
			stop.Store(true)
			writers.Wait()
			sweepers.Wait()
			close(problems)
			for err := range problems {
				t.Error(err)
			}
			t.Logf("%d puts, %d reads, %d merged, %d freed", puts.Load(), reads.Load(), merged.Load(), freed.Load())
			require.Positive(t, reads.Load())
			w.requireTidy(store, ids)
		})
	}
}

// oneWriter puts, reads back, and mostly deletes. Few contents of few sizes, so that all writers meet in them.
func oneWriter(store *blob.Store, tc tenant.Context, random *rand.Rand, puts, reads *atomic.Int64) error {
	want := content(1+70_000*random.IntN(2), byte(random.IntN(4)))
	ref, err := store.Put(tc, bytes.NewReader(want), blob.Meta{})
	if err != nil {
		return err
	}
	puts.Add(1)
	for range random.IntN(3) {
		r, err := store.Open(tc, ref)
		if err != nil {
			return fmt.Errorf("a lost blob: %w", err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("a lost blob: %w", err)
		}
		if !bytes.Equal(want, got) {
			return errors.New("other bytes than were put")
		}
		reads.Add(1)
	}
	if random.IntN(4) > 0 {
		return store.Delete(tc, ref)
	}
	return nil
}

// requireTidy sweeps, and looks whether each row has its bytes and each file its row.
func (w *world) requireTidy(store *blob.Store, ids []string) {
	w.t.Helper()
	w.sweep(store, ids...)
	w.sweep(store, ids...) // what the first one of two tenants loosened belongs to the other
	scrubbed, err := store.Scrub(operator(w.t), tenants(ids...))
	require.NoError(w.t, err)
	require.Empty(w.t, scrubbed.Rot)
	require.Equal(w.t, int64(w.count("blobs")), scrubbed.Blobs, "rows without bytes")
	require.Equal(w.t, w.count("blobs"), w.count("links"))
	require.Len(w.t, w.files(), w.count("content"), "files without rows")
	require.Zero(w.t, w.count("content c where not exists (select from septum_blob.links l where l.content_id = c.id)"))
	for _, table := range []string{"uploads", "loose", "garbage", "fresh"} {
		require.Zero(w.t, w.count(table), table)
	}
	require.Zero(w.t, w.count(`(select u.tenant_id from septum_blob.usage u group by u.tenant_id having sum(u.blobs) <>
		(select count(*) from septum_blob.blobs b where b.tenant_id = u.tenant_id)) as wrong`), "counters that don't add up")
}
