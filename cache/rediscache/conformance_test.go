package rediscache_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache/cachetest"
	"github.com/septum-go/septum/cache/rediscache"
	"github.com/septum-go/septum/internal/redistest"
	"github.com/septum-go/septum/tenant"
)

var server redistest.Pool

// C01, C02, C03, C06, X01: the rules of the cache in process, on a server, with and without the tier in process, and with
// tenants spread over buckets.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rediscache.Options[string, string]){
		"two tiers":   func(*rediscache.Options[string, string]) {},
		"remote only": func(o *rediscache.Options[string, string]) { o.Local.Off = true },
		"buckets":     func(o *rediscache.Options[string, string]) { o.Buckets = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cachetest.Run(t, cachetest.Subject{Open: func(t testing.TB, o cachetest.Options) cachetest.Cache {
				s := server.Shared(t)
				key := bytes.Repeat([]byte{1, 2}, 16)
				opts := rediscache.Options[string, string]{
					Redis: rueidis.ClientOption{
						InitAddress: []string{s.Address}, Username: s.Username, Password: s.Password, ForceSingleClient: true,
					},
					Namespace: "conformance", Keys: [][]byte{key}, TTL: o.TTL, NegativeTTL: o.NegativeTTL, StaleIfError: o.StaleIfError, NotFound: o.NotFound, Tags: o.Tags,
					Timeout: 5 * time.Second,
				}
				change(&opts)
				c, err := rediscache.New(opts)
				require.NoError(t, err)
				t.Cleanup(c.Close)
				return func(tc tenant.Context) cachetest.Partition { return c.In(tc) }
			}})
		})
	}
}
