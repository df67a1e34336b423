package query_test

import (
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

func TestGraphsAreRefusedWithWhatToWrite(t *testing.T) {
	t.Parallel()
	c := graphCatalog(t)
	at := func(root, path string, l query.Level) query.GraphBuilder {
		if path == "" {
			return c.Graph(root).Root(l)
		}
		return c.Graph(root, path).At(path, l)
	}
	edge := func(e query.Edge) query.GraphBuilder { return c.Graph("patients", e.Name).Edge(e) }
	for name, test := range map[string]struct {
		b       query.GraphBuilder
		path    string
		why     string
		choices []string
	}{
		"unknown root":             {c.Graph("staff"), "staff", "declares no such relation", nil},
		"root is not a name":       {c.Graph("patients; --"), "patients; --", "declares no such relation", nil},
		"path is not names":        {c.Graph("patients", "encounters or 1=1"), "patients", "is not a step of a path", nil},
		"nothing leads there":      {c.Graph("patients", "codes"), "patients", "nothing leads from patients to codes", nil},
		"nothing leads on":         {c.Graph("patients", "encounters.rooms"), "patients.encounters", "nothing leads from encounters to rooms", nil},
		"two references":           {c.Graph("encounters", "practitioners"), "encounters.practitioners", "several ways", []string{"encounters(attending_id) = practitioners(id)", "encounters(referrer_id) = practitioners(id)"}},
		"two references back":      {c.Graph("practitioners", "encounters"), "practitioners.encounters", "several ways", []string{"practitioners(id) = encounters(attending_id)", "practitioners(id) = encounters(referrer_id)"}},
		"up or down":               {c.Graph("wards", "wards"), "wards.wards", "several ways", []string{"wards(parent_id) = wards(id)", "wards(id) = wards(parent_id)"}},
		"repeat between relations": {c.Graph("patients", "encounters*3"), "patients.encounters", "can't repeat itself", nil},
		"two depths":               {c.Graph("wards", "parent*3", "parent*4.patients"), "wards.parent", "different depths", nil},
		"step like a column":       {c.Graph("patients", "ward_id"), "patients", "has the name of a column", nil},
		"level that is not there":  {c.Graph("patients").At("encounters", query.Level{}), "patients.encounters", "no path of the graph has", nil},
		"level said twice":         {c.Graph("patients").Root(query.Level{}).Root(query.Level{}), "patients", "called twice", nil},
		"unknown column":           {at("patients", "", query.Level{Columns: []string{"name"}}), "patients", "no column name", nil},
		"column that is SQL":       {at("patients", "", query.Level{Columns: []string{"id from patients --"}}), "patients", "not the name of a column", nil},
		"tenant column":            {at("patients", "", query.Level{Columns: []string{"id", "tenant_id"}}), "patients", "tenant column", nil},
		"column twice":             {at("patients", "", query.Level{Columns: []string{"id", "id"}}), "patients", "asked for twice", nil},
		"order that is SQL":        {at("patients", "", query.Level{OrderBy: []string{"id; select 1"}}), "patients", "not a term to sort by", nil},
		"order by unknown":         {at("patients", "encounters", query.Level{OrderBy: []string{"born desc"}}), "patients.encounters", "no column born", nil},
		"limit too large":          {at("patients", "", query.Level{Limit: 1 << 31}), "patients", "Limit must be below", nil},
		"after without order":      {at("patients", "", query.Level{After: []any{1}}), "patients", "one value for each term", nil},
		"after with nulls":         {at("patients", "", query.Level{OrderBy: []string{"id nulls first"}, After: []any{1}}), "patients", "must not be NULL", nil},
		"no nodes":                 {c.Graph("patients").MaxNodes(0), "patients", "MaxNodes must be", nil},
		"too many nodes":           {c.Graph("patients").MaxNodes(1 << 30), "patients", "MaxNodes must be", nil},
		"edge without a name":      {c.Graph("patients").Edge(query.Edge{From: "patients", To: "notes"}), "patients.", "must be one name", nil},
		"edge name that is SQL":    {c.Graph("patients").Edge(query.Edge{Name: "a b", From: "patients", To: "notes"}), "patients.a b", "must be one name", nil},
		"edge to nowhere":          {edge(query.Edge{Name: "x", From: "patients", To: "staff"}), "patients.x", "must be relations", nil},
		"edge without key":         {edge(query.Edge{Name: "x", From: "patients", To: "relatives"}), "patients.x", "needs FromColumns and ToColumns", nil},
		"edge of unequal pairs":    {edge(query.Edge{Name: "x", From: "patients", To: "rooms"}), "patients.x", "must be pairs", nil},
		"edge over the tenant":     {edge(query.Edge{Name: "x", From: "patients", To: "notes", FromColumns: []string{"tenant_id"}, ToColumns: []string{"tenant_id"}}), "patients.x", "bound by itself", nil},
		"edge for another tenant":  {edge(query.Edge{Name: "x", From: "patients", To: "notes", ToColumns: []string{"subject_id"}, ToIs: sq.Eq{"tenant_id": 2}}), "patients.x", "bound by itself", nil},
		"edge with a tenant value": {edge(query.Edge{Name: "x", From: "patients", To: "notes", ToColumns: []string{"subject_id"}, ToIs: sq.Eq{"subject_id": query.TenantArg()}}), "patients.x", "tenant is bound by itself", nil},
		"edge with a condition":    {edge(query.Edge{Name: "x", From: "patients", To: "notes", ToColumns: []string{"subject_id"}, ToIs: sq.Eq{"subject_type": sq.Expr("1")}}), "patients.x", "must be a string", nil},
		"link columns, no link":    {edge(query.Edge{Name: "x", From: "patients", To: "notes", LinkFrom: []string{"id"}}), "patients.x", "need a Link", nil},
		"link to nowhere":          {edge(query.Edge{Name: "x", From: "patients", To: "notes", Link: "nowhere"}), "patients.x", "Link must be", nil},
		"link of unequal pairs":    {edge(query.Edge{Name: "x", From: "patients", To: "tags", Link: "taggings", LinkFrom: []string{"patient_id"}}), "patients.x", "must pair", nil},
		"two edges of a name": {c.Graph("patients").Edge(query.Edge{Name: "x", From: "patients", To: "notes"}).Edge(query.Edge{Name: "x", From: "patients", To: "tags"}),
			"patients.x", "two edges have this name", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := test.b.Build()
			require.Nil(t, g)
			var refused *query.GraphError
			require.ErrorAs(t, err, &refused)
			require.ErrorIs(t, err, query.ErrGraph)
			require.Equal(t, test.path, refused.Path)
			require.Contains(t, refused.Why, test.why)
			require.Equal(t, test.choices, refused.Choices)
			for _, choice := range test.choices {
				require.Contains(t, err.Error(), choice)
			}
		})
	}
}

