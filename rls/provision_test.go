package rls_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

func files(texts map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range texts {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func mustRead(t testing.TB, texts map[string]string) *rls.Migrations {
	t.Helper()
	m, err := rls.ReadMigrations(files(texts))
	require.NoError(t, err)
	return m
}

// The files of goose, tern and plain SQL, in one directory, by number.
var mixedFiles = map[string]string{
	"00001_hospital.sql": "-- +goose Up\n" + hospitalSchema + "\n-- +goose Down\ndrop table patients;\n",
	"0002_notes.sql": "create table notes (tenant_id uuid not null, id bigint, primary key (tenant_id, id));\n" +
		"---- create above / drop below ----\ndrop table notes;\n",
	"003_function.sql": "-- +goose Up\n-- +goose StatementBegin\ncreate function touch() returns trigger language plpgsql as $$\n" +
		"begin\n  new.name := new.name || ';';\n  return new;\nend $$;\n-- +goose StatementEnd\ndrop function touch;\n",
	"4_index.sql":   "-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently if not exists by_name on patients (tenant_id, name);\nalter table notes add note text;\n",
	"5.sql":         "create function twice(int) returns int language sql begin atomic select 1; select $1 * 2; end;\n",
	"5.down.sql":    "drop function twice;\n",
	"readme.txt":    "not SQL",
	"sub/6_not.sql": "drop table patients;",
}

func TestReadMigrations(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"00001_hospital.sql", "0002_notes.sql", "003_function.sql", "4_index.sql", "5.sql"}, mustRead(t, mixedFiles).Names())
	for name, test := range map[string]struct{ file, text, want string }{
		"no number":          {"first.sql", "select 1", "begin with a number"},
		"a transaction":      {"1.sql", "create table t ();\n/* so */ COMMIT;", `"COMMIT" controls the transaction (line 2`},
		"begin":              {"1.sql", "begin; select 1", "controls the transaction"},
		"templates":          {"1.sql", "select {{.x}};\n---- create above / drop below ----\n", "template"},
		"substitution":       {"1.sql", "-- +goose ENVSUB ON\n-- +goose Up\nselect 1", "not supported"},
		"no way up":          {"1.sql", "-- +goose Down\nselect 1", "no way up"},
		"an open string":     {"1.sql", "select 'x", "unterminated"},
		"an open statement":  {"1.sql", "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nselect 1", "StatementEnd"},
		"a number too large": {"99999999999999999999.sql", "select 1", "number"},
	} {
		_, err := rls.ReadMigrations(files(map[string]string{test.file: test.text}))
		require.ErrorIs(t, err, rls.ErrMigrations, name)
		require.ErrorContains(t, err, test.want, name)
		require.ErrorContains(t, err, test.file, name)
	}
	_, err := rls.ReadMigrations(files(map[string]string{"1_a.sql": "select 1", "01_b.sql": "select 1"}))
	require.ErrorContains(t, err, "have one number")
}

// Provisioning makes all of a tenant's place, again and again the same, and its objects can do no more than they must.
func TestProvision(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	o := w.provisioning(t)
	o.Migrations = mustRead(t, mixedFiles)
	id := tenant.MustParseID("11111111-1111-1111-1111-1111111111AA")
	var entries []rls.Entry
	for range 2 {
		entry, err := rls.Provision(t.Context(), o, id)
		require.NoError(t, err)
		entries = append(entries, entry)
	}
	require.Equal(t, entries[0], entries[1])
	require.Equal(t, rls.Entry{Tier: rls.TierBridge, Target: "main", Schema: "t_" + id.String(), Login: entries[0].Login, Status: rls.StatusActive}, entries[0])
	w.directory.put(id, entries[0])
	db := w.open(t)
	require.Empty(t, patientsOf(t, db, bind(t, t.Context(), id)))
	s := pgx.Identifier{entries[0].Schema}.Sanitize()
	for sql, want := range map[string]int{
		"select count(*) from " + s + ".septum_migrations where finished":                                                          5,
		"select count(*) from pg_indexes where indexname = 'by_name' and schemaname = '" + entries[0].Schema + "'":                 1,
		"select count(*) from pg_proc where proname = 'touch'":                                                                     0,
		"select count(*) from pg_class where relowner = '" + quoteRole(entries[0].Login) + "'::regrole":                            0,
		"select count(*) from pg_auth_members where member = '" + quoteRole(entries[0].Login) + "'::regrole":                       0,
		"select has_table_privilege('" + entries[0].Login + "', '" + s + ".septum_migrations', 'select')::int":                     0,
		"select has_schema_privilege('" + entries[0].Login + "', '" + entries[0].Schema + "', 'create')::int":                      0,
		"select count(*) from pg_roles where rolname = '" + entries[0].Login + "' and (rolsuper or rolbypassrls or rolcreaterole)": 0,
	} {
		var got int
		require.NoError(t, w.admin.QueryRow(t.Context(), sql).Scan(&got), sql)
		require.Equal(t, want, got, sql)
	}
	var secret string
	require.NoError(t, w.admin.QueryRow(t.Context(), "select rolpassword from pg_authid where rolname = $1", entries[0].Login).Scan(&secret))
	require.True(t, strings.HasPrefix(secret, "SCRAM-SHA-256$4096:"))
}

