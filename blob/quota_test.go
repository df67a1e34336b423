package blob_test

import (
	"bytes"
	"errors"
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