// Q05, Q06, Q02: a condition that is empty or more than a condition is refused, since without it the level would be wider.
func TestConditionsOfLevelsAreThoseOfBuilders(t *testing.T) {
	t.Parallel()
	c := graphCatalog(t)
	for name, where := range map[string]query.Condition{
		"empty Eq":   sq.Eq{},
		"empty And":  sq.And{},
		"empty text": sq.Expr(""),
		"two texts":  query.Expr("id = 1) or (1 = 1"),
		"comment":    query.Expr("id = 1 --"),
		"column":     sq.Eq{"nosuch": 1},
		"sub-select": query.Expr("id in (select id from patients)"),
	} {
		for _, b := range []query.GraphBuilder{
			c.Graph("patients").Root(query.Level{Where: where}),
			c.Graph("wards", "patients").At("patients", query.Level{Where: where}),
		} {
			_, err := b.Build()
			require.ErrorIs(t, err, query.ErrRefused, name)
		}
	}
}

func TestNamesOfStepsResolve(t *testing.T) {
	t.Parallel()
	c := graphCatalog(t)
	for path, relations := range map[string][]string{
		"encounters":                    {"encounters", "patients"},
		"encounters.observations":       {"encounters", "observations", "patients"},
		"ward":                          {"patients", "wards"},
		"wards":                         {"patients", "wards"},
		"encounters.attending":          {"encounters", "patients", "practitioners"},
		"tags":                          {"patients", "taggings", "tags"},
		"ward.parent*5":                 {"patients", "wards"},
		"encounters.observations.codes": {"codes", "encounters", "observations", "patients"},
	} {
		g, err := c.Graph("patients", path).Build()
		require.NoError(t, err, path)
		require.Equal(t, relations, g.Statement().Relations(), path)
		require.True(t, g.Statement().UsesTenant())
	}
	g, err := c.Graph("codes").Build()
	require.NoError(t, err)
	require.False(t, g.Statement().UsesTenant())
}

// A builder is a value: neither what is built from it nor what the caller does to its arguments changes it.
func TestGraphBuildersAreValues(t *testing.T) {
	t.Parallel()
	c := graphCatalog(t)
	where := sq.Eq{"id": 1}
	columns := []string{"id"}
	base := c.Graph("patients", "encounters").Root(query.Level{Where: where, Columns: columns})
	first := query.MustGraph(base).Statement().SQL()
	where["mark"], columns[0] = "x", "mark"
	_ = base.At("encounters", query.Level{Limit: 1}).MaxNodes(5).Edge(query.Edge{Name: "notes", From: "patients", To: "notes", ToColumns: []string{"subject_id"}})
	_, err := base.At("encounters", query.Level{Limit: 2}).Build()
	require.NoError(t, err)
	require.Equal(t, first, query.MustGraph(base).Statement().SQL())
}

func TestMustGraphPanicsBeforeTheProgramStarts(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { query.MustGraph(graphCatalog(t).Graph("staff")) })
}
