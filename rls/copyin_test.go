package rls_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// loaded are the clinics of the three ways in which CopyIn runs.
var loadWays = []string{"loader", "temporary table", "insert"}

// newLoadClinic is a clinic whose CopyIn runs in one of them.
func newLoadClinic(t testing.TB, way string, change ...func(*rls.Config)) *clinic {
	t.Helper()
	c := newClinic(t)
	var loader func(*rls.Config)
	switch way {
	case "loader":
		url := c.newLoader(t)
		loader = func(cfg *rls.Config) { cfg.LoaderURL = url }
	case "temporary table":
		c.sql(t, `grant temporary on database `+pgx.Identifier{c.Name}.Sanitize()+` to `+pgx.Identifier{c.AppRole}.Sanitize())
	}
	c.db = c.open(t, append([]func(*rls.Config){func(cfg *rls.Config) {
		cfg.MaxConns, cfg.LoaderConns = 2, 1
		if loader != nil {
			loader(cfg)
		}
	}}, change...)...)
	return c
}

// newLoader makes a login as Options.LoaderRole wants it.
func (c *clinic) newLoader(t testing.TB) (url string) {
	t.Helper()
	role, url := c.Login(t, "BYPASSRLS NOINHERIT")
	require.NoError(t, rls.Apply(context.Background(), c.Owner(t), hospital, rls.Options{AppRole: c.AppRole, LoaderRole: role}))
	return url
}

func newcomers(from, n int) pgx.CopyFromSource {
	return pgx.CopyFromSlice(n, func(i int) ([]any, error) { return []any{from + i, fmt.Sprintf("New %d", from+i)}, nil })
}

var nameColumns = []string{"id", "name"}

func (c *clinic) countOf(t testing.TB, id tenant.ID) (n int) {
	t.Helper()
	require.NoError(t, c.admin.QueryRow(context.Background(), `select count(*) from patients where tenant_id = $1`, id.String()).Scan(&n))
	return n
}

// Rows get the context's tenant, whichever way they go in, and whoever came before on the same connection.
func TestCopyIn(t *testing.T) {
	t.Parallel()
	for _, way := range loadWays {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := newLoadClinic(t, way)
			for i, tc := range []tenant.Context{c.mary, c.paul, c.mary, c.paul} {
				n, err := c.db.CopyIn(tc, "patients", nameColumns, newcomers(1000*(i+1), 450))
				require.NoError(t, err)
				require.EqualValues(t, 450, n)
			}
			n, err := c.db.CopyIn(c.mary, "patients", nameColumns, newcomers(1, 0))
			require.NoError(t, err)
			require.Zero(t, n)
			require.Equal(t, 920, c.countOf(t, mary))
			require.Equal(t, 920, c.countOf(t, paul))
			require.Equal(t, "New 1007", c.nameOf(t, mary, 1007))
			require.Equal(t, "New 2007", c.nameOf(t, paul, 2007))
			require.Empty(t, c.nameOf(t, mary, 2007))
			require.Empty(t, c.db.LeftOver(t.Context()))
			_, err = c.db.CopyIn(c.mary, "encounters", []string{"id", "patient_id", "ward"}, pgx.CopyFromRows([][]any{{9000, 1, nil}}))
			require.NoError(t, err)
		})
	}
}

