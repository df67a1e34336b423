package main

import (
	"time"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
)

// engine is a cache without tenants. Its calls are the peer's own, through function values; so are ours in the comparisons.
type engine[K comparable] struct {
	get    func(K) (uint64, bool)
	set    func(K, uint64)
	settle func() // waits until what was set is there
	close  func()
}

const peerTTL = time.Hour

func nothing() {}

func otterOf[K comparable](opts *otter.Options[K, uint64]) (engine[K], error) {
	c, err := otter.New(opts)
	if err != nil {
		return engine[K]{}, err
	}
	return engine[K]{
		get:    c.GetIfPresent,
		set:    func(key K, value uint64) { c.Set(key, value) },
		settle: c.CleanUp,
		close:  c.InvalidateAll,
	}, nil
}

func otterPeer(capacity int) (engine[uint64], error) {
	return otterOf(&otter.Options[uint64, uint64]{MaximumSize: capacity})
}

func otterStrings(capacity int) (engine[string], error) {
	return otterOf(&otter.Options[string, uint64]{MaximumSize: capacity})
}

func otterTTL(capacity int) (engine[uint64], error) {
	return otterOf(&otter.Options[uint64, uint64]{
		MaximumSize: capacity, ExpiryCalculator: otter.ExpiryWriting[uint64, uint64](peerTTL),
	})
}

func ristrettoPeer(capacity int) (engine[uint64], error) {
	c, err := ristretto.NewCache(&ristretto.Config[uint64, uint64]{
		NumCounters: int64(10 * capacity), MaxCost: int64(capacity), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return engine[uint64]{}, err
	}
	return engine[uint64]{
		get: c.Get,
		set: func(key, value uint64) {
			for range 100 { // it drops what comes faster than it works
				if c.Set(key, value, 1) {
					return
				}
				c.Wait()
			}
		},
		settle: c.Wait,
		close:  c.Close,
	}, nil
}

func theinePeer(capacity int) (engine[uint64], error) {
	c, err := theine.NewBuilder[uint64, uint64](int64(capacity)).Build()
	if err != nil {
		return engine[uint64]{}, err
	}
	return engine[uint64]{
		get:    c.Get,
		set:    func(key, value uint64) { c.Set(key, value, 1) },
		settle: c.Wait,
		close:  c.Close,
	}, nil
}

func lruPeer(capacity int) (engine[uint64], error) {
	c, err := lru.New[uint64, uint64](capacity)
	if err != nil {
		return engine[uint64]{}, err
	}
	return engine[uint64]{
		get:    c.Get,
		set:    func(key, value uint64) { c.Add(key, value) },
		settle: nothing,
		close:  c.Purge,
	}, nil
}
