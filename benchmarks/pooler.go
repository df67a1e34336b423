package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

func poolerBenchmarks() []benchmark {
	return []benchmark{
		{"exec.read.pgbouncer", "≤ 1.15 of bare pgx behind the same PgBouncer", behindPgBouncer},
		{"exec.read.sticky", "none: a read with Config.StickyScope, of one tenant on one connection, against bare pgx", stickyRead},
	}
}

// behindPgBouncer compares a read through a PgBouncer in transaction mode with bare pgx's through the same one, each in
// its fastest way: with prepared statements where PgBouncer keeps them (1.21 and later; SEPTUM_PGBOUNCER_BIN names one),
// else with descriptions that are kept, which is one round trip too.
func behindPgBouncer(ctx context.Context) (float64, error) {
	values := make([]float64, worlds)
	for i := range values {
		w, err := openPooledWorld(ctx)
		if err != nil {
			return 0, err
		}
		values[i], err = ratio.Compare(w.scoped, w.bare, ratio.Settings{Slice: 5 * time.Millisecond, Rounds: 201})
		w.close()
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(values)
	return values[worlds/2], nil
}

// stickyRead is exec.read.tcp where the scope is kept.
func stickyRead(ctx context.Context) (float64, error) {
	values := make([]float64, worlds)
	for i := range values {
		w, err := openStickyWorld(ctx)
		if err != nil {
			return 0, err
		}
		values[i], err = ratio.Compare(w.scoped, w.bare, ratio.Settings{Slice: 5 * time.Millisecond, Rounds: 201})
		w.close()
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(values)
	return values[worlds/2], nil
}

func openStickyWorld(ctx context.Context) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	d, err := w.database(ctx)
	if err != nil {
		return nil, err
	}
	if w.db, err = rls.Open(ctx, rls.Config{URL: d.AppURL, StickyScope: true}, ward); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, w.db.Close)
	if w.pool, err = pgxpool.New(ctx, d.AdminURL); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, w.pool.Close)
	w.tc, err = tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID("7"), Subject: "bench"})
	return w, err
}

func openPooledWorld(ctx context.Context) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	d, err := w.database(ctx)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx, d); err != nil {
		return nil, err
	}
	bouncer, err := pgtest.StartBouncer(ctx, pgtest.BouncerOptions{URLs: []string{d.AppURL, d.AdminURL}})
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = bouncer.Close() })
	appURL, err := bouncer.URL(d.AppURL)
	if err != nil {
		return nil, err
	}
	adminURL, err := bouncer.URL(d.AdminURL)
	if err != nil {
		return nil, err
	}
	if w.db, err = rls.Open(ctx, rls.Config{URL: appURL}, ward); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, w.db.Close)
	bare, err := pgxpool.ParseConfig(adminURL)
	if err != nil {
		return nil, err
	}
	if w.db.Pooler() == rls.Pooled {
		bare.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if w.pool, err = pgxpool.NewWithConfig(ctx, bare); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, w.pool.Close)
	w.tc, err = tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID("7"), Subject: "bench"})
	return w, err
}

// settle gives the application's login what it needs behind a pooler, in this database.
func settle(ctx context.Context, d *pgtest.Database) error {
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, step := range rls.PoolerSettings(d.AppRole, rls.Limits{}) {
		text := strings.Replace(step.SQL, " set ", " in database "+pgx.Identifier{d.Name}.Sanitize()+" set ", 1)
		if _, err := conn.Exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}
