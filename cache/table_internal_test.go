package cache

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/septum-go/septum/tenant"
)

// A table is a map, also where all keys want the same bucket and have the same tag.
func TestTableIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SampledFrom([]func(int) uint64{
			func(int) uint64 { return 0 },
			func(k int) uint64 { return uint64(k) },
			func(k int) uint64 { return uint64(k) << 61 },
			func(k int) uint64 { return uint64(k%2)<<63 | uint64(k%3) },
		}).Draw(t, "hash")
		table := newTable[int, int](rapid.IntRange(1, 5).Draw(t, "buckets"))
		want := map[int]*entry[int, int]{}
		for range rapid.IntRange(0, 200).Draw(t, "calls") {
			key := rapid.IntRange(0, 40).Draw(t, "key")
			old := want[key]
			switch e := (&entry[int, int]{key: key}); {
			case rapid.Bool().Draw(t, "remove"):
				if old != nil {
					table.remove(hashes(key), old)
					delete(want, key)
				}
			case old != nil:
				table.replace(hashes(key), old, e)
				want[key] = e
			case !table.full():
				table.insert(hashes(key), e)
				want[key] = e
			}
			for k := range 41 {
				if got := table.find(hashes(k), k); got != want[k] {
					t.Fatalf("key %d: found %v, want %v", k, got, want[k])
				}
			}
			if table.size != len(want) {
				t.Fatalf("size %d, want %d", table.size, len(want))
			}
		}
	})
}

// A reader finds what is there all the time, while others come and go around it and the table grows and shrinks.
func TestReadersMissNothing(t *testing.T) {
	t.Parallel()
	c, err := newCore(Options[int, int]{Capacity: 1 << 20})
	require.NoError(t, err)
	ch := c.chamber(tenant.MustParseID("a"))
	for k := range 100 {
		require.NoError(t, ch.set(-k-1, k))
	}
	var stop atomic.Bool
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for !stop.Load() {
				for k := range 100 {
					if e := ch.find(-k - 1); e == nil || e.value != k {
						t.Errorf("key %d was not found", -k-1)
						stop.Store(true)
					}
				}
			}
		})
	}
	for round := range 20 {
		for k := range 2000 {
			require.NoError(t, ch.set(k, round))
		}
		for k := range 2000 {
			ch.delete([]int{k})
		}
		ch.shrink()
	}
	stop.Store(true)
	group.Wait()
}

// SIEVE keeps what was visited since the hand came by, and lets the oldest of the others go.
func TestSieve(t *testing.T) {
	t.Parallel()
	var l sieve[string, int]
	entries := map[string]*entry[string, int]{}
	for _, key := range []string{"a", "b", "c", "d"} {
		entries[key] = &entry[string, int]{key: key}
		l.add(entries[key])
	}
	evict := func() string {
		e := l.next(0)
		l.remove(e)
		return e.key
	}
	entries["a"].visit()
	entries["c"].visit()
	require.Equal(t, "b", evict())
	require.Equal(t, "d", evict(), "the hand goes on from where it was")
	entries["c"].expires = 1
	entries["c"].visit()
	require.Same(t, entries["a"], l.next(0))
	l.hand = entries["c"]
	require.Same(t, entries["c"], l.next(2), "what has expired goes first, visited or not")
}

// The budget's books: what chambers hold is what it counts, and its heap has the greatest on top.
func TestTheBudgetsBooks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, err := newCore(Options[int, int]{
			Capacity: 200, Weigh: func(_, v int) int64 { return int64(v) },
			QuotaOf: func(id tenant.ID) Quota {
				n := int64(id.String()[0] - 'a')
				return Quota{Weight: float64(n) + 0.5, Reserve: n * 5}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 150).Draw(t, "calls") {
			ch := c.chamber(tenant.MustParseID(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "tenant")))
			key := rapid.IntRange(0, 30).Draw(t, "key")
			switch rapid.IntRange(0, 9).Draw(t, "call") {
			case 0:
				ch.delete([]int{key})
			case 1:
				ch.invalidate()
			case 2:
				c.budget.markIdle(ch, true)
			default:
				_ = ch.set(key, rapid.IntRange(1, 60).Draw(t, "weight"))
			}
			checkBooks(t, c)
		}
	})
}

