package rediscache

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/redistest"
)

// stormTime is how long a storm lasts: SEPTUM_STORM, else a second.
func stormTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SEPTUM_STORM")
	if text == "" {
		return time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, "SEPTUM_STORM is a duration")
	return d
}

// truth is the database behind the caches: each key's version, which only grows.
type truth struct {
	versions [4][8]atomic.Int64 // of tenant and key
}

// Two programs read, load, write and invalidate the same tenants, while the server is killed, restarted, paused, flushed and
// cut off. Whatever happens:
//
//   - a value is of the tenant and the key that it was asked for (C03);
//   - what a program changed and then invalidated, whether the server heard of it or not, that program never sees again
//     (C06): no version older than the one at the time of its last invalidation;
//   - GetOrLoad fails only as its loader does;
//   - in the end all is well by itself: both programs see the newest versions after an invalidation, and use the server.
func TestStormTheServerComesAndGoes(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no")
	d := &diary{}
	o := Options[string, string]{
		Redis: login(s), Namespace: "storm", Keys: [][]byte{testKey(3)}, Buckets: 2,
		Tags: func(key, _ string) []string { return []string{parity(key)} }, EarlyRefresh: 1, TTL: 300 * time.Millisecond,
		Timeout: 100 * time.Millisecond, BreakAfter: 3, BreakFor: 20 * time.Millisecond, OnIncident: d.write,
	}
	programs := []*Cache[string, string]{open(t, o), open(t, o)}
	var db truth
	var tenants [len(db.versions)]tcContext
	for i := range tenants {
		tenants[i] = newTenant(t, "storm")
	}
	ctx, cancel := context.WithTimeout(context.Background(), stormTime(t))
	defer cancel()
	var wg sync.WaitGroup
	var served, failedWrites atomic.Int64
	for number, c := range programs {
		// floor is the version that this program may see at least.
		var floor truth
		for range 6 {
			wg.Go(func() {
				for ctx.Err() == nil {
					i, k := rand.IntN(len(tenants)), rand.IntN(len(db.versions[0]))
					key, p := strconv.Itoa(k), c.In(tenants[i])
					load := func(tcContext) (string, error) {
						version := db.versions[i][k].Load()
						if rand.IntN(50) == 0 {
							time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
						}
						if rand.IntN(100) == 0 {
							return "", errLoader
						}
						return mark(tenants[i], key, version), nil
					}
					check := func(value string, least int64) {
						served.Add(1)
						if version, err := strconv.ParseInt(strings.TrimPrefix(value, mark(tenants[i], key, -1)), 10, 64); err != nil {
							t.Errorf("another's value: %q", value)
						} else if version < least {
							t.Errorf("program %d served version %d of %s/%s after it had invalidated %d", number, version, tenants[i].Tenant(), key, least)
						}
					}
					least := floor.versions[i][k].Load()
					switch rand.IntN(20) {
					case 0: // a change, and the key is deleted
						version := db.versions[i][k].Add(1)
						if p.Delete(key) != nil {
							failedWrites.Add(1)
						}
						raise(&floor.versions[i][k], version)
					case 1: // changes, and the tenant is invalidated
						var now [len(db.versions[0])]int64
						for k := range now {
							now[k] = db.versions[i][k].Add(1)
						}
						if p.InvalidateTenant() != nil {
							failedWrites.Add(1)
						}
						for k := range now {
							raise(&floor.versions[i][k], now[k])
						}
					case 2: // as much, and a tag is
						var now [len(db.versions[0])]int64
						for k := k % 2; k < len(now); k += 2 {
							now[k] = db.versions[i][k].Add(1)
						}
						if p.InvalidateTag(parity(key)) != nil {
							failedWrites.Add(1)
						}
						for k := range now {
							raise(&floor.versions[i][k], now[k])
						}
					case 3, 4, 5:
						if v, err := p.Get(key); err == nil {
							check(v, least)
						} else if !errors.Is(err, cache.ErrMiss) {
							t.Error(err)
						}
					case 6, 7:
						many, err := p.GetMany([]string{key})
						if err != nil {
							t.Error(err)
						} else if v, ok := many[key]; ok {
							check(v, least)
						}
					case 8, 9, 10:
						many, err := p.GetOrLoadMany([]string{key}, func(tc tcContext, _ []string) (map[string]string, error) {
							v, err := load(tc)
							return map[string]string{key: v}, err
						})
						if err == nil {
							check(many[key], least)
						} else if !errors.Is(err, errLoader) {
							t.Error(err)
						}
					default:
						if v, err := p.GetOrLoad(key, load); err == nil {
							check(v, least)
						} else if !errors.Is(err, errLoader) {
							t.Error(err)
						}
					}
				}
			})
		}
	}
	for ctx.Err() == nil {
		time.Sleep(time.Duration(50+rand.IntN(150)) * time.Millisecond)
		var err error
		switch rand.IntN(4) {
		case 0:
			require.NoError(t, s.Kill())
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			err = s.Restart(context.Background())
		case 1:
			require.NoError(t, s.Pause())
			time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
			err = s.Resume()
		case 2:
			_, _ = s.Do(ctx, "CLIENT", "KILL", "TYPE", "normal")
		case 3:
			_, _ = s.Do(ctx, "FLUSHALL")
		}
		require.NoError(t, err)
	}
	wg.Wait()
	for i, tc := range tenants {
		require.Eventually(t, func() bool { return programs[0].In(tc).InvalidateTenant() == nil }, 10*time.Second, 5*time.Millisecond)
		for k := range db.versions[i] {
			key := strconv.Itoa(k)
			want := mark(tc, key, db.versions[i][k].Load())
			for _, c := range programs {
				require.Eventually(t, func() bool {
					v, err := c.In(tc).GetOrLoad(key, func(tcContext) (string, error) { return want, nil })
					return err == nil && v == want
				}, 10*time.Second, time.Millisecond)
			}
		}
	}
	for _, c := range programs {
		before := c.Stats()
		require.True(t, before.Available)
		require.Positive(t, before.Hits)
		t.Logf("%+v", before)
	}
	require.Zero(t, d.count(IncidentForged))
	t.Logf("%d values served, %d writes that the server may not have heard of, %d outages", served.Load(), failedWrites.Load(), d.count(IncidentOutage))
}

// parity is a key's tag.
func parity(key string) string { return strings.Repeat("x", int(key[0]-'0')%2) }

// mark names a value; version -1 gives what stands before the version.
func mark(tc tcContext, key string, version int64) string {
	text := tc.Tenant().String() + "/" + key + "/"
	if version < 0 {
		return text
	}
	return text + strconv.FormatInt(version, 10)
}

func raise(floor *atomic.Int64, to int64) {
	for {
		now := floor.Load()
		if now >= to || floor.CompareAndSwap(now, to) {
			return
		}
	}
}
