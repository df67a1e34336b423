package cachetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// broken is a good cache with faults, each of which was somebody's design.
type broken struct {
	Partition
	tc  tenant.Context
	all *sync.Map // every partition that was opened

	joinKeys     bool // one store, tenant and key joined by '_'
	clearAll     bool // InvalidateTenant is Clear
	deleteForAll bool // a message "key x is gone", without a tenant
	tagForAll    bool
	noTags       bool
	noDelete     bool
	plainLoad    bool // get, else load and set
	callersLoad  bool // the loader runs on the caller's context
	keepErrors   bool // a failed load is stored as an empty value
	storeExtras  bool // GetOrLoadMany keeps whatever the loader gave
	allOrNothing bool // GetOrLoadMany gives nothing when it fails
	oneByOne     bool // GetOrLoadMany loads each key by itself
	truncate     bool
	swallow      bool // absences are ErrMiss
	always       bool // what was once stored stands in for each load that fails
}

func (b broken) key(key string) string {
	if b.joinKeys {
		return b.tc.Tenant().String() + "_" + key
	}
	return key
}

func (b broken) Get(key string) (string, error) {
	got, err := b.Partition.Get(b.key(key))
	if b.swallow && err != nil && !errors.Is(err, tenant.ErrUnbound) {
		err = cache.ErrMiss
	}
	return got, err
}

func (b broken) GetMany(keys []string) (map[string]string, error) {
	found := map[string]string{}
	for _, key := range keys {
		got, err := b.Get(key)
		if errors.Is(err, tenant.ErrUnbound) {
			return nil, err
		}
		if err == nil {
			found[key] = got
		}
	}
	return found, nil
}

func (b broken) Set(key, value string) error {
	if b.truncate {
		value = value[:min(len(value), 1000)]
	}
	return b.Partition.Set(b.key(key), value)
}

func (b broken) each(do func(Partition) error) (err error) {
	b.all.Range(func(_, p any) bool { err = errors.Join(err, do(p.(Partition))); return true })
	return err
}

func (b broken) Delete(keys ...string) error {
	switch {
	case b.noDelete:
		return b.tc.Check()
	case b.deleteForAll:
		return errors.Join(b.tc.Check(), b.each(func(p Partition) error { return p.Delete(keys...) }))
	}
	mine := make([]string, len(keys))
	for i, key := range keys {
		mine[i] = b.key(key)
	}
	return b.Partition.Delete(mine...)
}

func (b broken) InvalidateTag(tags ...string) error {
	switch {
	case b.noTags:
		return b.tc.Check()
	case b.tagForAll:
		return errors.Join(b.tc.Check(), b.each(func(p Partition) error { return p.InvalidateTag(tags...) }))
	}
	return b.Partition.InvalidateTag(tags...)
}

func (b broken) InvalidateTenant() error {
	if b.clearAll {
		return errors.Join(b.tc.Check(), b.each(func(p Partition) error { return p.InvalidateTenant() }))
	}
	return b.Partition.InvalidateTenant()
}

func (b broken) GetOrLoad(key string, load func(tenant.Context) (string, error)) (string, error) {
	switch {
	case b.plainLoad:
		if got, err := b.Get(key); !errors.Is(err, cache.ErrMiss) {
			return got, err
		}
		got, err := load(b.tc)
		if err == nil {
			err = b.Set(key, got)
		}
		return got, err
	case b.callersLoad:
		return b.Partition.GetOrLoad(b.key(key), func(tenant.Context) (string, error) { return load(b.tc) })
	case b.keepErrors && load != nil:
		return b.Partition.GetOrLoad(b.key(key), func(tc tenant.Context) (string, error) {
			got, err := load(tc)
			if err != nil {
				_ = b.Set(key, got)
			}
			return got, err
		})
	}
	got, err := b.Partition.GetOrLoad(b.key(key), load)
	if b.always && err != nil && load != nil {
		return "old", nil
	}
	return got, err
}

