package query_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	sq "github.com/Masterminds/squirrel"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
)

type graphWard struct {
	ID       int64
	Mark     string
	Parent   *graphWard
	Children []graphWard
	Patients []*graphPatient
}

type graphPatient struct {
	ID         int64
	WardID     *int64
	Mark       string `db:"mark"`
	Encounters []graphEncounter
	More       bool `db:"encounters,more"`
	Tags       []graphTag
	note       string //nolint:unused // not exported: decoding leaves it alone
}

type graphEncounter struct {
	graphKeyed
	Attending    *graphTag
	Observations []graphObservation
}

type graphKeyed struct {
	ID int64
}

type graphObservation struct {
	ID   int64
	Code *string
}

type graphTag struct {
	ID      int64
	Mark    string
	Ignored func() `db:"-"`
}

// The hospital of these tests: ward 1 above 2 above 3, and 4 and 5 above each other; tenant 2 has the same ids.
const graphStory = `
insert into codes values ('c1', 'one');
insert into wards select t, i, case i when 2 then 1 when 3 then 2 when 4 then 5 when 5 then 4 end, 'tenant ' || t from generate_series(1, 2) t, generate_series(1, 5) i;
insert into practitioners select t, i, 'tenant ' || t from generate_series(1, 2) t, generate_series(1, 2) i;
insert into patients select t, i, i, 'tenant ' || t from generate_series(1, 2) t, generate_series(1, 3) i;
insert into tags select t, i, 'tenant ' || t from generate_series(1, 2) t, generate_series(1, 2) i;
insert into taggings select t, 1, i, 'tenant ' || t from generate_series(1, 2) t, generate_series(1, 2) i;
insert into encounters select t, i, 1 + i / 4, case when i < 6 then 1 end, null, 'A', 1, 'tenant ' || t from generate_series(1, 2) t, generate_series(1, 6) i;
insert into observations select t, i, 1 + i / 3, case when i < 3 then 'c1' end, 'tenant ' || t from generate_series(1, 2) t, generate_series(1, 8) i;
insert into rooms values (1, 'A', 1, 'tenant 1'), (2, 'A', 1, 'tenant 2');
`

func storyDB(t *testing.T) (*query.Catalog, *rls.DB) {
	t.Helper()
	c := graphCatalog(t)
	return c, rlstest.Open(t, rlstest.Schema(graphSchema), rlstest.Seed(graphStory), rlstest.Catalog(c))
}

func TestGraphsLoadIntoStructs(t *testing.T) {
	t.Parallel()
	c, db := storyDB(t)
	tc := bindTenant(t, "1")
	g := query.MustGraph(c.Graph("patients", "encounters.observations", "encounters.attending", "tags").
		Root(query.Level{Where: sq.LtOrEq{"id": query.Arg("last")}, OrderBy: []string{"id"}}).
		At("encounters", query.Level{OrderBy: []string{"id desc"}, Limit: 2}).
		At("encounters.observations", query.Level{Columns: []string{"id", "code"}, OrderBy: []string{"id"}}).
		At("tags", query.Level{OrderBy: []string{"id"}}))
	patients, err := rls.Graph[graphPatient](tc, db, g, query.Args{"last": 3})
	require.NoError(t, err)
	require.Len(t, patients, 3)

	one := patients[0]
	require.Equal(t, "tenant 1", one.Mark)
	require.Equal(t, int64(1), *one.WardID)
	require.True(t, one.More, "patient 1 has three encounters")
	require.Len(t, one.Encounters, 2)
	require.Equal(t, int64(3), one.Encounters[0].ID)
	require.Equal(t, int64(2), one.Encounters[1].ID)
	require.Same(t, one.Encounters[0].Attending, one.Encounters[1].Attending, "loaded once and shared")
	require.Equal(t, []graphObservation{{ID: 6}, {ID: 7}, {ID: 8}}, one.Encounters[0].Observations)
	require.Equal(t, []graphTag{{ID: 1, Mark: "tenant 1"}, {ID: 2, Mark: "tenant 1"}}, one.Tags)

	two, three := patients[1], patients[2]
	require.Len(t, two.Encounters, 2)
	require.True(t, two.More)
	require.Nil(t, two.Encounters[0].Attending)
	require.NotNil(t, two.Encounters[1].Attending)
	require.NotNil(t, two.Encounters[0].Observations, "loaded, and empty")
	require.Empty(t, three.Encounters)
	require.False(t, three.More)
	require.NotNil(t, three.Tags)

	none, err := rls.Graph[graphPatient](tc, db, g, query.Args{"last": 0})
	require.NoError(t, err)
	require.NotNil(t, none)
	require.Empty(t, none)
	none, err = rls.Graph[graphPatient](bindTenant(t, "3"), db, g, query.Args{"last": 3})
	require.NoError(t, err)
	require.Empty(t, none)
}

