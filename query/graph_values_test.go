package query_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
)

const typesSchema = `
create table things (tenant_id bigint not null, id bigint not null, owner_id int, big bigint, small smallint, num numeric, price numeric(30,10), f4 real, f8 float8, b boolean,
	at timestamptz, local timestamp, day date, raw bytea, u uuid, j jsonb, js json, list text[], note varchar(10), iv interval, primary key (tenant_id, id));`

const typesSeed = `insert into things values
	(1, 1, null, 9223372036854775807, -32768, 12345678901234567890.123456789, 1.5, 1.25, -2.5e300, true, '2026-11-21 23:59:59.123456+02', '2026-11-21 23:59:59.5', '0044-03-15',
		'\x00ff80', '00112233-4455-6677-8899-aabbccddeeff', '{"n": 9007199254740993}', '{"n": 9007199254740993, "n": 1}', '{a,NULL,"b c"}', 'ünï', '1 mon 2 days 03:04:05'),
	(1, 2, 1, null, null, 'NaN', null, null, null, null, null, null, null, null, null, null, null, null, null, null);`

// Values are what pgx scans without a graph, for every type: none goes through text or JSON on the way.
func TestGraphsKeepEveryTypesValues(t *testing.T) {
	t.Parallel()
	for name, types := range map[string]string{
		"declared": `"id": "bigint", "owner_id": "integer", "big": "bigint", "small": "smallint", "num": "numeric", "price": "numeric(30,10)", "f4": "real", "f8": "float8", "b": "boolean",
			"at": "timestamptz", "local": "timestamp", "day": "date", "raw": "bytea", "u": "uuid", "j": "jsonb", "js": "json", "list": "text[]", "note": "varchar(10)", "iv": "interval"`,
		"undeclared": `"id": "", "owner_id": "", "big": "", "small": "", "num": "", "price": "", "f4": "", "f8": "", "b": "", "at": "", "local": "", "day": "", "raw": "", "u": "", "j": "", "js": "",
			"list": "", "note": "", "iv": ""`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := query.ParseCatalog([]byte(`{"tenant": {"column": "tenant_id", "type": "bigint"}, "relations": {"things": {"kind": "tenant", "columns": {"tenant_id": "bigint", ` + types +
				`}, "key": ["id"], "references": {"owner_id": "things.id"}}}}`))
			require.NoError(t, err)
			d := rlstest.New(t, rlstest.Schema(typesSchema), rlstest.Seed(typesSeed), rlstest.Catalog(c))
			tc := bindTenant(t, "1")
			type thing struct {
				ID         int64
				Big        *int64
				Small      *int16
				Num, Price pgtype.Numeric
				F4         *float32
				F8         *float64
				B          *bool
				At, Local  *time.Time
				Day        pgtype.Date
				Raw        []byte
				U          *[16]byte
				J, Js      []byte
				List       []*string
				Note       *string
				Iv         pgtype.Interval
			}
			type owned struct {
				thing
				OwnerID *int32
				Things  []thing
			}
			const columns = "id, big, small, num, price, f4, f8, b, at, local, day, raw, u, j, js, list, note, iv"
			rows, err := d.Admin(t).Query(context.Background(), "select "+columns+" from things order by id")
			require.NoError(t, err)
			want, err := pgx.CollectRows(rows, pgx.RowToStructByName[thing])
			require.NoError(t, err)

			names := []string{"id", "big", "small", "num", "price", "f4", "f8", "b", "at", "local", "day", "raw", "u", "j", "js", "list", "note", "iv"}
			b := c.Graph("things", "things").Root(query.Level{OrderBy: []string{"id"}}).At("things", query.Level{Columns: names}).
				Edge(query.Edge{Name: "things", From: "things", To: "things", FromColumns: []string{"id"}, ToColumns: []string{"owner_id"}})
			db := d.Open(t)
			if name == "undeclared" {
				_, err := rls.Graph[owned](tc, db, query.MustGraph(b))
				var e *query.GraphError
				require.ErrorAs(t, err, &e)
				require.Contains(t, e.Why, "declare their types", "an integer that refers to a bigint is found by its bytes only when both types are known")
				b = c.Graph("things", "things").Root(query.Level{OrderBy: []string{"id"}}).At("things", query.Level{Columns: names, OrderBy: []string{"id"}, Limit: 9}).
					Edge(query.Edge{Name: "things", From: "things", To: "things", FromColumns: []string{"id"}, ToColumns: []string{"owner_id"}})
			}
			got, err := rls.Graph[owned](tc, db, query.MustGraph(b))
			require.NoError(t, err)
			require.Equal(t, want[0], got[0].thing)
			require.Equal(t, want[1], got[1].thing)
			require.Equal(t, []thing{want[1]}, got[0].Things)
			require.Empty(t, got[1].Things)

			nodes, err := rls.Graph[*query.Node](tc, db, query.MustGraph(b))
			require.NoError(t, err)
			n := nodes[0]
			require.Equal(t, int64(9223372036854775807), n.Value("big"))
			require.Equal(t, "12345678901234567890.123456789", n.Value("num"))
			require.Equal(t, "00112233-4455-6677-8899-aabbccddeeff", n.Value("u"))
			require.Equal(t, []byte{0, 255, 128}, n.Value("raw"))
			require.True(t, want[0].At.Equal(n.Value("at").(time.Time)))
			require.Equal(t, "ünï", n.Value("note"))
			require.Nil(t, nodes[1].Value("big"))
			require.Nil(t, nodes[1].Value("j"))
			require.Nil(t, n.Value("nosuch"))
			if name == "declared" {
				require.JSONEq(t, `{"n": 9007199254740993}`, string(n.Value("j").(json.RawMessage)))
				text, err := json.Marshal(n)
				require.NoError(t, err)
				require.Contains(t, string(text), `"j":{"n":9007199254740993}`)
				require.Contains(t, string(text), `"big":9223372036854775807`)
			}
		})
	}
}

// merging is a type whose Scan adds to what it holds, as a map that is decoded into does.
type merging []string

func (m *merging) Scan(v any) error {
	*m = append(*m, v.(string))
	return nil
}

func TestRowsOfGraphsShareNoMemory(t *testing.T) {
	t.Parallel()
	c, db := storyDB(t)
	type ward struct {
		ID   int64
		Mark merging
	}
	got, err := rls.Graph[ward](bindTenant(t, "1"), db, query.MustGraph(c.Graph("wards").Root(query.Level{Columns: []string{"id", "mark"}, OrderBy: []string{"id"}})))
	require.NoError(t, err)
	for _, w := range got {
		require.Equal(t, merging{"tenant 1"}, w.Mark)
	}
}
