package rls_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// incidents collects what Config.OnIncident is told.
type incidents struct {
	sync.Mutex
	seen []rls.Incident
}

func (i *incidents) tell(incident rls.Incident) {
	i.Lock()
	defer i.Unlock()
	i.seen = append(i.seen, incident)
}

// newOpenClinic is a clinic whose policies somebody took away after it was opened, so that the statements alone, which
// the tests send unproved, decide whose rows come back.
func newOpenClinic(t testing.TB, change ...func(*rls.Config)) (*clinic, *incidents) {
	t.Helper()
	var told incidents
	c := newClinic(t, append([]func(*rls.Config){func(cfg *rls.Config) {
		cfg.MaxConns, cfg.CheckEvery, cfg.OnIncident = 1, 1, told.tell
	}}, change...)...)
	c.sql(t, `alter table patients disable row level security; alter table encounters disable row level security`)
	return c, &told
}

func readAll(rows pgx.Rows, err error) (seen []string, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return seen, err
		}
		seen = append(seen, fmt.Sprint(values...))
	}
	return seen, rows.Err()
}

// With both walls down the check still stands: no row of another tenant is shown, the connection is gone, and somebody is told.
func TestForeignRow(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"plain":        `select tenant_id, name from patients order by tenant_id`,
		"an alias":     `select name, p.tenant_id as ward from patients p order by 2`,
		"a sub-select": `select x, name from (select tenant_id as x, name from patients) as y order by x`,
		"a CTE":        `with y as (select * from patients) select * from y order by tenant_id`,
		"returning":    `update patients set name = name || '' returning name, tenant_id`,
		"outer join":   `select e.tenant_id, p.tenant_id from patients p left join encounters e on e.tenant_id = p.tenant_id and e.id = 0 order by 2`,
		"nobody reads": `delete from encounters returning tenant_id`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, told := newOpenClinic(t)
			before := c.db.Backend(t.Context())
			seen, err := readAll(c.db.QueryUnproved(c.mary, sql))
			require.ErrorIs(t, err, rls.ErrForeignRow)
			require.NotContains(t, fmt.Sprint(seen, err), "Paul")
			require.NotContains(t, err.Error(), paul.String())
			require.NotEqual(t, before, c.db.Backend(t.Context()), "the connection is gone")
			require.Len(t, told.seen, 1)
			i := told.seen[0]
			require.Equal(t, mary, i.Tenant)
			require.Equal(t, "dr.grey", i.Subject)
			require.Contains(t, "patients encounters", i.Relation)
			require.Equal(t, "tenant_id", i.Column)
			require.NotContains(t, fmt.Sprint(i), paul.String())
		})
	}
}

// In a transaction everything is rolled back, and nothing more is sent.
func TestForeignRowInTx(t *testing.T) {
	t.Parallel()
	c, told := newOpenClinic(t)
	err := c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "x")))
		_, err := readAll(tx.QueryUnproved(c.mary, `select * from patients order by tenant_id`))
		require.ErrorIs(t, err, rls.ErrForeignRow)
		require.Error(t, tx.Exec(c.mary, rename, named(2, "x")))
		return nil
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	require.Len(t, told.seen, 1)
}

