package rls_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

const benchSchema = `
create table patients (tenant_id uuid not null, id bigint not null, name text not null, ward text, primary key (tenant_id, id));
insert into patients select t.id, n, 'Name ' || n, 'ward ' || n % 7 from
	(values ('11111111-1111-1111-1111-111111111111'::uuid), ('22222222-2222-2222-2222-222222222222')) t(id), generate_series(1, 1000) n;
create table bare as select * from patients; alter table bare add primary key (tenant_id, id);
`

func BenchmarkRaw(b *testing.B) {
	rel := query.Relation{Name: "patients", Kind: query.TenantKind, Column: "tenant_id", Type: query.UUID}
	d := rlstest.New(b, rlstest.Schema(benchSchema))
	owner := d.Owner(b)
	p := rls.Predicate(rel)
	for _, sql := range []string{
		"alter table patients enable row level security", "alter table patients force row level security",
		"create policy f on patients as restrictive for all to public using (" + p + ") with check (" + p + ")",
		"create policy a on patients as permissive for all to " + d.AppRole + " using (" + p + ") with check (" + p + ")",
		"grant select on patients to " + d.AppRole,
		"grant select on bare to " + d.AppRole,
		"analyze",
	} {
		_, err := owner.Exec(b.Context(), sql)
		require.NoError(b, err)
	}
	db, err := rls.OpenUnchecked(context.Background(), rls.Config{URL: d.AppURL}, nil)
	require.NoError(b, err)
	defer db.Close()
	pool, err := pgxpool.New(context.Background(), d.AppURL)
	require.NoError(b, err)
	defer pool.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID("11111111-1111-1111-1111-111111111111"), Subject: "b"})
	require.NoError(b, err)
	const sql = "select id, name, ward from %s where tenant_id = $1 and id = $2"
	mine := "select id, name, ward from patients where tenant_id = $1 and id = $2"
	theirs := "select id, name, ward from bare where tenant_id = $1 and id = $2"
	scan := func(rows pgx.Rows, err error) {
		if err != nil {
			b.Fatal(err)
		}
		var id int64
		var name, ward string
		n := 0
		for rows.Next() {
			n++
			if err := rows.Scan(&id, &name, &ward); err != nil {
				b.Fatal(err)
			}
		}
		if rows.Err() != nil || n != 1 {
			b.Fatal(rows.Err(), n)
		}
	}
	septum := func() { scan(db.QueryUnproved(tc, mine, tc.Tenant().String(), 7)) }
	bare := func() { scan(pool.Query(ctx, theirs, tc.Tenant().String(), 7)) }
	b.Run("septum", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			septum()
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bare()
		}
	})
	b.Run("interleaved", func(b *testing.B) {
		var s, p time.Duration
		for b.Loop() {
			t0 := time.Now()
			septum()
			t1 := time.Now()
			bare()
			s += t1.Sub(t0)
			p += time.Since(t1)
		}
		b.ReportMetric(float64(s)/float64(p), "ratio")
	})
}
