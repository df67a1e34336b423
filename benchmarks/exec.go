package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

var ward = query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("patients"))

// onePatient is read by both sides, with the same text.
var onePatient = query.MustStatic(ward,
	"select id, name, ward, born from patients where tenant_id = @tenant and id = @id")

type patient struct {
	ID   int64
	Name string
	Ward string
	Born time.Time
}

const (
	wardTenants  = 20
	wardPatients = 500
	wardSchema   = `create table patients (
		tenant_id bigint not null, id bigint not null, name text not null, ward text not null, born date not null,
		primary key (tenant_id, id));
	insert into patients select t, i, 'patient ' || i, 'ward ' || i %% 10, date '1950-01-01' + i
		from generate_series(1, %d) t, generate_series(1, %d) i;
	analyze patients`
)

func execBenchmarks() []benchmark {
	read := func(delay time.Duration, s ratio.Settings) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			// On which processor the server's two processes happen to run counts for more than what is measured; so it is
			// drawn several times.
			return inWorlds(ctx, worlds, delay, nil, func(w *world) (float64, error) { return ratio.Compare(w.scoped, w.bare, s) })
		}
	}
	return []benchmark{
		{"exec.read.tcp", "≤ 1.10 of bare pgx", read(0, ratio.Settings{Slice: 5 * time.Millisecond, Rounds: 201})},
		{"exec.read.delay1ms", "≤ 1.02 of bare pgx", read(time.Millisecond, ratio.Settings{Slice: 20 * time.Millisecond})},
		{"exec.read.allocs", "≤ 16 objects", func(ctx context.Context) (float64, error) {
			w, err := openWorld(ctx, 0)
			if err != nil {
				return 0, err
			}
			defer w.close()
			return ratio.Allocs(w.scoped, 2000)
		}},
		{"exec.read.tcp.rls", "for comparison: the same of bare pgx under the policies, its tenant set once for the session", func(ctx context.Context) (float64, error) {
			return inWorlds(ctx, worlds, 0, underPolicies, func(w *world) (float64, error) {
				return ratio.Compare(w.scoped, w.bare, ratio.Settings{Slice: 5 * time.Millisecond, Rounds: 201})
			})
		}},
		{"exec.tx3.delay1ms", "≤ 0.85 of a bare pgx transaction", func(ctx context.Context) (float64, error) {
			return inWorlds(ctx, 3, time.Millisecond, nil, func(w *world) (float64, error) {
				return ratio.Compare(w.scopedTx, w.bareTx, ratio.Settings{Slice: 50 * time.Millisecond})
			})
		}},
		{"exec.pool8x32.tcp", "≥ 0.90 of bare pgx's throughput", func(ctx context.Context) (float64, error) {
			return inWorlds(ctx, worlds, 0, pooled, func(w *world) (float64, error) {
				return ratio.Compare(together(w.bare), together(w.scoped), ratio.Settings{Slice: 50 * time.Millisecond})
			})
		}},
		{"exec.pool8x32.client", "none: this process's processor time for it", processors(pooled, together, clientTime)},
		{"exec.pool8x32.server", "none: the server's processor time for it", processors(pooled, together, serverTime)},
		{"exec.bulk100k", "≤ 1.10 of bare CopyFrom's processor time", bulk(true)},
		{"exec.bulk100k.plain", "≤ 1.35 of bare CopyFrom's processor time, without a loader", bulk(false)},
	}
}

// worlds is how many times a comparison begins anew, with other connections.
const worlds = 9

