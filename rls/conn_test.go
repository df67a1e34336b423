package rls_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// X01, X05, X10: goroutines of different tenants on few connections, with cancels, errors and panics in between.
func TestTenantsAtOnce(t *testing.T) {
	t.Parallel()
	newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 3 }).tenantsAtOnce(t)
}

func (c *clinic) tenantsAtOnce(t *testing.T) {
	t.Helper()
	var work sync.WaitGroup
	wrong := make(chan string, 1)
	for g := range 12 {
		work.Go(func() {
			own, want, other := mary, "Mary", "Paul"
			if g%2 == 1 {
				own, want, other = paul, "Paul", "Mary"
			}
			for i := range 60 {
				ctx, cancel := context.WithCancel(context.Background())
				tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: own, Subject: "x"})
				if err != nil {
					panic(err)
				}
				if i%5 == 4 {
					time.AfterFunc(rand.N(2*time.Millisecond), cancel)
				}
				var text string
				switch (i + g) % 5 {
				case 0, 1:
					found, err := rls.All[patient](tc, c.db, allPatients)
					text = fmt.Sprint(found, len(found))
					if err == nil && len(found) != 20 {
						text += other
					}
				case 2:
					rows, err := c.db.QueryUnproved(tc, `select name from patients`)
					if err == nil {
						names, _ := pgx.CollectRows(rows, pgx.RowTo[string])
						text = fmt.Sprint(names)
					}
				case 3:
					_ = c.db.InTx(tc, func(tx *rls.Tx) error {
						found, err := rls.All[patient](tc, tx, allPatients)
						text = fmt.Sprint(found)
						if i%3 == 0 {
							return errors.New("rolled back")
						}
						return err
					})
				case 4:
					func() {
						defer func() { _ = recover() }()
						_ = c.db.InTx(tc, func(tx *rls.Tx) error {
							rows, _ := tx.Query(tc, allPatients)
							rows.Next()
							panic("with rows open")
						})
					}()
				}
				cancel()
				if strings.Contains(text, other) || i%5 != 4 && text != "" && !strings.Contains(text, want) {
					select {
					case wrong <- text:
					default:
					}
				}
			}
		})
	}
	work.Wait()
	select {
	case text := <-wrong:
		t.Fatal("a tenant saw " + text)
	default:
	}
	c.healthy(t, c.db)
}

// X09: a request that is cancelled in mid-reply takes its connection with it; the next request reads its own reply.
func TestCancelledInMidReply(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	c.sql(t, `insert into patients select $1, n, repeat('Mary big ', 200) from generate_series(1000, 6000) n`, mary.String())
	for i := range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		tc := bind(t, ctx, mary)
		rows, err := c.db.Query(tc, allPatients)
		require.NoError(t, err)
		for range i * 3 {
			require.True(t, rows.Next())
		}
		cancel()
		time.Sleep(20 * time.Millisecond) // or a loaded machine reads all of it first
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

func TestCancelledWhileTheServerWorks(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		start := time.Now()
		rows, err := c.db.QueryUnproved(bind(t, ctx, mary), `select name from patients, pg_sleep(20)`)
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 5*time.Second)
		cancel()
		err = failed(c.db.Query(bind(t, ctx, mary), allPatients))
		require.Error(t, err, "a dead context sends nothing")
	}
	require.Eventually(t, func() (none bool) {
		require.NoError(t, c.admin.QueryRow(t.Context(), `select count(*) = 0 from pg_stat_activity
			where datname = current_database() and state = 'active' and pid <> pg_backend_pid()`).Scan(&none))
		return none
	}, 5*time.Second, 10*time.Millisecond, "the server was told to stop")
	c.healthy(t, c.db)
}

// Rows that are closed early, twice, or read after the end do no harm to who has the connection next.
func TestRowsAfterClose(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	old, err := c.db.Query(c.mary, allPatients)
	require.NoError(t, err)
	require.True(t, old.Next())
	raw := old.RawValues()
	fields := old.FieldDescriptions()
	require.Len(t, fields, 2)
	require.Nil(t, old.Conn(), "no way to the connection")
	require.NotNil(t, old.TypeMap())
	old.Close()
	old.Close()

	other, err := c.db.Query(c.paul, allPatients)
	require.NoError(t, err)
	require.True(t, other.Next())
	require.False(t, old.Next())
	require.Error(t, old.Scan(new(int64), new(string)))
	_, err = old.Values()
	require.Error(t, err)
	require.Nil(t, old.RawValues())
	require.Nil(t, old.FieldDescriptions())
	require.Equal(t, "Mary 1", string(raw[1]), "what was handed out is not overwritten")
	old.Close()
	var p patient
	require.NoError(t, other.Scan(&p.ID, &p.Name))
	require.Equal(t, patient{1, "Paul 1"}, p)
	values, err := other.Values()
	require.NoError(t, err)
	require.Equal(t, []any{int64(1), "Paul 1"}, values)
	other.Close()
	require.NoError(t, other.Err())
	c.healthy(t, c.db)
}

