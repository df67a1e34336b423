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
			values := make([]float64, worlds)
			for i := range values {
				value, err := inWorld(ctx, delay, s)
				if err != nil {
					return 0, err
				}
				values[i] = value
			}
			slices.Sort(values)
			return values[worlds/2], nil
		}
	}
	return []benchmark{
		{"exec.read.tcp", "≤ 1.25 of bare pgx", read(0, ratio.Settings{Slice: 5 * time.Millisecond, Rounds: 201})},
		{"exec.read.delay1ms", "≤ 1.05 of bare pgx", read(time.Millisecond, ratio.Settings{Slice: 20 * time.Millisecond})},
		{"exec.read.allocs", "≤ 30 objects", func(ctx context.Context) (float64, error) {
			w, err := openWorld(ctx, 0)
			if err != nil {
				return 0, err
			}
			defer w.close()
			return ratio.Allocs(w.scoped, 2000)
		}},
	}
}

// worlds is how many times a comparison begins anew, with other connections.
const worlds = 9

func inWorld(ctx context.Context, delay time.Duration, s ratio.Settings) (float64, error) {
	w, err := openWorld(ctx, delay)
	if err != nil {
		return 0, err
	}
	defer w.close()
	return ratio.Compare(w.scoped, w.bare, s)
}

// world is one database, opened twice: by Septum with the application's login, where row-level security holds, and by
// bare pgx with a login that row-level security does not bind.
type world struct {
	db     *rls.DB
	pool   *pgxpool.Pool
	tc     tenant.Context
	closes []func()
}

func (w *world) close() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
}

func openWorld(ctx context.Context, delay time.Duration) (_ *world, err error) {
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
	appURL, adminURL, err := w.through(delay, database.AppURL, database.AdminURL)
	if err != nil {
		return nil, err
	}
	if w.db, err = rls.Open(ctx, rls.Config{URL: appURL}, ward); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, w.db.Close)
	if w.pool, err = pgxpool.New(ctx, adminURL); err != nil {
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
