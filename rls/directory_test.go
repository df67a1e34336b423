package rls_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

// gate is Credentials that let nobody in, and count who asks. It shows whether a request would have been connected: then
// the error is ErrCredentials.
type gate struct{ asked atomic.Int64 }

var errGate = errors.New("password hunter2 is wrong")

// Credential implements rls.Credentials.
func (g *gate) Credential(context.Context, rls.CredentialRequest) (rls.Credential, error) {
	g.asked.Add(1)
	return rls.Credential{}, errGate
}

func gated(t testing.TB, directory rls.Directory, cache rls.DirectoryCache) (*rls.DB, *gate) {
	t.Helper()
	g := &gate{}
	db, err := rls.Open(context.Background(), rls.Config{Directory: directory, Credentials: g, Cache: cache}, hospital)
	require.NoError(t, err)
	return db, g
}

// read is a request that would reach a connection.
func read(db *rls.DB, tc tenant.Context) error {
	_, err := rls.All[patient](tc, db, allPatients)
	return err
}

func write(db *rls.DB, tc tenant.Context) error {
	return db.Exec(tc, rename, query.Args{"id": 1, "name": "x"})
}

var poolEntry = rls.Entry{Tier: rls.TierPool, Target: "main"}

// Who may not work is refused before any connection, and before any credential.
func TestStatusIsHeldBeforeAnyConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status      rls.Status
		read, write error // ErrCredentials: it came as far as logging in
		http        int   // of the write
	}{
		{"", rls.ErrCredentials, rls.ErrCredentials, http.StatusServiceUnavailable},
		{rls.StatusActive, rls.ErrCredentials, rls.ErrCredentials, http.StatusServiceUnavailable},
		{rls.StatusReadOnly, rls.ErrCredentials, rls.ErrReadOnly, http.StatusForbidden},
		{rls.StatusMoving, rls.ErrCredentials, rls.ErrMoving, http.StatusServiceUnavailable},
		{rls.StatusSuspended, rls.ErrSuspended, rls.ErrSuspended, http.StatusForbidden},
		{rls.StatusErased, rls.ErrErased, rls.ErrErased, http.StatusNotFound},
		{"unknown", rls.ErrUnknownTenant, rls.ErrUnknownTenant, http.StatusNotFound},
		{"paused", rls.ErrEntry, rls.ErrEntry, http.StatusInternalServerError}, // a status of the future
	}
	for _, test := range tests {
		t.Run("status "+string(test.status), func(t *testing.T) {
			t.Parallel()
			b := newBoard()
			entry := poolEntry
			entry.Status = test.status
			if test.status != "unknown" {
				b.put(mary, entry)
			}
			db, g := gated(t, b, rls.DirectoryCache{})
			defer db.Close()
			tc := bind(t, context.Background(), mary)
			batch := &rls.Batch{}
			batch.Exec(rename, query.Args{"id": 1, "name": "x"})
			_, copied := db.CopyIn(tc, "patients", nameColumns, newcomers(1, 1))
			want := int64(0)
			for _, try := range []struct {
				err, want error
			}{
				{read(db, tc), test.read}, {write(db, tc), test.write}, {copied, test.write}, {db.Batch(tc, batch), test.write},
				{db.InTx(tc, func(tx *rls.Tx) error { return tx.Exec(tc, rename, query.Args{"id": 1, "name": "x"}) }), test.write},
			} {
				require.ErrorIs(t, try.err, try.want)
				require.NotContains(t, try.err.Error(), "hunter2")
				require.NotContains(t, try.err.Error(), mary.String())
				if errors.Is(try.want, rls.ErrCredentials) {
					want++
					require.ErrorIs(t, try.err, errGate)
				}
			}
			require.Equal(t, want, g.asked.Load())
			require.Equal(t, test.http, tenanthttp.StatusOf(write(db, tc)))
		})
	}
}

