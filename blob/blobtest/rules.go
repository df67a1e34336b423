package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing/iotest"
	"time"

	"github.com/septum-go/septum/blob"
)

// bare hides what else a reader can do, so that drivers that read and drivers that call WriteTo are both tried.
type bare struct{ io.Reader }

func (s *session) putGet() error {
	for _, size := range []int{0, 1, 4095, 1 << 16, 1<<16 + 1, 5 << 20, 11<<20 + 7} {
		for name, reader := range map[string]func(io.Reader) io.Reader{
			"a reader":                  func(r io.Reader) io.Reader { return bare{r} },
			"an io.WriterTo":            func(r io.Reader) io.Reader { return r },
			"a reader of few bytes":     func(r io.Reader) io.Reader { return bare{iotest.HalfReader(r)} },
			"a reader with data at EOF": func(r io.Reader) io.Reader { return bare{iotest.DataErrReader(r)} },
		} {
			if size > 1<<20 && name != "a reader" {
				continue // large ones once
			}
			key, want := s.key(), bytesOf(size)
			if err := s.driver.Put(s.ctx, key, reader(bytes.NewReader(want))); err != nil {
				return fmt.Errorf("Put of %d bytes from %s: %w", size, name, err)
			}
			got, err := s.read(key, 0)
			if err != nil {
				return fmt.Errorf("Get of %d bytes: %w", size, err)
			}
			if !bytes.Equal(want, got) {
				return fmt.Errorf("of %d bytes from %s, %d came back, and not the same", size, name, len(got))
			}
		}
	}
	return nil
}

func (s *session) putExists() error {
	key := s.key()
	if err := s.driver.Put(s.ctx, key, bytes.NewReader(bytesOf(100))); err != nil {
		return err
	}
	for _, size := range []int{100, 50, 6 << 20} {
		if err := s.driver.Put(s.ctx, key, bare{bytes.NewReader(bytesOf(size))}); !errors.Is(err, blob.ErrExist) {
			return fmt.Errorf("Put under a taken key gives %v, not ErrExist", err)
		}
		if got, err := s.read(key, 0); err != nil || !bytes.Equal(got, bytesOf(100)) {
			return fmt.Errorf("Put under a taken key changed what was there (%v)", err)
		}
	}
	return nil
}

func (s *session) putRace() error {
	for range 5 {
		key := s.key()
		var all sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			all.Go(func() {
				errs[i] = s.guarded(func(s *session) error { return s.driver.Put(s.ctx, key, bytes.NewReader(bytesOf(1000+i))) })
			})
		}
		all.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				return errors.New("two Puts under one key succeeded")
			case err == nil:
				winner = i
			}
		}
		if winner < 0 {
			continue // none may, as long as nothing is left
		}
		if got, err := s.read(key, 0); err != nil || !bytes.Equal(got, bytesOf(1000+winner)) {
			return fmt.Errorf("of Puts at once, one succeeded and another one's bytes are there (%v)", err)
		}
	}
	return nil
}

var errSource = errors.New("blobtest: the source failed")

func (s *session) putSource() error {
	for _, size := range []int{0, 1000, 6 << 20} {
		key := s.key()
		source := io.MultiReader(bytes.NewReader(bytesOf(size)), iotest.ErrReader(errSource))
		if err := s.driver.Put(s.ctx, key, source); !errors.Is(err, errSource) {
			return fmt.Errorf("Put from a reader that fails after %d bytes gives %v, not the reader's error", size, err)
		}
		if err := s.mustNotBeSeen(key, "after a Put that failed"); err != nil {
			return err
		}
		if found, err := s.find(key); err != nil || len(found) > 0 {
			return fmt.Errorf("a Put that failed left a partial object (%v)", err)
		}
		if err := s.driver.Put(s.ctx, key, bytes.NewReader(nil)); err != nil {
			return fmt.Errorf("after a Put that failed, the key can't be used: %w", err)
		}
	}
	return nil
}