// J07: a hierarchy is bound in every round, also where it has a cycle.
func TestGraphsOfHierarchiesEndAtTheirDepthAndAtCycles(t *testing.T) {
	t.Parallel()
	c, db := storyDB(t)
	tc := bindTenant(t, "2")
	down := c.Graph("wards", "children*2.patients").
		Edge(query.Edge{Name: "children", From: "wards", To: "wards", FromColumns: []string{"id"}, ToColumns: []string{"parent_id"}}).
		Root(query.Level{Columns: []string{"id", "mark"}, Where: sq.Eq{"id": query.Arg("ward")}}).
		At("children", query.Level{Columns: []string{"id", "mark"}}).
		At("children.patients", query.Level{Columns: []string{"id", "mark", "ward_id"}})
	type child struct {
		ID       int64
		Mark     string
		Children []*child
		Patients []struct {
			ID, WardID int64
			Mark       string
		}
	}
	type top struct {
		ID       int64
		Mark     string
		Children []*child
	}
	wards, err := rls.Graph[top](tc, db, query.MustGraph(down), query.Args{"ward": 1})
	require.NoError(t, err)
	require.Len(t, wards, 1)
	require.Equal(t, int64(2), wards[0].Children[0].ID)
	require.Equal(t, int64(2), wards[0].Children[0].Patients[0].WardID)
	require.Equal(t, "tenant 2", wards[0].Children[0].Patients[0].Mark)
	require.Equal(t, int64(3), wards[0].Children[0].Children[0].ID)
	require.Equal(t, int64(3), wards[0].Children[0].Children[0].Patients[0].ID)
	require.Nil(t, wards[0].Children[0].Children[0].Children, "the depth ends here")

	up := query.MustGraph(c.Graph("wards", "parent*64").Root(query.Level{Columns: []string{"id", "mark"}, Where: sq.Eq{"id": query.Arg("ward")}}).
		At("parent", query.Level{Columns: []string{"id", "mark"}}))
	ring, err := rls.Graph[graphWard](tc, db, up, query.Args{"ward": 4})
	require.NoError(t, err)
	require.Equal(t, int64(5), ring[0].Parent.ID)
	require.Equal(t, int64(4), ring[0].Parent.Parent.ID, "the ward that is below itself is shown")
	require.Nil(t, ring[0].Parent.Parent.Parent, "and nothing below it")

	_, err = rls.Graph[top](tc, db, query.MustGraph(down.MaxNodes(3)), query.Args{"ward": 1})
	require.ErrorIs(t, err, query.ErrGraphLimit)
}

func TestGraphsAreWholeOrAnError(t *testing.T) {
	t.Parallel()
	c, db := storyDB(t)
	tc := bindTenant(t, "1")
	b := c.Graph("patients", "encounters")
	for _, most := range []int{1, 3, 8} {
		nodes, err := rls.Graph[*query.Node](tc, db, query.MustGraph(b.MaxNodes(most)))
		require.ErrorIs(t, err, query.ErrGraphLimit, most)
		require.Nil(t, nodes)
	}
	nodes, err := rls.Graph[*query.Node](tc, db, query.MustGraph(b.MaxNodes(9)))
	require.NoError(t, err)
	require.Len(t, nodes, 3)

	_, err = rls.Graph[*query.Node](tc, db, query.MustGraph(b.Root(query.Level{Where: sq.Eq{"id": query.Arg("patient")}})))
	require.ErrorIs(t, err, query.ErrArgs)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = rls.Graph[*query.Node](bindContext(t, ctx, "1"), db, query.MustGraph(b))
	require.ErrorIs(t, err, context.Canceled)
	_, err = rls.Graph[*query.Node](tc, db, query.MustGraph(b))
	require.NoError(t, err, "the pool is healthy")
}

