package query_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
)

// modelEdge is an edge as the in-memory loader knows it, written independently of how query resolves paths.
type modelEdge struct {
	name, from, to string
	one            bool
	edge           *query.Edge // nil when the catalog's references say it
	match          func(d graphData, from, to graphRow) bool
}

func sameValue(a, b any) bool { return a != nil && a == b }

// linked compares through a link relation; a pair that is there twice is one.
func linked(d graphData, link, fromCol, toCol string, from, to graphRow, is func(graphRow) bool) bool {
	return slices.ContainsFunc(d[link], func(l graphRow) bool {
		return sameValue(l[fromCol], from["id"]) && sameValue(l[toCol], to["id"]) && (is == nil || is(l))
	})
}

var modelEdges = []modelEdge{
	{name: "encounters", from: "patients", to: "encounters", match: func(_ graphData, f, t graphRow) bool { return sameValue(f["id"], t["patient_id"]) }},
	{name: "observations", from: "encounters", to: "observations", match: func(_ graphData, f, t graphRow) bool { return sameValue(f["id"], t["encounter_id"]) }},
	{name: "encounter", from: "observations", to: "encounters", one: true, match: func(_ graphData, f, t graphRow) bool { return sameValue(f["encounter_id"], t["id"]) }},
	{name: "patient", from: "encounters", to: "patients", one: true, match: func(_ graphData, f, t graphRow) bool { return sameValue(f["patient_id"], t["id"]) }},
	{name: "attending", from: "encounters", to: "practitioners", one: true, match: func(_ graphData, f, t graphRow) bool { return sameValue(f["attending_id"], t["id"]) }},
	{name: "referrals", from: "practitioners", to: "encounters",
		edge:  &query.Edge{FromColumns: []string{"id"}, ToColumns: []string{"referrer_id"}},
		match: func(_ graphData, f, t graphRow) bool { return sameValue(f["id"], t["referrer_id"]) }},
	{name: "ward", from: "patients", to: "wards", one: true, match: func(_ graphData, f, t graphRow) bool { return sameValue(f["ward_id"], t["id"]) }},
	{name: "patients", from: "wards", to: "patients", match: func(_ graphData, f, t graphRow) bool { return sameValue(f["id"], t["ward_id"]) }},
	{name: "parent", from: "wards", to: "wards", one: true, match: func(_ graphData, f, t graphRow) bool { return sameValue(f["parent_id"], t["id"]) }},
	{name: "children", from: "wards", to: "wards",
		edge:  &query.Edge{FromColumns: []string{"id"}, ToColumns: []string{"parent_id"}},
		match: func(_ graphData, f, t graphRow) bool { return sameValue(f["id"], t["parent_id"]) }},
	{name: "tags", from: "patients", to: "tags", match: func(d graphData, f, t graphRow) bool {
		return linked(d, "taggings", "patient_id", "tag_id", f, t, nil)
	}},
	{name: "notes", from: "patients", to: "notes",
		edge: &query.Edge{ToColumns: []string{"subject_id"}, ToIs: sq.Eq{"subject_type": "patient"}},
		match: func(_ graphData, f, t graphRow) bool {
			return t["subject_type"] == "patient" && sameValue(f["id"], t["subject_id"])
		}},
	{name: "about_patient", from: "notes", to: "patients", one: true,
		edge: &query.Edge{FromColumns: []string{"subject_id"}, FromIs: sq.Eq{"subject_type": query.Arg("patient_type")}},
		match: func(_ graphData, f, t graphRow) bool {
			return f["subject_type"] == "patient" && sameValue(f["subject_id"], t["id"])
		}},
	{name: "about_encounter", from: "notes", to: "encounters", one: true,
		edge: &query.Edge{FromColumns: []string{"subject_id"}, FromIs: sq.Eq{"subject_type": "encounter"}},
		match: func(_ graphData, f, t graphRow) bool {
			return f["subject_type"] == "encounter" && sameValue(f["subject_id"], t["id"])
		}},
	{name: "parents", from: "patients", to: "patients",
		edge: &query.Edge{Link: "relatives", LinkFrom: []string{"a_id"}, LinkTo: []string{"b_id"}, LinkIs: sq.Eq{"kind": "parent"}},
		match: func(d graphData, f, t graphRow) bool {
			return linked(d, "relatives", "a_id", "b_id", f, t, func(l graphRow) bool { return l["kind"] == "parent" })
		}},
	{name: "place", from: "encounters", to: "rooms", one: true,
		edge: &query.Edge{FromColumns: []string{"building", "room"}, ToColumns: []string{"building", "number"}},
		match: func(_ graphData, f, t graphRow) bool {
			return sameValue(f["building"], t["building"]) && sameValue(f["room"], t["number"])
		}},
	{name: "stays", from: "rooms", to: "encounters",
		edge: &query.Edge{FromColumns: []string{"building", "number"}, ToColumns: []string{"building", "room"}},
		match: func(_ graphData, f, t graphRow) bool {
			return sameValue(f["building"], t["building"]) && sameValue(f["number"], t["room"])
		}},
	{name: "codes", from: "observations", to: "codes", one: true, match: func(_ graphData, f, t graphRow) bool { return sameValue(f["code"], t["code"]) }},
}

