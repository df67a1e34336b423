package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/fsblob"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

var blobCatalog = query.MustCatalog(query.TenantColumn("tenant_id", query.Text), blob.Relations())

// blobWorld is a Store on files, which are synced as in production.
type blobWorld struct {
	url    string
	db     *rls.DB
	driver *fsblob.Driver
	store  *blob.Store
	tc     tenant.Context
	owner  *pgx.Conn
	closes []func()
}

func (w *blobWorld) close() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
}

func startBlobServer(ctx context.Context) (*pgtest.Server, error) {
	return pgtest.Start(ctx, pgtest.Options{})
}

// startDurable starts a server that waits for the disk, as production's does and those of tests don't: what several uploads
// gain at once is that they wait together, for the files and for the rows.
func startDurable(ctx context.Context) (server *pgtest.Server, err error) {
	for _, source := range []pgtest.Source{pgtest.Local, pgtest.Download, pgtest.Docker} {
		var failed error
		server, failed = pgtest.Start(ctx, pgtest.Options{Source: source, Settings: map[string]string{"fsync": "on", "synchronous_commit": "on"}})
		if failed == nil {
			return server, nil
		}
		err = errors.Join(err, failed)
	}
	return nil, err
}

func openBlobWorld(ctx context.Context, start func(context.Context) (*pgtest.Server, error)) (_ *blobWorld, err error) {
	server, err := start(ctx)
	if err != nil {
		return nil, err
	}
	w, err := openBlobWorldOn(ctx, server)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	w.closes = slices.Insert(w.closes, 0, func() { _ = server.Close() })
	return w, nil
}

// openBlobWorldOn is a world with a database of its own on a server that others use too.
func openBlobWorldOn(ctx context.Context, server *pgtest.Server) (_ *blobWorld, err error) {
	w := &blobWorld{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	d, err := server.Database(ctx, pgtest.Template{Key: "blob", Prepare: func(ctx context.Context, d *pgtest.Database) error {
		conn, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return errors.Join(
			blob.Apply(ctx, conn, blobCatalog, blob.Options{AppRole: d.AppRole}),
			rls.Apply(ctx, conn, blobCatalog, rls.Options{AppRole: d.AppRole}))
	}})
	if err != nil {
		return nil, err
	}
	if w.owner, err = pgx.Connect(ctx, d.AdminURL); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = w.owner.Close(context.WithoutCancel(ctx)) })
	w.url = d.AppURL
	dir, err := os.MkdirTemp("", "septum-bench-blob-")
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = os.RemoveAll(dir) })
	if w.driver, err = fsblob.Open(dir+"/blobs", fsblob.Options{}); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = w.driver.Close() })
	if err = w.connect(ctx); err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { w.db.Close() })
	w.tc, err = bindTenant(ctx, "mercy")
	return w, err
}

// connect opens the database, again with other connections.
func (w *blobWorld) connect(ctx context.Context) (err error) {
	if w.db != nil {
		w.db.Close()
	}
	if w.db, err = rls.Open(ctx, rls.Config{URL: w.url, MaxConns: 16}, blobCatalog); err != nil {
		return err
	}
	w.store, err = blob.New(blob.Config{DB: w.db, Driver: w.driver})
	return err
}

func bindTenant(ctx context.Context, id string) (tenant.Context, error) {
	return tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "bench"})
}

// in runs a measurement in a world of its own.
func in(measure func(context.Context, *blobWorld) (float64, error)) func(context.Context) (float64, error) {
	return on(startBlobServer, measure)
}

// on is in, on a server that start starts.
func on(start func(context.Context) (*pgtest.Server, error), measure func(context.Context, *blobWorld) (float64, error)) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		w, err := openBlobWorld(ctx, start)
		if err != nil {
			return 0, err
		}
		defer w.close()
		return measure(ctx, w)
	}
}

func blobBenchmarks() []benchmark {
	crowd := &crowd{}
	return []benchmark{
		{"blob.put.64MiB", "≥ 0.65 of SHA-256's rate", in(putLarge)},
		{"blob.put.16KiB.parallel8", "≥ 3.5 of one at a time", on(startDurable, putParallel)},
		{"blob.open.verify", "≥ 0.85 of SHA-256's rate", in(openVerify)},
		{"blob.put.memory", "< 2 MiB per stream", in(putMemory)},
		{"blob.open.memory", "< 2 MiB per stream", in(openMemory)},
		{"blob.list.1M", "≤ 1.3 of 1,000 rows", crowd.listed},
		{"blob.put.1M", "≤ 1.3 of 1,000 rows", crowd.put},
	}
}

