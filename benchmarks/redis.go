package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/septum-go/septum/cache/rediscache"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/internal/redistest"
	"github.com/septum-go/septum/tenant"
)

// Values are 512 bytes, as a small JSON document is. The tier in process is off, so that each Get asks the server.
const redisValue = 512

func redisBenchmarks() []benchmark {
	return []benchmark{
		{"cache.redis.get.vs_plain", "<= 1.10", func(ctx context.Context) (float64, error) { return redisGet(ctx, 1) }},
		{"cache.redis.get.parallel.vs_plain", "<= 1.10", func(ctx context.Context) (float64, error) { return redisGet(ctx, 16) }},
		{"cache.redis.invalidate.vs_set", "<= 1.2", redisInvalidate},
	}
}

// redisBench is a server with a client beside the cache: what a program without Septum would use.
type redisBench struct {
	server *redistest.Server
	plain  rueidis.Client
	cache  *rediscache.Cache[string, []byte]
	tc     tenant.Context
}

func newRedisBench(ctx context.Context) (*redisBench, error) {
	server, err := redistest.Open(ctx)
	if err != nil {
		return nil, err
	}
	b := &redisBench{server: server}
	option := rueidis.ClientOption{InitAddress: []string{server.Address}, Password: server.Password}
	if b.plain, err = rueidis.NewClient(option); err != nil {
		return nil, fmt.Errorf("plain client: %w", err)
	}
	b.cache, err = rediscache.New(rediscache.Options[string, []byte]{
		Redis: option, Namespace: "bench", Keys: [][]byte{bytes.Repeat([]byte{1, 2, 3, 4}, 8)},
		Local: rediscache.Local[[]byte]{Off: true}, Timeout: 10 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	b.tc, err = tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID("bench"), Subject: "bench"})
	return b, err
}

func (b *redisBench) close() {
	b.cache.Close()
	b.plain.Close()
	_ = b.server.Close()
}

// redisGet compares reading a sealed value of a tenant with a plain GET of as many bytes.
func redisGet(ctx context.Context, callers int) (float64, error) {
	b, err := newRedisBench(ctx)
	if err != nil {
		return 0, err
	}
	defer b.close()
	value := bytes.Repeat([]byte{'x'}, redisValue)
	p := b.cache.In(b.tc)
	if err := p.Set("key", value); err != nil {
		return 0, err
	}
	if err := b.plain.Do(ctx, b.plain.B().Set().Key("plain:key").Value(string(value)).Build()).Error(); err != nil {
		return 0, err
	}
	ours := func() error { _, err := b.cache.In(b.tc).Get("key"); return err }
	plain := func() error {
		_, err := b.plain.Do(ctx, b.plain.B().Get().Key("plain:key").Build()).AsBytes()
		return err
	}
	return ratio.Compare(among(callers, ours), among(callers, plain), ratio.Settings{Slice: 20 * time.Millisecond, Rounds: 81})
}

// among shares calls out among callers at work at the same time.
func among(callers int, call func() error) ratio.Side {
	return func(n int) error {
		if callers == 1 {
			for range n {
				if err := call(); err != nil {
					return err
				}
			}
			return nil
		}
		var wg sync.WaitGroup
		errs := make(chan error, callers)
		for i := range callers {
			wg.Go(func() {
				for range (n + i) / callers {
					if err := call(); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		return <-errs
	}
}

// redisInvalidate compares the invalidation of a tenant that has 10,000 of the server's 1,000,000 keys with one plain SET of as
// many bytes as a generation has.
func redisInvalidate(ctx context.Context) (float64, error) {
	b, err := newRedisBench(ctx)
	if err != nil {
		return 0, err
	}
	defer b.close()
	const all, mine, batch = 1_000_000, 10_000, 10_000
	for i := 0; i < all-mine; i += batch {
		commands := make([]rueidis.Completed, batch)
		for j := range commands {
			commands[j] = b.plain.B().Set().Key(fmt.Sprint("{t:other}:g:bench:", i+j)).Value("value").Ex(time.Hour).Build()
		}
		for _, reply := range b.plain.DoMulti(ctx, commands...) {
			if err := reply.Error(); err != nil {
				return 0, err
			}
		}
	}
	fill := func() error {
		for i := 0; i < mine; i += 1000 {
			keys := make([]string, 1000)
			for j := range keys {
				keys[j] = fmt.Sprint("key ", i+j)
			}
			if _, err := b.cache.In(b.tc).GetOrLoadMany(keys, func(_ tenant.Context, keys []string) (map[string][]byte, error) {
				found := make(map[string][]byte, len(keys))
				for _, k := range keys {
					found[k] = []byte(k)
				}
				return found, nil
			}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fill(); err != nil {
		return 0, err
	}
	if got := b.cache.Stats().Sets; got != mine {
		return 0, fmt.Errorf("%d of %d values are stored", got, mine)
	}
	size := string(bytes.Repeat([]byte{'x'}, 70))
	invalidate := func() error { return b.cache.In(b.tc).InvalidateTenant() }
	set := func() error {
		return b.plain.Do(ctx, b.plain.B().Set().Key("plain:key").Value(size).Ex(time.Hour).Build()).Error()
	}
	return ratio.Compare(among(1, invalidate), among(1, set), ratio.Settings{Slice: 20 * time.Millisecond, Rounds: 81})
}
