package cache_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

const (
	stormTenants    = 4
	stormKeys       = 12
	stormGoroutines = 32
)

// C03, C06, X01: each key is a register that only grows. Whoever reads after a change was made known to the cache must see
// that change or a later one, whatever loads, expiries, evictions, refreshes and invalidations go on beside it. The clock is
// synctest's, so thousands of lifetimes pass in a second. SEPTUM_STORM=60s makes it last.
func TestStormCache(t *testing.T) {
	t.Parallel()
	length := time.Second
	if text := os.Getenv("SEPTUM_STORM"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
	} else if testing.Short() {
		length = 500 * time.Millisecond
	}
	var sum cache.Stats
	rounds := 0
	for began := time.Now(); time.Since(began) < length; rounds++ {
		synctest.Test(t, func(t *testing.T) {
			stats := newStorm(t, uint64(rounds)).run()
			sum.Hits += stats.Hits
			sum.Loads += stats.Loads
			sum.RefusedStale += stats.RefusedStale
			sum.Evictions += stats.Evictions
			sum.Expirations += stats.Expirations
			sum.StaleServed += stats.StaleServed
			sum.EarlyRefreshes += stats.EarlyRefreshes
			sum.NegativeHits += stats.NegativeHits
		})
	}
	t.Logf("%d rounds: %+v", rounds, sum)
	for name, n := range map[string]uint64{
		"hits": sum.Hits, "loads": sum.Loads, "outdated loads": sum.RefusedStale, "evictions": sum.Evictions,
		"stale values": sum.StaleServed, "refreshes": sum.EarlyRefreshes, "absences": sum.NegativeHits,
	} {
		require.NotZero(t, n, "the storm did not try %s", name)
	}
}

// reading is what the cache keeps: where it belongs, and the state of its register.
type reading struct {
	tenant  string
	key     int
	version int64
}

// register is the truth of one key. floor is the last version of which the cache was told.
type register struct {
	writing        sync.Mutex
	version, floor atomic.Int64
}

type storm struct {
	t         *testing.T
	seed      uint64
	cache     *cache.Cache[int, reading]
	contexts  [stormTenants]tenant.Context
	registers [stormTenants][stormKeys]register
}

var errStorm = errors.New("the database is away")

func newStorm(t *testing.T, seed uint64) *storm {
	t.Helper()
	s := &storm{t: t, seed: seed}
	var err error
	s.cache, err = cache.New(cache.Options[int, reading]{
		Capacity: stormTenants * stormKeys / 3, TTL: 20 * time.Millisecond, Jitter: 0.5, EarlyRefresh: 2,
		StaleIfError: 20 * time.Millisecond, NegativeTTL: 5 * time.Millisecond, NegativeMax: 3, LoadTimeout: 40 * time.Millisecond,
		IdleAfter: 10 * time.Millisecond, FinishLoads: seed%2 == 0,
		Tags: func(key int, _ reading) []string { return []string{fmt.Sprint(key % 3)} },
	})
	require.NoError(t, err)
	for i := range s.contexts {
		s.contexts[i] = bound(t, fmt.Sprint("tenant-", i))
	}
	return s
}

func (s *storm) run() cache.Stats {
	var group sync.WaitGroup
	for g := range stormGoroutines {
		group.Go(func() {
			r := rand.New(rand.NewPCG(s.seed, uint64(g)))
			for range 150 {
				s.step(r)
			}
		})
	}
	group.Wait()
	time.Sleep(time.Second) // loads that nobody waited for
	stats := s.cache.Stats()
	require.LessOrEqual(s.t, stats.Weight, int64(stormTenants*stormKeys/3))
	require.EqualValues(s.t, stats.Entries, stats.Weight)
	return stats
}