func quoteRole(name string) string { return pgx.Identifier{name}.Sanitize() }

// Names are made of ids, so that no two tenants share one (C01), however long the ids are.
func TestNamesAreInjective(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, text := range []string{
		"a", "A", "a-b", "a_b", "t_a", "h_a", strings.Repeat("a", 61), strings.Repeat("a", 62), strings.Repeat("a", 63),
		strings.Repeat("a", 62) + "b", strings.Repeat("a", 48), strings.Repeat("a", 49), strings.Repeat("a", 47) + "_", "h_" + strings.Repeat("0", 60),
	} {
		for _, database := range []string{"one", "two", "one_"} {
			schema, login := rls.Names("t_", database, tenant.MustParseID(text))
			require.LessOrEqual(t, len(schema), 63)
			require.LessOrEqual(t, len(login), 63)
			for what, name := range map[string]string{"schema/" + text: "schema " + schema, "login/" + text + "/" + database: "login " + login} {
				if other, taken := seen[name]; taken {
					require.Equal(t, other, what)
				}
				seen[name] = what
			}
		}
	}
}

// Two processes that provision one tenant, and many that provision others: one after the other, all well.
func TestProvisionAtOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	o := w.provisioning(t)
	o.Password = func(context.Context, string) (string, error) { return "the same for all", nil }
	var work sync.WaitGroup
	for i := range 6 {
		work.Go(func() {
			_, err := rls.Provision(context.Background(), o, townID(fmt.Sprint(i/3)))
			assert.NoError(t, err)
		})
	}
	work.Wait()
}

// What tenants share, rights on the database and on lists, is changed by one process at a time: two at once would fail with
// "tuple concurrently updated".
func TestProvisionTakesTurns(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	holder := w.Admin(t)
	_, err := holder.Exec(t.Context(), "select pg_advisory_lock(hashtextextended('septum shared', 7352))")
	require.NoError(t, err)
	done := make(chan error)
	go func() {
		_, err := rls.Provision(context.Background(), w.provisioning(t), townID("Anna"))
		done <- err
	}()
	require.Eventually(t, func() bool {
		var waits bool
		return w.admin.QueryRow(context.Background(), `select exists (select from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`).Scan(&waits) == nil && waits
	}, 20*time.Second, 5*time.Millisecond)
	_, err = holder.Exec(t.Context(), "select pg_advisory_unlock_all()")
	require.NoError(t, err)
	require.NoError(t, <-done)
}