// An error of the server leaves the connection idle, and the pool does not grow.
func TestErrorLeavesConnectionIdle(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	c.healthy(t, c.db)
	pid := func() (pid int) {
		rows, err := c.db.QueryUnproved(c.mary, `select pg_backend_pid()`)
		return count(t, rows, err)
	}
	before := pid()
	for range 5 {
		require.Error(t, c.db.Exec(c.mary, admit, query.Args{"id": 1, "name": "again"}))
		rows, err := c.db.QueryUnproved(c.mary, `select 1 / (n - 10) from generate_series(1, 20) n`) // fails after rows
		require.NoError(t, err)
		for rows.Next() {
		}
		requireCode(t, rows.Err(), "22012")
		err = failed(c.db.QueryUnproved(c.mary, `select nonsense`))
		requireCode(t, err, "42703")
		require.Empty(t, c.db.LeftOver(t.Context()), "X06: the scope went with the statement")
	}
	require.Equal(t, before, pid())
	require.Equal(t, 1, c.db.Stats().Open)
	c.healthy(t, c.db)
}

// A deferred constraint fails after the last row: that is an error too.
func TestErrorAfterLastRow(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.sql(t, `alter table encounters drop constraint encounters_tenant_id_patient_id_fkey;
		alter table encounters add foreign key (tenant_id, patient_id) references patients deferrable initially deferred`)
	err := c.db.Exec(c.mary, visit, query.Args{"id": 900, "patient": 9999, "ward": "x"})
	requireCode(t, err, "23503")
	err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
		return tx.Exec(c.mary, visit, query.Args{"id": 900, "patient": 9999, "ward": "x"})
	})
	requireCode(t, err, "23503")
	c.healthy(t, c.db)
}

