// Package cache keeps values in memory, each tenant's apart: a tenant can't read another's, clear another's, or push them out.
//
//	var summaries, err = cache.New(cache.Options[string, Summary]{Capacity: 100_000, TTL: time.Minute})
//	…
//	summary, err := summaries.In(tc).GetOrLoad(id, func(tc tenant.Context) (Summary, error) {
//		return rls.One[Summary](tc, db, summaryOf, query.Args{"patient": id})
//	})
//
// # Partitions
//
// The tenant is no part of the key and no argument: [Cache.In] takes it from the tenant.Context, and what comes back reaches that
// tenant's part alone. There is no method that takes a tenant's name or a full key, none that clears all, none that goes over tenants. A
// context without a tenant is tenant.ErrUnbound from every method.
//
// A [Partition] is a value: take it for each request. One that is held for long works as long as its context.
//
// # Room
//
// All tenants share one budget, Options.Capacity, in entries or in what Options.Weigh measures. While there is room, anybody has it. When
// it is full, the partition that is the most above its share pays: so a tenant that scans, floods or is scanned evicts its own
// entries, and the others keep theirs. [Quota] gives a tenant a reserve, a weight, a maximum. Within a partition SIEVE decides
// who goes. A partition that nobody uses for Options.IdleAfter pays first; an empty one goes away.
//
// # Loads
//
// [Partition.GetOrLoad] calls the loader once for all callers of a tenant that miss a key at the same time, never for two tenants
// together. The loader runs on a context of the same tenant that ends when nobody waits any more, not when the first
// caller goes. A load that began before an InvalidateTenant, InvalidateTag, Delete or Set is given to those who waited for
// it and stored by nobody; who asks afterwards begins another one. A loader's panic is an error of every caller.
//
// Values expire after Options.TTL less a random part of it, are loaded again early (EarlyRefresh), may be served a little longer
// when the loader fails (StaleIfError), and that there is none can be remembered as well (NegativeTTL).
//
// # Errors
//
// Get gives [ErrMiss]. A value that can't be stored is [ErrRefused] from Set, and a counter in [Stats] in any case: nothing is dropped
// silently. After a refused Set the older value is gone too.
//
// # Before there is a tenant
//
// What an API key or a session belongs to is asked before a tenant is known. [Lookup] is for that, and for nothing else.
//
// # Limits
//
// What a loader gives is served to all users of the tenant: what one user may see and another may not belongs into the key.
// Values are shared between callers unless Options.Clone copies them. How long a hit takes tells a tenant whether its own entry was there;
// that another tenant is busy can show as evictions of entries above the own share.
//
// Everything in this package is safe for concurrent use.
package cache
