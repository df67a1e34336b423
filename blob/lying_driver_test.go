package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/tenant"
)

// twisted is a driver whose bodies are made by a test.
type twisted struct {
	blob.Driver
	twist func(io.ReadCloser) io.ReadCloser // nil: as they are
}

func (d *twisted) Get(ctx context.Context, key blob.Key, offset int64) (io.ReadCloser, error) {
	body, err := d.Driver.Get(ctx, key, offset)
	if err == nil && d.twist != nil {
		body = d.twist(body)
	}
	return body, err
}

type madeBody struct {
	io.Reader
	io.Closer
}

// B04: whatever a storage gives back, it ends as an error, soon, and not one wrong byte of sealed content is handed out.
func TestAStorageThatLies(t *testing.T) {
	t.Parallel()
	with := func(change func(io.Reader) io.Reader) func(io.ReadCloser) io.ReadCloser {
		return func(body io.ReadCloser) io.ReadCloser { return madeBody{change(body), body} }
	}
	const size = 200_000
	lies := map[string]struct {
		twist func(io.ReadCloser) io.ReadCloser
		want  error
	}{
		"nothing at all": {func(body io.ReadCloser) io.ReadCloser { _ = body.Close(); return nil }, blob.ErrStorage},
		"an end at once": {with(func(io.Reader) io.Reader { return bytes.NewReader(nil) }), blob.ErrCorrupt},
		"other bytes":    {with(func(io.Reader) io.Reader { return bytes.NewReader(content(size+100, 7)) }), blob.ErrCorrupt},
		"fewer bytes":    {with(func(r io.Reader) io.Reader { return io.LimitReader(r, 50_000) }), blob.ErrCorrupt},
		"one byte more":  {with(func(r io.Reader) io.Reader { return io.MultiReader(r, bytes.NewReader([]byte{1})) }), blob.ErrCorrupt},
		"zeros for ever": {with(func(io.Reader) io.Reader { return zeros{} }), blob.ErrCorrupt},
		"no progress":    {with(func(io.Reader) io.Reader { return liar(func([]byte) (int, error) { return 0, nil }) }), blob.ErrStorage},
		"a count too large": {with(func(io.Reader) io.Reader {
			return liar(func(p []byte) (int, error) { return len(p) + 1, nil })
		}), blob.ErrStorage},
		"a negative count": {with(func(io.Reader) io.Reader { return liar(func([]byte) (int, error) { return -1, nil }) }), blob.ErrStorage},
		"a wrapped end": {with(func(io.Reader) io.Reader {
			return liar(func([]byte) (int, error) { return 0, fmt.Errorf("reset: %w", io.EOF) })
		}), blob.ErrStorage},
	}
	for _, plain := range []bool{false, true} {
		d := &twisted{}
		w := newWorld(t, func(c *blob.Config) { d.Driver, c.Driver, c.Plain = c.Driver, d, plain })
		tc := w.as("mercy")
		want := content(size, 1)
		ref := w.put(tc, want)
		for name, lie := range lies {
			for _, from := range []int64{0, 100_000} {
				d.twist = lie.twist
				r, err := w.Open(tc, ref)
				require.NoError(t, err)
				_, err = r.Seek(from, io.SeekStart)
				require.NoError(t, err)
				got, err := io.ReadAll(r)
				require.ErrorIs(t, err, lie.want, "%s, plain=%v, from %d", name, plain, from)
				require.Less(t, len(got), size-int(from), name)
				if !plain {
					require.True(t, bytes.HasPrefix(want[from:], got), name)
				}
				require.NoError(t, r.Close())
			}
		}
		d.twist = nil
		got, err := w.read(tc, ref)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	}
}

// An old version of an object under the same key: content that the tenant had before is not what the row says.
func TestAnOlderVersionIsRefused(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		d := &twisted{}
		w := newWorld(t, func(c *blob.Config) { d.Driver, c.Driver, c.Plain, c.Keys = c.Driver, d, plain, nil })
		tc := w.as("mercy")
		old := w.fileOf(tc, w.put(tc, content(1000, 1)))
		ref := w.put(tc, content(1000, 2))
		d.twist = func(body io.ReadCloser) io.ReadCloser { return madeBody{openFile(t, old), body} }
		_, err := w.read(tc, ref)
		require.ErrorIs(t, err, blob.ErrCorrupt)
	}
}

// hanging is a storage that answers nothing before the request ends.
type hanging struct{ blob.Driver }

func (hanging) Put(ctx context.Context, _ blob.Key, r io.Reader) error {
	_, _ = r.Read(make([]byte, 1))
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) Get(ctx context.Context, _ blob.Key, _ int64) (io.ReadCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) List(ctx context.Context) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		<-ctx.Done()
		yield(blob.Object{}, ctx.Err())
	}
}

func TestAStorageThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.put(w.as("mercy"), content(1000, 1))
	stuck := w.also(func(c *blob.Config) { c.Driver = hanging{c.Driver} })
	soon := func() tenant.Context {
		ctx, cancel := context.WithTimeout(w.as("mercy"), 50*time.Millisecond)
		t.Cleanup(cancel)
		tc, err := tenant.From(ctx)
		require.NoError(t, err)
		return tc
	}
	_, err := stuck.Put(soon(), bytes.NewReader(content(1000, 2)), blob.Meta{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	r, err := stuck.Open(soon(), ref)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	op, err := tenant.AsOperator(ctx, tenant.Mandate{Actor: "test", Purpose: "sweep", For: time.Hour,
		Observer: func(context.Context, tenant.OperatorEvent) error { return nil }})
	require.NoError(t, err)
	_, err = stuck.Sweep(op, tenants("mercy"))
	require.True(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, tenant.ErrExpired), err)
	require.Len(t, w.files(), 1)
	require.Zero(t, w.count("uploads"))
}

// Reading an empty blob, or any, from beyond its end is the end.
func TestBeyondTheEnd(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		w := newWorld(t, func(c *blob.Config) { c.Plain = plain })
		for _, size := range []int{0, 1, 100_000} {
			r, err := w.Open(w.as("mercy"), w.put(w.as("mercy"), content(size, 1)))
			require.NoError(t, err)
			for _, at := range []int64{int64(size) + 1, int64(size) + 70_000, 1 << 40, 1<<63 - 1, int64(size)} {
				_, err := r.Seek(at, io.SeekStart)
				require.NoError(t, err)
				n, err := r.Read(make([]byte, 10))
				require.Zero(t, n)
				require.Equal(t, io.EOF, err, "%d of %d, plain=%v", at, size, plain)
			}
			_, err = r.Seek(1<<62, io.SeekCurrent)
			require.NoError(t, err)
			_, err = r.Seek(1<<62, io.SeekCurrent)
			require.Error(t, err, "the sum is more than there are numbers")
			require.NoError(t, r.Close())
		}
	}
}
