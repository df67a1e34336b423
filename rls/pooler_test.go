package rls_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

// newBouncer gives a PgBouncer in front of the clinic's server, and the application's URL through it.
func (c *clinic) newBouncer(t testing.TB, settings map[string]string, logins ...string) string {
	t.Helper()
	b, err := pgtest.StartBouncer(t.Context(), pgtest.BouncerOptions{URLs: append(logins, c.AppURL), Settings: settings})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("PgBouncer:", b.Log())
		}
		require.NoError(t, b.Close())
	})
	url, err := b.URL(c.AppURL)
	require.NoError(t, err)
	return url
}

// settle stores what a login needs behind a pooler, for this test's database alone.
func (c *clinic) settle(t testing.TB, limits rls.Limits) {
	t.Helper()
	for _, step := range rls.PoolerSettings(c.AppRole, limits) {
		c.sql(t, strings.Replace(step.SQL, " set ", " in database "+pgx.Identifier{c.Name}.Sanitize()+" set ", 1))
	}
}

// newPooledClinic is a clinic whose DB goes through a PgBouncer with one connection to the server, so that all of its
// clients meet on it.
func newPooledClinic(t testing.TB, change ...func(*rls.Config)) (*clinic, string) {
	t.Helper()
	c := &clinic{Database: rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(hospitalSeed), rlstest.Catalog(hospital))}
	c.mary, c.paul, c.admin = bind(t, context.Background(), mary), bind(t, context.Background(), paul), c.Admin(t)
	c.settle(t, rls.Limits{})
	url := c.newBouncer(t, map[string]string{"default_pool_size": "1"})
	c.db = c.open(t, append([]func(*rls.Config){func(cfg *rls.Config) { cfg.URL = url }}, change...)...)
	return c, url
}

func refusal(t *testing.T, url string, change ...func(*rls.Config)) *rls.OpenError {
	t.Helper()
	cfg := rls.Config{URL: url}
	for _, f := range change {
		f(&cfg)
	}
	db, err := rls.Open(t.Context(), cfg, hospital)
	if err == nil {
		db.Close()
	}
	var refused *rls.OpenError
	require.ErrorAs(t, err, &refused)
	return refused
}

// Open finds a pooler by itself, says what the login lacks there, and opens once it has it.
func TestOpenFindsThePooler(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	require.Equal(t, rls.Direct, c.db.Pooler())
	url := c.newBouncer(t, nil)
	refused := refusal(t, url)
	require.True(t, refused.Has(rls.SessionSetting), refused.Error())
	require.Contains(t, refused.Error(), `alter role "`+c.AppRole+`" set search_path = pg_catalog, public, pg_temp`)
	c.settle(t, rls.Limits{StatementTimeout: time.Minute})

	url = c.newBouncer(t, nil) // a pooler keeps connections that began with the old settings
	timeouts := func(cfg *rls.Config) { cfg.Limits.StatementTimeout = time.Minute }
	refused = refusal(t, url, func(cfg *rls.Config) { cfg.Limits.StatementTimeout = time.Second })
	require.Contains(t, refused.Error(), "statement_timeout", "the role has another timeout than Config")
	db := c.open(t, func(cfg *rls.Config) { cfg.URL = url }, timeouts)
	require.NotEqual(t, rls.Direct, db.Pooler())
	c.healthy(t, db)

	require.True(t, refusal(t, url, timeouts, func(cfg *rls.Config) { cfg.Pooler = rls.Direct }).Has(rls.PoolerFound))
	require.True(t, refusal(t, url+"&lock_timeout=5000", timeouts).Has(rls.URLSetting), "PgBouncer does not hand it on")
	_, err := rls.Open(t.Context(), rls.Config{URL: url, Pooler: "odyssey"}, hospital)
	require.ErrorIs(t, err, rls.ErrOptions)

	for _, mode := range []string{"session", "transaction"} {
		swallows := c.newBouncer(t, map[string]string{"pool_mode": mode,
			"ignore_startup_parameters": "search_path,row_security,transform_null_equals,quote_all_identifiers"})
		db := c.open(t, func(cfg *rls.Config) { cfg.URL = swallows }, timeouts)
		require.NotEqual(t, rls.Direct, db.Pooler(), mode)
		c.healthy(t, db)
	}
	statement := c.newBouncer(t, map[string]string{"pool_mode": "statement"})
	require.True(t, refusal(t, statement, timeouts).Has(rls.PoolerStatement))

	pooled := c.open(t, timeouts, func(cfg *rls.Config) { cfg.Pooler = rls.Pooled }) // a direct connection, used as if it weren't
	require.Equal(t, rls.Pooled, pooled.Pooler())
}

