package rls_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// registry is a directory in a database of its own.
func registry(t testing.TB) (*rlstest.Database, *pgx.Conn, *rls.PostgresDirectory) {
	t.Helper()
	d := rlstest.New(t)
	owner := d.Owner(t)
	for range 2 {
		require.NoError(t, rls.InstallDirectory(context.Background(), owner, d.AppRole))
	}
	directory, err := rls.OpenDirectory(context.Background(), rls.PostgresDirectoryConfig{URL: d.AppURL, PollEvery: 5 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(directory.Close)
	return d, owner, directory
}

func TestPostgresDirectory(t *testing.T) {
	t.Parallel()
	d, owner, directory := registry(t)
	ctx := t.Context()
	_, err := directory.Resolve(ctx, mary)
	require.ErrorIs(t, err, rls.ErrUnknownTenant)
	bridge := rls.Entry{Tier: rls.TierBridge, Target: "main", Login: "l", Schema: "s", Status: rls.StatusActive}
	first, err := rls.PutEntry(ctx, owner, mary, bridge)
	require.NoError(t, err)
	require.Equal(t, int64(1), first.Version)
	got, err := directory.Resolve(ctx, mary)
	require.NoError(t, err)
	require.Equal(t, first, got)

	_, err = rls.PutEntry(ctx, owner, mary, bridge)
	require.ErrorIs(t, err, tenant.ErrConflict, "version 0 is for new tenants")
	next := first
	next.Status = rls.StatusMoving
	second, err := rls.PutEntry(ctx, owner, mary, next)
	require.NoError(t, err)
	require.Equal(t, int64(2), second.Version)
	_, err = rls.PutEntry(ctx, owner, mary, next)
	require.ErrorIs(t, err, tenant.ErrConflict, "somebody was faster")
	for name, taken := range map[string]rls.Entry{
		"schema": {Tier: rls.TierBridge, Target: "main", Login: "other", Schema: "s"},
		"login":  {Tier: rls.TierBridge, Target: "main", Login: "l", Schema: "other"},
	} {
		_, err = rls.PutEntry(ctx, owner, paul, taken)
		require.ErrorIs(t, err, tenant.ErrConflict, name)
	}
	_, err = rls.PutEntry(ctx, owner, paul, rls.Entry{Tier: rls.TierBridge, Target: "postgres://x:hunter2@y"})
	require.ErrorIs(t, err, rls.ErrEntry)
	_, err = rls.PutEntry(ctx, owner, tenant.ID{}, poolEntry)
	require.ErrorIs(t, err, tenant.ErrInvalidID)

	// X10: a silo's database is one tenant's alone.
	silo, err := rls.PutEntry(ctx, owner, paul, rls.Entry{Tier: rls.TierSilo, Target: "clinic"})
	require.NoError(t, err)
	silo.Status = rls.StatusSuspended
	silo, err = rls.PutEntry(ctx, owner, paul, silo)
	require.NoError(t, err)
	for name, taken := range map[string]rls.Entry{
		"silo": {Tier: rls.TierSilo, Target: "clinic"}, "silo of a bridge": {Tier: rls.TierSilo, Target: "main"},
		"pool": {Tier: rls.TierPool, Target: "clinic"}, "bridge": {Tier: rls.TierBridge, Target: "clinic", Login: "a", Schema: "a"},
	} {
		_, err = rls.PutEntry(ctx, owner, townID("third"), taken)
		require.ErrorIs(t, err, tenant.ErrConflict, name)
	}
	moves := second
	moves.Target = "clinic"
	_, err = rls.PutEntry(ctx, owner, mary, moves)
	require.ErrorIs(t, err, tenant.ErrConflict, "moves in")
	silo.Status = rls.StatusErased
	_, err = rls.PutEntry(ctx, owner, paul, silo)
	require.NoError(t, err)
	moves, err = rls.PutEntry(ctx, owner, mary, moves)
	require.NoError(t, err, "its database is free")
	second = moves

	// L04: erased stays erased, and its line stays too.
	gone := second
	gone.Status = rls.StatusErased
	gone, err = rls.PutEntry(ctx, owner, mary, gone)
	require.NoError(t, err)
	gone.Status = rls.StatusActive
	_, err = rls.PutEntry(ctx, owner, mary, gone)
	require.ErrorIs(t, err, rls.ErrErased)
	_, err = owner.Exec(ctx, "delete from septum_directory.tenants")
	require.ErrorContains(t, err, "SE001")
	bridge.Target = "clinic"
	_, err = rls.PutEntry(ctx, owner, townID("third"), bridge)
	require.NoError(t, err, "its place is free")

	for _, sql := range []string{"insert into septum_directory.tenants values ('x')", "update septum_directory.tenants set target = 'x'",
		"delete from septum_directory.tenants", "truncate septum_directory.tenants", "update septum_directory.version set version = 7",
		"select nextval('septum_directory.revisions')", "drop schema septum_directory cascade"} {
		_, err = d.App(t).Exec(ctx, sql)
		require.ErrorContains(t, err, "42501", sql)
	}
}

func TestPostgresDirectoryLists(t *testing.T) {
	t.Parallel()
	_, owner, directory := registry(t)
	_, err := owner.Exec(t.Context(), `insert into septum_directory.tenants (tenant, tier, target, status)
		select 't' || lpad(n::text, 5, '0'), 'pool', 'main', case n when 7 then 'erased' else 'active' end from generate_series(1, 2100) n`)
	require.NoError(t, err)
	var last tenant.ID
	n := 0
	for id, err := range directory.Tenants(t.Context()) {
		require.NoError(t, err)
		require.Less(t, last.String(), id.String())
		require.NotEqual(t, "t00007", id.String())
		last = id
		n++
	}
	require.Equal(t, 2099, n)
	for range directory.Tenants(t.Context()) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range directory.Tenants(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Changes of many writers at once are all told: a change that was numbered earlier is never committed later.
func TestPostgresDirectoryTellsOfEachChange(t *testing.T) {
	t.Parallel()
	d, _, directory := registry(t)
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	told := map[tenant.ID]bool{}
	began := make(chan struct{}, 1)
	watched := make(chan error)
	go func() {
		watched <- directory.Watch(ctx, func(id tenant.ID) {
			mu.Lock()
			defer mu.Unlock()
			if id.IsZero() {
				began <- struct{}{}
			}
			told[id] = true
		})
	}()
	<-began
	var writers sync.WaitGroup
	for g := range 4 {
		conn := d.Owner(t)
		writers.Go(func() {
			for i := range 20 {
				_ = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "insert into septum_directory.tenants (tenant, tier, target) values ($1, 'pool', 'main')", fmt.Sprintf("t-%d-%d", g, i))
					if err == nil && i%5 == 0 {
						_, err = tx.Exec(ctx, "select pg_sleep(0.01)")
					}
					return err
				})
			}
		})
	}
	writers.Wait()
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(told) == 81 }, 10*time.Second, time.Millisecond)
	cancel()
	require.Error(t, <-watched)
}

