package rediscache

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// Options say where a [Cache] keeps its values and for how long. Redis, Namespace and Keys are required; every other
// field's zero value works. New copies the struct. Hooks are called from many goroutines at once, and a panic in one is a
// refused Set or a miss, not a crash.
//
// All programs that share a namespace must agree on Namespace, Buckets, EncodeKey and the form of values, and share a key
// of Keys. A new form of values or keys is a new namespace: "charts.2".
type Options[K comparable, V any] struct {
	// Redis says how to reach the server or the cluster: InitAddress at least, and TLSConfig beyond this machine. New sets
	// the fields that the cache's promises hang on itself: those about client-side caching, multiplexing and retries; it
	// refuses reads from replicas, which lag behind invalidations, and databases other than 0.
	Redis rueidis.ClientOption
	// Namespace tells this cache's keys from those of others on the server: 1 to 64 characters of [A-Za-z0-9._-].
	Namespace string
	// Keys seal the values: 32 random bytes each. The first seals, all open, so a new key is put first when every program
	// has it, and an old one dropped after TTL.
	Keys [][]byte

	// TTL is how long a value is kept. 0 means 1 hour; at least a millisecond, at most 30 days.
	TTL time.Duration
	// Jitter shortens each TTL by a random part of it, up to this fraction, so that values stored together don't expire
	// together. 0 means 0.1; a negative value means none; less than 1.
	Jitter float64
	// Lifetime gives single values a TTL of their own; nil: all have TTL. Longer ones are cut to TTL, and 0 or less refuses
	// the Set.
	Lifetime func(key K, value V) time.Duration

	// EarlyRefresh is the β of XFetch, as in cache.Options: the greater, the earlier GetOrLoad begins to load anew before a
	// value expires, in the background. What a load took is stored with the value, so it holds for all programs. 0: off.
	EarlyRefresh float64
	// StaleIfError is how long after its TTL a value is still served by GetOrLoad and GetOrLoadMany when the loader fails.
	// The server keeps it so much longer, and has to answer: what can't be looked at may have been deleted. Never after a
	// Delete or an invalidation, and never when the loader says that there is none. 0: off; at most 30 days.
	StaleIfError time.Duration

	// NotFound is the loader's error that means "there is none", matched with errors.Is, and what a cached absence gives
	// back. nil: cache.ErrNotFound. Programs on rls say query.ErrNotFound.
	NotFound error
	// NegativeTTL is how long "there is none" is remembered. 0: not at all.
	NegativeTTL time.Duration
	// LoadTimeout ends a load that takes longer; what a loader gives later is not stored. 0: 30 seconds.
	LoadTimeout time.Duration
	// FinishLoads lets a load run to its end when nobody waits for it any more. See cache.Options.
	FinishLoads bool
	// Clone copies a value on the way into and out of the tier in process, so that callers can't change what others read.
	// nil: values are shared there, which is right for those that nobody changes.
	Clone func(value V) V

	// Tags names the groups that a value belongs to, for InvalidateTag: at most 16. nil: none. They stand readable on the
	// server, one small key for each tag, tenant and bucket; reading a value whose tags this program has not met lately takes one more
	// round trip.
	Tags func(key K, value V) []string

	// EncodeKey gives a key's text. Different keys must have different texts. nil: texts and integers are themselves; other
	// types need one. The text is readable on the server, so a name or a secret does not belong into it.
	EncodeKey func(key K) string
	// Encode and Decode are the form of values on the server, both or neither. nil: texts and bytes are themselves, all
	// else is JSON.
	Encode func(value V) ([]byte, error)
	Decode func(data []byte) (V, error)
	// MaxValue is the longest encoded value in bytes that is kept on the server. 0 means 1 MiB; at most 256 MiB.
	MaxValue int

	// Buckets spreads each tenant over so many hash slots of a cluster, so that a busy tenant does not load one node only.
	// An invalidation of a tenant then takes one command per bucket. 0 means 1; at most 256.
	Buckets int

	// Local is the tier in process.
	Local Local[V]

	// Timeout ends an exchange with the server; a read then is a miss. 0 means 250 milliseconds.
	Timeout time.Duration
	// BreakAfter is after how many failures in a row the server is left alone. 0 means 5.
	BreakAfter int
	// BreakFor is for how long, until one request tries again. 0 means 1 second.
	BreakFor time.Duration

	// OnIncident is told of what should not happen: forged values, generations that went back, the beginning and the end of
	// an outage, and what package cache tells. nil: nobody is told, Stats still counts. It is called in the goroutine that
	// found it; make it fast.
	OnIncident func(cache.Incident)
}

