// Package blobtest says in code what a blob.Driver must do. Run it in the tests of a driver of yours, against the real
// storage:
//
//	func TestConformance(t *testing.T) {
//		if err := blobtest.Check(t.Context(), driver); err != nil {
//			t.Fatal(err)
//		}
//	}
//
// The error names each rule that is broken. What Check stores it deletes; other objects are left alone. That a Put which
// returned survives a crash can't be seen from inside one process: kill one and look, as fsblob's tests do.
package blobtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/septum-go/septum/blob"
)

// Error is one rule that a driver breaks.
type Error struct {
	Rule string // a name that does not change: "put.exists"
	Why  string // what was seen
}

// Error implements error.
func (e *Error) Error() string { return "blobtest: " + e.Rule + ": " + e.Why }

// rule is one thing that drivers must do.
type rule struct {
	name  string
	check func(*session) error
}

var rules = [...]rule{
	{"put.get", (*session).putGet},
	{"put.exists", (*session).putExists},
	{"put.race", (*session).putRace},
	{"put.source", (*session).putSource},
	{"put.hidden", (*session).putHidden},
	{"put.cancelled", (*session).putCancelled},
	{"get.offset", (*session).getOffset},
	{"get.close", (*session).getClose},
	{"absent", (*session).absent},
	{"stat", (*session).stat},
	{"delete", (*session).delete},
	{"delete.underway", (*session).deleteUnderway},
	{"list", (*session).list},
	{"list.stop", (*session).listStop},
	{"concurrent", (*session).concurrent},
}

// Check tries every rule on the driver. The error holds an *Error for each broken rule, for errors.As, and is nil when
// there is none. It takes some seconds on a remote storage, and ends when ctx does.
func Check(ctx context.Context, driver blob.Driver) error {
	var broken []error
	for _, r := range rules {
		s := &session{ctx: ctx, driver: driver}
		err := s.guarded(r.check)
		if cleanupErr := s.cleanup(); err == nil && cleanupErr != nil {
			err = fmt.Errorf("cleaning up: %w", cleanupErr)
		}
		if err != nil {
			broken = append(broken, &Error{r.name, err.Error()})
		}
	}
	return errors.Join(broken...)
}

// session is the check of one rule.
type session struct {
	ctx    context.Context
	driver blob.Driver
	keys   []blob.Key
}

func (s *session) guarded(check func(*session) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the driver panicked: %v", p)
		}
	}()
	return check(s)
}

// key draws a key that is deleted afterwards.
func (s *session) key() blob.Key {
	key := blob.NewKey()
	s.keys = append(s.keys, key)
	return key
}

func (s *session) cleanup() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
	defer cancel()
	var failed error
	for _, key := range s.keys {
		failed = errors.Join(failed, s.driver.Delete(ctx, key))
	}
	return failed
}

// read gives all that is stored from an offset on.
func (s *session) read(key blob.Key, offset int64) (_ []byte, err error) {
	body, err := s.driver.Get(s.ctx, key, offset)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadAll(body)
}

// find looks for keys in the list.
func (s *session) find(keys ...blob.Key) (map[blob.Key]blob.Object, error) {
	wanted := map[blob.Key]bool{}
	for _, key := range keys {
		wanted[key] = true
	}
	found := map[blob.Key]blob.Object{}
	for object, err := range s.driver.List(s.ctx) {
		if err != nil {
			return nil, err
		}
		if !wanted[object.Key] {
			continue
		}
		before, twice := found[object.Key]
		if twice && before.Partial == object.Partial {
			return nil, errors.New("List gives an object twice")
		}
		if !twice || before.Partial {
			found[object.Key] = object
		}
	}
	return found, nil
}

// mustNotBeSeen requires that nothing complete is under the key.
func (s *session) mustNotBeSeen(key blob.Key, when string) error {
	if _, err := s.driver.Stat(s.ctx, key); !errors.Is(err, blob.ErrNotExist) {
		return fmt.Errorf("%s Stat gives %v, not ErrNotExist", when, err)
	}
	if _, err := s.read(key, 0); !errors.Is(err, blob.ErrNotExist) {
		return fmt.Errorf("%s Get gives %v, not ErrNotExist", when, err)
	}
	found, err := s.find(key)
	if err != nil {
		return err
	}
	if object, ok := found[key]; ok && !object.Partial {
		return fmt.Errorf("%s List gives a complete object", when)
	}
	return nil
}

// bytesOf is content that tells sizes and places apart.
func bytesOf(size int) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(size))
	out := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(out) // never fails
	return out
}