// All or none, and the next request works: whatever goes wrong, with the rows, with their source, or with the database.
func TestCopyInFails(t *testing.T) {
	t.Parallel()
	mine := errors.New("the file is broken")
	failing := func(after int, fail func() ([]any, error)) func() pgx.CopyFromSource {
		return func() pgx.CopyFromSource {
			i := 0
			return pgx.CopyFromFunc(func() ([]any, error) {
				if i++; i > after {
					return fail()
				}
				return []any{5000 + i, "New"}, nil
			})
		}
	}
	secret := "secret of a patient"
	rowsOf := func(rows [][]any) func() pgx.CopyFromSource {
		return func() pgx.CopyFromSource { return pgx.CopyFromRows(rows) }
	}
	one := func() pgx.CopyFromSource { return newcomers(100, 1) }
	none := func() pgx.CopyFromSource { return nil }
	cases := []struct {
		name     string
		relation string
		columns  []string
		source   func() pgx.CopyFromSource // each is read once
		is       error
		code     string
	}{
		{"a bad value", "patients", nameColumns, failing(700, func() ([]any, error) { return []any{struct{}{}, secret}, nil }), rls.ErrArgument, ""},
		{"a text that is no number", "patients", nameColumns, failing(700, func() ([]any, error) { return []any{secret, "x"}, nil }), nil, ""},
		{"too few values", "patients", nameColumns, failing(700, func() ([]any, error) { return []any{1}, nil }), rls.ErrArgument, ""},
		{"a source that fails", "patients", nameColumns, failing(70_000, func() ([]any, error) { return nil, mine }), mine, ""},
		{"a source that panics", "patients", nameColumns, failing(700, func() ([]any, error) { panic(secret) }), nil, ""},
		{"a duplicate", "patients", nameColumns, rowsOf([][]any{{100, "x"}, {1, secret}}), nil, "23505"},
		{"NULL", "patients", nameColumns, rowsOf([][]any{{nil, "x"}}), nil, "23502"},
		{"another tenant's parent", "encounters", []string{"id", "patient_id", "ward"}, rowsOf([][]any{{100, 777, "w"}}), nil, "23503"}, // W05
		{"no such column", "patients", []string{"id", "nome"}, one, nil, "42703"},
		{"SQL as a column", "patients", []string{`id") from program 'true' --`}, one, nil, "42703"}, // X07
		{"the tenant column", "patients", []string{"id", "tenant_id"}, one, rls.ErrCopy, ""},        // W06
		{"a column twice", "patients", []string{"id", "id"}, one, rls.ErrCopy, ""},
		{"no columns", "patients", nil, one, rls.ErrCopy, ""},
		{"no source", "patients", nameColumns, none, rls.ErrCopy, ""},
		{"a global relation", "codes", []string{"code"}, one, rls.ErrCopy, ""},
		{"no relation", "wards; drop table patients", nameColumns, one, rls.ErrCopy, ""},
	}
	for _, way := range loadWays {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := newLoadClinic(t, way, func(cfg *rls.Config) { cfg.MaxConns = 1 })
			c.sql(t, `insert into patients values ($1, 777, 'Paul 777')`, paul.String())
			for _, of := range cases {
				n, err := c.db.CopyIn(c.mary, of.relation, of.columns, of.source())
				require.Error(t, err, of.name)
				require.Zero(t, n, of.name)
				require.NotContains(t, err.Error(), "secret", of.name)
				if of.is != nil {
					require.ErrorIs(t, err, of.is, of.name)
				}
				if of.code != "" {
					requireCode(t, err, of.code)
				}
				require.Equal(t, 20, c.countOf(t, mary), of.name)
				_, err = c.db.CopyIn(c.paul, "audit_log", []string{"note"}, pgx.CopyFromRows([][]any{{"still alive"}}))
				require.NoError(t, err, of.name)
			}
			require.Equal(t, 21, c.countOf(t, paul))
			_, err := c.db.CopyIn(tenant.Context{}, "patients", nameColumns, newcomers(100, 1))
			require.ErrorIs(t, err, tenant.ErrUnbound) // X02, W04
			_, err = c.db.CopyIn(bind(t, context.Background(), tenant.MustParseID("mercy")), "patients", nameColumns, newcomers(100, 1))
			require.ErrorIs(t, err, rls.ErrCopy, "no uuid")
			c.healthy(t, c.db)
			c.db.Close()
			_, err = c.db.CopyIn(c.mary, "patients", nameColumns, newcomers(100, 1))
			require.ErrorIs(t, err, rls.ErrClosed)
		})
	}
}

