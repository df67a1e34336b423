package rls_test

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

// keeper is a type that keeps the bytes it is shown, which the contracts of pgx and encoding/json forbid, and people do.
type keeper struct{ kept []byte }

func (k *keeper) ScanBytes(b []byte) error     { k.kept = b; return nil }
func (k *keeper) UnmarshalJSON(b []byte) error { k.kept = b; return nil }

// X09: what a type has kept of one tenant's row is not overwritten by what the connection reads next, for another.
func TestWhatATypeKeepsIsItsOwn(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("notes"))
	d := rlstest.New(t, rlstest.Catalog(catalog), rlstest.Schema(`create table notes (tenant_id uuid primary key, b bytea, x text, j jsonb, l bytea[]);
		insert into notes select id::uuid, convert_to(name, 'UTF8'), name, to_jsonb(name), array[convert_to(name, 'UTF8')]
			from (values ('`+mary.String()+`', 'Mary'), ('`+paul.String()+`', 'Paul')) t(id, name)`))
	db := d.Open(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	note := query.MustStatic(catalog, `select b, x, j, l from notes where tenant_id = @tenant`)
	var b, x, j keeper
	var l []keeper
	var named struct{ J keeper }
	require.NoError(t, db.QueryRow(bind(t, t.Context(), mary), note).Scan(&b, &x, &j, &l))
	var raw json.RawMessage
	var bytes []byte
	var undecoded pgtype.UndecodedBytes
	require.NoError(t, db.QueryRow(bind(t, t.Context(), mary), note).Scan(&bytes, nil, &raw, &undecoded))
	for range 3 {
		require.NoError(t, db.QueryRow(bind(t, t.Context(), paul), note).Scan(new([]byte), new(string), &named.J, nil))
	}
	for name, kept := range map[string][]byte{"bytea": b.kept, "text": x.kept, "jsonb": j.kept, "an array": l[0].kept, "bytes": bytes, "raw json": raw, "undecoded": undecoded} {
		require.Contains(t, string(kept), "Mary", name)
	}
	require.JSONEq(t, `"Paul"`, string(named.J.kept))
}