// inWorlds gives the median of a comparison in several worlds.
func inWorlds(ctx context.Context, n int, delay time.Duration, ready ready, compare func(*world) (float64, error)) (float64, error) {
	values := make([]float64, n)
	for i := range values {
		w, err := openWorldWith(ctx, delay, ready)
		if err != nil {
			return 0, err
		}
		values[i], err = compare(w)
		w.close()
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(values)
	return values[n/2], nil
}

// ready changes a world before it is opened.
type ready func(*world, *pgtest.Database, *rls.Config) error

// pooled gives both sides a pool of the same size, all of which one tenant may use.
func pooled(w *world, _ *pgtest.Database, cfg *rls.Config) error {
	cfg.MaxConns, cfg.Limits.MaxConns, w.maxConns = poolSize, poolSize, poolSize
	return nil
}

// underPolicies has bare pgx use the application's login too, with the tenant set for the whole session: what nobody may
// do, and what shows the cost of the policies apart from that of the library.
func underPolicies(w *world, d *pgtest.Database, _ *rls.Config) error {
	w.bareURL, w.session = d.AppURL, "set septum.tenant = '7'"
	return nil
}

// world is one database, opened twice: by Septum with the application's login, where row-level security holds, and by
// bare pgx with a login that row-level security does not bind.
type world struct {
	db     *rls.DB
	pool   *pgxpool.Pool
	tc     tenant.Context
	closes []func()

	maxConns int    // of the bare pool; zero is pgx's default
	bareURL  string // the bare pool's login; empty is the administrator's
	session  string // what each of its connections starts with
}

func (w *world) close() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
}

func openWorld(ctx context.Context, delay time.Duration) (*world, error) {
	return openWorldWith(ctx, delay, nil)
}

func openWorldWith(ctx context.Context, delay time.Duration, ready ready) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	database, err := w.database(ctx)
	if err != nil {
		return nil, err
	}
	w.bareURL = database.AdminURL
	cfg := rls.Config{}
	if ready != nil {
		if err := ready(w, database, &cfg); err != nil {
			return nil, err
		}
	}
	appURL, bareURL, err := w.through(delay, database.AppURL, w.bareURL)
	if err != nil {
		return nil, err
	}
	cfg.URL = appURL
	if w.db, err = rls.Open(ctx, cfg, ward); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, w.db.Close)
	bare, err := pgxpool.ParseConfig(bareURL)
	if err != nil {
		return nil, err
	}
	if w.db.Pooler() == rls.Pooled {
		bare.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if w.maxConns > 0 {
		bare.MaxConns = int32(w.maxConns)
	}
	if w.session != "" {
		bare.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, w.session)
			return err
		}
	}
	if w.pool, err = pgxpool.NewWithConfig(ctx, bare); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, w.pool.Close)
	w.tc, err = tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID("7"), Subject: "bench"})
	return w, err
}

func (w *world) database(ctx context.Context) (*pgtest.Database, error) {
	server, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = server.Close() })
	return server.Database(ctx, pgtest.Template{Key: wardSchema, Prepare: func(ctx context.Context, d *pgtest.Database) error {
		conn, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, fmt.Sprintf(wardSchema, wardTenants, wardPatients)); err != nil {
			return err
		}
		return rls.Apply(ctx, conn, ward, rls.Options{AppRole: d.AppRole})
	}})
}

// through leads both ways to the server over the same delay line.
func (w *world) through(delay time.Duration, urls ...string) (string, string, error) {
	if delay == 0 {
		return urls[0], urls[1], nil
	}
	for i, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return "", "", err
		}
		line, err := newDelayLine(u.Host, delay)
		if err != nil {
			return "", "", err
		}
		w.closes = append(w.closes, line.close)
		u.Host = line.address()
		urls[i] = u.String()
	}
	return urls[0], urls[1], nil
}

// scoped reads a row with Septum.
func (w *world) scoped(n int) error {
	for i := range n {
		var p patient
		err := w.db.QueryRow(w.tc, onePatient, query.Args{"id": i%wardPatients + 1}).Scan(&p.ID, &p.Name, &p.Ward, &p.Born)
		if err != nil {
			return err
		}
	}
	return nil
}

// bare reads the same row with the same text and pgx alone.
func (w *world) bare(n int) error {
	ctx := context.Context(w.tc)
	for i := range n {
		var p patient
		err := w.pool.QueryRow(ctx, onePatient.SQL(), int64(7), i%wardPatients+1).Scan(&p.ID, &p.Name, &p.Ward, &p.Born)
		if err != nil {
			return err
		}
	}
	return nil
}