// Local is the tier in process, in front of the server. What it holds goes when the server tells of a change, and all of
// it when the connection is lost, since changes are then not heard of.
type Local[V any] struct {
	// Off switches it off: each read asks the server. Loads still run once at a time for each key.
	Off bool
	// Capacity is the budget that all tenants share: entries, or the sum of Weigh. 0 means 10,000.
	Capacity int64
	// Weigh gives a value's weight, 1 or more; nil: each weighs 1.
	Weigh func(value V) int64
	// TTL is the longest time that a value is served without asking the server. 0: as long as on the server.
	TTL time.Duration
	// Quota and QuotaOf are what each tenant may claim of Capacity, as in cache.Options.
	Quota   cache.Quota
	QuotaOf func(id tenant.ID) cache.Quota
}

const (
	defaultTTL           = time.Hour
	maxTTL               = 30 * 24 * time.Hour
	defaultJitter        = 0.1
	defaultLoadTimeout   = 30 * time.Second
	defaultTimeout       = 250 * time.Millisecond
	defaultMaxValue      = 1 << 20
	maxMaxValue          = 256 << 20
	defaultLocalCapacity = 10_000
	maxBuckets           = 256
	defaultBreakAfter    = 5
	defaultBreakFor      = time.Second
)

func optionError(hint string) error {
	return &cache.Error{Op: "rediscache.New", Err: cache.ErrOptions, Hint: hint}
}