// A directory that its reader can write is refused: whoever writes it sends tenants where he likes.
func TestOpenDirectoryRefuses(t *testing.T) {
	t.Parallel()
	d, owner, _ := registry(t)
	admin, ownerRole := d.Admin(t), owner.Config().User
	reader, url := d.Login(t, "")
	require.NoError(t, rls.InstallDirectory(t.Context(), owner, reader))
	cfg := rls.PostgresDirectoryConfig{URL: url}
	for name, test := range map[string]struct {
		do, undo string
		code     rls.Code
	}{
		"writes a column":    {"grant update (target) on septum_directory.tenants to " + reader, "revoke update (target) on septum_directory.tenants from " + reader, rls.PrivilegeExtra},
		"deletes":            {"grant delete on septum_directory.tenants to public", "revoke delete on septum_directory.tenants from public", rls.PrivilegeExtra},
		"owns the function":  {"alter function septum_directory.number_change() owner to " + reader, "alter function septum_directory.number_change() owner to " + ownerRole, rls.RoleOwner},
		"owns the table":     {"alter table septum_directory.tenants owner to " + reader, "alter table septum_directory.tenants owner to " + ownerRole + "; grant select on septum_directory.tenants to " + reader, rls.RoleOwner},
		"reaches the owner":  {"grant " + ownerRole + " to " + reader, "revoke " + ownerRole + " from " + reader, rls.RoleOwner},
		"R01 superuser":      {"alter role " + reader + " superuser", "alter role " + reader + " nosuperuser", rls.RoleSuperuser},
		"R01 createrole":     {"alter role " + reader + " createrole", "alter role " + reader + " nocreaterole", rls.RoleCreateRole},
		"R01 all data":       {"grant pg_write_all_data to " + reader, "revoke pg_write_all_data from " + reader, rls.RolePredefined},
		"may not read":       {"revoke usage on schema septum_directory from " + reader, "grant usage on schema septum_directory to " + reader, rls.RelationMissing},
		"of a later time":    {"update septum_directory.version set version = 99", "update septum_directory.version set version = 2", rls.RelationMissing},
		"of an earlier time": {"update septum_directory.version set version = 1", "update septum_directory.version set version = 2", rls.RelationMissing},
		"no version at all":  {"delete from septum_directory.version", "insert into septum_directory.version values (true, 2)", rls.RelationMissing},
		"sets a trigger":     {"grant trigger on septum_directory.tenants to " + reader, "revoke trigger on septum_directory.tenants from " + reader, rls.PrivilegeExtra},
	} {
		_, err := admin.Exec(t.Context(), test.do)
		require.NoError(t, err, name)
		_, err = rls.OpenDirectory(t.Context(), cfg)
		var open *rls.OpenError
		require.ErrorAs(t, err, &open, name)
		require.True(t, open.Has(test.code), "%s: %v", name, err)
		_, err = admin.Exec(t.Context(), test.undo)
		require.NoError(t, err, name)
	}
	var open *rls.OpenError
	_, err := rls.OpenDirectory(t.Context(), rls.PostgresDirectoryConfig{URL: d.OwnerURL})
	require.ErrorAs(t, err, &open)
	require.True(t, open.Has(rls.RoleOwner))
	_, err = rls.OpenDirectory(t.Context(), rls.PostgresDirectoryConfig{URL: "postgres://x:hunter2@db.example.org/x"})
	require.ErrorAs(t, err, &open)
	require.True(t, open.Has(rls.ConnectionPlain))
	_, err = rls.OpenDirectory(t.Context(), rls.PostgresDirectoryConfig{})
	require.ErrorIs(t, err, rls.ErrOptions)
}

