package cache_test

import (
	"container/list"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/traffic"
	"github.com/septum-go/septum/tenant"
)

// C04: nine quiet tenants beside one who makes 95 % of the requests, scanning, flooding, or with Zipf's law over a million keys.
// The plain LRU that they would share otherwise is measured beside it; benchmarks compare with otter and others.
func TestFairness(t *testing.T) {
	t.Parallel()
	const requests = 600_000 // make bench makes more
	t.Log("workload | cache        | all    | worst quiet tenant")
	for _, kind := range traffic.Kinds() {
		fair := traffic.Run(kind, requests, partitions(t))
		shared := traffic.Run(kind, requests, sharedLRU())
		t.Logf("%-8s | partitions   | %.4f | %.4f", kind, fair.Total, fair.WorstQuiet)
		t.Logf("%-8s | a shared LRU | %.4f | %.4f", kind, shared.Total, shared.WorstQuiet)
		require.GreaterOrEqual(t, fair.WorstQuiet, 0.99, "%s: a quiet tenant was pushed out", kind)
		require.GreaterOrEqual(t, fair.Total, shared.Total-0.02, "%s: fairness costs too many hits", kind)
	}
}

// partitions asks one cache, each tenant through its own context.
func partitions(t *testing.T) func(who int, key uint64) bool {
	t.Helper()
	c, err := cache.New(cache.Options[uint64, uint64]{Capacity: traffic.Capacity})
	require.NoError(t, err)
	var parts [traffic.Tenants]cache.Partition[uint64, uint64]
	for who := range parts {
		parts[who] = c.In(bound(t, "tenant-"+string(rune('a'+who))))
	}
	return func(who int, key uint64) bool {
		if _, err := parts[who].Get(key); err == nil {
			return true
		}
		if err := parts[who].Set(key, key); err != nil { // require takes longer than all the rest
			t.Error(err)
		}
		return false
	}
}

// sharedLRU is what a program does that puts the tenant into the key.
func sharedLRU() func(who int, key uint64) bool {
	type full struct {
		who int
		key uint64
	}
	order, entries := list.New(), map[full]*list.Element{}
	return func(who int, key uint64) bool {
		k := full{who, key}
		if e, ok := entries[k]; ok {
			order.MoveToFront(e)
			return true
		}
		if entries[k] = order.PushFront(k); order.Len() > traffic.Capacity {
			delete(entries, order.Remove(order.Back()).(full))
		}
		return false
	}
}

func bound(t testing.TB, id string) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(t.Context(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "test"})
	require.NoError(t, err)
	return tc
}