// Everything that a DB does, behind a pooler that has one connection for all.
func TestBehindAPooler(t *testing.T) {
	t.Parallel()
	c, url := newPooledClinic(t)
	id := query.Args{"id": 1}
	one, err := rls.One[patient](c.mary, c.db, onePatient, id)
	require.NoError(t, err)
	require.Equal(t, "Mary 1", one.Name)
	require.NoError(t, c.db.Exec(c.mary, rename, query.Args{"id": 2, "name": "Mary renamed"}))
	require.ErrorIs(t, c.db.Exec(c.mary, rename, query.Args{"id": 99, "name": "z"}), query.ErrNotFound)
	requireCode(t, c.db.Exec(c.mary, admit, query.Args{"id": 1, "name": "again"}), "23505")

	var patients []patient
	reads := &rls.Batch{}
	rls.Collect(reads, &patients, allPatients)
	require.NoError(t, c.db.Batch(c.paul, reads))
	require.Len(t, patients, 20)
	writes := &rls.Batch{}
	writes.Exec(rename, query.Args{"id": 3, "name": "by a batch"})
	writes.Exec(rename, query.Args{"id": 99, "name": "nobody"})
	require.ErrorIs(t, c.db.Batch(c.paul, writes), query.ErrNotFound)
	require.Equal(t, "Paul 3", c.nameOf(t, paul, 3), "all or none")

	require.NoError(t, c.db.InTx(c.paul, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.paul, rename, query.Args{"id": 4, "name": "kept"}))
		require.Error(t, tx.Savepoint(c.paul, func(tx *rls.Tx) error {
			require.NoError(t, tx.Exec(c.paul, rename, query.Args{"id": 4, "name": "undone"}))
			return tx.Exec(c.paul, admit, query.Args{"id": 1, "name": "twice"})
		}))
		found, err := rls.All[patient](c.paul, tx, allPatients)
		require.Len(t, found, 20)
		return err
	}, rls.Isolation(pgx.Serializable)))
	require.Equal(t, "kept", c.nameOf(t, paul, 4))
	c.healthy(t, c.db)

	// X05, X06: what another client finds on the same connection to the server.
	other, err := pgx.Connect(t.Context(), url+"&default_query_exec_mode=exec")
	require.NoError(t, err)
	defer other.Close(context.Background())
	found := func() (setting string, rows int) {
		require.NoError(t, other.QueryRow(t.Context(), `select coalesce(current_setting('septum.tenant', true), ''), (select count(*) from patients)`).Scan(&setting, &rows))
		return setting, rows
	}
	for range 3 {
		_, err := rls.All[patient](c.mary, c.db, allPatients)
		require.NoError(t, err)
		setting, rows := found()
		require.Empty(t, setting)
		require.Zero(t, rows)
	}
	_, err = other.Exec(t.Context(), `set septum.tenant = '`+paul.String()+`'`) // and leaves it there
	require.NoError(t, err)
	c.healthy(t, c.db)
	_, err = other.Exec(t.Context(), `reset septum.tenant`)
	require.NoError(t, err)
	var left int
	require.NoError(t, other.QueryRow(t.Context(), `select count(*) from pg_prepared_statements where name like 'septum%'`).Scan(&left))
	require.Zero(t, left, "nothing under a name of ours stays with the server")
}

// X01, X05, X10 behind a pooler.
func TestTenantsAtOnceBehindAPooler(t *testing.T) {
	t.Parallel()
	c, _ := newPooledClinic(t)
	c.tenantsAtOnce(t)
}

// X09 behind a pooler: a cancelled request leaves nothing that the next one reads.
func TestCancelledBehindAPooler(t *testing.T) {
	t.Parallel()
	c, _ := newPooledClinic(t)
	c.sql(t, `insert into patients select $1, n, repeat('Mary big ', 200) from generate_series(1000, 6000) n`, mary.String())
	for i := range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		rows, err := c.db.Query(bind(t, ctx, mary), allPatients)
		require.NoError(t, err)
		for range i * 3 {
			require.True(t, rows.Next())
		}
		cancel()
		for rows.Next() {
		}
		require.ErrorIs(t, rows.Err(), context.Canceled)
		found, err := rls.All[patient](c.paul, c.db, allPatients)
		require.NoError(t, err)
		require.Len(t, found, 20)
		require.Equal(t, "Paul 1", found[0].Name)
	}
	c.healthy(t, c.db)
}

