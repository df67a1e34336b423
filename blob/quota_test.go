package blob_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/tenant"
)

func TestQuotas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) {
		c.QuotaOf = func(id tenant.ID) blob.Quota {
			switch id.String() {
			case "blobs":
				return blob.Quota{MaxBlobs: 2}
			case "bytes":
				return blob.Quota{MaxBytes: 1000}
			case "size":
				return blob.Quota{MaxSize: 300_000}
			case "rate":
				return blob.Quota{PerMinute: 1000}
			}
			return blob.Quota{}
		}
	})
	put := func(id string, size int, seed byte) error {
		_, err := w.Put(w.as(id), bytes.NewReader(content(size, seed)), blob.Meta{})
		return err
	}
	require.NoError(t, put("blobs", 10, 1))
	require.NoError(t, put("blobs", 10, 2))
	require.ErrorIs(t, put("blobs", 10, 3), blob.ErrQuota)
	require.NoError(t, put("blobs", 10, 2), "what is there already does not count again")
	require.NoError(t, put("free", 10, 3), "each has its own")
	blobs, _, err := w.List(w.as("blobs"), blob.Page{})
	require.NoError(t, err)
	require.NoError(t, w.Delete(w.as("blobs"), blobs[0].Ref))
	require.NoError(t, put("blobs", 10, 3))

	require.NoError(t, put("bytes", 600, 1))
	require.ErrorIs(t, put("bytes", 401, 2), blob.ErrQuota)
	require.NoError(t, put("bytes", 400, 2))
	require.ErrorIs(t, put("bytes", 1, 3), blob.ErrQuota)

	require.NoError(t, put("size", 300_000, 1))
	require.ErrorIs(t, put("size", 300_001, 1), blob.ErrTooLarge)

	require.NoError(t, put("rate", 600, 1))
	require.ErrorIs(t, put("rate", 600, 2), blob.ErrQuota)
	require.ErrorIs(t, put("rate", 1, 3), blob.ErrQuota, "what failed counts too")

	w.sweep(w.Store, "blobs", "bytes", "size", "rate", "free")
	require.Len(t, w.files(), w.count("blobs"), "nothing is kept of what was refused")
}

// A quota holds to the last blob when many upload at once.
func TestAQuotaAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Quota = blob.Quota{MaxBlobs: 5, MaxBytes: 1000} })
	tc := w.as("mercy")
	var all sync.WaitGroup
	var kept, refused atomic.Int32
	for i := range 16 {
		all.Go(func() {
			_, err := w.Put(tc, bytes.NewReader(content(10, byte(i))), blob.Meta{})
			switch {
			case err == nil:
				kept.Add(1)
			case errors.Is(err, blob.ErrQuota):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, int32(5), kept.Load())
	require.Equal(t, int32(11), refused.Load())
	usage, err := w.Usage(tc)
	require.NoError(t, err)
	require.Equal(t, blob.Usage{Blobs: 5, Bytes: 50}, usage)
}

// What can't fit is not stored first: the disk is everybody's. What is there already may be put again.
func TestAQuotaEndsAnUpload(t *testing.T) {
	t.Parallel()
	var quota atomic.Pointer[blob.Quota]
	quota.Store(&blob.Quota{MaxBytes: 500_000})
	w := newWorld(t, func(c *blob.Config) { c.QuotaOf = func(tenant.ID) blob.Quota { return *quota.Load() } })
	tc := w.as("mercy")
	for name, limit := range map[string]blob.Quota{
		"bytes": {MaxBytes: 500_000}, "rate": {PerMinute: 500_000}, "both": {MaxBytes: 1 << 40, PerMinute: 500_000},
	} {
		quota.Store(&limit)
		read := int64(0)
		_, err := w.Put(w.as(name), io.LimitReader(zeros{}, 1<<40), blob.Meta{Progress: func(n int64) { read = n }})
		require.ErrorIs(t, err, blob.ErrQuota, name)
		require.Less(t, read, int64(1_000_000), name)
	}
	w.requireNothingKept()

	// The quota is lowered below what is there: nothing is lost, and nothing new comes in.
	quota.Store(&blob.Quota{})
	ref := w.put(tc, content(300_000, 1))
	for _, lowered := range []blob.Quota{{MaxBytes: 1000}, {MaxBlobs: 1, MaxBytes: 1000}} {
		quota.Store(&lowered)
		got, err := w.read(tc, ref)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content(300_000, 1), got))
		require.Equal(t, ref, w.put(tc, content(300_000, 1)), "it is there already")
		_, err = w.Put(tc, bytes.NewReader(content(10, 2)), blob.Meta{})
		require.ErrorIs(t, err, blob.ErrQuota)
	}
	// What is left may be computed, and come out negative: that is nothing, and not "no bound".
	for _, negative := range []blob.Quota{{MaxBlobs: -1}, {MaxBytes: -1}, {MaxSize: -1}, {PerMinute: -1}} {
		quota.Store(&negative)
		_, err := w.Put(tc, bytes.NewReader(content(10, 2)), blob.Meta{})
		require.ErrorIs(t, err, blob.ErrQuota)
	}
	require.NoError(t, w.Delete(tc, ref))
	quota.Store(&blob.Quota{MaxBytes: 1000})
	w.put(tc, content(10, 2))
}