// The statements of a batch are looked at one by one, also those whose rows nobody reads, outside a transaction and in one; what was
// read before is the tenant's, and what comes after is not sent for.
func TestForeignRowInABatch(t *testing.T) {
	t.Parallel()
	names := query.MustStatic(hospital, `select tenant_id::text as tenant, name, tenant_id from patients where tenant_id = @tenant order by name`).Named("spoiled")
	touched := query.MustStatic(hospital, `update patients set name = name || '' where tenant_id = @tenant returning tenant_id`).Named("spoiled")
	type line struct {
		Tenant, Name string
		TenantID     string `db:"tenant_id"`
	}
	for name, of := range map[string]struct {
		stmt *query.Statement
		text string
		add  func(b *rls.Batch)
	}{
		"collected":   {names, `select tenant_id::text as tenant, name, tenant_id from patients where $1::uuid is not null order by name`, func(b *rls.Batch) { rls.Collect(b, new([]line), names) }},
		"passed over": {names, `select tenant_id::text as tenant, name, tenant_id from patients where $1::uuid is not null order by name`, func(b *rls.Batch) { b.Query(func(pgx.Rows) error { return nil }, names) }},
		"a write":     {touched, `update patients set name = name || '' where $1::uuid is not null returning tenant_id`, func(b *rls.Batch) { b.Exec(touched) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, told := newOpenClinic(t)
			var before, after []patient
			var b rls.Batch
			rls.Collect(&b, &before, allPatients)
			of.add(&b)
			rls.Collect(&b, &after, allPatients)
			require.NoError(t, c.db.Batch(c.mary, &b), "her own rows pass")
			require.Len(t, after, 20)
			before, after = nil, nil
			require.NoError(t, c.db.Confuse(t.Context(), of.stmt, of.text))
			backend := c.db.Backend(t.Context())
			err := c.db.Batch(c.mary, &b)
			require.ErrorIs(t, err, rls.ErrForeignRow)
			require.NotContains(t, fmt.Sprint(before, after, err), "Paul")
			require.Len(t, before, 20)
			require.Empty(t, after)
			require.Len(t, told.seen, 1)
			require.Equal(t, rls.Incident{At: told.seen[0].At, Tenant: mary, Subject: "dr.grey", Statement: "spoiled", Relation: "patients", Column: "tenant_id"}, told.seen[0])
			require.NotEqual(t, backend, c.db.Backend(t.Context()), "the connection is gone")
			require.NoError(t, c.db.Batch(c.mary, &b))
		})
	}
}

// A result of the tenant's own rows passes, whatever it holds beside them: NULL of an outer join, globals, other uuids.
func TestOwnRowsPassTheCheck(t *testing.T) {
	t.Parallel()
	c, told := newOpenClinic(t)
	for _, sql := range []string{
		`select tenant_id, name from patients where tenant_id = '` + mary.String() + `'`,
		`select e.tenant_id, p.tenant_id from patients p left join encounters e on e.tenant_id = p.tenant_id and e.id = 0 where p.tenant_id = '` + mary.String() + `'`,
		`select '` + paul.String() + `'::uuid as tenant_id`,
		`select code, title from codes`,
		`select count(*) from patients`,
	} {
		_, err := readAll(c.db.QueryUnproved(c.mary, sql))
		require.NoError(t, err, sql)
	}
	require.Empty(t, told.seen)
}

// Each type that a tenant column can have, as the server sends it, and over an unprepared statement too.
func TestCheckKnowsEachType(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		columnType query.Type
		own, other string
	}{{query.UUID, mary.String(), paul.String()}, {query.BigInt, "7", "8"}, {query.Text, "mercy", "mercy-west"}} {
		for _, pooler := range []rls.Pooler{rls.Direct, rls.Pooled} {
			t.Run(fmt.Sprint(of.columnType, pooler), func(t *testing.T) {
				t.Parallel()
				catalog := query.MustCatalog(query.TenantColumn("owner", of.columnType), query.Tenant("beds"))
				d := rlstest.New(t, rlstest.Catalog(catalog), rlstest.Schema(`create table beds (id bigint not null, owner `+string(of.columnType)+
					` not null, primary key (owner, id)); insert into beds values (1, '`+of.own+`'), (2, '`+of.other+`')`))
				var told incidents
				for _, step := range rls.PoolerSettings(d.AppRole, rls.Limits{}) {
					_, err := d.Admin(t).Exec(t.Context(), strings.Replace(step.SQL, " set ", " in database "+pgx.Identifier{d.Name}.Sanitize()+" set ", 1))
					require.NoError(t, err)
				}
				db := d.Open(t, func(cfg *rls.Config) { cfg.Pooler, cfg.OnIncident = pooler, told.tell })
				_, err := d.Owner(t).Exec(t.Context(), `alter table beds disable row level security`)
				require.NoError(t, err)
				tc := bind(t, context.Background(), tenant.MustParseID(of.own))
				seen, err := readAll(db.QueryUnproved(tc, `select id, owner from beds where id = 1`))
				require.NoError(t, err)
				require.Len(t, seen, 1)
				_, err = readAll(db.QueryUnproved(tc, `select id, owner from beds where id = 2`))
				require.ErrorIs(t, err, rls.ErrForeignRow)
				require.Len(t, told.seen, 1)
			})
		}
	}
}

