package main

import (
	"context"
	"fmt"
	"os"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/traffic"
)

const fairRequests = 3_000_000

// fairnessBenchmarks run the traffic of nine quiet tenants and a loud one against the partitions, and against each engine as a program
// shares it whose keys begin with the tenant. A table on stderr has all of it.
func fairnessBenchmarks() []benchmark {
	var list []benchmark
	for _, kind := range traffic.Kinds() {
		list = append(list,
			benchmark{"cache.fair." + string(kind) + ".quiet", "≥ 0.99, the hit ratio of the quiet tenant with the worst luck", func(context.Context) (float64, error) {
				fair, err := fairly(kind)
				return fair.WorstQuiet, err
			}},
			benchmark{"cache.fair." + string(kind) + ".below_best", "≤ 0.02, how far the ratio of all is below the best shared engine's", func(context.Context) (float64, error) {
				return belowBest(kind)
			}},
		)
	}
	return list
}

func fairly(kind traffic.Kind) (traffic.Ratios, error) {
	c, err := cache.New(cache.Options[uint64, uint64]{Capacity: traffic.Capacity})
	if err != nil {
		return traffic.Ratios{}, err
	}
	var parts [traffic.Tenants]cache.Partition[uint64, uint64]
	for who := range parts {
		tc, err := bind(fmt.Sprint("hospital-", who))
		if err != nil {
			return traffic.Ratios{}, err
		}
		parts[who] = c.In(tc)
	}
	var failed error
	ratios := traffic.Run(kind, fairRequests, func(who int, key uint64) bool {
		if _, err := parts[who].Get(key); err == nil {
			return true
		}
		if err := parts[who].Set(key, key); err != nil {
			failed = err
		}
		return false
	})
	return ratios, failed
}

func belowBest(kind traffic.Kind) (float64, error) {
	fair, err := fairly(kind)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(os.Stderr, "cache.fair %-5s  %-10s all %.4f  worst quiet tenant %.4f\n", kind, "septum", fair.Total, fair.WorstQuiet)
	best := 0.0
	for _, peer := range []struct {
		name string
		open func(int) (engine[uint64], error)
	}{{"otter", otterPeer}, {"ristretto", ristrettoPeer}, {"theine", theinePeer}, {"golang-lru", lruPeer}} {
		e, err := peer.open(traffic.Capacity)
		if err != nil {
			return 0, err
		}
		asked := 0
		shared := traffic.Run(kind, fairRequests, func(who int, key uint64) bool {
			if asked++; asked%64 == 0 {
				e.settle() // those that work in the background get the time for it
			}
			full := uint64(who)<<32 | key
			if _, ok := e.get(full); ok {
				return true
			}
			e.set(full, key)
			return false
		})
		e.close()
		fmt.Fprintf(os.Stderr, "cache.fair %-5s  %-10s all %.4f  worst quiet tenant %.4f\n", kind, peer.name, shared.Total, shared.WorstQuiet)
		best = max(best, shared.Total)
	}
	return best - fair.Total, nil
}