// A quota of bytes, and one of bytes per minute, hold when two uploads at once would each fit alone.
func TestTwoUploadsAtTheLimit(t *testing.T) {
	t.Parallel()
	for name, quota := range map[string]blob.Quota{"bytes": {MaxBytes: 1000}, "rate": {PerMinute: 1000}, "blobs": {MaxBlobs: 1}} {
		w := newWorld(t, func(c *blob.Config) { c.Quota = quota })
		tc := w.as("mercy")
		var all, both sync.WaitGroup
		var kept atomic.Int32
		both.Add(2)
		for i := range 2 {
			all.Go(func() {
				// Each waits at its end for the other, so that both have looked at the quota before one is counted.
				_, err := w.Put(tc, &hookReader{r: bytes.NewReader(content(700, byte(i))), atEnd: func() { both.Done(); both.Wait() }}, blob.Meta{})
				if err == nil {
					kept.Add(1)
				} else if !errors.Is(err, blob.ErrQuota) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, kept.Load(), int32(1), name)
		if name != "rate" { // of two that together are too fast, both may be refused
			require.Equal(t, int32(1), kept.Load(), name)
		}
		usage, err := w.Usage(tc)
		require.NoError(t, err)
		require.LessOrEqual(t, usage.Bytes, int64(700), name)
		require.Len(t, w.files(), int(usage.Blobs), name)
	}
}

// A clock that was set back does not bar the tenant until it is there again; a minute that is over does not count.
func TestARateAndTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Quota = blob.Quota{PerMinute: 1000} })
	tc := w.as("mercy")
	for i, shift := range []string{"1 year", "-61 seconds", "2 minutes"} {
		w.put(tc, content(900, byte(2*i)))
		_, err := w.Put(tc, bytes.NewReader(content(900, byte(2*i+1))), blob.Meta{})
		require.ErrorIs(t, err, blob.ErrQuota)
		_, err = w.database.Admin(t).Exec(t.Context(), "update septum_blob.rates set started = now() + $1::text::interval", shift)
		require.NoError(t, err)
	}
	w.put(tc, content(900, 100))
}

// On a snapshot the sum of others could not be seen: a quota says so, and is not passed over.
func TestQuotasNeedReadCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.database.Admin(t).Exec(t.Context(), "alter database "+w.database.Name+" set default_transaction_isolation = 'repeatable read'")
	require.NoError(t, err)
	db := w.database.Open(t)
	bounded := w.also(func(c *blob.Config) { c.DB, c.Quota = db, blob.Quota{MaxBlobs: 10} })
	_, err = bounded.Put(w.as("mercy"), bytes.NewReader(content(10, 1)), blob.Meta{})
	require.ErrorContains(t, err, "55000")
	w.requireNothingKept()
	_, err = w.also(func(c *blob.Config) { c.DB = db }).Put(w.as("mercy"), bytes.NewReader(content(10, 1)), blob.Meta{})
	require.NoError(t, err)
}