// A migration that fails leaves what came before, and the next run goes on there, in and outside of transactions.
func TestProvisionGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	o := w.provisioning(t)
	texts := map[string]string{
		"1.sql": hospitalSchema,
		"2.sql": "create table half (x int);\nselect 1 / 0;\n",
	}
	o.Migrations = mustRead(t, texts)
	id := townID("Anna")
	_, err := rls.Provision(t.Context(), o, id)
	require.ErrorContains(t, err, "2.sql: division by zero (SQLSTATE 22012)")
	texts["2.sql"] = "-- +goose NO TRANSACTION\n-- +goose Up\ncreate table half (x int);\nselect 1 / (select count(*) from half);\ncreate table whole (x int);"
	o.Migrations = mustRead(t, texts)
	_, err = rls.Provision(t.Context(), o, id)
	require.ErrorContains(t, err, "statement 2")
	s := quoteRole("t_" + id.String())
	w.exec(t, "insert into "+s+".half values (1)")
	entry, err := rls.Provision(t.Context(), o, id)
	require.NoError(t, err, "the first statement is not run again")
	w.directory.put(id, entry)
	require.NoError(t, read(w.open(t), bind(t, t.Context(), id)))

	changed := map[string]string{"1.sql": hospitalSchema + "\n-- changed", "2.sql": texts["2.sql"]}
	for name, test := range map[string]struct {
		texts map[string]string
		want  string
	}{
		"a file was changed":    {changed, "1.sql was changed after it was applied"},
		"a file is gone":        {map[string]string{"1.sql": hospitalSchema}, "which is not among the files"},
		"a file came in before": {map[string]string{"1.sql": hospitalSchema, "2.sql": texts["2.sql"], "0.sql": "select 1"}, "give it a later number"},
	} {
		o.Migrations = mustRead(t, test.texts)
		_, err := rls.Provision(t.Context(), o, id)
		require.ErrorIs(t, err, rls.ErrMigrations, name)
		require.ErrorContains(t, err, test.want, name)
	}
}

// What Septum did not make is left alone.
func TestProvisionRefuses(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	o := w.provisioning(t)
	id := townID("Anna")
	schema, login := rls.Names("t_", w.Name, id)
	w.exec(t, "create schema "+quoteRole(schema))
	_, err := rls.Provision(t.Context(), o, id)
	require.ErrorIs(t, err, rls.ErrProvision)
	w.exec(t, "drop schema "+quoteRole(schema)+"; alter role "+quoteRole(login)+" createdb")
	_, err = rls.Provision(t.Context(), o, id)
	require.ErrorIs(t, err, rls.ErrProvision)
	w.exec(t, "alter role "+quoteRole(login)+" nocreatedb")

	missing := o
	missing.Migrations = mustRead(t, map[string]string{"1.sql": "create table other ();"})
	_, err = rls.Provision(t.Context(), missing, id)
	require.ErrorIs(t, err, rls.ErrProvision)
	require.ErrorContains(t, err, `make no "audit_log", "encounters", "patients"`)

	for name, change := range map[string]func(*rls.ProvisionOptions){
		"no catalog": func(o *rls.ProvisionOptions) { o.Catalog = nil }, "no migrations": func(o *rls.ProvisionOptions) { o.Migrations = nil },
		"no credentials": func(o *rls.ProvisionOptions) { o.Credentials = nil }, "no target": func(o *rls.ProvisionOptions) { o.Target = "" },
		"a long prefix": func(o *rls.ProvisionOptions) { o.LoginPrefix = strings.Repeat("x", 17) },
	} {
		wrong := o
		change(&wrong)
		_, err := rls.Provision(t.Context(), wrong, id)
		require.ErrorIs(t, err, rls.ErrOptions, name)
	}
	_, err = rls.Provision(t.Context(), o, tenant.ID{})
	require.ErrorIs(t, err, rls.ErrOptions)
	locked := o
	locked.Credentials = &gate{}
	_, err = rls.Provision(t.Context(), locked, id)
	require.ErrorIs(t, err, rls.ErrCredentials)
	require.NotContains(t, err.Error(), "hunter2")
	weak := o
	weak.Password = func(context.Context, string) (string, error) { return "short", nil }
	_, err = rls.Provision(t.Context(), weak, id)
	require.ErrorIs(t, err, rls.ErrOptions)
}

func sweeper(t testing.TB) tenant.Operator {
	t.Helper()
	op, err := tenant.AsOperator(context.Background(), tenant.Mandate{Actor: "ops@example.org", Purpose: "migration 2", For: time.Hour,
		Observer: func(context.Context, tenant.OperatorEvent) error { return nil }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = op.Close() })
	return op
}