func (s *storm) step(r *rand.Rand) {
	who, key := r.IntN(stormTenants), r.IntN(stormKeys)
	p := s.cache.In(s.contexts[who])
	switch r.IntN(24) {
	case 0:
		s.write(p, who, []int{key}, func(versions []int64) error { return p.Set(key, s.reading(who, key, versions[0])) })
	case 1:
		s.write(p, who, []int{key}, func([]int64) error { return p.Delete(key) })
	case 2:
		s.write(p, who, allKeys(func(k int) bool { return k%3 == key%3 }), func([]int64) error { return p.InvalidateTag(fmt.Sprint(key % 3)) })
	case 3:
		if r.IntN(4) == 0 {
			s.write(p, who, allKeys(func(int) bool { return true }), func([]int64) error { return p.InvalidateTenant() })
		}
	case 4:
		time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
	case 5, 6, 7:
		floor := s.registers[who][key].floor.Load()
		got, err := p.Get(key)
		if err == nil {
			s.check(got, who, key, floor)
		}
	case 8:
		s.many(r, p, who, key)
	default:
		floor := s.registers[who][key].floor.Load()
		pause, broken := time.Duration(r.IntN(60))*time.Millisecond/8, r.IntN(8)
		tc := s.contexts[who]
		if r.IntN(4) == 0 {
			derived, cancel := cancellable(s.t, tc)
			time.AfterFunc(pause/2, cancel)
			tc = derived
		}
		got, err := s.cache.In(tc).GetOrLoad(key, func(tc tenant.Context) (reading, error) {
			return s.load(tc, who, key, pause, broken)
		})
		if err == nil {
			s.check(got, who, key, floor)
		}
	}
}

func allKeys(pick func(int) bool) (keys []int) {
	for k := range stormKeys {
		if pick(k) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (s *storm) reading(who, key int, version int64) reading {
	return reading{s.contexts[who].Tenant().String(), key, version}
}

// load reads the truth and is slow to tell.
func (s *storm) load(tc tenant.Context, who, key int, pause time.Duration, broken int) (reading, error) {
	if tc.Tenant() != s.contexts[who].Tenant() {
		s.t.Error("X01: a loader has another tenant's context")
	}
	version := s.registers[who][key].version.Load()
	time.Sleep(pause)
	switch broken {
	case 0:
		return reading{}, errStorm
	case 1:
		return reading{}, cache.ErrNotFound
	case 2:
		panic("storm")
	}
	return s.reading(who, key, version), nil
}

// many asks for two keys at once.
func (s *storm) many(r *rand.Rand, p cache.Partition[int, reading], who, key int) {
	keys := []int{key, (key + 1) % stormKeys}
	floors := map[int]int64{}
	for _, k := range keys {
		floors[k] = s.registers[who][k].floor.Load()
	}
	pause := time.Duration(r.IntN(8)) * time.Millisecond
	got, _ := p.GetOrLoadMany(keys, func(tc tenant.Context, keys []int) (map[int]reading, error) {
		out := map[int]reading{}
		for _, k := range keys {
			out[k], _ = s.load(tc, who, k, pause, 9)
		}
		return out, nil
	})
	for k, v := range got {
		s.check(v, who, k, floors[k])
	}
}

// write changes registers, tells the cache, and from then on expects nothing older.
func (s *storm) write(_ cache.Partition[int, reading], who int, keys []int, tell func(versions []int64) error) {
	versions := make([]int64, len(keys))
	for i, k := range keys { // in ascending order, so that writers don't wait in a circle
		s.registers[who][k].writing.Lock()
		versions[i] = s.registers[who][k].version.Add(1)
	}
	if err := tell(versions); err != nil && !errors.Is(err, cache.ErrRefused) {
		s.t.Error(err)
	}
	for i, k := range keys {
		s.registers[who][k].floor.Store(versions[i])
		s.registers[who][k].writing.Unlock()
	}
}

func (s *storm) check(got reading, who, key int, floor int64) {
	if got.tenant != s.contexts[who].Tenant().String() || got.key != key {
		s.t.Errorf("C03: tenant %d asked for key %d and got %+v", who, key, got)
	}
	if got.version < floor {
		s.t.Errorf("C06: version %d came back after the cache was told of version %d", got.version, floor)
	}
}
