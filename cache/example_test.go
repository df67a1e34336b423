package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// contextOf stands for what tenanthttp does with a verified token.
func contextOf(id string) tenant.Context {
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "dr.grey"})
	if err != nil {
		panic(err)
	}
	return tc
}

func Example() {
	summaries, err := cache.New(cache.Options[string, string]{Capacity: 10_000, TTL: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, hospital := range []string{"st-mary", "st-mary", "st-anne"} {
		summary, err := summaries.In(contextOf(hospital)).GetOrLoad("patient 1", func(tc tenant.Context) (string, error) {
			fmt.Println("loading for", tc.Tenant())
			return "a patient of " + tc.Tenant().String(), nil
		})
		fmt.Println(summary, err)
	}
	_, err = summaries.In(tenant.Context{}).Get("patient 1")
	fmt.Println(err)
	// Output:
	// loading for st-mary
	// a patient of st-mary <nil>
	// a patient of st-mary <nil>
	// loading for st-anne
	// a patient of st-anne <nil>
	// tenant: Context: no tenant is bound to this context: it is a zero tenant.Context; take it from Bind or From
}

func ExamplePartition_GetOrLoadMany() {
	names, _ := cache.New(cache.Options[int, string]{Capacity: 100, NegativeTTL: time.Minute})
	p := names.In(contextOf("st-mary"))
	load := func(_ tenant.Context, ids []int) (map[int]string, error) {
		slices.Sort(ids)
		fmt.Println("loading", ids)
		return map[int]string{1: "Ann", 2: "Bo"}, nil
	}
	fmt.Println(p.GetOrLoadMany([]int{1, 2, 3}, load))
	fmt.Println(p.GetOrLoadMany([]int{1, 3}, load)) // that there is no 3 is cached too
	// Output:
	// loading [1 2 3]
	// map[1:Ann 2:Bo] <nil>
	// map[1:Ann] <nil>
}

func ExamplePartition_InvalidateTag() {
	type patient struct{ Name, Ward string }
	patients, _ := cache.New(cache.Options[int, patient]{
		Capacity: 100,
		Tags:     func(_ int, p patient) []string { return []string{"ward " + p.Ward} },
	})
	p := patients.In(contextOf("st-mary"))
	_ = p.Set(1, patient{"Ann", "3"})
	_ = p.Set(2, patient{"Bo", "4"})
	_ = p.InvalidateTag("ward 3")
	_, err := p.Get(1)
	fmt.Println(err)
	fmt.Println(p.Get(2))
	// Output:
	// not cached
	// {Bo 4} <nil>
}

func ExamplePartition_InvalidateTenant() {
	c, _ := cache.New(cache.Options[string, int]{Capacity: 100})
	mary, anne := c.In(contextOf("st-mary")), c.In(contextOf("st-anne"))
	_, _ = mary.Set("beds", 120), anne.Set("beds", 80)
	_ = mary.InvalidateTenant()
	_, err := mary.Get("beds")
	fmt.Println(err)
	fmt.Println(anne.Get("beds"))
	// Output:
	// not cached
	// 80 <nil>
}

func ExampleQuota() {
	c, _ := cache.New(cache.Options[int, int]{
		Capacity: 100,
		QuotaOf: func(id tenant.ID) cache.Quota {
			if id.String() == "st-mary" {
				return cache.Quota{Reserve: 50} // in the contract
			}
			return cache.Quota{}
		},
	})
	mary, anne := c.In(contextOf("st-mary")), c.In(contextOf("st-anne"))
	for i := range 1000 {
		_ = anne.Set(i, i)
	}
	for i := range 1000 {
		_ = mary.Set(i, i)
	}
	for i := range 1000 {
		_ = anne.Set(i, i)
	}
	a, _ := mary.Stats()
	b, _ := anne.Stats()
	fmt.Println(a.Entries, b.Entries)
	// Output: 75 25
}

func ExampleStats() {
	c, _ := cache.New(cache.Options[string, string]{Capacity: 10, Weigh: func(k, v string) int64 { return int64(len(k) + len(v)) }})
	p := c.In(contextOf("st-mary"))
	err := p.Set("chart", "longer than the cache")
	fmt.Println(err)
	fmt.Println(errors.Is(err, cache.ErrRefused))
	stats, _ := p.Stats()
	fmt.Println(stats.RefusedTooLarge, stats.Entries)
	// Output:
	// cache: Set: not stored: it is heavier than the tenant's Max, the Capacity, or 4 Gi
	// true
	// 1 0
}

func ExampleLookup() {
	keys, _ := cache.NewLookup(cache.LookupOptions[tenant.ID]{TTL: time.Minute})
	inDatabase := func(context.Context) (tenant.ID, error) {
		fmt.Println("asking the database")
		return tenant.MustParseID("st-mary"), nil
	}
	for range 2 {
		fmt.Println(keys.Get(context.Background(), "sk_live_…", inDatabase))
	}
	keys.Forget("sk_live_…") // when it is revoked
	_, err := keys.Get(context.Background(), "sk_live_…", func(context.Context) (tenant.ID, error) { return tenant.ID{}, cache.ErrNotFound })
	fmt.Println(err)
	// Output:
	// asking the database
	// st-mary <nil>
	// st-mary <nil>
	// there is none
}