// An entry that can't be right serves nobody.
func TestEntriesThatAreRefused(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, 64))
	for name, entry := range map[string]rls.Entry{
		"no tier":                {Target: "main"},
		"another tier":           {Tier: "shared", Target: "main"},
		"no target":              {Tier: rls.TierPool},
		"a DSN":                  {Tier: rls.TierPool, Target: "postgres://app:secret@db/main"},
		"a path":                 {Tier: rls.TierPool, Target: "../main"},
		"bridge without login":   {Tier: rls.TierBridge, Target: "main", Schema: "s"},
		"bridge without schema":  {Tier: rls.TierBridge, Target: "main", Login: "l"},
		"bridge in public":       {Tier: rls.TierBridge, Target: "main", Login: "l", Schema: "public"},
		"bridge in pg_catalog":   {Tier: rls.TierBridge, Target: "main", Login: "l", Schema: "pg_catalog"},
		"bridge in $user":        {Tier: rls.TierBridge, Target: "main", Login: "l", Schema: "$user"},
		"silo in pg_temp":        {Tier: rls.TierSilo, Target: "main", Schema: "pg_temp"},
		"pool in another schema": {Tier: rls.TierPool, Target: "main", Schema: "s"},
		"a long schema":          {Tier: rls.TierSilo, Target: "main", Schema: "s" + long},
		"a login with NUL":       {Tier: rls.TierBridge, Target: "main", Login: "a\x00b", Schema: "s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBoard()
			b.put(mary, entry)
			db, g := gated(t, b, rls.DirectoryCache{})
			defer db.Close()
			err := read(db, bind(t, context.Background(), mary))
			require.ErrorIs(t, err, rls.ErrEntry)
			require.NotContains(t, err.Error(), "secret")
			require.Zero(t, g.asked.Load())
			_, err = rls.NewStaticDirectory(map[tenant.ID]rls.Entry{mary: entry})
			require.ErrorIs(t, err, rls.ErrEntry)
		})
	}
}

// X10: no two tenants in one place but in the pool tier.
func TestStaticDirectoryRefusesSharedPlaces(t *testing.T) {
	t.Parallel()
	bridge := rls.Entry{Tier: rls.TierBridge, Target: "main", Login: "l", Schema: "s"}
	silo := rls.Entry{Tier: rls.TierSilo, Target: "clinic"}
	for name, pair := range map[string][2]rls.Entry{
		"one schema":       {bridge, {Tier: rls.TierBridge, Target: "main", Login: "other", Schema: "s"}},
		"one login":        {bridge, {Tier: rls.TierBridge, Target: "main", Login: "l", Schema: "other"}},
		"one login, tiers": {bridge, {Tier: rls.TierPool, Target: "main", Login: "l"}},
		"one silo":         {silo, silo},
		"silo and pool":    {silo, {Tier: rls.TierPool, Target: "clinic"}},
		"pool and silo":    {{Tier: rls.TierPool, Target: "clinic"}, silo},
		"silo and bridge":  {silo, {Tier: rls.TierBridge, Target: "clinic", Login: "l", Schema: "s"}},
		"suspended silo":   {{Tier: rls.TierSilo, Target: "clinic", Status: rls.StatusSuspended}, silo},
	} {
		_, err := rls.NewStaticDirectory(map[tenant.ID]rls.Entry{mary: pair[0], paul: pair[1]})
		require.ErrorIs(t, err, rls.ErrEntry, name)
		require.ErrorContains(t, err, "share", name)
	}
	erased := rls.Entry{Tier: rls.TierSilo, Target: "main", Status: rls.StatusErased}
	_, err := rls.NewStaticDirectory(map[tenant.ID]rls.Entry{mary: poolEntry, paul: erased})
	require.NoError(t, err, "who was erased leaves the place free")
	d, err := rls.NewStaticDirectory(map[tenant.ID]rls.Entry{mary: poolEntry, paul: poolEntry, townID("a"): bridge, townID("b"): silo})
	require.NoError(t, err)
	var listed []tenant.ID
	for id, err := range d.Tenants(t.Context()) {
		require.NoError(t, err)
		listed = append(listed, id)
	}
	require.Len(t, listed, 4)
}

func TestOpenWithADirectoryNeedsCredentials(t *testing.T) {
	t.Parallel()
	b := newBoard()
	for name, cfg := range map[string]rls.Config{
		"no credentials": {Directory: b},
		"a URL as well":  {Directory: b, Credentials: &gate{}, URL: "postgres://app@localhost/app"},
		"no pooler":      {Directory: b, Credentials: &gate{}, Pooler: "odyssey"},
		"a loader":       {Directory: b, Credentials: &gate{}, LoaderURL: "postgres://loader@localhost/app"},
		"sticky, limits": {Directory: b, Credentials: &gate{}, StickyScope: true, LimitsFor: func(tenant.ID) rls.Limits { return rls.Limits{} }},
	} {
		_, err := rls.Open(t.Context(), cfg, hospital)
		require.ErrorIs(t, err, rls.ErrOptions, name)
	}
}

// The Directory is asked once per TTL, whatever the load, and its changes hold when the TTL is over.
func TestDirectoryIsAskedOncePerTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.put(mary, poolEntry)
		db, _ := gated(t, b, rls.DirectoryCache{TTL: time.Minute})
		defer db.Close()
		tc := bind(t, context.Background(), mary)
		for range 100 {
			require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
		}
		require.Equal(t, 1, b.questions(mary))
		b.change(mary, func(e *rls.Entry) { e.Status = rls.StatusSuspended })
		time.Sleep(59 * time.Second)
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, read(db, tc), rls.ErrSuspended)
	})
}

