package pgtest

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// shop is a template with one table; it counts how often it was prepared.
func shop(prepared *atomic.Int64) Template {
	return Template{Key: "shop", Prepare: func(ctx context.Context, d *Database) error {
		prepared.Add(1)
		conn, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "create table goods (id int); insert into goods values (1)")
		return err
	}}
}

// TestDatabasesAreClones runs on whatever way the environment gives.
func TestDatabasesAreClones(t *testing.T) {
	t.Parallel()
	s, err := Shared()
	require.NoError(t, err)
	require.NotEmpty(t, s.Version())
	var prepared atomic.Int64
	t.Run("parallel", func(t *testing.T) {
		for range 8 {
			t.Run("clone", func(t *testing.T) {
				t.Parallel()
				d, err := s.Database(limit(t), shop(&prepared))
				require.NoError(t, err)
				defer func() { require.NoError(t, d.Drop(limit(t))) }()
				mustExec(t, d.OwnerURL, "insert into goods values (2)")
				require.EqualValues(t, 2, scalar[int64](t, d.OwnerURL, "select count(*) from goods"))
				require.Equal(t, d.AppRole, scalar[string](t, d.AppURL, "select current_user::text"))
				require.Equal(t, d.Name, scalar[string](t, d.AdminURL, "select current_database()::text"))
			})
		}
	})
	if s.Source() != URL { // there, the last clone may have taken the template along in between
		require.EqualValues(t, 1, prepared.Load())
	}
}

func TestATemplateThatFailsStaysFailed(t *testing.T) {
	t.Parallel()
	s := own(t, nil)
	calls := 0
	broken := Template{Key: "broken", Prepare: func(context.Context, *Database) error {
		calls++
		return errors.New("a typo")
	}}
	for range 2 {
		_, err := s.Database(limit(t), broken)
		require.EqualError(t, err, "pgtest: prepare the template: a typo")
	}
	require.Equal(t, 1, calls)
	_, err := s.Database(limit(t), Template{})
	require.NoError(t, err, "another template is not harmed")
}

// user gives the server as somebody sees it who set SEPTUM_POSTGRES_URL.
func user(t *testing.T, connString string) *Server {
	t.Helper()
	s, err := Start(limit(t), Options{Source: URL, URL: connString})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestAUsersServerKeepsNothing(t *testing.T) {
	t.Parallel()
	server := durable(t)
	mustExec(t, server.URL(), "create database precious", "create role septum", "create database septum_test", "create role septum_test_drive")
	before := names(t, server)

	s := user(t, server.URL())
	var prepared atomic.Int64
	first, err := s.Database(limit(t), shop(&prepared))
	require.NoError(t, err)
	second, err := s.Database(limit(t), shop(&prepared))
	require.NoError(t, err)
	require.EqualValues(t, 1, prepared.Load())
	role, _, err := second.Login(limit(t), "CREATEDB")
	require.NoError(t, err)
	require.Contains(t, names(t, server), "role "+role)
	require.NoError(t, first.Drop(limit(t)))
	require.NoError(t, first.Drop(limit(t)), "twice is once")
	require.Equal(t, 2, countPrefix(names(t, server), "database "+prefix), "the template and the second clone")

	require.NoError(t, second.Drop(limit(t)))
	require.NoError(t, second.DropLogin(limit(t), role))
	require.Equal(t, before, names(t, server))

	third, err := s.Database(limit(t), shop(&prepared))
	require.NoError(t, err, "after the last one a new run begins")
	require.EqualValues(t, 2, prepared.Load())
	require.NotEqual(t, first.AppRole, third.AppRole)
	require.NoError(t, s.Close())
	require.Equal(t, before, names(t, server), "Close takes what is left")
}

func TestSweepTakesDeadRunsOnly(t *testing.T) {
	t.Parallel()
	server := durable(t)
	before := names(t, server)
	cmd, child := spawn(t, EnvSource+"=url", EnvURL+"="+server.URL())
	require.Equal(t, server.URL(), child.URL)

	s := user(t, server.URL())
	require.NoError(t, s.Sweep(limit(t)))
	require.Contains(t, names(t, server), "database "+child.Database, "its run is alive")

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // says that it was killed
	require.Eventually(t, func() bool {
		return scalar[int64](t, server.URL(), "select count(*) from pg_locks where locktype = 'advisory'") == 0
	}, closeTimeout, 20*time.Millisecond, "the server did not notice that its client is gone")
	require.Contains(t, names(t, server), "database "+child.Database, "a killed process cleans nothing up")
	d, err := s.Database(limit(t), Template{})
	require.NoError(t, err)
	require.NotContains(t, names(t, server), "database "+child.Database, "the next run does")
	require.NoError(t, d.Drop(limit(t)))
	require.Equal(t, before, names(t, server))
}

func TestAnAdministratorNeedsNoSuperuser(t *testing.T) {
	t.Parallel()
	server := durable(t)
	mustExec(t, server.URL(), "create role ci login createdb createrole password 'x'")
	ci, err := rebase(server.URL(), "postgres", "ci", "x")
	require.NoError(t, err)
	before := names(t, server)
	s := user(t, ci)
	var prepared atomic.Int64
	d, err := s.Database(limit(t), shop(&prepared))
	require.NoError(t, err)
	app, err := connect(limit(t), d.AppURL) // in use while it is dropped
	require.NoError(t, err)
	defer app.Close(limit(t))
	require.EqualValues(t, 1, scalar[int64](t, d.OwnerURL, "select count(*) from goods"))
	require.NoError(t, d.Drop(limit(t)))
	require.Equal(t, before, names(t, server))
}

func TestErrorsShowNoPassword(t *testing.T) {
	t.Parallel()
	server := durable(t)
	d, err := user(t, server.URL()).Database(limit(t), Template{})
	require.NoError(t, err)
	_, _, err = d.Login(limit(t), "NOTANATTRIBUTE")
	require.ErrorContains(t, err, "CREATE ROLE")
	require.NotContains(t, err.Error(), d.run.password)
	require.NoError(t, d.Drop(limit(t)))
}

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	first, err := Shared()
	require.NoError(t, err)
	second, err := Shared()
	require.NoError(t, err)
	require.Same(t, first, second)
	if forced := os.Getenv(EnvSource); forced != "" {
		require.Equal(t, Source(forced), first.Source())
	}
}
