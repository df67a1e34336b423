package query_test

import (
	"context"
	"testing"

	sq "github.com/Masterminds/squirrel"
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