// L03: one tenant's failure is recorded and the others are done; the report says both, and the next run does the rest.
func TestMigrateAll(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	ids := map[string]tenant.ID{}
	entries := map[tenant.ID]rls.Entry{mary: poolEntry, paul: poolEntry}
	for _, name := range []string{"Anna", "Bert", "Cleo"} {
		w.settle(t, name, 1)
		ids[name] = townID(name)
		entries[ids[name]] = mustEntry(t, w, name)
	}
	moving := townID("Dora")
	entries[moving] = rls.Entry{Tier: rls.TierBridge, Target: "main", Login: "x", Schema: "y", Status: rls.StatusMoving}
	entries[townID("Emil")] = rls.Entry{Tier: rls.TierSilo, Target: "gone", Status: rls.StatusErased}
	directory, err := rls.NewStaticDirectory(entries)
	require.NoError(t, err)
	// What Bert's schema has already is in the way.
	w.exec(t, "create table "+quoteRole(entries[ids["Bert"]].Schema)+".notes (x int)")
	for _, table := range []string{"patients", "encounters", "audit_log"} {
		w.exec(t, "alter table public."+table+" owner to "+ownerOf(t, w))
	}
	w.exec(t, "create table public.septum_migrations (version bigint primary key, name text not null, checksum text not null, statements integer not null, finished boolean not null, applied_at timestamptz not null default now())")
	w.exec(t, "insert into public.septum_migrations select * from "+quoteRole(entries[ids["Anna"]].Schema)+".septum_migrations")
	w.exec(t, "alter table public.septum_migrations owner to "+ownerOf(t, w))
	o := rls.MigrateOptions{
		Directory: directory, Credentials: w.owner(), Catalog: hospital, AppRole: w.AppRole,
		Migrations: mustRead(t, map[string]string{"001_hospital.sql": hospitalSchema, "2_notes.sql": "create table notes (tenant_id uuid not null, id bigint, primary key (tenant_id, id))"}),
	}
	report, err := rls.MigrateAll(sweeper(t), o)
	var sweep *rls.SweepError
	require.ErrorAs(t, err, &sweep)
	require.Equal(t, 6, sweep.Tenants)
	require.Len(t, sweep.Failed, 2)
	require.ErrorIs(t, err, rls.ErrMoving)
	require.Len(t, report.Outcomes, 6)
	for _, outcome := range report.Outcomes {
		switch outcome.Tenant {
		case ids["Bert"]:
			require.ErrorContains(t, outcome.Err, `2_notes.sql: relation "notes" already exists`)
		case moving:
			require.ErrorIs(t, outcome.Err, rls.ErrMoving)
		default:
			require.NoError(t, outcome.Err)
			require.Equal(t, []string{"2_notes.sql"}, outcome.Applied)
			require.Equal(t, entries[outcome.Tenant], outcome.Entry)
		}
	}
	db := w.open(t)
	for _, name := range []string{"Anna", "Bert", "Cleo"} {
		require.NoError(t, read(db, bind(t, t.Context(), ids[name])), name)
	}
	require.NoError(t, read(db, bind(t, t.Context(), mary)))

	w.exec(t, "drop table "+quoteRole(entries[ids["Bert"]].Schema)+".notes")
	report, err = rls.MigrateAll(sweeper(t), o)
	require.ErrorIs(t, err, rls.ErrMoving)
	for _, outcome := range report.Outcomes {
		if outcome.Tenant == ids["Bert"] {
			require.Equal(t, []string{"2_notes.sql"}, outcome.Applied)
		} else {
			require.Empty(t, outcome.Applied)
		}
	}
	_, err = rls.MigrateAll(sweeper(t), rls.MigrateOptions{})
	require.ErrorIs(t, err, rls.ErrOptions)
	_, err = rls.MigrateAll(tenant.Operator{}, o)
	require.ErrorIs(t, err, tenant.ErrMandate)
	down := o
	down.Directory = brokenList{directory}
	report, err = rls.MigrateAll(sweeper(t), down)
	require.ErrorIs(t, err, rls.ErrUnavailable)
	require.Len(t, report.Outcomes, 1)
}

// brokenList is a Directory that fails after the first tenant.
type brokenList struct{ *rls.StaticDirectory }

// Tenants implements rls.Lister.
func (d brokenList) Tenants(ctx context.Context) iter.Seq2[tenant.ID, error] {
	return func(yield func(tenant.ID, error) bool) {
		for id := range d.StaticDirectory.Tenants(ctx) {
			if yield(id, nil) {
				yield(tenant.ID{}, errors.New("the list broke off"))
			}
			return
		}
	}
}
