package rlstest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	schema = `create table patients (tenant_id text not null, id bigint not null, name text not null, primary key (tenant_id, id))`
	seed   = `insert into patients values ('mercy', 1, 'Ann'), ('stjohn', 1, 'Bob'), ('stjohn', 2, 'Cas')`
)

func catalog(t *testing.T) *query.Catalog {
	t.Helper()
	c, err := query.NewCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("patients"))
	require.NoError(t, err)
	return c
}

func count(t *testing.T, conn *pgx.Conn) (rows int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), "select count(*) from patients").Scan(&rows))
	return rows
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("clone", func(t *testing.T) {
			t.Parallel()
			d := rlstest.New(t, rlstest.Seed(seed), rlstest.Schema(schema)) // in any order
			conn := d.Owner(t)
			require.Equal(t, 3, count(t, conn))
			_, err := conn.Exec(t.Context(), "delete from patients")
			require.NoError(t, err)
			require.Equal(t, 0, count(t, conn))
		})
	}
}

func TestTemplatesDifferByEachOption(t *testing.T) {
	t.Parallel()
	require.Equal(t, 0, count(t, rlstest.New(t, rlstest.Schema(schema)).Owner(t)))
	require.Equal(t, 3, count(t, rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(seed)).Owner(t)))
	require.Equal(t, 3, count(t, rlstest.New(t, rlstest.Schema(schema+";"+seed)).Owner(t)))
	walled := rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(seed), rlstest.Catalog(catalog(t)))
	require.Equal(t, 0, count(t, walled.Owner(t)), "the owner is bound too")
}

func TestPoliciesHoldForTheApplication(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(seed), rlstest.Catalog(catalog(t)))
	app := d.App(t)
	require.Equal(t, 0, count(t, app), "no tenant, no rows")
	_, err := app.Exec(t.Context(), "set septum.tenant = 'stjohn'")
	require.NoError(t, err)
	require.Equal(t, 2, count(t, app))
	require.Equal(t, 3, count(t, d.Admin(t)))
}

func TestTheApplicationOwnsNothing(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(schema))
	for _, sql := range []string{
		"select * from patients", "create table t ()", "create temp table t ()", "create schema s",
		"set role " + pgx.Identifier{d.OwnerRole}.Sanitize(), "alter table patients disable row level security",
		"create role r", "create database d", "select * from pg_authid",
	} {
		_, err := d.App(t).Exec(t.Context(), sql)
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, sql)
		require.Equal(t, "42501", refused.Code, sql)
	}
	var attributes int
	require.NoError(t, d.Admin(t).QueryRow(t.Context(), `select count(*) from pg_roles where rolname = any($1)
		and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)`,
		[]string{d.OwnerRole, d.AppRole}).Scan(&attributes))
	require.Zero(t, attributes)
}

func TestNobodyElseMayConnect(t *testing.T) {
	t.Parallel()
	mine, other := rlstest.New(t), rlstest.New(t)
	role, _ := other.Login(t, "")
	config, err := pgx.ParseConfig(mine.AppURL)
	require.NoError(t, err)
	config.User = role // a login of the same server and password
	_, err = pgx.ConnectConfig(t.Context(), config)
	require.ErrorContains(t, err, "permission denied for database")
}

func TestLoginHasTheAttributesAskedFor(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(seed), rlstest.Catalog(catalog(t)))
	role, url := d.Login(t, "BYPASSRLS")
	_, err := d.Owner(t).Exec(t.Context(), "grant select on patients to "+pgx.Identifier{role}.Sanitize())
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.Equal(t, 3, count(t, conn))
}

func TestOpenGivesTheApplicationsDB(t *testing.T) {
	t.Parallel()
	db := rlstest.Open(t, rlstest.Schema(schema), rlstest.Catalog(catalog(t)))
	require.NotNil(t, db)
	d := rlstest.New(t, rlstest.Schema(schema), rlstest.Catalog(catalog(t)))
	require.NotNil(t, d.Open(t, func(c *rls.Config) { c.MaxConns = 2 }))
}

// fakeT records a failure where a testing.T would end the test.
type fakeT struct {
	testing.TB
	failed string
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Fatal(args ...any) { f.failed = args[0].(error).Error(); panic(f) }

func fails(t *testing.T, run func(testing.TB)) string {
	t.Helper()
	f := &fakeT{TB: t}
	require.PanicsWithValue(t, f, func() { run(f) })
	return f.failed
}

func TestFailuresSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	require.Contains(t, fails(t, func(f testing.TB) { rlstest.New(f, rlstest.Schema("create tabel x ()")) }),
		`rlstest: schema: ERROR: syntax error at or near "tabel"`)
	require.Contains(t, fails(t, func(f testing.TB) { rlstest.New(f, rlstest.Seed("insert into nowhere values (1)")) }),
		`rlstest: seed: ERROR: relation "nowhere" does not exist`)
	require.Contains(t, fails(t, func(f testing.TB) { rlstest.New(f, rlstest.Catalog(catalog(t))) }), "patients")
	require.Contains(t, fails(t, func(f testing.TB) { rlstest.New(f).Open(f) }), "catalog")
	d := rlstest.New(t, rlstest.Schema(schema), rlstest.Catalog(catalog(t)))
	_, url := d.Login(t, "BYPASSRLS")
	require.Contains(t, fails(t, func(f testing.TB) { d.Open(f, func(c *rls.Config) { c.URL = url }) }), "BYPASSRLS")
}
