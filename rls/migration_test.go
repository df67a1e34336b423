package rls_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// What a file may hold, and what is refused before any database is touched.
func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	const outside = "-- +goose NO TRANSACTION\n-- +goose Up\n"
	for name, test := range map[string]struct{ text, want string }{
		"empty":                                 {"", ""},
		"a byte order mark alone":               {"\ufeff", ""},
		"comments alone":                        {"-- nothing yet\n/* ; */", ""},
		"END":                                   {"create table t ();\nend;\ncreate table u ()", `"END" controls the transaction (line 2`},
		"END WORK AND CHAIN":                    {"end work and chain", `"END" controls`},
		"PREPARE TRANSACTION":                   {"create table t (); prepare transaction 'x'", `"PREPARE" controls`},
		"PREPARE":                               {"prepare x as select 1; deallocate x", ""},
		"START TRANSACTION":                     {"start transaction", `"START" controls`},
		"ABORT":                                 {"abort", `"ABORT" controls`},
		"DISCARD":                               {"discard all", `"DISCARD" gives up the lock`},
		"DISCARD outside":                       {outside + "discard all;", `"DISCARD" gives up the lock`},
		"COMMIT outside":                        {outside + "commit;", ""}, // says nothing there
		"COMMIT behind a carriage return":       {"select 1; -- harmless\rcommit", `"COMMIT" controls`},
		"COMMIT in a string":                    {"select '; commit;', $$ ; commit; $$, $x$ end; $x$ /* ; commit; */ -- ; commit", ""},
		"an atomic body":                        {"create function f() returns int language sql begin atomic select 1; select case when true then 1 end; end; select 1", ""},
		"END after an atomic body":              {"create function f() returns int language sql begin atomic select 1; end; end", `"END" controls`},
		"END after an empty atomic body":        {"create function f() returns void language sql begin atomic end; end", `"END" controls`},
		"an atomic body without END":            {"create function f() returns int language sql begin atomic select 1;", "has no END"},
		"a column called begin":                 {`create table t ("begin" int, atomic int); commit`, `"COMMIT" controls`},
		"meta commands of psql":                 {"\\i other.sql\n", "no SQL token begins with"},
		"COPY from psql":                        {"\\copy t from 'x'", "no SQL token begins with"},
		"UTF-16":                                {"\xff\xfes\x00e\x00", "UTF-8"},
		"NUL":                                   {"select 1;\x00", "NUL"},
		"Latin-1":                               {"select '\xfc'", "UTF-8"},
		"carriage returns of goose":             {"-- +goose Up\r\nselect 1;\r\n-- +goose Down\r\ncommit;\r\n", ""},
		"small letters of goose":                {"-- +goose up\nselect 1;\n-- +goose down\ncommit;\n", ""},
		"StatementEnd alone":                    {outside + "select 1;\n-- +goose StatementEnd\n", "StatementBegin"},
		"StatementBegin twice":                  {outside + "-- +goose StatementBegin\n-- +goose StatementBegin\nselect 1;\n-- +goose StatementEnd\n", "StatementEnd"},
		"a template of tern":                    {"{{ template \"x.sql\" . }}\n---- create above / drop below ----\n", "template"},
		"a template of tern without a way back": {"select 1;\n{{ template \"x.sql\" . }}\n", "no SQL token"},
		"braces in a string":                    {"select '{{1,2},{3,4}}'::int[]", ""},
	} {
		_, err := rls.ReadMigrations(files(map[string]string{"1_x.sql": test.text}))
		if test.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, rls.ErrMigrations, name)
		require.ErrorContains(t, err, test.want, name)
		require.ErrorContains(t, err, "1_x.sql", name)
	}
}

// A silo per tenant, in schemas of one database, is what the tests of MigrateAll run on: nothing has to be provisioned.
func (w *town) silos(t testing.TB, names ...string) *rls.StaticDirectory {
	t.Helper()
	entries := map[tenant.ID]rls.Entry{}
	for _, name := range names {
		w.exec(t, fmt.Sprintf("create schema %q authorization %q; grant usage on schema %q to %q", name, ownerOf(t, w), name, w.AppRole))
		entries[townID(name)] = rls.Entry{Tier: rls.TierSilo, Target: name, Schema: name}
	}
	d, err := rls.NewStaticDirectory(entries)
	require.NoError(t, err)
	return d
}