var modelKeys = map[string][]string{"rooms": {"building", "number"}, "codes": {"code"}}

func modelKey(relation string) []string {
	if key := modelKeys[relation]; key != nil {
		return key
	}
	return []string{"id"}
}

// modelLevel is one level of a random graph.
type modelLevel struct {
	edge    modelEdge
	repeat  int
	desc    bool
	ordered bool
	limit   int
	above   int64 // rows with a larger id only, 0 for all
	only    int64 // this row only, 0 for all
	below   []*modelLevel
	columns []string
}

// drawLevel draws what is loaded of a level and below it; n bounds the levels of the whole graph.
func drawLevel(t *rapid.T, e modelEdge, depth int, n *int, columns func(string) []string) *modelLevel {
	l := &modelLevel{edge: e, repeat: 1, columns: columns(e.to)}
	if e.from == e.to && rapid.Bool().Draw(t, "repeats") {
		l.repeat = rapid.IntRange(2, 4).Draw(t, "repeat")
	}
	l.ordered, l.desc = rapid.Bool().Draw(t, "ordered"), rapid.Bool().Draw(t, "desc")
	if !e.one && rapid.IntRange(0, 2).Draw(t, "limited") == 0 {
		l.ordered, l.limit = true, rapid.IntRange(1, 3).Draw(t, "limit")
	}
	if modelKeys[e.to] == nil && rapid.IntRange(0, 2).Draw(t, "filtered") == 0 {
		l.above = rapid.Int64Range(1, 3).Draw(t, "above")
	}
	for _, next := range modelEdges {
		if next.from == e.to && depth > 0 && *n > 0 && (l.repeat == 1 || next.name != e.name) && rapid.IntRange(0, 1).Draw(t, next.name) == 0 {
			*n--
			l.below = append(l.below, drawLevel(t, next, depth-1, n, columns))
		}
	}
	return l
}

func (l *modelLevel) level() query.Level {
	out := query.Level{Limit: uint32(l.limit)}
	if l.above > 0 {
		out.Where = sq.Gt{"id": l.above}
	}
	if l.only > 0 {
		out.Where = sq.Eq{"id": query.Arg("only")}
	}
	for _, name := range modelKey(l.edge.to) {
		if l.ordered && l.desc {
			out.OrderBy = append(out.OrderBy, name+" desc")
		} else if l.ordered {
			out.OrderBy = append(out.OrderBy, name)
		}
	}
	return out
}

// build writes the graph with the public API.
func (l *modelLevel) build(c *query.Catalog) (*query.Graph, query.Args, error) {
	var paths []string
	levels := map[string]query.Level{}
	edges := map[string]query.Edge{}
	args := query.Args{}
	var walk func(l *modelLevel, path, plain string)
	walk = func(l *modelLevel, path, plain string) {
		for _, next := range l.below {
			step := next.edge.name
			if next.repeat > 1 {
				step += fmt.Sprintf("*%d", next.repeat)
			}
			if e := next.edge.edge; e != nil {
				e := *e
				e.Name, e.From, e.To = next.edge.name, next.edge.from, next.edge.to
				edges[e.From+"."+e.Name] = e
				if a, ok := e.FromIs["subject_type"].(query.Argument); ok && a == query.Arg("patient_type") {
					args["patient_type"] = "patient"
				}
			}
			below, belowPlain := strings.TrimPrefix(path+"."+step, "."), strings.TrimPrefix(plain+"."+next.edge.name, ".")
			paths = append(paths, below)
			levels[belowPlain] = next.level()
			walk(next, below, belowPlain)
		}
	}
	walk(l, "", "")
	if l.only > 0 {
		args["only"] = l.only
	}
	b := c.Graph(l.edge.to, paths...).Root(l.level())
	for path, level := range levels {
		b = b.At(path, level)
	}
	for _, e := range edges {
		b = b.Edge(e)
	}
	g, err := b.Build()
	return g, args, err
}