func (b broken) GetOrLoadMany(keys []string, load func(tenant.Context, []string) (map[string]string, error)) (map[string]string, error) {
	if b.oneByOne && load != nil {
		found := map[string]string{}
		for _, key := range keys {
			got, err := b.Partition.GetOrLoadMany([]string{key}, load)
			if err != nil {
				return found, err
			}
			found[key] = got[key]
		}
		return found, nil
	}
	wrapped := load
	if b.storeExtras && load != nil {
		wrapped = func(tc tenant.Context, keys []string) (map[string]string, error) {
			got, err := load(tc, keys)
			for key, value := range got {
				_ = b.Set(key, value)
			}
			return got, err
		}
	}
	found, err := b.Partition.GetOrLoadMany(keys, wrapped)
	if b.allOrNothing && err != nil {
		return nil, err
	}
	return found, err
}

// subject opens good caches and puts the fault around them.
func subject(t *testing.T, fault broken, change func(*cache.Options[string, string]), in func(tenant.Context) tenant.Context) Subject {
	t.Helper()
	return Subject{Open: func(t testing.TB, o Options) Cache {
		opts := cache.Options[string, string]{Capacity: 10_000, TTL: o.TTL, NegativeTTL: o.NegativeTTL, StaleIfError: o.StaleIfError, NotFound: o.NotFound, Tags: o.Tags}
		if change != nil {
			change(&opts)
		}
		c, err := cache.New(opts)
		require.NoError(t, err)
		fault := fault // rules open caches at the same time
		fault.all = &sync.Map{}
		return func(tc tenant.Context) Partition {
			b := fault
			b.tc = tc
			if in != nil {
				tc = in(tc)
			}
			b.Partition = c.In(tc)
			if tc.Check() == nil {
				b.all.Store(tc.Tenant(), b.Partition)
			}
			return b
		}
	}}
}

