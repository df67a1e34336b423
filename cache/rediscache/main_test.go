package rediscache

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/redistest"
	"github.com/septum-go/septum/tenant"
)

var shared redistest.Pool

// Every cache of a test is closed at its end, and then nothing runs.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTenant gives a context of a tenant that no other test has.
func newTenant(t testing.TB, name string) tenant.Context {
	t.Helper()
	return contextOf(t, tenant.MustParseID(name+"-"+strings.ToLower(rand.Text()[:12])))
}

func contextOf(t testing.TB, id tenant.ID) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: id, Subject: "test"})
	require.NoError(t, err)
	return tc
}

// login is how a client reaches a server of the tests.
func login(s *redistest.Server) rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: []string{s.Address}, Username: s.Username, Password: s.Password, ForceSingleClient: true}
}

// diary collects incidents.
type diary struct {
	mu    sync.Mutex
	kinds map[cache.IncidentKind]int
	last  cache.Incident
}

func (d *diary) write(i cache.Incident) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kinds == nil {
		d.kinds = map[cache.IncidentKind]int{}
	}
	d.kinds[i.Kind]++
	d.last = i
}

func (d *diary) count(kind cache.IncidentKind) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kinds[kind]
}

func options(s *redistest.Server) Options[string, string] {
	return Options[string, string]{Redis: login(s), Namespace: "test", Keys: [][]byte{testKey(7)}, Jitter: -1, Timeout: 2 * time.Second}
}

// oneTag puts all under one tag.
func oneTag(string, string) []string { return []string{"t"} }

func open[K comparable, V any](t testing.TB, o Options[K, V]) *Cache[K, V] {
	t.Helper()
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// raw is a client beside the caches: the operator, an attacker, or another program.
func raw(t testing.TB, s *redistest.Server) rueidis.Client {
	t.Helper()
	o := login(s)
	o.DisableCache = true
	client, err := rueidis.NewClient(o)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// stored finds the names on the server of one tenant's values and generations.
func stored(t testing.TB, client rueidis.Client, tc tenant.Context) (values, generations []string) {
	t.Helper()
	var cursor uint64
	for {
		page, err := client.Do(context.Background(), client.B().Scan().Cursor(cursor).Match("{t:"+tc.Tenant().String()+"*").Count(10000).Build()).AsScanEntry()
		require.NoError(t, err)
		for _, name := range page.Elements {
			if strings.Contains(name, "}:gen:") || strings.Contains(name, "}:tag:") {
				generations = append(generations, name)
			} else {
				values = append(values, name)
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return values, generations
		}
	}
}

func get(t testing.TB, client rueidis.Client, name string) []byte {
	t.Helper()
	b, err := client.Do(context.Background(), client.B().Get().Key(name).Build()).AsBytes()
	require.NoError(t, err)
	return b
}

func put(t testing.TB, client rueidis.Client, name string, value []byte) {
	t.Helper()
	require.NoError(t, client.Do(context.Background(), client.B().Set().Key(name).Value(rueidis.BinaryString(value)).Px(time.Minute).Build()).Error())
}

// tcContext is short for what loaders take.
type tcContext = tenant.Context

var errLoader = errors.New("the loader's own error")

// counted gives a loader of a value, and how often it ran.
func counted(value string) (func(tenant.Context) (string, error), *int) {
	n := new(int)
	var mu sync.Mutex
	return func(tenant.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		*n++
		return value, nil
	}, n
}
