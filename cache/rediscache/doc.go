// Package rediscache keeps a cache's values on a Redis (6.2 or newer) or Valkey server or cluster that many programs share, and
// the busiest of them in process. It has the methods of package cache, and its promises: a tenant can't read, change or
// push out another tenant's values, and whose values they are is said by the [tenant.Context] alone.
//
//	charts, err := rediscache.New(rediscache.Options[string, Chart]{
//		Redis:     rueidis.ClientOption{InitAddress: []string{"redis:6379"}, TLSConfig: &tls.Config{}},
//		Namespace: "charts",
//		Keys:      [][]byte{key}, // 32 random bytes, the same in all programs
//	})
//	…
//	chart, err := charts.In(tc).GetOrLoad(patient, func(tc tenant.Context) (Chart, error) { … })
//
// # The server is not trusted
//
// Each value is sealed with AES-256-GCM under the full name that it is stored under: tenant, bucket, generation, namespace
// and key. Whatever the server gives in its place (another tenant's value, another key's, one byte changed, a value after
// its end) is a miss and an Incident, never a value. A server that does not speak its protocol loses its connection
// instead of ending the program. What it can do is forget, and put back what stood under the same name in the same
// generation before its end came.
//
// # Invalidation
//
// A tenant's values carry its generation in their names. [Partition.InvalidateTenant] gives the tenant a new one, which takes
// one small write however many values there are; the old ones are out of reach and expire. Generations are never reused:
// they are random, later ones are known from earlier ones, and they are bound to the server's replication id, so that a
// server that lost writes, by a restart or a failover, begins with an empty cache instead of an old one. A generation that
// the server evicted or that was flushed is replaced by one that never was.
//
// The tier in process hears of every change from the server on the connection that its reads came from (client-side
// caching, RESP3). A lost connection empties it. While a connection hangs, which is noticed after some three seconds at
// most, it may serve what another program has invalidated since.
//
// A write that may not have reached the server is owed: until it has, this program does not read what the server holds
// of that tenant's bucket, and the write has become an invalidation.
//
// # The server is gone
//
// Then reads are misses and GetOrLoad calls the loader, once at a time for each key. Each exchange has a timeout, a breaker
// leaves a server alone that keeps failing, and one request tries again after a moment. [Stats] counts, and
// Options.OnIncident hears of the beginning and the end.
package rediscache
