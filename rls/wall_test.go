package rls_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

func count(t *testing.T, rows pgx.Rows, err error) int {
	t.Helper()
	require.NoError(t, err)
	n, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
	require.NoError(t, err)
	return n
}

// The third wall alone: statements without any predicate, past the prover, on the library's own connections.
func TestPoliciesAlone(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	rows, err := c.db.QueryUnproved(c.mary, `select count(*) from patients`)
	require.Equal(t, 20, count(t, rows, err), "her own, and nobody else's")
	rows, err = c.db.QueryUnproved(c.mary, `select count(*) from patients where tenant_id = $1`, paul.String())
	require.Zero(t, count(t, rows, err))
	rows, err = c.db.QueryUnproved(c.mary, `select count(*) from patients p join patients q on p.id = q.id or true`)
	require.Equal(t, 400, count(t, rows, err))

	write := func(sql string, args ...any) (int64, error) {
		rows, err := c.db.QueryUnproved(c.mary, sql, args...)
		if err != nil {
			return 0, err
		}
		rows.Close()
		return rows.CommandTag().RowsAffected(), rows.Err()
	}
	n, err := write(`update patients set name = 'stolen'`)
	require.NoError(t, err)
	require.EqualValues(t, 20, n) // W01
	require.Equal(t, "Paul 1", c.nameOf(t, paul, 1))
	n, err = write(`delete from patients where tenant_id = $1`, paul.String())
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = write(`insert into patients values ($1, 77, 'planted')`, paul.String())
	requireCode(t, err, "42501")
	_, err = write(`update patients set tenant_id = $1`, paul.String()) // Q07
	requireCode(t, err, "42501")
	_, err = write(`insert into patients values ($1, 1, 'x') on conflict (tenant_id, id) do update set name = 'stolen'`, paul.String()) // W02
	requireCode(t, err, "42501")
	_, err = write(`truncate patients`)
	requireCode(t, err, "42501")
	_, err = write(`insert into codes values ('X', 'mine')`)
	requireCode(t, err, "42501")
	c.healthyAfterTheft(t)
}

func (c *clinic) healthyAfterTheft(t *testing.T) {
	t.Helper()
	for _, id := range []int{1, 7, 20} {
		require.Contains(t, c.nameOf(t, paul, id), "Paul")
	}
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Equal(t, code, pg.Code, err.Error())
}

// Beside the library: the application's password in other hands, with no scope, an empty one, and a stranger's.
func TestPoliciesBesideTheLibrary(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	app := c.App(t)
	n := func() (n int) {
		require.NoError(t, app.QueryRow(t.Context(), `select count(*) from patients`, pgx.QueryExecModeExec).Scan(&n))
		return n
	}
	require.Zero(t, n(), "R05: never set is NULL")
	_, err := app.Exec(t.Context(), `begin; select set_config('septum.tenant', '11111111-1111-1111-1111-111111111111', true); commit`)
	require.NoError(t, err)
	var setting *string
	require.NoError(t, app.QueryRow(t.Context(), `select current_setting('septum.tenant', true)`).Scan(&setting))
	require.NotNil(t, setting)
	require.Empty(t, *setting, "X06: what a finished transaction leaves is '', and not NULL")
	require.Zero(t, n(), "X06: and it is nobody, without an error")
	_, err = app.Exec(t.Context(), `discard all`)
	require.NoError(t, err)
	require.Zero(t, n())
	_, err = app.Exec(t.Context(), `set septum.tenant = '33333333-3333-3333-3333-333333333333'`)
	require.NoError(t, err)
	require.Zero(t, n())
	_, err = app.Exec(t.Context(), `set septum.tenant = 'not a uuid'`)
	require.NoError(t, err)
	_, err = app.Exec(t.Context(), `select * from patients`)
	requireCode(t, err, "22P02")
}

// The owner is bound too (FORCE), and a definer's function of its runs under the caller's scope.
func TestPoliciesBindTheOwner(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	var n int
	require.NoError(t, c.Owner(t).QueryRow(t.Context(), `select count(*) from patients`).Scan(&n))
	require.Zero(t, n)
}

// The second wall alone: with row-level security switched off, proved statements still meet their tenant only.
func TestPredicateAlone(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.sql(t, `alter table patients disable row level security; alter table encounters disable row level security`)
	rows, err := c.db.QueryUnproved(c.mary, `select count(*) from patients`)
	require.Equal(t, 40, count(t, rows, err), "the third wall is down")
	c.healthy(t, c.db)
	require.ErrorIs(t, c.db.Exec(c.mary, rename, query.Args{"id": 2020, "name": "x"}), query.ErrNotFound)
	require.NoError(t, c.db.Exec(c.mary, rename, query.Args{"id": 5, "name": "five"}))
	require.NoError(t, c.db.Exec(c.mary, admit, query.Args{"id": 50, "name": "fifty"}))
	require.Equal(t, "Paul 5", c.nameOf(t, paul, 5))
	require.Empty(t, c.nameOf(t, paul, 50))
}

