package blobtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/blobtest"
)

func TestAGoodDriverPasses(t *testing.T) {
	t.Parallel()
	m := newMemory()
	require.NoError(t, blobtest.Check(t.Context(), m))
	require.Empty(t, m.objects, "the kit cleans up")
}

// atOnce are the rules about what happens at once: enough for the race detector's run, in which copying megabytes takes a hundred times
// as long.
var atOnce = map[string]bool{"put.race": true, "put.cancelled": true, "concurrent": true, "delete.underway": true}

// The kit finds each of these faults, and names the rule.
func TestBrokenDriversAreFound(t *testing.T) {
	t.Parallel()
	for rule, spoil := range map[string]func(*memory){
		"put.get":         func(m *memory) { m.stores = func(b []byte) []byte { return b[:min(len(b), 5<<20)] } },
		"put.exists":      func(m *memory) { m.overwrites = true },
		"put.race":        func(m *memory) { m.racy = true },
		"put.source":      func(m *memory) { m.swallows = true },
		"put.hidden":      func(m *memory) { m.early = true },
		"put.cancelled":   func(m *memory) { m.deaf = true },
		"get.offset":      func(m *memory) { m.noOffset = true },
		"get.close":       func(m *memory) { m.deafReads = true },
		"absent":          func(m *memory) { m.absent = errors.New("404") },
		"stat":            func(m *memory) { m.noTime = true },
		"delete":          func(m *memory) { m.keeps = true },
		"list":            func(m *memory) { m.lists = 10 },
		"list.stop":       func(m *memory) { m.deafLists = true },
		"concurrent":      func(m *memory) { m.mixes = true },
		"delete.underway": func(m *memory) { m.busy = errors.New("the upload is under way") },
	} {
		if testing.Short() && !atOnce[rule] {
			continue
		}
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			spoil(m)
			err := blobtest.Check(t.Context(), m)
			require.Error(t, err)
			var names []string
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				var broken *blobtest.Error
				require.ErrorAs(t, one, &broken)
				names = append(names, broken.Rule)
			}
			require.Contains(t, names, rule)
		})
	}
}

// A driver that panics breaks rules, and not the test's program.
func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.stores = func([]byte) []byte { panic("out of memory") }
	require.ErrorContains(t, blobtest.Check(t.Context(), m), "out of memory")
}

// memory is a driver without a storage, and with faults.
type memory struct {
	mu       sync.Mutex
	objects  map[blob.Key]stored
	underway map[blob.Key]int

	stores                                            func([]byte) []byte
	overwrites, racy, swallows, early, deaf, noOffset bool
	deafReads, noTime, keeps, deafLists, mixes        bool
	absent, busy                                      error
	lists                                             int
	last                                              []byte
}

type stored struct {
	content []byte
	at      time.Time
}

func newMemory() *memory {
	return &memory{objects: map[blob.Key]stored{}, underway: map[blob.Key]int{}, absent: blob.ErrNotExist}
}

func (m *memory) Put(ctx context.Context, key blob.Key, r io.Reader) error {
	if err := ctx.Err(); err != nil && !m.deaf {
		return err
	}
	m.mu.Lock()
	_, taken := m.objects[key]
	m.underway[key]++
	if m.early {
		m.objects[key] = stored{nil, time.Now()}
	}
	m.mu.Unlock()
	if m.racy {
		time.Sleep(10 * time.Millisecond)
	}
	content, err := io.ReadAll(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.underway[key]--
	if err == nil && !m.deaf {
		err = ctx.Err()
	}
	if err != nil && !m.swallows {
		delete(m.objects, key)
		return err
	}
	if !m.racy && !m.early {
		_, taken = m.objects[key]
	}
	if taken && !m.overwrites {
		return blob.ErrExist
	}
	if m.stores != nil {
		content = m.stores(content)
	}
	m.objects[key] = stored{content, time.Now()}
	m.last = content
	return nil
}

func (m *memory) Get(ctx context.Context, key blob.Key, offset int64) (io.ReadCloser, error) {
	if m.mixes {
		time.Sleep(5 * time.Millisecond) // and others put something
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	object, ok := m.objects[key]
	if !ok {
		return nil, m.absent
	}
	if m.noOffset {
		offset = 0
	}
	if m.mixes {
		object.content = m.last
	}
	return &body{m: m, ctx: ctx, Reader: bytes.NewReader(object.content[min(offset, int64(len(object.content))):])}, nil
}

type body struct {
	io.Reader
	m   *memory
	ctx context.Context
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil && !b.m.deafReads {
		return 0, err
	}
	return b.Reader.Read(p)
}

func (b *body) Close() error { return nil }

func (m *memory) Stat(_ context.Context, key blob.Key) (blob.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	object, ok := m.objects[key]
	if !ok {
		return blob.Object{}, m.absent
	}
	if m.noTime {
		object.at = time.Time{}
	}
	return blob.Object{Key: key, Size: int64(len(object.content)), Modified: object.at}, nil
}

func (m *memory) Delete(_ context.Context, key blob.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.underway[key] > 0 && m.busy != nil {
		return m.busy
	}
	if !m.keeps {
		delete(m.objects, key)
	}
	return nil
}

func (m *memory) List(ctx context.Context) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		m.mu.Lock()
		objects := maps.Clone(m.objects)
		m.mu.Unlock()
		keys := slices.Collect(maps.Keys(objects))
		if m.lists > 0 {
			keys = keys[:min(len(keys), m.lists)]
		}
		for _, key := range keys {
			if err := ctx.Err(); err != nil && !m.deafLists {
				yield(blob.Object{}, err)
				return
			}
			if !yield(blob.Object{Key: key, Size: int64(len(objects[key].content)), Modified: objects[key].at}, nil) {
				return
			}
		}
	}
}