// load is the naive loader: loops over the tenant's own rows.
func (l *modelLevel) load(d graphData, keep func(graphRow) bool, path []string) (list []any, more bool) {
	var rows []graphRow
	for _, row := range d[l.edge.to] {
		if id, _ := row["id"].(int64); keep(row) && (l.above == 0 || id > l.above) && (l.only == 0 || id == l.only) {
			rows = append(rows, row)
		}
	}
	if l.ordered {
		slices.SortStableFunc(rows, func(a, b graphRow) int {
			order := strings.Compare(rowKey(l.edge.to, a), rowKey(l.edge.to, b))
			if l.desc {
				return -order
			}
			return order
		})
	}
	if l.limit > 0 && len(rows) > l.limit {
		rows, more = rows[:l.limit], true
	}
	list = []any{}
	for _, row := range rows {
		out := map[string]any{}
		for _, name := range l.columns {
			out[name] = row[name]
		}
		for _, next := range l.below {
			next.into(out, d, row, []string{next.stepKey(row)})
		}
		if key := l.stepKey(row); l.repeat > 1 && len(path) < l.repeat && !slices.Contains(path, key) {
			l.into(out, d, row, append(slices.Clip(path), key))
		}
		list = append(list, out)
	}
	if !l.ordered {
		sortAny(list)
	}
	return list, more
}

func (l *modelLevel) into(out map[string]any, d graphData, row graphRow, path []string) {
	list, more := l.load(d, func(to graphRow) bool { return l.edge.match(d, row, to) }, path)
	out[l.edge.name] = list
	if more {
		out[l.edge.name+"_more"] = true
	}
}

// stepKey is where a repeated step is taken from; from the same place it is taken once on a way.
func (l *modelLevel) stepKey(row graphRow) string {
	if l.edge.name == "parent" {
		return fmt.Sprint(row["parent_id"])
	}
	return rowKey(l.edge.from, row)
}

func rowKey(relation string, row graphRow) string {
	var b strings.Builder
	for _, name := range modelKey(relation) {
		if n, ok := row[name].(int64); ok {
			fmt.Fprintf(&b, "%06d/", n)
		} else {
			fmt.Fprintf(&b, "%v/", row[name])
		}
	}
	return b.String()
}

// shown is a node in the form of the naive loader's result.
func (l *modelLevel) shown(n *query.Node, top bool) any {
	out := map[string]any{}
	for _, name := range n.Columns() {
		value := n.Value(name)
		if small, ok := value.(int32); ok {
			value = int64(small)
		}
		out[name] = value
	}
	show := func(next *modelLevel) {
		nodes := n.Nodes(next.edge.name)
		if nodes == nil {
			return
		}
		list := []any{}
		for _, node := range nodes {
			list = append(list, next.shown(node, false))
		}
		if !next.ordered {
			sortAny(list)
		}
		out[next.edge.name] = list
		if n.More(next.edge.name) {
			out[next.edge.name+"_more"] = true
		}
	}
	for _, next := range l.below {
		show(next)
	}
	if l.repeat > 1 && !top {
		show(l)
	}
	return out
}

func sortAny(list []any) {
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(asJSON(a), asJSON(b)) })
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// J02, J03, J07: through one-to-many, many-to-one, many-to-many, self and polymorphic edges, to any depth, a tenant
// gets exactly what a loader gets that has never seen another tenant's rows, though every id exists at every tenant.
func TestGraphsEqualANaiveLoaderOfTheTenantsOwnRows(t *testing.T) {
	t.Parallel()
	const tenants = 24
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]graphData, tenants)
	for i := range data {
		data[i] = randomGraphData(random, i+1)
	}
	c := graphCatalog(t)
	db := rlstest.Open(t, rlstest.Schema(graphSchema), rlstest.Seed(graphSeed(data)), rlstest.Catalog(c))
	columns := func(name string) []string {
		r, _ := c.Relation(name)
		var names []string
		for _, column := range r.Columns {
			if column.Name != "tenant_id" {
				names = append(names, column.Name)
			}
		}
		return names
	}
	roots := []string{"patients", "encounters", "wards", "notes", "observations", "rooms", "practitioners"}
	rapid.Check(t, func(r *rapid.T) {
		n := 9
		root := drawLevel(r, modelEdge{to: rapid.SampledFrom(roots).Draw(r, "root")}, 4, &n, columns)
		if modelKeys[root.edge.to] == nil && rapid.Bool().Draw(r, "one root") {
			root.above, root.only = 0, rapid.Int64Range(1, 6).Draw(r, "only")
		}
		g, args, err := root.build(c)
		require.NoError(r, err)
		id := rapid.IntRange(1, tenants).Draw(r, "tenant")
		nodes, err := rls.Graph[*query.Node](bindTenant(t, fmt.Sprint(id)), db, g, args)
		require.NoError(r, err, g.Statement().SQL())
		got := []any{}
		for _, node := range nodes {
			got = append(got, root.shown(node, true))
		}
		if !root.ordered {
			sortAny(got)
		}
		want, _ := root.load(data[id-1], func(graphRow) bool { return true }, nil)
		require.Equal(r, asJSON(want), asJSON(got), g.Statement().SQL())
		for other := range tenants {
			if other+1 != id {
				require.NotContains(r, asJSON(got), fmt.Sprintf(`"tenant %d"`, other+1))
			}
		}
	})
}
