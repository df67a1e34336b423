package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
)

// between runs something when the bytes are stored and the row is not.
type between struct {
	blob.Driver
	then func()
}

func (b *between) Put(ctx context.Context, key blob.Key, r io.Reader) error {
	err := b.Driver.Put(ctx, key, r)
	b.then()
	return err
}

// B05: whoever takes the upload's row first decides, its finish or a sweep that found it too old.
func TestAnUploadSweptBeforeItsFinish(t *testing.T) {
	t.Parallel()
	d := &between{}
	w := newWorld(t, func(c *blob.Config) { d.Driver, c.Driver = c.Driver, d })
	hasty := w.also(func(c *blob.Config) { c.Driver, c.Grace = d.Driver, time.Nanosecond })
	d.then = func() { require.Equal(t, int64(1), w.sweep(hasty, "mercy").Uploads) }
	_, err := w.Put(w.as("mercy"), bytes.NewReader(content(1000, 1)), blob.Meta{})
	require.ErrorIs(t, err, blob.ErrExpired)
	w.requireNothingKept()
}

// brittle is a storage whose connections break in the middle.
type brittle struct {
	blob.Driver
	breaks atomic.Int32 // how many more connections break
}

func (b *brittle) Get(ctx context.Context, key blob.Key, offset int64) (io.ReadCloser, error) {
	body, err := b.Driver.Get(ctx, key, offset)
	if err == nil && b.breaks.Add(-1) >= 0 {
		body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(body, 200_000), broken{}), body}
	}
	return body, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// B04: a connection that breaks is neither the end of the content nor damage: reading goes on where it was.
func TestABrokenConnection(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		d := &brittle{}
		w := newWorld(t, func(c *blob.Config) { d.Driver, c.Driver, c.Plain = c.Driver, d, plain })
		tc := w.as("mercy")
		want := content(900_000, 1)
		ref := w.put(tc, want)
		d.breaks.Store(2)
		got, err := w.read(tc, ref)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))

		d.breaks.Store(1000)
		got, err = w.read(tc, ref)
		if err != nil { // it may get through in steps of 200,000 bytes
			require.ErrorIs(t, err, blob.ErrStorage)
			require.False(t, errors.Is(err, blob.ErrCorrupt))
		}
		require.True(t, bytes.HasPrefix(want, got))
	}
}
