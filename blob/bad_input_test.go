package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/fsblob"
	"github.com/septum-go/septum/tenant"
)

// liar is a reader that breaks the rules of io.Reader.
type liar func(p []byte) (int, error)

func (f liar) Read(p []byte) (int, error) { return f(p) }

var errScanner = errors.New("the scanner was unplugged")

func TestReadersThatFailOrLie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"none":             {nil, blob.ErrSource},
		"fails at once":    {iotest.ErrReader(errScanner), errScanner},
		"fails later":      {io.MultiReader(bytes.NewReader(content(500_000, 1)), iotest.ErrReader(errScanner)), errScanner},
		"broken off":       {io.MultiReader(bytes.NewReader(content(10, 1)), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		"a wrapped end":    {iotest.ErrReader(fmt.Errorf("the line is dead: %w", io.EOF)), blob.ErrSource},
		"never gives":      {liar(func([]byte) (int, error) { return 0, nil }), io.ErrNoProgress},
		"gives too much":   {liar(func(p []byte) (int, error) { return len(p) + 1, nil }), blob.ErrSource},
		"gives a negative": {liar(func([]byte) (int, error) { return -1, nil }), blob.ErrSource},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Put(tc, c.r, blob.Meta{})
			require.ErrorIs(t, err, c.want)
			require.ErrorIs(t, err, blob.ErrSource)
			require.NotContains(t, err.Error(), "scanner", "the reader's words may hold anything")
			w.requireNothingKept()
		})
	}
	require.PanicsWithValue(t, "out of paper", func() {
		_, _ = w.Put(tc, liar(func([]byte) (int, error) { panic("out of paper") }), blob.Meta{})
	})
	w.requireNothingKept()
}

// requireNothingKept requires that there is no blob, no file and no row of an upload.
func (w *world) requireNothingKept() {
	w.t.Helper()
	require.Empty(w.t, w.files())
	for _, table := range []string{"blobs", "links", "content", "uploads", "garbage"} {
		require.Zero(w.t, w.count(table), table)
	}
}

func TestACancelledUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, middle := range map[string]bool{"before": false, "in the middle": true} {
		ctx, cancel := context.WithCancel(w.as("mercy"))
		tc, err := tenant.From(ctx)
		require.NoError(t, err)
		if !middle {
			cancel()
		}
		_, err = w.Put(tc, io.MultiReader(bytes.NewReader(content(500_000, 1)), liar(func([]byte) (int, error) {
			cancel()
			return 0, nil
		})), blob.Meta{})
		require.ErrorIs(t, err, context.Canceled, name)
		w.requireNothingKept()
	}
	ref := w.put(w.as("mercy"), content(500_000, 1))
	ctx, cancel := context.WithCancel(w.as("mercy"))
	tc, err := tenant.From(ctx)
	require.NoError(t, err)
	r, err := w.Open(tc, ref)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadFull(r, make([]byte, 10))
	require.NoError(t, err)
	cancel()
	_, err = io.Copy(io.Discard, r)
	require.ErrorIs(t, err, context.Canceled)
	_, err = w.Put(tenant.Context{}, strings.NewReader("x"), blob.Meta{})
	require.ErrorIs(t, err, tenant.ErrUnbound)
}

// 10 GiB come through a pipe in "make storm", and 100 MiB otherwise: also under the race detector, which sees no more in a hundred times
// as many bytes and takes minutes for them.
func TestALongPipe(t *testing.T) {
	t.Parallel()
	size := int64(100 << 20)
	if os.Getenv("SEPTUM_STORM") != "" {
		size = 10 << 30
	}
	w := newWorld(t, func(c *blob.Config) { c.Driver = discarding{c.Driver} })
	r, pipe := io.Pipe()
	go func() {
		_, err := io.Copy(pipe, io.LimitReader(zeros{}, size))
		_ = pipe.CloseWithError(err)
	}()
	var seen int64
	ref, err := w.Put(w.as("mercy"), r, blob.Meta{Progress: func(n int64) { seen = n }})
	require.NoError(t, err)
	require.Equal(t, size, seen)
	info, err := w.Stat(w.as("mercy"), ref)
	require.NoError(t, err)
	require.Equal(t, size, info.Size)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// discarding keeps no bytes: the disk is not what is tried.
type discarding struct{ blob.Driver }

func (discarding) Put(_ context.Context, _ blob.Key, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// A driver that says that all is well is not believed when it has not read everything.
func TestADriverThatLies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Driver = lazy{c.Driver} })
	_, err := w.Put(w.as("mercy"), bytes.NewReader(content(1000, 1)), blob.Meta{})
	require.ErrorIs(t, err, blob.ErrStorage)
	w.requireNothingKept()
}

type lazy struct{ blob.Driver }

func (lazy) Put(_ context.Context, _ blob.Key, r io.Reader) error {
	_, err := r.Read(make([]byte, 10))
	return err
}

func TestConfigsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, spoil := range map[string]func(*blob.Config){
		"no database":     func(c *blob.Config) { c.DB = nil },
		"no driver":       func(c *blob.Config) { c.Driver = nil },
		"a nil driver":    func(c *blob.Config) { c.Driver = (*fsblob.Driver)(nil) },
		"scope":           func(c *blob.Config) { c.Scope = 7 },
		"plain with keys": func(c *blob.Config) { c.Plain, c.Keys = true, brokenKeys{} },
		"grace":           func(c *blob.Config) { c.Grace = -time.Second },
		"links":           func(c *blob.Config) { c.Links = time.Minute },
	} {
		c := w.config
		spoil(&c)
		_, err := blob.New(c)
		require.ErrorIs(t, err, blob.ErrConfig, name)
	}
	_, err := w.Link(w.as("mercy"), w.put(w.as("mercy"), nil))
	require.ErrorIs(t, err, blob.ErrConfig, "links are off")
}