// The whole way: a directory in PostgreSQL, a tenant that is suspended and comes back, told within moments.
func TestSuspendedByThePostgresDirectory(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	_, owner, directory := registry(t)
	entry, err := rls.PutEntry(t.Context(), owner, mary, poolEntry)
	require.NoError(t, err)
	db := w.open(t, func(c *rls.Config) { c.Directory, c.Cache.TTL = directory, time.Hour })
	tc := bind(t, t.Context(), mary)
	require.NoError(t, read(db, tc))
	entry.Status = rls.StatusSuspended
	entry, err = rls.PutEntry(t.Context(), owner, mary, entry)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return read(db, tc) != nil }, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, read(db, tc), rls.ErrSuspended)
	entry.Status = rls.StatusActive
	_, err = rls.PutEntry(t.Context(), owner, mary, entry)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return read(db, tc) == nil }, 10*time.Second, time.Millisecond)
	db.Close()
}

// X10: who comes into one database at the same moment, as a silo's tenant and as others, is never there together.
func TestSilosAtOnce(t *testing.T) {
	t.Parallel()
	d, owner, _ := registry(t)
	conns := []*pgx.Conn{d.Owner(t), d.Owner(t), d.Owner(t), d.Owner(t)}
	for round := range 8 {
		target := fmt.Sprint("target", round)
		var writers sync.WaitGroup
		for i, conn := range conns {
			entry := rls.Entry{Tier: rls.TierPool, Target: target}
			if i%2 == 0 {
				entry.Tier = rls.TierSilo
			}
			writers.Go(func() { _, _ = rls.PutEntry(t.Context(), conn, townID(fmt.Sprint(round, i)), entry) })
		}
		writers.Wait()
		var silos, all int
		require.NoError(t, owner.QueryRow(t.Context(), "select count(*) filter (where tier = 'silo'), count(*) from septum_directory.tenants where target = $1", target).Scan(&silos, &all))
		require.True(t, silos == 0 && all == 2 || silos == 1 && all == 1, "%d silos of %d", silos, all)
	}
}

// A directory of an earlier version is brought to this one, with what is in it, and one of a later version is left alone.
func TestInstallDirectoryUpgrades(t *testing.T) {
	t.Parallel()
	d, owner, _ := registry(t)
	ctx := t.Context()
	first, err := rls.PutEntry(ctx, owner, mary, poolEntry)
	require.NoError(t, err)
	_, err = owner.Exec(ctx, "drop index septum_directory.tenants_target; update septum_directory.version set version = 1; grant update on septum_directory.tenants to "+d.AppRole)
	require.NoError(t, err)
	require.NoError(t, rls.InstallDirectory(ctx, owner, d.AppRole))
	directory, err := rls.OpenDirectory(ctx, rls.PostgresDirectoryConfig{URL: d.AppURL})
	require.NoError(t, err, "the reader's other rights are taken")
	defer directory.Close()
	got, err := directory.Resolve(ctx, mary)
	require.NoError(t, err)
	require.Equal(t, first, got)
	_, err = owner.Exec(ctx, "update septum_directory.version set version = 99")
	require.NoError(t, err)
	require.ErrorIs(t, rls.InstallDirectory(ctx, owner, d.AppRole), rls.ErrMigrations)
}