// In production one result of many is looked at; a negative number looks at none.
func TestCheckIsSampled(t *testing.T) {
	t.Parallel()
	found := func(every, of int) int {
		c, told := newOpenClinic(t, func(cfg *rls.Config) { cfg.CheckEvery = every })
		for range of {
			_, err := readAll(c.db.QueryUnproved(c.mary, `select tenant_id from patients`))
			if err != nil {
				require.ErrorIs(t, err, rls.ErrForeignRow)
			}
		}
		return len(told.seen)
	}
	require.Equal(t, 10, found(1, 10))
	require.Equal(t, 2, found(5, 10))
	require.Equal(t, 1, found(0, 100), "the default")
	require.Zero(t, found(-1, 200))
}

// Where a change of the table moves the columns of a statement that was described before it, nothing is taken for the tenant's
// column that is another one: neither alone nor in a batch.
func TestCheckWhenColumnsMove(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("owner", query.UUID), query.Tenant("beds"))
	d := rlstest.New(t, rlstest.Catalog(catalog), rlstest.Schema(`create table beds (pad uuid, owner uuid primary key, id bigint);
		insert into beds values (null, '`+mary.String()+`', 1)`))
	for _, step := range rls.PoolerSettings(d.AppRole, rls.Limits{}) {
		_, err := d.Admin(t).Exec(t.Context(), strings.Replace(step.SQL, " set ", " in database "+pgx.Identifier{d.Name}.Sanitize()+" set ", 1))
		require.NoError(t, err)
	}
	var told incidents
	tc, all := bind(t, t.Context(), mary), query.MustStatic(catalog, `select * from beds where owner = @tenant`)
	ways := map[string]func(db *rls.DB) error{
		"alone": func(db *rls.DB) error { _, err := db.Affected(tc, all); return err },
		"in a batch": func(db *rls.DB) error {
			var b rls.Batch
			b.Query(func(pgx.Rows) error { return nil }, all)
			return db.Batch(tc, &b)
		},
	}
	dbs := map[string]*rls.DB{}
	for name, run := range ways { // each by a connection that has described it
		dbs[name] = d.Open(t, func(cfg *rls.Config) {
			cfg.MaxConns, cfg.CheckEvery, cfg.Pooler, cfg.OnIncident = 1, 1, rls.Pooled, told.tell
		})
		require.NoError(t, run(dbs[name]))
	}
	_, err := d.Owner(t).Exec(t.Context(), `alter table beds drop pad; alter table beds add pad uuid default '`+paul.String()+`'`)
	require.NoError(t, err)
	for name, run := range ways {
		require.NoError(t, run(dbs[name]), name)
		require.NoError(t, run(dbs[name]), name)
	}
	require.Empty(t, told.seen)
}

// A table is the relation of its schema, also when another schema has one of the same name.
func TestCheckKnowsTheSchema(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("owner", query.UUID), query.Tenant("wards.beds"), query.Global("beds"))
	d := rlstest.New(t, rlstest.Catalog(catalog), rlstest.Schema(`create schema wards; create table wards.beds (owner uuid primary key); create table beds (owner uuid primary key);
		insert into wards.beds values ('`+mary.String()+`'); insert into beds values ('`+paul.String()+`')`))
	var told incidents
	db := d.Open(t, func(cfg *rls.Config) { cfg.CheckEvery, cfg.OnIncident = 1, told.tell })
	tc := bind(t, t.Context(), mary)
	found, err := rls.All[string](tc, db, query.MustStatic(catalog, `select owner::text from beds`))
	require.NoError(t, err)
	require.Equal(t, []string{paul.String()}, found)
	for _, sql := range []string{`select owner from beds`, `select owner from wards.beds`} {
		seen, err := readAll(db.QueryUnproved(tc, sql))
		require.NoError(t, err, sql)
		require.Len(t, seen, 1)
	}
	require.Empty(t, told.seen)
}
