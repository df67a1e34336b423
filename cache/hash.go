package cache

import (
	"hash/maphash"
	"math/bits"
	"reflect"
)

// hasher gives keys their place in a table. It is seeded anew for each cache, so that nobody outside can choose keys that
// collide. Its bits are even at both ends: tables take a bucket from the high ones and a tag from the low ones.
type hasher[K comparable] struct {
	seed maphash.Seed
	a, b uint64
	// guarded: K is or holds an interface, so a key may turn out not to be comparable at run time.
	guarded bool
}

func newHasher[K comparable]() hasher[K] {
	seed := maphash.MakeSeed()
	return hasher[K]{
		seed:    seed,
		a:       maphash.String(seed, "a"),
		b:       maphash.String(seed, "b") | 1,
		guarded: holdsInterface(reflect.TypeFor[K]()),
	}
}

// of hashes a key. The cases are those that programs use most; all others take maphash's general way. Keys of guarded types
// come through check first.
func (h *hasher[K]) of(key K) uint64 {
	switch k := any(key).(type) {
	case string:
		return maphash.String(h.seed, k)
	case int:
		return h.mix(uint64(k))
	case int64:
		return h.mix(uint64(k))
	case uint64:
		return h.mix(k)
	case int32:
		return h.mix(uint64(k))
	case uint32:
		return h.mix(uint64(k))
	}
	return maphash.Comparable(h.seed, key)
}

// mix is two multiplications with secret factors, as in wyhash: each bit of the result depends on each of x.
func (h *hasher[K]) mix(x uint64) uint64 {
	high, low := bits.Mul64(x^h.a, h.b)
	high, low = bits.Mul64(high^low^h.a, 0x9e3779b97f4a7c15)
	return high ^ low
}

// usable tells whether a key can be found again: it equals itself, which NaN does not, and can be hashed.
func (h *hasher[K]) usable(key K) (ok bool) {
	if !h.guarded {
		return key == key // which NaN does not
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	maphash.Comparable(h.seed, key)
	return key == key // which NaN does not
}

func holdsInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return holdsInterface(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsInterface(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
