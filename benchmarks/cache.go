package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/tenant"
)

// The caches of the comparisons of hits hold this many entries, with room for twice as many, and are asked for all of them in random order.
const hitEntries = 10_000

// cacheBenchmarks compare hits and memory with the engines that know no tenants. They are asked with the bare key: a program
// that shares one among tenants must make a greater key of two.
func cacheBenchmarks() []benchmark {
	list := []benchmark{
		{"cache.hit.allocs", "0", hitAllocs},
		{"cache.hit.vs_otter", "≤ 0.75, with a partition held", vsPeer(otterPeer, ours{})},
		{"cache.hit.from_context.vs_otter", "≤ 1.0, from a tenant.Context", vsPeer(otterPeer, ours{fromContext: true})},
		{"cache.hit.parallel.vs_otter", "≤ 0.75, with a partition held, on all processors", vsPeer(otterPeer, ours{parallel: true})},
		{"cache.hit.parallel_from_context.vs_otter", "≤ 1.0, from a tenant.Context, on all processors", vsPeer(otterPeer, ours{parallel: true, fromContext: true})},
		{"cache.hit.string.vs_otter", "≤ 0.75, keys of 36 characters", vsPeerOf(otterStrings, textKeys(), ours{})},
		{"cache.hit.string_from_context.vs_otter", "≤ 1.0, keys of 36 characters", vsPeerOf(otterStrings, textKeys(), ours{fromContext: true})},
		{"cache.hit.ttl.vs_otter", "≤ 1.0, both with a time to live, so both read the clock", vsPeer(otterTTL, ours{ttl: true})},
		{"cache.hit.vs_ristretto", "≤ 0.75", vsPeer(ristrettoPeer, ours{})},
		{"cache.hit.vs_theine", "≤ 0.75", vsPeer(theinePeer, ours{})},
		{"cache.hit.vs_golang_lru", "≤ 0.75", vsPeer(lruPeer, ours{})},
		{"cache.hit.parallel.vs_ristretto", "≤ 0.75, on all processors", vsPeer(ristrettoPeer, ours{parallel: true})},
		{"cache.hit.parallel.vs_theine", "≤ 0.75, on all processors", vsPeer(theinePeer, ours{parallel: true})},
		{"cache.hit.parallel.vs_golang_lru", "≤ 0.75, on all processors", vsPeer(lruPeer, ours{parallel: true})},
		{"cache.memory.vs_otter", "≤ 1.0, bytes of one of a million small entries", memoryVs(otterPeer)},
		{"cache.memory.vs_ristretto", "≤ 1.0", memoryVs(ristrettoPeer)},
		{"cache.memory.vs_theine", "≤ 1.0", memoryVs(theinePeer)},
		{"cache.memory.vs_golang_lru", "≤ 1.0", memoryVs(lruPeer)},
	}
	return append(list, fairnessBenchmarks()...)
}

// ours says how Septum's cache is asked.
type ours struct{ fromContext, parallel, ttl bool }

func bind(id string) (tenant.Context, error) {
	return tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "benchmarks"})
}

func vsPeer(peer func(capacity int) (engine[uint64], error), how ours) func(context.Context) (float64, error) {
	keys := make([]uint64, hitEntries)
	for i := range keys {
		keys[i] = uint64(i)
	}
	return vsPeerOf(peer, keys, how)
}

func textKeys() []string {
	keys := make([]string, hitEntries)
	for i := range keys {
		keys[i] = "patients/" + strconv.Itoa(1_000_000_000+i) + "/open-encounters"
	}
	return keys
}

var errMissed = errors.New("a key that was stored is not there")

