package main

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/rls"
)

func poolerBenchmarks() []benchmark {
	read := func(ready ready) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			return inWorlds(ctx, worlds, 0, ready, func(w *world) (float64, error) {
				return ratio.Compare(w.scoped, w.bare, ratio.Settings{Slice: 5 * time.Millisecond, Rounds: 201})
			})
		}
	}
	return []benchmark{
		{"exec.read.pgbouncer", "≤ 1.15 of bare pgx behind the same PgBouncer", read(behindPgBouncer)},
		{"exec.read.pgbouncer.server", "none: the server's processor time for it", processors(behindPgBouncer, alone, serverTime)},
		{"exec.read.sticky", "none: a read with Config.StickyScope, of one tenant on one connection, against bare pgx", read(sticky)},
	}
}

// sticky keeps the scope while the tenant stays the same.
func sticky(_ *world, _ *pgtest.Database, cfg *rls.Config) error {
	cfg.StickyScope = true
	return nil
}

// behindPgBouncer leads both sides through one PgBouncer in transaction mode, each in its fastest way: with prepared
// statements where PgBouncer keeps them (1.21 and later; SEPTUM_PGBOUNCER_BIN names one), else with descriptions that are
// kept, which is one round trip too; see openWorldWith.
func behindPgBouncer(w *world, d *pgtest.Database, _ *rls.Config) error {
	ctx := context.Background()
	if err := settle(ctx, d); err != nil {
		return err
	}
	bouncer, err := pgtest.StartBouncer(ctx, pgtest.BouncerOptions{URLs: []string{d.AppURL, d.AdminURL}})
	if err != nil {
		return err
	}
	w.closes = append(w.closes, func() { _ = bouncer.Close() })
	if d.AppURL, err = bouncer.URL(d.AppURL); err != nil {
		return err
	}
	w.bareURL, err = bouncer.URL(d.AdminURL)
	return err
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
