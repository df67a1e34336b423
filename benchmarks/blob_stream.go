package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/tenant"
)

const large = 64 << 20

func noise(size int) []byte {
	out := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(out)
	return out
}

// hashing is the base: crypto/sha256 over the same bytes in memory.
func hashing(content []byte) ratio.Side {
	return func(n int) error {
		for range n {
			_ = sha256.Sum256(content)
		}
		return nil
	}
}

// fresh changes content, so that no two uploads are alike.
func fresh(content []byte, n uint64) io.Reader {
	head := fmt.Sprintf("%016x", n)
	return io.MultiReader(strings.NewReader(head), bytes.NewReader(content[len(head):]))
}

func putLarge(ctx context.Context, w *blobWorld) (float64, error) {
	content := noise(large)
	op, err := tenant.AsOperator(ctx, tenant.Mandate{Actor: "bench", Purpose: "sweep", For: time.Hour,
		Observer: func(context.Context, tenant.OperatorEvent) error { return nil }})
	if err != nil {
		return 0, err
	}
	defer op.Close()
	var n uint64
	var ref blob.Ref
	put := func() (err error) {
		n++
		ref, err = w.store.Put(w.tc, fresh(content, n), blob.Meta{})
		return err
	}
	hash := hashing(content)
	// What was put is removed between the rounds, untimed: else each one takes memory that the machine never used before.
	remove := func() error {
		err := w.store.Delete(w.tc, ref)
		if err == nil {
			_, err = w.store.Sweep(op, slices.Values([]tenant.ID{w.tc.Tenant()}))
		}
		return err
	}
	var ratios []float64
	for round := range 41 {
		var took [2]time.Duration
		for turn := range 2 {
			which := (round + turn) % 2 // who goes second finds warmer caches
			start := time.Now()
			err := error(nil)
			if which == 0 {
				err = hash(1)
			} else {
				err = put()
			}
			took[which] = time.Since(start)
			if err != nil {
				return 0, err
			}
		}
		if err := remove(); err != nil {
			return 0, err
		}
		ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2], nil
}

func openVerify(_ context.Context, w *blobWorld) (float64, error) {
	content := noise(large)
	ref, err := w.store.Put(w.tc, bytes.NewReader(content), blob.Meta{})
	if err != nil {
		return 0, err
	}
	read := func(times int) error {
		for range times {
			r, err := w.store.Open(w.tc, ref)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, r)
			if err = errors.Join(err, r.Close()); err != nil {
				return err
			}
		}
		return nil
	}
	return ratio.Compare(hashing(content), read, ratio.Settings{Slice: time.Millisecond, Rounds: 31})
}

func putParallel(_ context.Context, w *blobWorld) (float64, error) {
	content := noise(16 << 10)
	var n atomic.Uint64
	put := func() error {
		_, err := w.store.Put(w.tc, fresh(content, n.Add(1)), blob.Meta{})
		return err
	}
	const many = 8
	one := func(times int) error {
		for range times * many {
			if err := put(); err != nil {
				return err
			}
		}
		return nil
	}
	parallel := func(times int) error {
		var all sync.WaitGroup
		errs := make([]error, many)
		for i := range errs {
			all.Go(func() {
				for range times {
					errs[i] = errors.Join(errs[i], put())
				}
			})
		}
		all.Wait()
		return errors.Join(errs...)
	}
	return ratio.Compare(one, parallel, ratio.Settings{Slice: 100 * time.Millisecond, Rounds: 31})
}

// inUse measures by how much the heap grows, at its highest, while several streams run at once, per stream and in MiB.
func inUse(streams int, run func(ready func()) error) (float64, error) {
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	sample := func() {
		runtime.GC()
		runtime.ReadMemStats(&during)
		most.Store(max(most.Load(), during.HeapInuse))
	}
	var once sync.Mutex
	var all sync.WaitGroup
	errs := make([]error, streams)
	for i := range errs {
		all.Go(func() {
			errs[i] = run(func() {
				once.Lock()
				defer once.Unlock()
				sample()
			})
		})
	}
	all.Wait()
	grown := float64(most.Load()) - float64(before.HeapInuse)
	return grown / float64(streams) / (1 << 20), errors.Join(errs...)
}

// endless gives zeros, and calls back now and then.
type endless struct {
	left  int64
	ready func()
	next  int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	clear(p[:n])
	if e.left -= int64(n); e.left < e.next {
		e.ready()
		e.next = e.left - 64<<20
	}
	return n, nil
}

const streams = 8

func putMemory(_ context.Context, w *blobWorld) (float64, error) {
	return inUse(streams, func(ready func()) error {
		_, err := w.store.Put(w.tc, &endless{left: 256 << 20, next: 200 << 20, ready: ready}, blob.Meta{})
		return err
	})
}

func openMemory(_ context.Context, w *blobWorld) (float64, error) {
	ref, err := w.store.Put(w.tc, &endless{left: 256 << 20, ready: func() {}}, blob.Meta{})
	if err != nil {
		return 0, err
	}
	return inUse(streams, func(ready func()) error {
		r, err := w.store.Open(w.tc, ref)
		if err != nil {
			return err
		}
		sink := &endless{left: 256 << 20, next: 200 << 20, ready: ready}
		_, err = io.Copy(writerFunc(func(p []byte) (int, error) { return sink.Read(p[:len(p):len(p)]) }), struct{ io.Reader }{r})
		return errors.Join(err, r.Close())
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
