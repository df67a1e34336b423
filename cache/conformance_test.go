package cache_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/cache/cachetest"
	"github.com/septum-go/septum/tenant"
)

// C01, C02, C03, C06, X01: the kit that remote tiers run as well.
func TestConformance(t *testing.T) {
	t.Parallel()
	cachetest.Run(t, cachetest.Subject{Open: func(t testing.TB, o cachetest.Options) cachetest.Cache {
		c, err := cache.New(cache.Options[string, string]{
			Capacity: 10_000, TTL: o.TTL, NegativeTTL: o.NegativeTTL, StaleIfError: o.StaleIfError, NotFound: o.NotFound, Tags: o.Tags,
		})
		require.NoError(t, err)
		return func(tc tenant.Context) cachetest.Partition { return c.In(tc) }
	}})
}