// TestTheKitFindsBrokenCaches shows of each rule a cache that breaks it, and that the good one breaks none.
func TestTheKitFindsBrokenCaches(t *testing.T) {
	t.Parallel()
	shared, err := tenant.Bind(t.Context(), tenant.Principal{Tenant: tenant.MustParseID("shared"), Subject: "test"})
	require.NoError(t, err)
	type options = cache.Options[string, string]
	var found sync.Map
	tests := []struct {
		name   string
		fault  broken
		change func(*options)
		in     func(tenant.Context) tenant.Context
		breaks []string
	}{
		{name: "a good one"},
		{name: "one store for all", in: func(tc tenant.Context) tenant.Context {
			if tc.Check() != nil {
				return tc
			}
			return shared
		}, breaks: []string{"tenants never meet", "a stampede is one load per tenant", "the loader has the caller's tenant", "an absence is one tenant's",
			"deleting is one tenant's", "invalidating a tenant leaves", "an invalidation does not outdate others' loads"}},
		{name: "a default tenant", in: func(tc tenant.Context) tenant.Context {
			if tc.Check() != nil {
				return shared
			}
			return tc
		}, breaks: []string{"no method works without a tenant"}},
		{name: "joined keys", fault: broken{joinKeys: true}, in: func(tc tenant.Context) tenant.Context {
			if tc.Check() != nil {
				return tc
			}
			return shared
		}, breaks: []string{"tenants never meet"}},
		{name: "Clear", fault: broken{clearAll: true}, breaks: []string{"invalidating a tenant leaves", "an invalidation does not outdate"}},
		{name: "a deletion without a tenant", fault: broken{deleteForAll: true}, breaks: []string{"deleting is one tenant's"}},
		{name: "a tag of all tenants", fault: broken{tagForAll: true}, breaks: []string{"invalidating a tag leaves"}},
		{name: "no deletion", fault: broken{noDelete: true}, breaks: []string{"deleting is one tenant's", "a load older than Delete", "a value takes an absence's place"}},
		{name: "no tags", fault: broken{noTags: true}, breaks: []string{"invalidating a tag leaves", "a load older than InvalidateTag"}},
		{name: "get, else load and set", fault: broken{plainLoad: true}, breaks: []string{
			"a stampede is one load per tenant", "a load older than InvalidateTenant", "a load older than Delete", "a load older than Set",
			"a load outlives the caller", "an absence is remembered"}},
		{name: "the caller's context", fault: broken{callersLoad: true}, breaks: []string{"a load outlives the caller"}},
		{name: "errors are kept", fault: broken{keepErrors: true}, breaks: []string{"an error of the loader"}},
		{name: "extras are kept", fault: broken{storeExtras: true}, breaks: []string{"a loader can't store", "a load of many older than InvalidateTenant"}},
		{name: "all or nothing", fault: broken{allOrNothing: true}, breaks: []string{"a failed load of many"}},
		{name: "one by one", fault: broken{oneByOne: true}, breaks: []string{"many keys are loaded at once"}},
		{name: "truncated values", fault: broken{truncate: true}, breaks: []string{"a value comes back"}},
		{name: "swallowed absences", fault: broken{swallow: true}, breaks: []string{"an absence is remembered"}},
		{name: "no expiry", change: func(o *options) { o.TTL, o.StaleIfError = 0, 0 }, breaks: []string{"a value expires"}},
		{name: "nothing stands in", change: func(o *options) { o.StaleIfError = 0 }, breaks: []string{"an expired value stands in"}},
		{name: "anything stands in", fault: broken{always: true}, breaks: []string{"an expired value stands in"}},
		{name: "absences for ever", change: func(o *options) { o.NegativeTTL *= 100 }, breaks: []string{"an absence is remembered"}},
	}
	t.Run("caches", func(t *testing.T) { //nolint:paralleltest // what they found is looked at below
		for _, test := range tests {
			t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				broke := breaches(t, subject(t, test.fault, test.change, test.in), test.fault.plainLoad)
				if len(test.breaks) == 0 {
					require.Empty(t, broke)
				}
				for _, begin := range test.breaks {
					seen := false
					for name := range broke {
						if strings.HasPrefix(name, begin) {
							seen = true
							found.Store(name, true)
						}
					}
					require.True(t, seen, "the kit did not see that %q is broken; it saw %v", begin, broke)
				}
			})
		}
	})
	for _, r := range rules() {
		if r.name == "a value is loaded once" || r.name == "no loader brings the program down" {
			continue // shown below
		}
		_, ok := found.Load(r.name)
		require.True(t, ok, "no broken cache shows that the kit can find %q", r.name)
	}
}

// breaches gives the rules that a cache breaks, and how.
func breaches(t *testing.T, s Subject, callsLoaderItself bool) map[string]error {
	t.Helper()
	broke := map[string]error{}
	var mutex sync.Mutex
	var group sync.WaitGroup
	for _, r := range rules() {
		if callsLoaderItself && r.name == "no loader brings the program down" {
			continue // it would
		}
		group.Go(func() {
			err := r.check(&room{tb: t, s: s, patience: 300 * time.Millisecond})
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				broke[r.name] = err
			}
		})
	}
	group.Wait()
	return broke
}

// forgetful loads each time, and takes nil for a loader.
type forgetful struct{ Partition }

func (f forgetful) GetOrLoad(_ string, load func(tenant.Context) (string, error)) (string, error) {
	if load == nil {
		return "", nil
	}
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("x"), Subject: "test"})
	if err != nil {
		return "", err
	}
	return load(tc)
}

func TestTheKitFindsForgetfulCaches(t *testing.T) {
	t.Parallel()
	good := subject(t, broken{}, nil, nil)
	s := Subject{Open: func(t testing.TB, o Options) Cache {
		c := good.Open(t, o)
		return func(tc tenant.Context) Partition { return forgetful{c(tc)} }
	}}
	require.ErrorContains(t, loadedOnce(&room{tb: t, s: s}), "3 times")
	require.ErrorContains(t, badLoaders(&room{tb: t, s: s}), "nil")
}