// pause is a reader that calls back in the middle.
type pause struct {
	r      io.Reader
	middle func()
	once   sync.Once
}

func (p *pause) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err == io.EOF {
		p.once.Do(p.middle)
	}
	return n, err
}

func (s *session) putHidden() error {
	for _, size := range []int{1000, 11 << 20} {
		key := s.key()
		var seen error
		source := &pause{r: bytes.NewReader(bytesOf(size)), middle: func() { seen = s.mustNotBeSeen(key, "before Put returns,") }}
		if err := errors.Join(s.driver.Put(s.ctx, key, source), seen); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) putCancelled() error {
	for _, size := range []int{1000, 11 << 20} {
		ctx, cancel := context.WithCancel(s.ctx)
		key := s.key()
		source := &pause{r: bytes.NewReader(bytesOf(size)), middle: cancel}
		err := s.driver.Put(ctx, key, source)
		cancel()
		if err == nil {
			continue // it was done before it noticed
		}
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Put with a cancelled context gives %w, not context.Canceled", err)
		}
		if err := s.mustNotBeSeen(key, "after a cancelled Put"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	key := s.key()
	if err := s.driver.Put(ctx, key, bytes.NewReader(bytesOf(10))); err == nil {
		return errors.New("Put with a context that was cancelled before succeeds")
	}
	return s.mustNotBeSeen(key, "after a Put that was cancelled before")
}

func (s *session) getOffset() error {
	key, want := s.key(), bytesOf(200_000)
	if err := s.driver.Put(s.ctx, key, bytes.NewReader(want)); err != nil {
		return err
	}
	for _, offset := range []int{0, 1, 65_536, 199_999, 200_000, 200_001, 1 << 30} {
		got, err := s.read(key, int64(offset))
		if err != nil {
			return fmt.Errorf("Get from %d of 200,000: %w", offset, err)
		}
		if !bytes.Equal(got, want[min(offset, len(want)):]) {
			return fmt.Errorf("Get from %d of 200,000 gives %d bytes, or other ones", offset, len(got))
		}
	}
	empty := s.key()
	if err := s.driver.Put(s.ctx, empty, bytes.NewReader(nil)); err != nil {
		return err
	}
	for _, offset := range []int64{0, 1} {
		if got, err := s.read(empty, offset); err != nil || len(got) > 0 {
			return fmt.Errorf("Get from %d of an empty object gives %d bytes and %v", offset, len(got), err)
		}
	}
	return nil
}

func (s *session) getClose() error {
	key := s.key()
	if err := s.driver.Put(s.ctx, key, bytes.NewReader(bytesOf(1<<20))); err != nil {
		return err
	}
	body, err := s.driver.Get(s.ctx, key, 0)
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		return errors.Join(err, body.Close())
	}
	if err := body.Close(); err != nil {
		return fmt.Errorf("Close in the middle: %w", err)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	body, err = s.driver.Get(ctx, key, 0)
	cancel()
	if err == nil {
		_, err = io.Copy(io.Discard, body)
		err = errors.Join(err, body.Close())
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("reading on after the context was cancelled gives %v", err)
	}
	return nil
}

func (s *session) absent() error {
	if err := s.mustNotBeSeen(blob.NewKey(), "of a key that was never used"); err != nil {
		return err
	}
	if _, err := s.read(blob.NewKey(), 100); !errors.Is(err, blob.ErrNotExist) {
		return fmt.Errorf("Get from an offset of a key that was never used gives %v, not ErrNotExist", err)
	}
	return nil
}

func (s *session) stat() error {
	key, begun := s.key(), time.Now()
	if err := s.driver.Put(s.ctx, key, bytes.NewReader(bytesOf(12_345))); err != nil {
		return err
	}
	object, err := s.driver.Stat(s.ctx, key)
	if err != nil {
		return err
	}
	return sane(object, key, 12_345, begun)
}

// sane allows for clocks that differ, which Config.Grace outlasts by far.
func sane(object blob.Object, key blob.Key, size int64, begun time.Time) error {
	switch {
	case object.Key != key, object.Size != size, object.Partial:
		return fmt.Errorf("a complete object of %d bytes is told as one of %d (partial: %v)", size, object.Size, object.Partial)
	case object.Modified.Before(begun.Add(-time.Hour)), object.Modified.After(time.Now().Add(time.Hour)):
		return errors.New("Modified is not the time of the Put")
	}
	return nil
}

func (s *session) delete() error {
	key, other := s.key(), s.key()
	for _, k := range []blob.Key{key, other} {
		if err := s.driver.Put(s.ctx, k, bytes.NewReader(bytesOf(1000))); err != nil {
			return err
		}
	}
	for range 2 {
		if err := s.driver.Delete(s.ctx, key); err != nil {
			return fmt.Errorf("Delete, of something and then of nothing: %w", err)
		}
		if err := s.mustNotBeSeen(key, "after Delete"); err != nil {
			return err
		}
	}
	if _, err := s.read(other, 0); err != nil {
		return fmt.Errorf("Delete took another object with it: %w", err)
	}
	return nil
}

// deleteUnderway: a sweep may delete an upload that it takes for dead. Whatever its Put says then, another Delete leaves
// nothing behind.
func (s *session) deleteUnderway() error {
	for _, size := range []int{1000, 11 << 20} {
		key := s.key()
		var failed error
		source := &pause{r: bytes.NewReader(bytesOf(size)), middle: func() { failed = s.driver.Delete(s.ctx, key) }}
		putErr := s.driver.Put(s.ctx, key, source)
		if failed != nil {
			return fmt.Errorf("Delete of an upload under way: %w", failed)
		}
		if putErr == nil {
			if got, err := s.read(key, 0); err != nil || !bytes.Equal(got, bytesOf(size)) {
				return fmt.Errorf("Put says that all is well after its upload was deleted, and it is not (%v)", err)
			}
		}
		if err := s.driver.Delete(s.ctx, key); err != nil {
			return err
		}
		if found, err := s.find(key); err != nil || len(found) > 0 {
			return fmt.Errorf("something is left after an upload was deleted twice (%v)", err)
		}
	}
	return nil
}

func (s *session) list() error {
	begun := time.Now()
	var keys []blob.Key
	for i := range 30 {
		key := s.key()
		keys = append(keys, key)
		if err := s.driver.Put(s.ctx, key, bytes.NewReader(bytesOf(i))); err != nil {
			return err
		}
	}
	if err := s.driver.Delete(s.ctx, keys[0]); err != nil {
		return err
	}
	found, err := s.find(keys...)
	if err != nil {
		return err
	}
	for i, key := range keys {
		object, ok := found[key]
		switch {
		case i == 0 && ok:
			return errors.New("List gives a deleted object")
		case i == 0:
		case !ok:
			return errors.New("List leaves an object out")
		default:
			if err := sane(object, key, int64(i), begun); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) listStop() error {
	for range 3 {
		if err := s.driver.Put(s.ctx, s.key(), bytes.NewReader(nil)); err != nil {
			return err
		}
	}
	n := 0
	for _, err := range s.driver.List(s.ctx) {
		if err != nil {
			return err
		}
		n++
		break
	}
	if n != 1 {
		return errors.New("List gives nothing")
	}
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for _, err := range s.driver.List(ctx) {
		if err != nil {
			return nil
		}
	}
	return errors.New("List with a cancelled context does not give its error")
}

func (s *session) concurrent() error {
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		keys := []blob.Key{s.key(), s.key(), s.key(), s.key()}
		all.Go(func() { errs[i] = s.guarded(func(s *session) error { return s.several(i, keys) }) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *session) several(i int, keys []blob.Key) error {
	for n, key := range keys {
		want := bytesOf(i*1000 + n)
		if err := s.driver.Put(s.ctx, key, bytes.NewReader(want)); err != nil {
			return err
		}
		got, err := s.read(key, 0)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return errors.New("another one's bytes came back")
		}
		if n%2 == 0 {
			if err := s.driver.Delete(s.ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}