// Another program on the same login changes the session that the pooler lends next (Q14): names mean what they meant, or
// nothing is done.
func TestSpoiledSession(t *testing.T) {
	t.Parallel()
	for _, pooler := range []rls.Pooler{rls.Pooled, rls.DetectPooler} {
		t.Run(fmt.Sprintf("pooler %q", pooler), func(t *testing.T) {
			t.Parallel()
			c, url := newPooledClinic(t, func(cfg *rls.Config) { cfg.Pooler = pooler })
			c.sql(t, `create schema evil; create table evil.patients (tenant_id uuid, id bigint, name text);
				insert into evil.patients values ('`+mary.String()+`', 7, 'evil');
				grant usage on schema evil to `+pgx.Identifier{c.AppRole}.Sanitize()+`; grant all on evil.patients to public`)
			other, err := pgx.Connect(t.Context(), url+"&default_query_exec_mode=exec")
			require.NoError(t, err)
			defer other.Close(context.Background())
			spoil := func(text string) {
				_, err := other.Exec(t.Context(), text)
				require.NoError(t, err)
			}
			for i, path := range []string{`evil, pg_catalog`, `evil`, `''`} {
				id := int64(500 + i)
				fresh := query.MustStatic(hospital, `select name from patients where tenant_id = @tenant and id = @id`).Named(fmt.Sprint("fresh ", path))
				spoil(`set search_path = ` + path)
				name, err := rls.One[string](c.mary, c.db, fresh, query.Args{"id": 7}) // described and run
				require.NoError(t, err, path)
				require.Equal(t, "Mary 7", name)
				require.NoError(t, c.db.Exec(c.mary, admit, query.Args{"id": id, "name": "x"}))
				require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
					return tx.Exec(c.mary, rename, query.Args{"id": id, "name": "in the right table"})
				}))
				require.Equal(t, "in the right table", c.nameOf(t, mary, int(id)))
				c.healthy(t, c.db)
			}
			spoil(`reset search_path`)
			spoil(`set row_security = off`)
			_, err = rls.All[patient](c.mary, c.db, allPatients)
			requireCode(t, err, "42501")
			spoil(`set row_security = on`)
			c.healthy(t, c.db)
			var strayed int
			require.NoError(t, c.admin.QueryRow(t.Context(), `select count(*) from evil.patients`).Scan(&strayed))
			require.Equal(t, 1, strayed)
		})
	}
}

// A description that was kept from before some DDL is recognised, and the result is right at once.
func TestStaleDescription(t *testing.T) {
	t.Parallel()
	for _, pooler := range []rls.Pooler{rls.Pooled, rls.DetectPooler} {
		t.Run(fmt.Sprintf("pooler %q", pooler), func(t *testing.T) {
			t.Parallel()
			c, _ := newPooledClinic(t, func(cfg *rls.Config) { cfg.Pooler = pooler })
			star := query.MustStatic(hospital, `select * from encounters where tenant_id = @tenant and id = @id`).Named("star")
			ward := query.MustStatic(hospital, `select ward from encounters where tenant_id = @tenant and id = @id`).Named("ward")
			read := func() string {
				rows, err := c.db.Query(c.mary, star, query.Args{"id": "1"})
				require.NoError(t, err)
				found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
				require.NoError(t, err)
				one, err := c.db.Query(c.mary, ward, query.Args{"id": 1})
				require.NoError(t, err)
				only, err := pgx.CollectExactlyOneRow(one, pgx.RowToMap)
				require.NoError(t, err)
				return fmt.Sprint(found["ward"], " ", found["extra"], " ", only["ward"])
			}
			require.Equal(t, "ward 1 <nil> ward 1", read())
			c.sql(t, `alter table encounters add extra int default 7`)
			require.Equal(t, "ward 1 7 ward 1", read(), "one column more")
			c.sql(t, `alter table encounters alter extra type text using 'seven'`)
			require.Equal(t, "ward 1 seven ward 1", read(), "a column of another type")
			c.sql(t, `alter table encounters alter ward type bigint using 12`)
			require.Equal(t, "12 seven 12", read())
			require.Equal(t, "12 seven 12", read())
			c.sql(t, `alter table encounters alter id type text`)
			text := query.MustStatic(hospital, `select ward from encounters where tenant_id = @tenant and id = @id`).Named("star text")
			got, err := rls.One[int64](c.mary, c.db, text, query.Args{"id": "1"})
			require.NoError(t, err, "a parameter of another type")
			require.EqualValues(t, 12, got)
		})
	}
}

// What docs/poolers.md promises about the network, counted between the library and the pooler.
func TestRoundTripsBehindAPooler(t *testing.T) {
	t.Parallel()
	c, url := newPooledClinic(t)
	p, through := newProxy(t, url)
	db := c.open(t, func(cfg *rls.Config) { cfg.URL, cfg.MaxConns, cfg.PingAfter = through, 1, time.Hour })
	read := func() {
		_, err := rls.One[patient](c.mary, db, onePatient, query.Args{"id": 1})
		require.NoError(t, err)
	}
	in := func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, query.Args{"id": 1, "name": "x"}) }
	tx := func() { require.NoError(t, db.InTx(c.mary, in)) }
	read()
	tx()
	require.EqualValues(t, 1, p.count(read))
	require.EqualValues(t, 2, p.count(tx))
}
