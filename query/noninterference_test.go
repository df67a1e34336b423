package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/tenant"
)

// worldSchema holds randomCatalog's relations. Tenant 1's rows and the global ones are the same in every world; what
// the other tenants have is the world's own.
const worldSchema = `
create schema s;
create table a (tenant_id bigint not null, id bigint not null, x bigint, y bigint, unique (tenant_id, id));
create table b (like a including all);
create table s.c (hospital bigint not null, id bigint not null, x bigint, y bigint, unique (hospital, id));
create table g (id bigint, x bigint, y bigint);
insert into a select 1, n, nullif(n % 3, 0), n % 2 from generate_series(1, 5) n;
insert into b select 1, n, nullif(n % 2, 0), n % 3 from generate_series(1, 4) n;
insert into s.c select 1, n, n % 2, nullif(n % 3, 0) from generate_series(1, 3) n;
insert into g select n, n % 2, n % 3 from generate_series(1, 3) n;
`

// others are rows of tenants 2 and 3 with ids and values like tenant 1's, so that a missing predicate shows.
const others = `
insert into a select t, n, nullif((n + t) %% 3, 0), n %% 2 from generate_series(2, 3) t, generate_series(1, %[1]d) n;
insert into b select t, n, nullif((n + t) %% 2, 0), n %% 3 from generate_series(2, 3) t, generate_series(1, %[1]d) n;
insert into s.c select t, n, n %% 2, nullif((n + t) %% 3, 0) from generate_series(2, 3) t, generate_series(1, %[1]d) n;
`

// world is a database without any policy: the statement is the only wall.
type world struct{ conn *pgx.Conn }

func newWorld(t testing.TB, others string) world {
	t.Helper()
	ctx := context.Background()
	server, err := pgtest.Shared()
	require.NoError(t, err)
	d, err := server.Database(ctx, pgtest.Template{})
	require.NoError(t, err)
	conn, err := pgx.Connect(ctx, d.OwnerURL)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close(ctx))
		require.NoError(t, d.Drop(ctx))
	})
	_, err = conn.Exec(ctx, worldSchema+others+"; analyze; set statement_timeout = '1s'")
	require.NoError(t, err)
	return world{conn}
}

// outcome is what a run showed and left behind.
type outcome struct {
	rows   string // sorted
	code   string // SQLSTATE, "" when it ran
	own    string // tenant 1's rows afterwards
	others string // the other tenants' rows afterwards
}

func (w world) run(s *Statement, args []any) (out outcome, err error) {
	ctx := context.Background()
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	if out.rows, err = texts(ctx, tx, s.SQL(), args...); err != nil {
		var e *pgconn.PgError
		if !errors.As(err, &e) {
			return out, err
		}
		out.code = e.Code
		return out, nil
	}
	out.own, out.others, err = w.state(ctx, tx)
	return out, err
}

func (w world) state(ctx context.Context, q interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}) (own, others string, err error) {
	const rows = `select 'a', a.* from a where %[1]s union all select 'b', b.* from b where %[1]s union all select 'c', c.* from (select hospital as tenant_id, id, x, y from s.c) c where %[1]s union all select 'g', 0, g.* from g where %[2]s`
	if own, err = texts(ctx, q, fmt.Sprintf(rows, "tenant_id = 1", "true")); err != nil {
		return "", "", err
	}
	others, err = texts(ctx, q, fmt.Sprintf(rows, "tenant_id <> 1", "false"))
	return own, others, err
}

// texts gives a result as sorted text.
func texts(ctx context.Context, q interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, sql string, args ...any) (string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values...), err
	})
	slices.Sort(lines)
	return strings.Join(lines, "\n"), err
}