// X09: a load that is cancelled leaves nothing, neither rows nor a reply that somebody else reads.
func TestCopyInCancelled(t *testing.T) {
	t.Parallel()
	for _, way := range loadWays {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := newLoadClinic(t, way, func(cfg *rls.Config) { cfg.MaxConns = 1 })
			for _, after := range []int{1, 300, 40_000} {
				ctx, cancel := context.WithCancel(context.Background())
				i := 0
				_, err := c.db.CopyIn(bind(t, ctx, mary), "patients", nameColumns, pgx.CopyFromFunc(func() ([]any, error) {
					if i++; i == after+1 {
						cancel()
						time.Sleep(20 * time.Millisecond) // it takes effect before the rest is made
					}
					if i > after+100_000 {
						return nil, nil
					}
					return []any{1000 + i, "New"}, nil
				}))
				cancel()
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, 20, c.countOf(t, mary))
				n, err := c.db.CopyIn(c.paul, "patients", nameColumns, newcomers(1000+1000*after, 10))
				require.NoError(t, err)
				require.EqualValues(t, 10, n)
			}
			c.healthy(t, c.db)
		})
	}
}

// X01, X05: tenants that load at once through the same connections.
func TestCopyInAtOnce(t *testing.T) {
	t.Parallel()
	for _, way := range loadWays {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := newLoadClinic(t, way)
			var work sync.WaitGroup
			for g := range 6 {
				work.Go(func() {
					tc, name := c.mary, "Mary"
					if g%2 == 1 {
						tc, name = c.paul, "Paul"
					}
					for i := range 5 {
						from := 1000 + 10_000*g + 1000*i
						_, err := c.db.CopyIn(tc, "patients", nameColumns, pgx.CopyFromSlice(300, func(k int) ([]any, error) {
							if i == 3 && k == 200 {
								return nil, errors.New("rolled back")
							}
							return []any{from + k, name}, nil
						}))
						if (err != nil) != (i == 3) {
							t.Error(err)
						}
					}
				})
			}
			work.Wait()
			var wrong int
			require.NoError(t, c.admin.QueryRow(t.Context(), `select count(*) from patients where id >= 1000
				and name <> case tenant_id when $1 then 'Mary' else 'Paul' end`, mary.String()).Scan(&wrong))
			require.Zero(t, wrong)
			require.Equal(t, 20+3*4*300, c.countOf(t, mary))
			require.Equal(t, 20+3*4*300, c.countOf(t, paul))
		})
	}
}

// "7" and "007" are one bigint, and must not be two tenants.
func TestCopyInWantsTheCanonicalTenant(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("owner", query.BigInt), query.Tenant("beds"))
	d := rlstest.New(t, rlstest.Catalog(catalog), rlstest.Schema(`create table beds (id bigint not null, owner bigint not null, primary key (owner, id))`))
	role, url := d.Login(t, "BYPASSRLS NOINHERIT")
	require.NoError(t, rls.Apply(t.Context(), d.Owner(t), catalog, rls.Options{AppRole: d.AppRole, LoaderRole: role}))
	for way, loader := range map[string]string{"loader": url, "insert": ""} {
		db := d.Open(t, func(cfg *rls.Config) { cfg.LoaderURL = loader })
		for _, id := range []string{"007", "+7", "-7", "7a", "0x7"} {
			parsed, err := tenant.ParseID(id)
			if err != nil {
				continue
			}
			_, err = db.CopyIn(bind(t, context.Background(), parsed), "beds", []string{"id"}, pgx.CopyFromRows([][]any{{1}}))
			require.ErrorIs(t, err, rls.ErrCopy, way+" "+id)
		}
		n, err := db.CopyIn(bind(t, context.Background(), tenant.MustParseID("7")), "beds", []string{"id"}, pgx.CopyFromRows([][]any{{len(loader)}}))
		require.NoError(t, err, way)
		require.EqualValues(t, 1, n)
	}
}

