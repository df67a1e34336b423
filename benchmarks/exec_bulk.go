package main

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/rls"
)

const (
	bulkRows   = 100_000
	bulkRounds = 9
)

// bulk compares the processor time, of this process and of all of the server's, that it takes to load rows by CopyIn with
// what pgx's CopyFrom takes for the same rows on a login that no policy binds.
func bulk(loader bool) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		w, err := openWorldWith(ctx, 0, func(w *world, d *pgtest.Database, cfg *rls.Config) error { return w.readyBulk(ctx, d, cfg, loader) })
		if err != nil {
			return 0, err
		}
		defer w.close()
		columns := []string{"id", "name", "ward", "born"}
		born := time.Date(1950, 1, 2, 0, 0, 0, 0, time.UTC)
		ours := func() error {
			_, err := w.db.CopyIn(w.tc, "patients", columns, pgx.CopyFromSlice(bulkRows, func(i int) ([]any, error) {
				return []any{int64(i), "patient of some length", "ward", born}, nil
			}))
			return err
		}
		bare := func() error {
			_, err := w.pool.CopyFrom(ctx, pgx.Identifier{"patients"}, append([]string{"tenant_id"}, columns...),
				pgx.CopyFromSlice(bulkRows, func(i int) ([]any, error) {
					return []any{int64(7), int64(i), "patient of some length", "ward", born}, nil
				}))
			return err
		}
		var ratios []float64
		for round := range bulkRounds + 1 {
			x, err := w.cpu(ctx, ours)
			if err != nil {
				return 0, err
			}
			y, err := w.cpu(ctx, bare)
			if err != nil {
				return 0, err
			}
			if round > 0 { // the first one warms up
				ratios = append(ratios, x.Seconds()/y.Seconds())
			}
		}
		slices.Sort(ratios)
		return ratios[len(ratios)/2], nil
	}
}

// readyBulk gives CopyIn its loader, or the right to make a temporary table.
func (w *world) readyBulk(ctx context.Context, d *pgtest.Database, cfg *rls.Config, loader bool) error {
	admin, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "alter table patients set (autovacuum_enabled = false)"); err != nil {
		return err
	}
	if !loader {
		_, err := admin.Exec(ctx, "grant temporary on database "+pgx.Identifier{d.Name}.Sanitize()+" to "+pgx.Identifier{d.AppRole}.Sanitize())
		return err
	}
	role, url, err := d.Login(ctx, "BYPASSRLS NOINHERIT")
	if err != nil {
		return err
	}
	owner, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		return err
	}
	defer owner.Close(ctx)
	cfg.LoaderURL = url
	return rls.Apply(ctx, owner, ward, rls.Options{AppRole: d.AppRole, LoaderRole: role})
}

// cpu gives the processor time of one load into the empty table.
func (w *world) cpu(ctx context.Context, load func() error) (time.Duration, error) {
	if _, err := w.pool.Exec(ctx, "truncate patients"); err != nil {
		return 0, err
	}
	if _, err := w.pool.Exec(ctx, "checkpoint"); err != nil {
		return 0, err
	}
	var backend int
	if err := w.pool.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		return 0, err
	}
	used, err := w.cpuOf(backend, load)
	return used.client + used.server, err
}