func checkBooks(t *rapid.T, c *core[int, int]) {
	var used int64
	for _, ch := range c.directory.all() {
		if ch.held != ch.claim.used {
			t.Fatalf("a chamber holds %d and is charged %d", ch.held, ch.claim.used)
		}
		if (ch.claim.index > 0) != (ch.claim.used > 0) {
			t.Fatalf("a chamber that holds %d has place %d in the heap", ch.claim.used, ch.claim.index)
		}
		used += ch.held
	}
	if used != c.budget.used || used > c.budget.capacity {
		t.Fatalf("the chambers hold %d, the budget counts %d of %d", used, c.budget.used, c.budget.capacity)
	}
	for i, ch := range c.budget.heap {
		if int(ch.claim.index) != i+1 {
			t.Fatalf("place %d in the heap says %d", i+1, ch.claim.index)
		}
		if i > 0 && c.budget.heap[(i-1)/2].claim.excess(0) < ch.claim.excess(0) {
			t.Fatal("the heap is out of order")
		}
	}
}

// Tenants whose ids look the same to the directory's short cut, and to its hash, are still two.
func TestTheShortCutComparesWholeIDs(t *testing.T) {
	t.Parallel()
	c, err := newCore(Options[int, string]{Capacity: 10_000})
	require.NoError(t, err)
	var ids []tenant.ID
	for i := range 300 {
		ids = append(ids, tenant.MustParseID(fmt.Sprintf("hospital-%03d-hospital", i)))
	}
	require.Equal(t, shortcut(ids[0].String()), shortcut(ids[1].String()))
	for _, id := range ids {
		require.NoError(t, c.chamber(id).set(1, id.String()))
	}
	for _, id := range ids {
		require.Equal(t, id.String(), c.chamber(id).find(1).value)
	}
}

// C05, C03: an entry that stands under a secret to which it does not belong, by whatever defect, is not served.
func TestLookupChecksWhatItFound(t *testing.T) {
	t.Parallel()
	var incidents []Incident
	l, err := NewLookup(LookupOptions[string]{OnIncident: func(i Incident) { incidents = append(incidents, i) }})
	require.NoError(t, err)
	load := func(value string) func(ctx context.Context) (string, error) {
		return func(context.Context) (string, error) { return value, nil }
	}
	_, err = l.Get(t.Context(), "mary's", load("st-mary"))
	require.NoError(t, err)
	marys := l.chamber.find(digest(l.index, "mary's"))
	require.NoError(t, l.chamber.set(digest(l.index, "anne's"), marys.value))
	got, err := l.Get(t.Context(), "anne's", load("st-anne"))
	require.ErrorIs(t, err, ErrMiss)
	require.Empty(t, got)
	require.Len(t, incidents, 1)
	require.Equal(t, IncidentMismatch, incidents[0].Kind)
	got, err = l.Get(t.Context(), "anne's", load("st-anne"))
	require.NoError(t, err)
	require.Equal(t, "st-anne", got)
	require.NotContains(t, fmt.Sprintf("%+v", l.chamber.find(digest(l.index, "anne's"))), "anne's")
}

// Counters of two bytes go on beyond them.
func TestTally(t *testing.T) {
	t.Parallel()
	var c tally
	var want uint64
	for _, n := range []uint64{1, 65_534, 1, 1, 70_000, 1 << 40, 65_536} {
		c.add(countSets, n)
		want += n
		require.Equal(t, want, c.get(countSets))
		require.Equal(t, want, c.stats().Sets)
	}
	require.Zero(t, c.get(countLoads))
}

// A reader that saw the tags before an entry was removed finds its slot empty.
func TestAReaderBetweenTagAndSlot(t *testing.T) {
	t.Parallel()
	table := newTable[int, int](1)
	e := &entry[int, int]{key: 1}
	table.insert(7, e)
	table.buckets[0].slots[0].Store(nil) // as it is for a moment
	require.Nil(t, table.find(7, 1))
}
