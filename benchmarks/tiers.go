package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

func tierBenchmarks() []benchmark {
	return []benchmark{
		{"exec.bridge.hot", "≤ 1.2 of bare pgx", bridgeHot},
		{"exec.growth.tenants", "≤ 1.15 of 10 tenants", growthTenants},
	}
}

const (
	bridgeTenants  = 1000 // schemas
	bridgeHotOnes  = 50   // of them at work
	bridgePatients = 20
)

// bridgeHot reads rows of 50 tenants in turn, out of 1,000 with a schema and a login each. Bare pgx holds a connection for
// each of the 50, with its schema first on the search_path, under a login that row-level security does not bind.
func bridgeHot(ctx context.Context) (value float64, err error) {
	w := &world{}
	defer w.close()
	database, err := w.empty(ctx)
	if err != nil {
		return 0, err
	}
	b, err := newBridge(ctx, w, database)
	if err != nil {
		return 0, err
	}
	return ratio.Compare(b.scoped, b.bare, ratio.Settings{Slice: 10 * time.Millisecond, Rounds: 401})
}

// empty is a database without tables.
func (w *world) empty(ctx context.Context) (*pgtest.Database, error) {
	server, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = server.Close() })
	database, err := server.Database(ctx, pgtest.Template{})
	if err != nil {
		return nil, err
	}
	// Roles belong to the server, which may outlive us.
	w.closes = append(w.closes, func() {
		ctx := context.WithoutCancel(ctx)
		_ = database.Drop(ctx)
		conn, err := pgx.Connect(ctx, server.URL())
		if err != nil {
			return
		}
		defer conn.Close(ctx)
		for i := range bridgeTenants {
			_, _ = conn.Exec(ctx, "drop role if exists "+quoteName(bridgeRole(database.Name, i)))
		}
	})
	return database, nil
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }

func bridgeRole(database string, i int) string { return fmt.Sprintf("%s_b%d", database, i) }

// bridge is the same data reached both ways.
type bridge struct {
	db   *rls.DB
	tcs  []tenant.Context
	held []*pgx.Conn
}

func newBridge(ctx context.Context, w *world, database *pgtest.Database) (*bridge, error) {
	admin, err := pgx.Connect(ctx, database.AdminURL)
	if err != nil {
		return nil, err
	}
	defer admin.Close(ctx)
	password := rls.NewPassword()
	entries := map[tenant.ID]rls.Entry{}
	b := &bridge{}
	for i := range bridgeTenants {
		schema, role := fmt.Sprintf("t_%d", i+1), bridgeRole(database.Name, i)
		sql := fmt.Sprintf(`create role %[2]s login; grant connect on database %[3]s to %[2]s; create schema %[1]s;
			create table %[1]s.patients (tenant_id bigint not null, id bigint not null, name text not null, ward text not null, born date not null, primary key (tenant_id, id));
			insert into %[1]s.patients select %[4]d, i, 'patient ' || i, 'ward ' || i %% 10, date '1950-01-01' + i from generate_series(1, %[5]d) i`,
			schema, quoteName(role), quoteName(database.Name), i+1, bridgePatients)
		steps, err := rls.Policies(ward, rls.Options{AppRole: role, Schema: schema})
		if err != nil {
			return nil, err
		}
		for _, step := range steps {
			sql += ";\n" + step.SQL
		}
		if _, err := admin.Exec(ctx, sql); err != nil {
			return nil, err
		}
		id := tenant.MustParseID(fmt.Sprint(i + 1))
		entries[id] = rls.Entry{Tier: rls.TierBridge, Target: "main", Schema: schema, Login: role}
		if i%(bridgeTenants/bridgeHotOnes) != 0 {
			continue
		}
		if err := rls.SetPassword(ctx, admin, role, password); err != nil {
			return nil, err
		}
		tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: id, Subject: "bench"})
		if err != nil {
			return nil, err
		}
		b.tcs = append(b.tcs, tc)
		conn, err := pgx.Connect(ctx, database.AdminURL)
		if err != nil {
			return nil, err
		}
		w.closes = append(w.closes, func() { _ = conn.Close(context.WithoutCancel(ctx)) })
		if _, err := conn.Exec(ctx, "set search_path = "+schema); err != nil {
			return nil, err
		}
		b.held = append(b.held, conn)
	}
	if _, err := admin.Exec(ctx, "analyze"); err != nil {
		return nil, err
	}
	directory, err := rls.NewStaticDirectory(entries)
	if err != nil {
		return nil, err
	}
	b.db, err = rls.Open(ctx, rls.Config{Directory: directory, MaxConns: bridgeHotOnes + 10,
		Credentials: rls.CredentialsFunc(func(context.Context, rls.CredentialRequest) (rls.Credential, error) {
			return rls.Credential{URL: database.AppURL, Password: password}, nil
		})}, ward)
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, b.db.Close)
	return b, b.scoped(bridgeHotOnes) // each tenant's place is inspected with its first connection
}