func (w *town) migrating(t testing.TB, d rls.Lister, texts map[string]string) rls.MigrateOptions {
	t.Helper()
	return rls.MigrateOptions{Directory: d, Credentials: w.owner(), Catalog: hospital, AppRole: w.AppRole, Migrations: mustRead(t, texts)}
}

// Two runs at once do each file once: the second finds it done. So do ten.
func TestTwoMigrateAllAtOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.silos(t, "x", "y")
	texts := map[string]string{
		"1.sql": hospitalSchema + "; create table runs (n int)",
		"2.sql": "insert into runs values (2); select pg_sleep(0.05)",
		"3.sql": "-- +goose NO TRANSACTION\n-- +goose Up\ninsert into runs values (3);\nselect pg_sleep(0.05);\ncreate index concurrently by_run on runs (n);",
	}
	var work sync.WaitGroup
	applied := make(chan []string, 8)
	for range 4 {
		work.Go(func() {
			report, err := rls.MigrateAll(sweeper(t), w.migrating(t, d, texts))
			assert.NoError(t, err)
			for _, o := range report.Outcomes {
				applied <- o.Applied
			}
		})
	}
	work.Wait()
	close(applied)
	worked := 0
	for names := range applied {
		if len(names) > 0 {
			worked++
			require.Equal(t, []string{"1.sql", "2.sql", "3.sql"}, names)
		}
	}
	require.Equal(t, 2, worked, "one run for each place")
	for _, schema := range []string{"x", "y"} {
		var runs []int
		require.NoError(t, w.admin.QueryRow(t.Context(), "select array_agg(n order by n) from "+schema+".runs").Scan(&runs))
		require.Equal(t, []int{2, 3}, runs)
	}
}

// A run that is killed in a file goes on where it was, and runs nothing twice that was done: in a transaction the file
// begins again, outside of one its statement.
func TestKilledMigrateAllGoesOn(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.silos(t, "x")
	texts := map[string]string{
		"1.sql": hospitalSchema + "; create table runs (n int); insert into runs values (1)",
		"2.sql": "insert into runs values (2); select pg_sleep(case when (select count(*) from runs) < 4 then 0 else 0 end)",
	}
	kill := func(marker string) {
		require.Eventually(t, func() bool {
			var n int
			err := w.admin.QueryRow(context.Background(), "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and query like '%' || $1 || '%' and pid <> pg_backend_pid() and state = 'active'", marker).Scan(&n)
			return err == nil && n > 0
		}, 20*time.Second, time.Millisecond)
	}
	run := func() error {
		_, err := rls.MigrateAll(sweeper(t), w.migrating(t, d, texts))
		return err
	}
	runs := func() (all []int) {
		require.NoError(t, w.admin.QueryRow(t.Context(), "select array_agg(n order by n) from x.runs").Scan(&all))
		return all
	}
	texts["3.sql"] = "insert into runs values (3); select pg_sleep(60) /* kill me */"
	done := make(chan error)
	go func() { done <- run() }()
	kill("kill me")
	require.Error(t, <-done)
	require.Equal(t, []int{1, 2}, runs(), "the file is undone")
	texts["3.sql"] = "-- +goose NO TRANSACTION\n-- +goose Up\ninsert into runs values (3);\nselect pg_sleep(case when (select count(*) from runs where n = 9) = 0 then 60 else 0 end) /* kill me too */;\ninsert into runs values (4);\n"
	go func() { done <- run() }()
	kill("kill me too")
	require.Error(t, <-done)
	require.Equal(t, []int{1, 2, 3}, runs())
	w.exec(t, "insert into x.runs values (9)")
	require.NoError(t, run(), "the lock went with its connection")
	require.NoError(t, run())
	require.Equal(t, []int{1, 2, 3, 4, 9}, runs(), "what was done is not done again")
}