// TestNonInterference runs random programs as tenant 1 in two worlds that agree on tenant 1 alone. Neither what a
// statement shows nor what it leaves of tenant 1 may tell the worlds apart, and the others' rows stay as they were.
func TestNonInterference(t *testing.T) {
	t.Parallel()
	small, large := newWorld(t, fmt.Sprintf(others, 2)), newWorld(t, fmt.Sprintf(others, 7)+"update a set x = 99, y = -1 where tenant_id = 3")
	c := randomCatalog()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("1"), Subject: "test"})
	require.NoError(t, err)
	_, othersSmall, err := small.state(context.Background(), small.conn)
	require.NoError(t, err)
	_, othersLarge, err := large.state(context.Background(), large.conn)
	require.NoError(t, err)
	require.NotEqual(t, othersSmall, othersLarge)

	ran, shown, codes := 0, 0, map[string]int{}
	begin := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		if time.Since(begin) > time.Minute {
			return // a loaded machine; ran below says whether it was enough
		}
		p := &program{t: t, c: c}
		s, err := p.statement().Build()
		if tooLarge(err) {
			t.Skip("too large")
		}
		require.NoError(t, err)
		all := Args{"p": 1, "q": 2, "x": 3}
		args := Args{}
		for _, name := range s.Params() {
			args[name] = all[name]
		}
		values, err := s.Bind(tc, args)
		require.NoError(t, err)
		inSmall, err := small.run(s, values)
		require.NoError(t, err)
		inLarge, err := large.run(s, values)
		require.NoError(t, err)
		if inSmall.code == "57014" || inLarge.code == "57014" {
			t.Skip("too slow")
		}
		require.Equal(t, inSmall.code, inLarge.code, s.SQL())
		if codes[inSmall.code]++; inSmall.code != "" {
			return
		}
		require.Equal(t, inSmall.rows, inLarge.rows, s.SQL())
		require.Equal(t, inSmall.own, inLarge.own, s.SQL())
		require.Equal(t, othersSmall, inSmall.others, s.SQL())
		require.Equal(t, othersLarge, inLarge.others, s.SQL())
		ran++
		if inSmall.rows != "" {
			shown++
		}
	})
	t.Logf("ran %d, %d gave rows; by SQLSTATE %v", ran, shown, codes)
	require.Greater(t, ran, 20, "the programs must be ones that servers run: %v", codes)
	require.Greater(t, shown, 5, "and their results must not be empty")
}

// TestInterferenceIsSeen runs the same programs with one predicate left out and without the prover: the worlds must
// then differ now and again, or the test above would show nothing.
func TestInterferenceIsSeen(t *testing.T) {
	t.Parallel()
	small, large := newWorld(t, fmt.Sprintf(others, 2)), newWorld(t, fmt.Sprintf(others, 7)+"update a set x = 99, y = -1 where tenant_id = 3")
	c := randomCatalog()
	named := Args{"p": int64(1), "q": int64(2), "x": int64(3)}
	differ := 0
	rapid.Check(t, func(t *rapid.T) {
		if differ > 3 {
			return
		}
		p := &program{t: t, c: c}
		b := p.statement()
		drop := rapid.IntRange(1, predicates(c, b)).Draw(t, "drop")
		w := newWriter(c)
		defer w.release()
		w.drop = drop
		b.write(w)
		s := &Statement{proof: &proof{sql: string(w.buf)}}
		var values []any
		for _, p := range w.params {
			switch {
			case p.tenant && w.tenant:
				values = append(values, int64(1))
			case p.tenant:
				if len(w.params) > 1 {
					return // no $1 before $2 is no statement
				}
			case p.constant:
				values = append(values, p.value)
			default:
				values = append(values, named[p.name])
			}
		}
		inSmall, err := small.run(s, values)
		require.NoError(t, err)
		inLarge, err := large.run(s, values)
		require.NoError(t, err)
		if inSmall.code == "" && inLarge.code == "" && (inSmall.rows != inLarge.rows || inSmall.own != inLarge.own) {
			differ++
		}
	})
	require.Positive(t, differ)
}