// A page of a level continues behind the last row of the one before it.
func TestLevelsComeInPages(t *testing.T) {
	t.Parallel()
	c, db := storyDB(t)
	tc := bindTenant(t, "1")
	level := query.Level{OrderBy: []string{"attending_id desc", "id"}, Limit: 2, Where: sq.NotEq{"attending_id": nil}}
	first := query.MustGraph(c.Graph("patients", "encounters").Root(query.Level{Where: sq.Eq{"id": 1}}).At("encounters", level))
	level.After = []any{query.Arg("attending"), query.Arg("encounter")}
	next := query.MustGraph(c.Graph("patients", "encounters").Root(query.Level{Where: sq.Eq{"id": 1}}).At("encounters", level))

	nodes, err := rls.Graph[*query.Node](tc, db, first)
	require.NoError(t, err)
	page := nodes[0].Nodes("encounters")
	require.Len(t, page, 2)
	require.True(t, nodes[0].More("encounters"))
	last := page[1]
	nodes, err = rls.Graph[*query.Node](tc, db, next, query.Args{"attending": last.Value("attending_id"), "encounter": last.Value("id")})
	require.NoError(t, err)
	require.Equal(t, int64(3), nodes[0].Node("encounters").Value("id"))
	require.Len(t, nodes[0].Nodes("encounters"), 1)
	require.False(t, nodes[0].More("encounters"))
}

func TestStructsThatDoNotFitAreRefusedBeforeTheyLie(t *testing.T) {
	t.Parallel()
	c, db := storyDB(t)
	tc := bindTenant(t, "1")
	g := query.MustGraph(c.Graph("patients", "encounters"))
	type bare struct{ ID int64 }
	refused := func(err error, why string) {
		t.Helper()
		var e *query.GraphError
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Why, why)
	}
	_, err := rls.Graph[bare](tc, db, g)
	refused(err, "has no field for this step")
	_, err = rls.Graph[int](tc, db, g)
	refused(err, "is not a struct")
	_, err = rls.Graph[struct {
		ID         int64
		Name       string
		Encounters []bare
	}](tc, db, g)
	refused(err, `called "name"`)
	_, err = rls.Graph[struct{ Encounters bare }](tc, db, g)
	refused(err, "must be []T, []*T or *T")
	_, err = rls.Graph[struct{ Encounters []int }](tc, db, g)
	refused(err, "must be []T, []*T or *T")
	_, err = rls.Graph[struct{ Encounters *bare }](tc, db, g)
	refused(err, "more than one row")
	_, err = rls.Graph[struct {
		*bare
		Encounters []bare
	}](tc, db, g)
	refused(err, "below an embedded pointer")
	_, err = rls.Graph[struct {
		ID         int64 `db:"id,omitempty"`
		Encounters []bare
	}](tc, db, g)
	refused(err, `not "more"`)
	_, err = rls.Graph[struct {
		ID         bool
		Encounters []bare
	}](tc, db, g)
	require.ErrorIs(t, err, rls.ErrScan)
	_, err = rls.Graph[graphWard](tc, db, query.MustGraph(c.Graph("wards", "parent*2").Root(query.Level{Columns: []string{"id"}}).At("parent", query.Level{Columns: []string{"id"}})))
	refused(err, "Mark")
	_, err = rls.Graph[struct{ Parent *bare }](tc, db, query.MustGraph(c.Graph("wards", "parent*2")))
	refused(err, "repeats itself")
	_, err = query.DecodeGraph[bare](nil, &fakeGraphRows{})
	refused(err, "nil")
}

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

// MaxNodes counts what is in the graph: a ward that is below several others counts each time.
func TestRepeatedStepsCountEachTime(t *testing.T) {
	t.Parallel()
	c, db := storyDB(t)
	tc := bindTenant(t, "1")
	b := c.Graph("wards", "children*9").
		Edge(query.Edge{Name: "children", From: "wards", To: "wards", FromColumns: []string{"id"}, ToColumns: []string{"parent_id"}})
	// 5 roots; 2 and 3 below 1, 3 below 2, and twice two in the ring of 4 and 5: 7 below them, made of 4 rows
	_, err := rls.Graph[*query.Node](tc, db, query.MustGraph(b.MaxNodes(11)))
	require.ErrorIs(t, err, query.ErrGraphLimit)
	_, err = rls.Graph[struct {
		ID       int64
		Children []graphChild
	}](tc, db, query.MustGraph(b.MaxNodes(11)))
	require.ErrorIs(t, err, query.ErrGraphLimit)
	nodes, err := rls.Graph[*query.Node](tc, db, query.MustGraph(b.MaxNodes(12)))
	require.NoError(t, err)
	require.Len(t, nodes, 5)
}

type graphChild struct {
	ID       int64
	Children []graphChild
}
