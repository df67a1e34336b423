package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

func auditBenchmarks() []benchmark {
	return []benchmark{
		{"audit.growth", "≤ 11: 1,000 tables against 100", auditGrowth},
		{"audit.memory_mb", "< 100 MB of heap for 1,000 tables", auditMemory},
	}
}

// audited is a database of many tables in which everything is right, and a connection that audits it.
type auditedWorld struct {
	world
	conn    *pgx.Conn
	catalog *query.Catalog
	login   string
}

// auditedSchema has tables as hospitals have them: keys and indexes that start with the tenant, references between them.
func auditedSchema(tables int) (string, *query.Catalog) {
	var schema strings.Builder
	options := []query.CatalogOption{query.TenantColumn("tenant_id", query.UUID)}
	for i := range tables {
		fmt.Fprintf(&schema, `create table t%d (tenant_id uuid not null, id bigint not null, parent_id bigint not null, name text, ward text, note text,
			amount bigint, taken_at timestamptz, seen_at timestamptz, primary key (tenant_id, id), unique (tenant_id, name),
			foreign key (tenant_id, parent_id) references t%d (tenant_id, id)); create index on t%d (tenant_id, taken_at);`, i, i/2, i)
		options = append(options, query.Tenant(fmt.Sprintf("t%d", i)))
	}
	return schema.String(), query.MustCatalog(options...)
}

func openAudited(ctx context.Context, tables int) (_ *auditedWorld, err error) {
	w := &auditedWorld{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	server, err := pgtest.Shared()
	if err != nil {
		return nil, err
	}
	schema, catalog := auditedSchema(tables)
	d, err := server.Database(ctx, pgtest.Template{Key: schema, Prepare: func(ctx context.Context, d *pgtest.Database) error {
		owner, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer owner.Close(ctx)
		// In pieces: each table's locks are held to the end of its transaction.
		for _, statement := range strings.SplitAfter(schema, ";") {
			if _, err := owner.Exec(ctx, statement); err != nil {
				return err
			}
		}
		steps, err := rls.Policies(catalog, rls.Options{AppRole: d.AppRole})
		if err != nil {
			return err
		}
		for _, step := range steps {
			if _, err := owner.Exec(ctx, step.SQL); err != nil {
				return err
			}
		}
		_, err = owner.Exec(ctx, "analyze")
		return err
	}})
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = d.Drop(context.WithoutCancel(ctx)) })
	w.catalog, w.login = catalog, d.AppRole
	if w.conn, err = pgx.Connect(ctx, d.AdminURL); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = w.conn.Close(context.WithoutCancel(ctx)) })
	return w, nil
}

func (w *auditedWorld) audit(n int) error {
	for range n {
		report, err := rls.Audit(context.Background(), w.conn, w.catalog, rls.AuditOptions{Login: w.login})
		if err != nil {
			return err
		}
		for _, f := range report.Open(rls.Info) {
			if f.Rule != "SEP090" { // the server's own version
				return errors.New("a database in which everything is right has a finding: " + f.Rule + " " + f.What)
			}
		}
	}
	return nil
}

func auditGrowth(ctx context.Context) (float64, error) {
	large, err := openAudited(ctx, 1000)
	if err != nil {
		return 0, err
	}
	defer large.close()
	small, err := openAudited(ctx, 100)
	if err != nil {
		return 0, err
	}
	defer small.close()
	return ratio.Compare(large.audit, small.audit, ratio.Settings{Slice: 100 * time.Millisecond, Rounds: 9})
}

// auditMemory is the most that the heap held, sampled each millisecond, beyond what it held before.
func auditMemory(ctx context.Context) (float64, error) {
	w, err := openAudited(ctx, 1000)
	if err != nil {
		return 0, err
	}
	defer w.close()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before, most := heap(), uint64(0)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				most = max(most, heap())
			}
		}
	})
	err = w.audit(3)
	close(done)
	watching.Wait()
	return (float64(most) - float64(before)) / 1e6, err
}