// An unknown tenant is asked for once in a while, however often it comes.
func TestUnknownTenantsAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		db, g := gated(t, b, rls.DirectoryCache{UnknownTTL: 3 * time.Second})
		defer db.Close()
		tc := bind(t, context.Background(), mary)
		for range 50 {
			require.ErrorIs(t, read(db, tc), rls.ErrUnknownTenant)
		}
		require.Equal(t, 1, b.questions(mary))
		b.put(mary, poolEntry)
		time.Sleep(3 * time.Second)
		require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
		require.Equal(t, int64(1), g.asked.Load())
		// Made-up tenants don't fill the memory, and the known ones stay.
		for i := range 10_000 {
			require.ErrorIs(t, read(db, bind(t, context.Background(), townID(fmt.Sprint("made up ", i)))), rls.ErrUnknownTenant)
		}
		known, unknown := db.Remembered()
		require.Equal(t, 1, known)
		require.Equal(t, 4096, unknown)
	})
}

// While the directory is down, known tenants are served for a bounded time, and others not.
func TestDirectoryDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.put(mary, poolEntry)
		b.put(paul, poolEntry)
		db, _ := gated(t, b, rls.DirectoryCache{TTL: 10 * time.Second, StaleFor: time.Minute})
		defer db.Close()
		known, other := bind(t, context.Background(), mary), bind(t, context.Background(), paul)
		require.ErrorIs(t, read(db, known), rls.ErrCredentials)
		down := errors.New("connection to directory at 10.0.0.7 failed")
		b.fail(down)
		for range 69 {
			time.Sleep(time.Second)
			for range 5 {
				require.ErrorIs(t, read(db, known), rls.ErrCredentials)
			}
			err := read(db, other)
			require.ErrorIs(t, err, rls.ErrUnavailable)
			require.ErrorIs(t, err, down)
			require.NotContains(t, err.Error(), "10.0.0.7")
		}
		require.LessOrEqual(t, b.questions(mary), 72, "a directory that is down is not asked by each request")
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, read(db, known), rls.ErrUnavailable)
		b.fail(nil)
		require.ErrorIs(t, read(db, known), rls.ErrCredentials, "the next request works")
		require.ErrorIs(t, read(db, other), rls.ErrCredentials)
		b.fail(down)
		db.Invalidate(mary) // what was known stays for the time of need
		require.ErrorIs(t, read(db, known), rls.ErrCredentials)
	})
}

// A directory that hangs holds nobody up for longer than Timeout, and no request pays for it twice in a second.
func TestDirectoryHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.put(mary, poolEntry)
		db, _ := gated(t, b, rls.DirectoryCache{TTL: 10 * time.Second, Timeout: 2 * time.Second})
		defer db.Close()
		tc := bind(t, context.Background(), mary)
		require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
		b.mu.Lock()
		b.hold = make(chan struct{})
		b.mu.Unlock()
		time.Sleep(11 * time.Second)
		begin := time.Now()
		require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
		require.Equal(t, 2*time.Second, time.Since(begin))
		begin = time.Now()
		require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
		require.Zero(t, time.Since(begin))
	})
}

// X01: requests for one tenant share a question, and the end of the first is not the others' end.
func TestOneQuestionForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.put(mary, poolEntry)
		b.hold = make(chan struct{})
		db, _ := gated(t, b, rls.DirectoryCache{})
		defer db.Close()
		ctx, cancel := context.WithCancel(context.Background())
		first := make(chan error)
		go func() { first <- read(db, bind(t, ctx, mary)) }()
		synctest.Wait()
		others := make(chan error)
		for range 20 {
			go func() { others <- read(db, bind(t, context.Background(), mary)) }()
		}
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		close(b.hold)
		for range 20 {
			require.ErrorIs(t, <-others, rls.ErrCredentials)
		}
		require.Equal(t, 1, b.questions(mary))
	})
}

// A Directory that panics is one that does not answer.
func TestDirectoryPanics(t *testing.T) {
	t.Parallel()
	db, _ := gated(t, panicking{}, rls.DirectoryCache{})
	defer db.Close()
	require.ErrorIs(t, read(db, bind(t, context.Background(), mary)), rls.ErrUnavailable)
}

type panicking struct{}

// Resolve implements rls.Directory.
func (panicking) Resolve(context.Context, tenant.ID) (rls.Entry, error) { panic("oh") }

func TestClosedWhileAsking(t *testing.T) {
	t.Parallel()
	b := newBoard()
	b.hold = make(chan struct{})
	db, _ := gated(t, b, rls.DirectoryCache{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() { require.Error(t, read(db, bind(t, context.Background(), mary))) })
	}
	require.Eventually(t, func() bool { return b.questions(mary) == 1 }, 10*time.Second, time.Millisecond)
	db.Close()
	asking.Wait()
	require.ErrorIs(t, read(db, bind(t, context.Background(), mary)), rls.ErrClosed)
}