func (b *bridge) scoped(n int) error {
	for i := range n {
		var p patient
		tc := b.tcs[i%len(b.tcs)]
		err := b.db.QueryRow(tc, onePatient, query.Args{"id": i%bridgePatients + 1}).Scan(&p.ID, &p.Name, &p.Ward, &p.Born)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bridge) bare(n int) error {
	for i := range n {
		var p patient
		at := i % len(b.tcs)
		ctx := context.Context(b.tcs[at])
		id := int64(at*(bridgeTenants/bridgeHotOnes) + 1)
		err := b.held[at].QueryRow(ctx, onePatient.SQL(), id, i%bridgePatients+1).Scan(&p.ID, &p.Name, &p.Ward, &p.Born)
		if err != nil {
			return err
		}
	}
	return nil
}

// growthTenants reads random rows of random tenants, of 100,000 and of 10. Both tables have as many rows, so that the
// number of tenants is all that differs; both go through a Directory, which has an entry for each tenant.
func growthTenants(ctx context.Context) (float64, error) {
	w := &world{}
	defer w.close()
	var sides []ratio.Side
	for _, tenants := range []int{100_000, 10} {
		side, err := w.crowd(ctx, tenants, 200_000/tenants)
		if err != nil {
			return 0, err
		}
		sides = append(sides, side)
	}
	return ratio.Compare(sides[0], sides[1], ratio.Settings{Slice: 10 * time.Millisecond, Rounds: 401})
}

// crowd opens a database of so many tenants, with so many rows each.
func (w *world) crowd(ctx context.Context, tenants, each int) (ratio.Side, error) {
	server, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { _ = server.Close() })
	schema := fmt.Sprintf(wardSchema, tenants, each)
	database, err := server.Database(ctx, pgtest.Template{Key: strings.ReplaceAll(schema, "%%", "%"), Prepare: func(ctx context.Context, d *pgtest.Database) error {
		conn, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, schema); err != nil {
			return err
		}
		return rls.Apply(ctx, conn, ward, rls.Options{AppRole: d.AppRole})
	}})
	if err != nil {
		return nil, err
	}
	entries := make(map[tenant.ID]rls.Entry, tenants)
	tcs := make([]tenant.Context, tenants)
	for i := range tenants {
		id := tenant.MustParseID(fmt.Sprint(i + 1))
		entries[id] = rls.Entry{Tier: rls.TierPool, Target: "main"}
		if tcs[i], err = tenant.Bind(ctx, tenant.Principal{Tenant: id, Subject: "bench"}); err != nil {
			return nil, err
		}
	}
	directory, err := rls.NewStaticDirectory(entries)
	if err != nil {
		return nil, err
	}
	db, err := rls.Open(ctx, rls.Config{Directory: directory, Cache: rls.DirectoryCache{TTL: time.Hour},
		Credentials: rls.CredentialsFunc(func(context.Context, rls.CredentialRequest) (rls.Credential, error) {
			return rls.Credential{URL: database.AppURL}, nil
		})}, ward)
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, db.Close)
	random := rand.New(rand.NewPCG(1, 2))
	side := func(n int) error {
		for range n {
			var p patient
			row := random.IntN(tenants * each)
			err := db.QueryRow(tcs[row/each], onePatient, query.Args{"id": row%each + 1}).Scan(&p.ID, &p.Name, &p.Ward, &p.Born)
			if err != nil {
				return err
			}
		}
		return nil
	}
	for _, tc := range tcs { // every tenant is known, as in a program that runs for a while
		var p patient
		if err := db.QueryRow(tc, onePatient, query.Args{"id": 1}).Scan(&p.ID, &p.Name, &p.Ward, &p.Born); err != nil {
			return nil, err
		}
	}
	return side, nil
}