// fill gives a tenant so many rows, as if it had put them.
func (w *blobWorld) fill(ctx context.Context, id string, rows int) error {
	for _, sql := range []string{
		"set session_replication_role = replica",
		fmt.Sprintf(`insert into septum_blob.content (id, key, hash, size, sealing, row_key, shared)
			select md5('%[1]s' || i)::uuid, md5('%[1]s' || i), sha256(('%[1]s' || i)::bytea), 100, 'row', sha256(('%[1]s' || i)::bytea), false
			from generate_series(1, %[2]d) i`, id, rows),
		fmt.Sprintf(`insert into septum_blob.blobs (tenant_id, ref, size, media_type, name, created_at)
			select '%[1]s', 'blob_' || rtrim(translate(encode(sha256(('%[1]s' || i)::bytea), 'base64'), '+/', '-_'), '='), 100,
				'application/pdf', 'report.pdf', now() - i * interval '1 second' from generate_series(1, %[2]d) i`, id, rows),
		fmt.Sprintf(`insert into septum_blob.links (tenant_id, ref, content_id)
			select '%[1]s', 'blob_' || rtrim(translate(encode(sha256(('%[1]s' || i)::bytea), 'base64'), '+/', '-_'), '='), md5('%[1]s' || i)::uuid
			from generate_series(1, %[2]d) i`, id, rows),
		fmt.Sprintf("insert into septum_blob.usage values ('%s', 0, %d, %d)", id, rows, rows*100),
		"set session_replication_role = origin",
		"vacuum analyze",
	} {
		if _, err := w.owner.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// crowd compares a tenant with a million rows with one that has a thousand, in a database of its own. Making the rows takes
// longer than measuring, so both measurements are made at once.
type crowd struct {
	done       bool
	list, puts float64
}

func (c *crowd) listed(ctx context.Context) (float64, error) {
	err := c.measure(ctx)
	return c.list, err
}

func (c *crowd) put(ctx context.Context) (float64, error) {
	err := c.measure(ctx)
	return c.puts, err
}

func (c *crowd) measure(ctx context.Context) error {
	if c.done {
		return nil
	}
	server, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	many, err := openBlobWorldOn(ctx, server)
	if err != nil {
		return err
	}
	defer many.close()
	few, err := openBlobWorldOn(ctx, server)
	if err != nil {
		return err
	}
	defer few.close()
	for w, rows := range map[*blobWorld]int{many: 1_000_000, few: 1000} {
		if err := w.fill(ctx, "mercy", rows); err != nil {
			return err
		}
	}
	// As with exec.read, where the two processes happen to run counts for more than what is measured: drawn several times.
	content := noise(16 << 10)
	var n atomic.Uint64
	var lists, puts []float64
	settings := ratio.Settings{Slice: 20 * time.Millisecond, Rounds: 15}
	for range worlds {
		if err := errors.Join(many.connect(ctx), few.connect(ctx)); err != nil {
			return err
		}
		list, err := ratio.Compare(listing(many), listing(few), settings)
		if err != nil {
			return err
		}
		put, err := ratio.Compare(putting(many, content, &n), putting(few, content, &n), settings)
		if err != nil {
			return err
		}
		lists, puts = append(lists, list), append(puts, put)
	}
	slices.Sort(lists)
	slices.Sort(puts)
	c.list, c.puts, c.done = lists[worlds/2], puts[worlds/2], true
	return nil
}

// listing reads page after page, and begins again after nine.
func listing(w *blobWorld) ratio.Side {
	return func(times int) error {
		token := ""
		for i := range times {
			page, next, err := w.store.List(w.tc, blob.Page{Token: token})
			if err != nil {
				return err
			}
			if len(page) != 100 {
				return fmt.Errorf("a page has %d rows", len(page))
			}
			if token = next; i%9 == 8 {
				token = ""
			}
		}
		return nil
	}
}

func putting(w *blobWorld, content []byte, n *atomic.Uint64) ratio.Side {
	return func(times int) error {
		for range times {
			if _, err := w.store.Put(w.tc, fresh(content, n.Add(1)), blob.Meta{}); err != nil {
				return err
			}
		}
		return nil
	}
}