func TestKilledBackends(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.healthy(t, c.db)
	kill := func() {
		c.sql(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'septum'`)
		time.Sleep(20 * time.Millisecond)
	}
	kill()
	err := c.db.Exec(c.mary, rename, query.Args{"id": 1, "name": "x"})
	require.True(t, errors.Is(err, rls.ErrUnavailable) || errors.Is(err, rls.ErrOutcomeUnknown), fmt.Sprint(err))
	for range c.db.Stats().Max {
		_, _ = rls.All[patient](c.mary, c.db, allPatients)
	}
	c.healthy(t, c.db)

	rows, err := c.db.Query(c.mary, allPatients)
	require.NoError(t, err)
	kill()
	for rows.Next() { // what had arrived can be read; nothing is made up
	}
	for range c.db.Stats().Max {
		_, _ = rls.All[patient](c.mary, c.db, allPatients)
	}
	c.healthy(t, c.db)

	err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, query.Args{"id": 3, "name": "half done"}))
		kill()
		_ = tx.Exec(c.mary, rename, query.Args{"id": 4, "name": "half done"}) // swallowed
		return nil
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	require.Equal(t, "Mary 3", c.nameOf(t, mary, 3))
	for range c.db.Stats().Max {
		_, _ = rls.All[patient](c.mary, c.db, allPatients)
	}
	c.healthy(t, c.db)
}

func TestDeadServer(t *testing.T) {
	t.Parallel()
	c, p := newDistantClinic(t)
	c.healthy(t, c.db)
	p.listener.Close()
	p.cut()
	_, err := rls.All[patient](c.mary, c.db, allPatients)
	require.ErrorIs(t, err, rls.ErrUnavailable)
	_, err = rls.All[patient](c.mary, c.db, allPatients) // now it can't connect
	require.ErrorIs(t, err, rls.ErrUnavailable)
	require.NotErrorIs(t, err, rls.ErrOutcomeUnknown)
}

// A write whose reply never came is neither done nor undone: the error says so, and the next request works.
func TestLostReply(t *testing.T) {
	t.Parallel()
	c, p := newDistantClinic(t)
	c.healthy(t, c.db)
	require.NoError(t, c.db.Exec(c.mary, rename, query.Args{"id": 1, "name": "warm"}))
	lose := func(fn func(tc tenant.Context) error) error {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		defer p.silent.Store(false)
		defer p.cut()
		return fn(bind(t, ctx, mary))
	}
	err := lose(func(tc tenant.Context) error {
		time.AfterFunc(50*time.Millisecond, p.cut)
		c.swallowReplies(p)
		return c.db.Exec(tc, rename, query.Args{"id": 1, "name": "lost"})
	})
	require.ErrorIs(t, err, rls.ErrOutcomeUnknown)
	c.healthy(t, c.db)

	err = lose(func(tc tenant.Context) error {
		return c.db.InTx(tc, func(tx *rls.Tx) error {
			if err := tx.Exec(tc, rename, query.Args{"id": 2, "name": "lost"}); err != nil {
				return err
			}
			time.AfterFunc(30*time.Millisecond, p.cut)
			c.swallowReplies(p)
			return nil
		})
	})
	require.ErrorIs(t, err, rls.ErrOutcomeUnknown, "the commit")
	c.healthy(t, c.db)

	err = lose(func(tc tenant.Context) error {
		c.swallowReplies(p)
		_, err := rls.All[patient](tc, c.db, allPatients)
		return err
	})
	require.ErrorIs(t, err, context.DeadlineExceeded, "a read can be repeated")
	require.NotErrorIs(t, err, rls.ErrOutcomeUnknown)
	c.healthy(t, c.db)
}

func (c *clinic) swallowReplies(p *proxy) { p.silent.Store(true) }

// The scope's own reply is looked at: rows that come after another one are nobody's to see.
func TestReplyOutOfStep(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	c.sql(t, `alter table patients disable row level security`)
	for _, run := range []func() error{
		func() error { _, err := rls.All[patient](c.mary, c.db, allPatients); return err },
		func() error {
			return c.db.InTx(c.mary, func(tx *rls.Tx) error { _, err := rls.All[patient](c.mary, tx, allPatients); return err })
		},
		func() error {
			var b rls.Batch
			var found []patient
			rls.Collect(&b, &found, allPatients)
			return c.db.Batch(c.mary, &b)
		},
	} {
		require.NoError(t, c.db.Misdirect(t.Context()))
		require.ErrorContains(t, run(), "did not belong")
		require.NoError(t, run(), "on a new connection")
	}
	c.healthy(t, c.db)
}

// X05, X09: a connection on which something is left, by whatever defect, takes no other request and is not given to anybody.
func TestSpoiledConnection(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	for how, refused := range map[string]bool{"a reply is under way": true, "pgconn is at work": true, "its watch has struck": true,
		"a transaction is open": false, "it is closed": true} {
		before := c.db.Backend(t.Context())
		start, control := c.db.Spoil(t.Context(), how)
		if refused {
			require.Error(t, start, how)
			require.Error(t, control, how)
		}
		if how == "it is closed" {
			require.True(t, pgconn.SafeToRetry(start) && pgconn.SafeToRetry(control), "nothing was sent")
		} else if refused {
			require.ErrorContains(t, start, "did not belong", how)
		}
		require.NotEqual(t, before, c.db.Backend(t.Context()), how)
		found, err := rls.All[patient](c.paul, c.db, allPatients)
		require.NoError(t, err, how)
		require.Equal(t, "Paul 1", found[0].Name, how)
	}
	c.healthy(t, c.db)
}

// A statement of a transaction whose own context has ended is not sent, and the transaction goes on.
func TestStatementThatIsNotSent(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.StatementCache = 1 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "first")))
		require.ErrorIs(t, tx.Exec(bind(t, ctx, mary), rename, named(2, "never")), context.Canceled)
		require.ErrorIs(t, tx.Exec(bind(t, ctx, mary), remove, query.Args{"id": 2}), context.Canceled, "which would have to be prepared, and another one closed")
		return tx.Exec(c.mary, rename, named(1, "second"))
	}))
	require.Equal(t, "second", c.nameOf(t, mary, 1))
	require.Equal(t, "Mary 2", c.nameOf(t, mary, 2))
	c.healthy(t, c.db)
}
