package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// One tenant of ten asks for 20 times its share of ten connections, without a pause; the others go on as before. Each
// figure is the others' median latency during the flood, divided by their median just before and after it.
func fairBenchmarks() []benchmark {
	return []benchmark{
		{"fair.flood.wait", "≤ 2: the others' median latency while one tenant floods, against calm", func(ctx context.Context) (float64, error) {
			return floodRatio(ctx, true, waitingRead)
		}},
		{"fair.flood.cpu", "≤ 2: the same with statements that compute", func(ctx context.Context) (float64, error) {
			return floodRatio(ctx, true, computingRead)
		}},
		{"fair.flood.wait.pgxpool", "none: bare pgx's pool, whose queue knows no tenants", func(ctx context.Context) (float64, error) {
			return floodRatio(ctx, false, waitingRead)
		}},
		{"fair.flood.cpu.pgxpool", "none: bare pgx's pool", func(ctx context.Context) (float64, error) {
			return floodRatio(ctx, false, computingRead)
		}},
	}
}

const (
	floodConns   = 10
	floodClients = 20
	quietTenants = 9
	quietPause   = 4 * time.Millisecond
)

// Two reads that keep their connection for some milliseconds: one waits, as for a disk, one keeps a processor busy.
const (
	waitingRead   = "select count(*) from patients, pg_sleep(0.003) where tenant_id = @tenant and id < 50"
	computingRead = "select count(*) from patients, generate_series(1, 200) g where tenant_id = @tenant and id < 50"
)

func floodRatio(ctx context.Context, septum bool, text string) (float64, error) {
	w := &world{}
	defer w.close()
	d, err := w.database(ctx)
	if err != nil {
		return 0, err
	}
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("patients"), query.WithFunctions("pg_sleep", "generate_series"))
	stmt, err := query.Static(catalog, text)
	if err != nil {
		return 0, err
	}
	if w.db, err = rls.Open(ctx, rls.Config{URL: d.AppURL, MaxConns: floodConns, AcquireTimeout: time.Minute}, catalog); err != nil {
		return 0, err
	}
	w.closes = append(w.closes, w.db.Close)
	bare, err := pgxpool.ParseConfig(d.AdminURL)
	if err != nil {
		return 0, err
	}
	bare.MaxConns = floodConns
	if w.pool, err = pgxpool.NewWithConfig(ctx, bare); err != nil {
		return 0, err
	}
	w.closes = append(w.closes, w.pool.Close)
	read := func(tc tenant.Context, number int64) error {
		var n int64
		if septum {
			return w.db.QueryRow(tc, stmt).Scan(&n)
		}
		return w.pool.QueryRow(tc, stmt.SQL(), number).Scan(&n)
	}
	var ratios []float64
	for range 7 {
		calm, err := quietMedian(ctx, read, 0)
		if err != nil {
			return 0, err
		}
		flood, err := quietMedian(ctx, read, floodClients)
		if err != nil {
			return 0, err
		}
		again, err := quietMedian(ctx, read, 0)
		if err != nil {
			return 0, err
		}
		ratios = append(ratios, 2*flood.Seconds()/(calm+again).Seconds())
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2], nil
}

// quietMedian is the median latency of the quiet tenants' reads, half a second long, beside so many clients of another.
func quietMedian(ctx context.Context, read func(tenant.Context, int64) error, clients int) (time.Duration, error) {
	until := time.Now().Add(500 * time.Millisecond)
	var work sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var failure error
	client := func(number int64, pause time.Duration, count bool) {
		work.Go(func() {
			ids := [...]string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}
			tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID(ids[number-1]), Subject: "bench"})
			for err == nil && time.Now().Before(until) {
				start := time.Now()
				err = read(tc, number)
				if count {
					mu.Lock()
					took = append(took, time.Since(start))
					mu.Unlock()
				}
				time.Sleep(pause)
			}
			if err != nil {
				mu.Lock()
				failure = err
				mu.Unlock()
			}
		})
	}
	for n := range int64(quietTenants) {
		client(n+1, quietPause, true)
	}
	for range clients {
		client(quietTenants+1, 0, false)
	}
	work.Wait()
	if failure != nil {
		return 0, failure
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
