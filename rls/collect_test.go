package rls_test

import (
	"database/sql"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

const typesSchema = `
create type mood as enum ('calm', 'restless');
create table everything (tenant_id text not null, id bigint not null, u uuid, j jsonb, ts timestamptz, a text[], n numeric, b bytea, ip inet, m mood, primary key (tenant_id, id));
`

var (
	typesCatalog = query.MustCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("everything"))
	putTypes     = query.MustStatic(typesCatalog, `insert into everything (tenant_id, id, u, j, ts, a, n, b, ip, m) values (@tenant, @id, @u, @j, @ts, @a, @n, @b, @ip, @m)`)
	getTypes     = query.MustStatic(typesCatalog, `select id, u, j, ts, a, n, b, ip, m from everything where tenant_id = @tenant order by id`)
	getTime      = query.MustStatic(typesCatalog, `select ts from everything where tenant_id = @tenant order by id`)
	getIP        = query.MustStatic(typesCatalog, `select ip from everything where tenant_id = @tenant order by id`)
)

// Rows scan as with pgx: arrays, jsonb, enums, NULL, and Go's own types.
func TestTypes(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(typesSchema), rlstest.Catalog(typesCatalog))
	db, err := rls.Open(t.Context(), rls.Config{URL: d.AppURL, Types: []string{"mood", "_mood"}, TypeMap: func(m *pgtype.Map) { m.RegisterDefaultPgType(mood(""), "mood") }}, typesCatalog)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	tc := bind(t, t.Context(), mary)
	type record struct {
		ID int64
		U  *string
		J  map[string]any
		TS *time.Time `db:"ts"`
		A  []string
		N  sql.NullFloat64
		B  []byte
		IP *netip.Addr `db:"ip"`
		M  pgtype.Text
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	u, ip := "99999999-9999-9999-9999-999999999999", netip.MustParseAddr("10.1.2.3")
	first := record{ID: 1, U: &u, J: map[string]any{"k": []any{"v", 1.0}}, TS: &now, A: []string{"x", `"y",{}`}, N: sql.NullFloat64{Float64: 1.25, Valid: true},
		B: []byte{0, 1, 255}, IP: &ip, M: pgtype.Text{String: "calm", Valid: true}}
	require.NoError(t, db.Exec(tc, putTypes, first))
	require.NoError(t, db.Exec(tc, putTypes, record{ID: 2}))
	got, err := rls.All[record](tc, db, getTypes)
	require.NoError(t, err)
	require.Len(t, got, 2)
	*got[0].TS = got[0].TS.UTC()
	require.Equal(t, []record{first, {ID: 2}}, got)

	times, err := rls.All[*time.Time](tc, db, getTime)
	require.NoError(t, err)
	require.True(t, now.Equal(*times[0]))
	require.Nil(t, times[1])
	addrs, err := rls.All[*netip.Addr](tc, db, getIP)
	require.NoError(t, err)
	require.Equal(t, ip, *addrs[0])

	rows, err := db.Query(tc, getTypes)
	require.NoError(t, err)
	require.True(t, rows.Next())
	values, err := rows.Values()
	require.NoError(t, err)
	require.Len(t, values, 9)
	require.Equal(t, "calm", values[8])
	var raw pgtype.DriverBytes
	require.ErrorIs(t, rows.Scan(nil, nil, nil, nil, nil, nil, &raw, nil, nil), rls.ErrScan)
	require.ErrorIs(t, rows.Err(), rls.ErrScan)
}

type mood string

func TestUnknownType(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	_, err := rls.Open(t.Context(), rls.Config{URL: c.AppURL, Types: []string{"no_such_type"}}, hospital)
	require.ErrorIs(t, err, rls.ErrOptions)
	require.Contains(t, err.Error(), "no_such_type")
}
