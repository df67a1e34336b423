package rls_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// BenchmarkRead compares a read with bare pgx's, of the same statement and rows, in turns: on the same tables (the
// superuser's login, for whom policies don't run), over loopback and over a line of 1 ms.
func BenchmarkRead(b *testing.B) {
	c := newClinic(b)
	c.sql(b, `insert into patients select t, n, 'Name ' || n from (select distinct tenant_id as t from patients) t, generate_series(1000, 3000) n`)
	c.sql(b, `analyze`)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tc := bind(b, ctx, mary)
	stmt, args := onePatient, query.Args{"id": int64(7)}
	values, err := stmt.Bind(tc, args)
	require.NoError(b, err)

	for _, line := range []struct {
		name  string
		delay time.Duration
	}{{"tcp", 0}, {"delay1ms", 500 * time.Microsecond}} {
		admin, app := c.AdminURL, c.AppURL
		if line.delay > 0 {
			var p, q *proxy
			p, admin = newProxy(b, c.AdminURL)
			q, app = newProxy(b, c.AppURL)
			p.delay.Store(int64(line.delay))
			q.delay.Store(int64(line.delay))
		}
		db := c.open(b, func(cfg *rls.Config) { cfg.URL = app })
		pool, err := pgxpool.New(b.Context(), admin)
		require.NoError(b, err)
		b.Cleanup(pool.Close)
		septum := func() { drain(b)(db.Query(tc, stmt, args)) }
		bare := func() { drain(b)(pool.Query(ctx, stmt.SQL(), values...)) }
		b.Run(line.name, func(b *testing.B) {
			septum()
			bare()
			var ours, theirs []time.Duration
			for b.Loop() {
				start := time.Now()
				septum()
				middle := time.Now()
				bare()
				ours = append(ours, middle.Sub(start))
				theirs = append(theirs, time.Since(middle))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			at := func(d []time.Duration, part float64) float64 { return float64(d[int(part*float64(len(d)))]) }
			b.ReportMetric(at(ours, 0.5)/at(theirs, 0.5), "median-ratio") // a busy machine moves the mean, not this
			b.ReportMetric(at(ours, 0.05)/at(theirs, 0.05), "best-ratio")
			b.ReportMetric(at(ours, 0.5), "ns-median")
		})
		if line.delay == 0 {
			b.Run("septum", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					septum()
				}
			})
			b.Run("pgx", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					bare()
				}
			})
		}
	}
}

// drain reads rows as an application does.
func drain(b *testing.B) func(pgx.Rows, error) {
	b.Helper()
	return func(rows pgx.Rows, err error) {
		if err != nil {
			b.Fatal(err)
		}
		var p patient
		n := 0
		for rows.Next() {
			n++
			if err := rows.Scan(&p.ID, &p.Name); err != nil {
				b.Fatal(err)
			}
		}
		if rows.Err() != nil || n != 1 {
			b.Fatal(n, rows.Err())
		}
	}
}