// withDefaults gives the options as the cache uses them, or what is wrong with them.
func (o Options[K, V]) withDefaults() (Options[K, V], error) {
	switch {
	case !validNamespace(o.Namespace):
		return o, optionError("Namespace must have 1 to 64 characters of [A-Za-z0-9._-]")
	case o.TTL != 0 && (o.TTL < time.Millisecond || o.TTL > maxTTL):
		return o, optionError("TTL must lie between 1 millisecond and 30 days; every key on the server has one")
	case o.NegativeTTL < 0 || o.NegativeTTL > maxTTL || o.NegativeTTL > 0 && o.NegativeTTL < time.Millisecond:
		return o, optionError("NegativeTTL must be 0 or lie between 1 millisecond and 30 days")
	case o.LoadTimeout < 0 || o.LoadTimeout > maxTTL, o.Timeout < 0, o.BreakFor < 0, o.Local.TTL < 0:
		return o, optionError("LoadTimeout, Timeout, BreakFor and Local.TTL can't be negative, nor LoadTimeout more than 30 days")
	case o.BreakAfter < 0 || o.BreakAfter > math.MaxInt32:
		return o, optionError("BreakAfter can't be negative")
	case o.StaleIfError < 0 || o.StaleIfError > maxTTL:
		return o, optionError("StaleIfError must lie between 0 and 30 days")
	case math.IsNaN(o.EarlyRefresh) || math.IsInf(o.EarlyRefresh, 0) || o.EarlyRefresh < 0:
		return o, optionError("EarlyRefresh must be a finite number, 0 or more")
	case math.IsNaN(o.Jitter) || o.Jitter >= 1:
		return o, optionError("Jitter must be a number less than 1")
	case o.MaxValue < 0 || o.MaxValue > maxMaxValue:
		return o, optionError("MaxValue must lie between 0 (which means 1 MiB) and 256 MiB")
	case o.Buckets < 0 || o.Buckets > maxBuckets:
		return o, optionError("Buckets must lie between 0 (which means 1) and 256")
	case o.Local.Capacity < 0:
		return o, optionError("Local.Capacity can't be negative; Local.Off switches the tier off")
	case (o.Encode == nil) != (o.Decode == nil):
		return o, optionError("Encode and Decode go together")
	}
	if o.EncodeKey == nil {
		if o.EncodeKey = keyEncoder[K](); o.EncodeKey == nil {
			return o, optionError("keys of this type need EncodeKey")
		}
	}
	if o.Encode == nil {
		o.Encode, o.Decode = valueForm[V]()
	}
	o.TTL = orDefault(o.TTL, defaultTTL)
	o.LoadTimeout = orDefault(o.LoadTimeout, defaultLoadTimeout)
	o.Timeout = orDefault(o.Timeout, defaultTimeout)
	o.BreakAfter = orDefault(o.BreakAfter, defaultBreakAfter)
	o.BreakFor = orDefault(o.BreakFor, defaultBreakFor)
	o.MaxValue = orDefault(o.MaxValue, defaultMaxValue)
	o.Buckets = orDefault(o.Buckets, 1)
	o.Local.Capacity = orDefault(o.Local.Capacity, defaultLocalCapacity)
	switch {
	case o.Jitter == 0:
		o.Jitter = defaultJitter
	case o.Jitter < 0:
		o.Jitter = 0
	}
	if o.NotFound == nil {
		o.NotFound = cache.ErrNotFound
	}
	o.Keys = slices.Clone(o.Keys)
	for i := range o.Keys {
		o.Keys[i] = bytes.Clone(o.Keys[i])
	}
	return o, nil
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// client gives the client's options with what the promises need.
func (o Options[K, V]) client(onInvalidations func([]rueidis.RedisMessage)) (rueidis.ClientOption, error) {
	c := o.Redis
	switch {
	case len(c.InitAddress) == 0:
		return c, optionError("Redis.InitAddress is empty")
	case c.SendToReplicas != nil, c.ReplicaOnly, len(c.Standalone.ReplicaAddress) > 0, c.Standalone.EnableRedirect:
		return c, optionError("Redis must not read from replicas: they lag behind invalidations")
	case c.AlwaysRESP2, c.DisableAutoPipelining:
		return c, optionError("Redis must allow RESP3 and pipelining: invalidations come that way")
	case c.SelectDB != 0:
		return c, optionError("Redis.SelectDB must be 0: clusters have no other, and access lists don't tell them apart")
	case c.OnInvalidations != nil, c.NewCacheStoreFn != nil, c.ClientTrackingOptions != nil:
		return c, optionError("Redis.OnInvalidations, NewCacheStoreFn and ClientTrackingOptions are the cache's own")
	}
	c.InitAddress = slices.Clone(c.InitAddress)
	// One connection to a server: an invalidation that the server sent before an answer is then heard before it.
	c.PipelineMultiplex = -1
	c.ConnLifetime = 0
	// All that is read is tracked; what this connection itself writes is known here already.
	c.DisableCache = false
	c.ClientTrackingOptions = []string{"NOLOOP"}
	c.OnInvalidations = onInvalidations
	c.CacheSizeEachConn = 1 << 10                  // the client's own cache is not used
	c.ClientSetInfo = rueidis.DisableClientSetInfo // one right less for the login
	c.DisableRetry = true                          // the breaker decides
	c.BlockingPoolSize = orDefault(c.BlockingPoolSize, 16)
	c.ReadBufferEachConn = orDefault(c.ReadBufferEachConn, 64<<10)
	c.WriteBufferEachConn = orDefault(c.WriteBufferEachConn, 64<<10)
	c.Dialer.Timeout = orDefault(c.Dialer.Timeout, time.Second)
	c.ConnWriteTimeout = orDefault(c.ConnWriteTimeout, 2*time.Second)
	guard(&c, o.MaxValue+sealedExtra+recordHead+recordExtra+(64<<10))
	return c, nil
}

// valueForm is the form of values that need none of their own.
func valueForm[V any]() (func(V) ([]byte, error), func([]byte) (V, error)) {
	var encode, decode any
	switch {
	case reflect.TypeFor[V]() == reflect.TypeFor[string]():
		encode = func(value string) ([]byte, error) { return []byte(value), nil }
		decode = func(data []byte) (string, error) { return string(data), nil }
	case reflect.TypeFor[V]() == reflect.TypeFor[[]byte]():
		encode = func(value []byte) ([]byte, error) { return value, nil }
		decode = func(data []byte) ([]byte, error) { return data, nil }
	}
	if e, ok := encode.(func(V) ([]byte, error)); ok {
		if d, ok := decode.(func([]byte) (V, error)); ok {
			return e, d
		}
	}
	return func(value V) ([]byte, error) { return json.Marshal(value) },
		func(data []byte) (value V, err error) {
			err = json.Unmarshal(data, &value)
			return value, err
		}
}

func validNamespace(text string) bool {
	if text == "" || len(text) > 64 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}