// vsPeerOf measures a hit of ours over a hit of the peer's.
func vsPeerOf[K comparable](peer func(capacity int) (engine[K], error), keys []K, how ours) func(context.Context) (float64, error) {
	return func(context.Context) (float64, error) {
		base, err := peer(2 * hitEntries)
		if err != nil {
			return 0, err
		}
		defer base.close()
		opts := cache.Options[K, uint64]{Capacity: 2 * hitEntries}
		if how.ttl {
			opts.TTL = peerTTL
		}
		c, err := cache.New(opts)
		if err != nil {
			return 0, err
		}
		tc, err := bind(clinicTenant)
		if err != nil {
			return 0, err
		}
		for i := range 15 { // other tenants are there too
			other, err := bind("hospital-" + strconv.Itoa(i))
			if err != nil {
				return 0, err
			}
			if err := c.In(other).Set(keys[0], 1); err != nil {
				return 0, err
			}
		}
		for i, key := range keys {
			if err := c.In(tc).Set(key, uint64(i)); err != nil {
				return 0, err
			}
			base.set(key, uint64(i))
		}
		base.settle()
		order := rand.New(rand.NewPCG(1, 2)).Perm(1 << 13)
		get := c.In(tc).Get
		if how.fromContext {
			get = func(key K) (uint64, error) { return c.In(tc).Get(key) }
		}
		mine := func(n, from int) error {
			for i := range n {
				if _, err := get(keys[order[(from+i)&(1<<13-1)]]); err != nil {
					return err
				}
			}
			return nil
		}
		theirs := func(n, from int) error {
			for i := range n {
				if _, ok := base.get(keys[order[(from+i)&(1<<13-1)]]); !ok {
					return errMissed
				}
			}
			return nil
		}
		return ratio.Compare(side(mine, how.parallel), side(theirs, how.parallel), ratio.Settings{})
	}
}

// side runs the calls in one goroutine, or spreads them over one for each processor.
func side(run func(n, from int) error, parallel bool) ratio.Side {
	if !parallel {
		return func(n int) error { return run(n, 0) }
	}
	return func(n int) error {
		procs := runtime.GOMAXPROCS(0)
		errs := make([]error, procs)
		var group sync.WaitGroup
		for p := range procs {
			group.Go(func() { errs[p] = run(n/procs+1, p*1000) })
		}
		group.Wait()
		return errors.Join(errs...)
	}
}

func hitAllocs(context.Context) (float64, error) {
	c, err := cache.New(cache.Options[string, uint64]{Capacity: 10})
	if err != nil {
		return 0, err
	}
	tc, err := bind(clinicTenant)
	if err != nil {
		return 0, err
	}
	if err := c.In(tc).Set("key", 1); err != nil {
		return 0, err
	}
	load := func(tenant.Context) (uint64, error) { return 0, errMissed }
	allocs, err := ratio.Allocs(func(n int) error {
		for range n {
			if _, err := c.In(tc).GetOrLoad("key", load); err != nil {
				return err
			}
		}
		return nil
	}, 10_000_000)
	return math.Floor(allocs*1e4) / 1e4, err // the process allocates a few objects beside it
}

const memoryEntries = 1_000_000

// memoryVs fills both caches to their capacity and compares the heap that each needs for an entry.
func memoryVs(peer func(capacity int) (engine[uint64], error)) func(context.Context) (float64, error) {
	return func(context.Context) (float64, error) {
		before := heap()
		c, err := cache.New(cache.Options[uint64, uint64]{Capacity: memoryEntries})
		if err != nil {
			return 0, err
		}
		tc, err := bind(clinicTenant)
		if err != nil {
			return 0, err
		}
		for i := range uint64(memoryEntries) {
			if err := c.In(tc).Set(i, i); err != nil {
				return 0, err
			}
		}
		bytes := float64(heap()-before) / float64(c.Stats().Entries)
		runtime.KeepAlive(c)
		c = nil
		before = heap()
		base, err := peer(memoryEntries)
		if err != nil {
			return 0, err
		}
		for i := range uint64(memoryEntries) {
			base.set(i, i)
		}
		base.settle()
		used := float64(heap() - before)
		n := 0
		for i := range uint64(memoryEntries) {
			if _, ok := base.get(i); ok {
				n++
			}
		}
		if n < memoryEntries/2 {
			return 0, fmt.Errorf("the peer kept %d entries only", n)
		}
		base.close()
		return bytes / (used / float64(n)), nil
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