// L03: a tenant whose database is gone, one whose credentials are, one whose file fails, and those that are well.
func TestMigrateAllReportsBoth(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.silos(t, "well", "gone", "locked", "full", "fine")
	w.exec(t, `create table "full".patients ()`)
	o := w.migrating(t, d, map[string]string{"1.sql": hospitalSchema})
	o.Credentials = rls.CredentialsFunc(func(ctx context.Context, ask rls.CredentialRequest) (rls.Credential, error) {
		switch ask.Target {
		case "gone":
			return rls.Credential{URL: strings.Replace(w.ownerURL, w.Name, "no_such_database", 1)}, nil
		case "locked":
			return rls.Credential{URL: w.ownerURL, Password: "hunter2hunter2"}, nil
		}
		return rls.Credential{URL: w.ownerURL}, nil
	})
	report, err := rls.MigrateAll(sweeper(t), o)
	var sweep *rls.SweepError
	require.ErrorAs(t, err, &sweep)
	require.Equal(t, []int{5, 3}, []int{sweep.Tenants, len(sweep.Failed)})
	got := map[string]error{}
	for _, outcome := range report.Outcomes {
		got[outcome.Entry.Target] = outcome.Err
		if outcome.Err == nil {
			require.Equal(t, []string{"1.sql"}, outcome.Applied)
			continue
		}
		require.NotContains(t, outcome.Err.Error(), "hunter2")
	}
	require.ErrorIs(t, got["gone"], rls.ErrUnavailable)
	require.ErrorIs(t, got["locked"], rls.ErrCredentials)
	require.ErrorContains(t, got["full"], `1.sql: relation "patients" already exists`)
	require.NoError(t, got["well"])
	require.NoError(t, got["fine"])

	// Cancelled: who was not reached is said so, and the next run does the rest.
	ctx, cancel := context.WithCancel(t.Context())
	op, err := tenant.AsOperator(ctx, tenant.Mandate{Actor: "ops@example.org", Purpose: "migration", For: time.Hour,
		Observer: func(context.Context, tenant.OperatorEvent) error { return nil }})
	require.NoError(t, err)
	o = w.migrating(t, d, map[string]string{"1.sql": hospitalSchema, "2.sql": "select pg_sleep(0.2)"})
	o.Parallel = 1
	time.AfterFunc(50*time.Millisecond, cancel)
	report, err = rls.MigrateAll(op, o)
	require.Error(t, err)
	require.NotEmpty(t, report.Outcomes)
	for _, outcome := range report.Outcomes {
		require.Error(t, outcome.Err, outcome.Entry.Target)
	}
}

// What a file leaves in the session reaches neither the next file nor the policies.
func TestMigrationsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.silos(t, "x")
	w.exec(t, fmt.Sprintf("alter default privileges for role %q in schema x grant all on tables to public", ownerOf(t, w)))
	_, err := rls.MigrateAll(sweeper(t), w.migrating(t, d, map[string]string{
		"1.sql": hospitalSchema + "; set search_path = public; set default_transaction_read_only = on",
		"2.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nset search_path = public;\nset lock_timeout = 1;\n",
		"3.sql": "create table here (x int); select pg_sleep(0.01)",
	}))
	require.NoError(t, err)
	var schema string
	require.NoError(t, w.admin.QueryRow(t.Context(), "select relnamespace::regnamespace::text from pg_class where relname = 'here'").Scan(&schema))
	require.Equal(t, "x", schema)
	var rights bool
	require.NoError(t, w.admin.QueryRow(t.Context(), "select has_table_privilege($1, 'x.septum_migrations', 'select')", w.AppRole).Scan(&rights))
	require.False(t, rights, "whatever the schema's default privileges are")

	// What leaves a transaction open is not gone on with.
	_, err = rls.MigrateAll(sweeper(t), w.migrating(t, w.silos(t, "y"), map[string]string{
		"1.sql": hospitalSchema, "2.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nbegin;\ncreate table half (x int);\n"}))
	var sweep *rls.SweepError
	require.ErrorAs(t, err, &sweep)
	require.ErrorContains(t, sweep.Failed[0].Err, "statement 1 left a transaction open")

	// A role for the policies is needed, and a Directory that panics is one tenant's failure.
	o := w.migrating(t, d, map[string]string{"1.sql": "select 1"})
	o.AppRole = ""
	_, err = rls.MigrateAll(sweeper(t), o)
	require.ErrorIs(t, err, rls.ErrOptions)
	o.Directory = panickingList{d}
	report, err := rls.MigrateAll(sweeper(t), o)
	require.Error(t, err)
	require.Error(t, report.Outcomes[0].Err)
	require.NotErrorIs(t, report.Outcomes[0].Err, tenant.ErrExpired, "it was tried")
}

// panickingList knows its tenants and panics at each.
type panickingList struct{ rls.Lister }

// Resolve implements rls.Directory.
func (panickingList) Resolve(context.Context, tenant.ID) (rls.Entry, error) { panic("oh") }