// Types as pgx takes them, and texts for types that have one.
func TestCopyInTypes(t *testing.T) {
	t.Parallel()
	for _, way := range loadWays {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := newLoadClinic(t, way)
			c.sql(t, `alter table patients add born date, add tags text[], add data jsonb, add weight numeric, add seen timestamptz, add code uuid`)
			if way == "loader" {
				c = func() *clinic {
					url := c.newLoader(t)
					c.db = c.open(t, func(cfg *rls.Config) { cfg.LoaderURL = url })
					return c
				}()
			}
			born := time.Date(1950, 1, 2, 0, 0, 0, 0, time.UTC)
			_, err := c.db.CopyIn(c.mary, "patients", []string{"id", "name", "born", "tags", "data", "weight", "seen", "code"}, pgx.CopyFromRows([][]any{
				{int32(100), "typed", born, []string{"a", "b,c"}, map[string]int{"x": 1}, 70.5, born, mary.String()},
				{int64(101), "texts", "1950-01-02", nil, nil, "70.50", nil, nil},
			}))
			require.NoError(t, err)
			var found []string
			rows, err := c.admin.Query(t.Context(), `select concat_ws('|', id, born, tags, data, weight, extract(epoch from seen), code) from patients where id in (100, 101) order by id`)
			require.NoError(t, err)
			found, err = pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			require.Equal(t, []string{
				`100|1950-01-02|{a,"b,c"}|{"x": 1}|70.5|-631065600.000000|` + mary.String(),
				`101|1950-01-02|70.50`,
			}, found)
		})
	}
}

// 100,000 rows, streamed: the source is asked as the rows go out, and never has to hold them.
func TestCopyInMany(t *testing.T) {
	t.Parallel()
	for _, way := range loadWays[:2] {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := newLoadClinic(t, way)
			n, err := c.db.CopyIn(c.mary, "patients", nameColumns, newcomers(1000, 100_000))
			require.NoError(t, err)
			require.EqualValues(t, 100_000, n)
			require.Equal(t, 100_020, c.countOf(t, mary))
			require.Equal(t, 20, c.countOf(t, paul))
		})
	}
}

// A kept temporary table shows nobody anything, and does no harm when it does not fit any more.
func TestKeptTable(t *testing.T) {
	t.Parallel()
	c := newLoadClinic(t, "temporary table", func(cfg *rls.Config) { cfg.MaxConns = 1 })
	load := func() error {
		_, err := c.db.CopyIn(c.mary, "patients", nameColumns, newcomers(1000*(1+c.countOf(t, mary)), 5))
		return err
	}
	temps := func() (names []string) {
		rows, err := c.db.QueryUnproved(c.paul, `select relname from pg_class where relpersistence = 't' and relkind = 'r'`)
		require.NoError(t, err)
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return names
	}
	require.NoError(t, load())
	kept := temps()
	require.Len(t, kept, 1)
	rows, err := c.db.QueryUnproved(c.paul, `select count(*) from pg_temp.`+kept[0])
	require.Zero(t, count(t, rows, err))
	require.NoError(t, load())
	require.Equal(t, kept, temps(), "the same one again")

	c.sql(t, `alter table patients add constraint closed check (id < 1000) not valid`)
	requireCode(t, load(), "23514")
	c.sql(t, `alter table patients drop constraint closed, alter name type varchar(80)`)
	require.NoError(t, load())
	require.Equal(t, kept, temps())
	rows, err = c.db.QueryUnproved(c.paul, `drop table pg_temp.`+kept[0])
	require.NoError(t, err)
	rows.Close()
	require.Error(t, load())
	require.NoError(t, load(), "made anew")
	for i := range 20 {
		_, err := c.db.CopyIn(c.mary, "audit_log", []string{"note"}, pgx.CopyFromRows([][]any{{"x"}}))
		require.NoError(t, err)
		require.LessOrEqual(t, len(temps()), 16, i)
	}
	require.False(t, strings.HasPrefix(c.nameOf(t, paul, 1000), "New"))
}