// Both sources of the tenant must agree on every row: the parameter alone is not enough when the scope is another's.
func TestScopeAndParameterAreApart(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	rows, err := c.db.QueryUnproved(c.paul, `select count(*) from patients where tenant_id = $1`, mary.String())
	require.Zero(t, count(t, rows, err))
}

func TestApplyTwice(t *testing.T) {
	t.Parallel()
	w := newWall(t)
	state := func() string {
		var s string
		require.NoError(t, w.admin.QueryRow(t.Context(), `select string_agg(concat_ws(' ', polname, polcmd, polpermissive, polroles, pg_get_expr(polqual, polrelid), relrowsecurity, relforcerowsecurity, relacl), E'\n' order by relname, polname)
			from pg_policy join pg_class on pg_class.oid = polrelid`).Scan(&s))
		return s
	}
	before := state()
	require.NoError(t, rls.Apply(t.Context(), w.owner, wallCatalog, rls.Options{AppRole: w.login}))
	require.Equal(t, before, state())
	require.NoError(t, w.open(t))
	w.sql(t, `drop policy septum_floor on patients; grant truncate on patients to {login}; grant insert on codes to {login}; alter table encounters no force row level security`)
	require.Error(t, w.open(t))
	require.NoError(t, rls.Apply(t.Context(), w.owner, wallCatalog, rls.Options{AppRole: w.login}))
	require.Equal(t, before, state())
	require.NoError(t, w.open(t))
}

// A table that can't be locked leaves everything as it was.
func TestApplyWaitsNoLongerThanAsked(t *testing.T) {
	t.Parallel()
	w := newWall(t)
	w.sql(t, `drop policy septum_floor on encounters`)
	tx, err := w.admin.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `lock table patients in access share mode`)
	require.NoError(t, err)
	start := time.Now()
	err = rls.Apply(t.Context(), w.owner, wallCatalog, rls.Options{AppRole: w.login, LockTimeout: 50 * time.Millisecond})
	requireCode(t, err, "55P03")
	require.Less(t, time.Since(start), 5*time.Second)
	require.NoError(t, tx.Rollback(t.Context()))
	var refused *rls.OpenError
	require.ErrorAs(t, w.open(t), &refused)
	require.Len(t, refused.Reasons, 1)
	require.True(t, refused.Has(rls.PolicyFloor), "nothing half done")
}

// The file for migration tools does what Apply does.
func TestWriteSQL(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(wallSchema))
	login, url := d.Login(t, "")
	var file bytes.Buffer
	require.NoError(t, rls.WriteSQL(&file, wallCatalog, rls.Options{AppRole: login}))
	for range 2 {
		_, err := d.Owner(t).Exec(t.Context(), file.String())
		require.NoError(t, err)
	}
	db, err := rls.Open(t.Context(), rls.Config{URL: url}, wallCatalog)
	require.NoError(t, err)
	db.Close()
	require.Contains(t, file.String(), "-- patients\n")
}

func TestPoliciesText(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant(`Clinic."Odd ""Table"""`), query.Global("codes"))
	steps, err := rls.Policies(catalog, rls.Options{AppRole: `o"dd`})
	require.NoError(t, err)
	var got []string
	for _, s := range steps {
		got = append(got, s.SQL)
	}
	const predicate = `"tenant_id" = (select nullif(current_setting('septum.tenant', true), '')::bigint)`
	require.Equal(t, []string{
		`grant usage on schema "clinic" to "o""dd"`,
		`alter table "clinic"."Odd ""Table""" enable row level security`,
		`alter table "clinic"."Odd ""Table""" force row level security`,
		`drop policy if exists septum_floor on "clinic"."Odd ""Table"""`,
		`create policy septum_floor on "clinic"."Odd ""Table""" as restrictive for all to public using (` + predicate + `) with check (` + predicate + `)`,
		`drop policy if exists septum_app on "clinic"."Odd ""Table"""`,
		`create policy septum_app on "clinic"."Odd ""Table""" as permissive for all to "o""dd" using (` + predicate + `) with check (` + predicate + `)`,
		`revoke all on table "clinic"."Odd ""Table""" from "o""dd"`,
		`grant select, insert, update, delete on table "clinic"."Odd ""Table""" to "o""dd"`,
		`grant usage on schema "public" to "o""dd"`,
		`revoke all on table "public"."codes" from "o""dd"`,
		`grant select on table "public"."codes" to "o""dd"`,
	}, got)
	for _, o := range []rls.Options{{}, {AppRole: "PUBLIC"}, {AppRole: "a\x00b"}} {
		_, err := rls.Policies(catalog, o)
		require.ErrorIs(t, err, rls.ErrOptions)
	}
	_, err = rls.Policies(nil, rls.Options{AppRole: "app"})
	require.ErrorIs(t, err, rls.ErrOptions)
	require.ErrorIs(t, rls.Apply(context.Background(), nil, nil, rls.Options{}), rls.ErrOptions)
	require.NotContains(t, strings.Join(got, ";"), "on table o")
}
