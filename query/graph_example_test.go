package query_test

import (
	"encoding/json"
	"errors"
	"fmt"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/query"
)

var clinicCatalog = query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt),
	query.WithRelation(query.Relation{Name: "patients", Kind: query.TenantKind, Key: []string{"id"},
		Columns: []query.Column{{Name: "tenant_id", Type: "bigint"}, {Name: "id", Type: "bigint"}, {Name: "name", Type: "text"}}}),
	query.WithRelation(query.Relation{Name: "practitioners", Kind: query.TenantKind, Key: []string{"id"},
		Columns: []query.Column{{Name: "tenant_id", Type: "bigint"}, {Name: "id", Type: "bigint"}, {Name: "name", Type: "text"}}}),
	query.WithRelation(query.Relation{Name: "encounters", Kind: query.TenantKind, Key: []string{"id"},
		Columns: []query.Column{{Name: "tenant_id", Type: "bigint"}, {Name: "id", Type: "bigint"}, {Name: "patient_id", Type: "bigint"},
			{Name: "attending_id", Type: "bigint"}, {Name: "referrer_id", Type: "bigint"}},
		References: []query.Reference{{Column: "patient_id", To: "patients", ToColumn: "id"},
			{Column: "attending_id", To: "practitioners", ToColumn: "id"}, {Column: "referrer_id", To: "practitioners", ToColumn: "id"}}}))

func ExampleCatalog_Graph() {
	charts := query.MustGraph(clinicCatalog.Graph("patients", "encounters.attending").
		Root(query.Level{Where: sq.Eq{"name": query.Arg("name")}, OrderBy: []string{"id"}, Limit: 20}).
		At("encounters", query.Level{OrderBy: []string{"id desc"}, Limit: 5}))
	// patients, err := rls.Graph[Patient](tc, db, charts, query.Args{"name": "Ann"})
	fmt.Println(charts.Statement().Relations(), charts.Statement().Params())
	// Output: [encounters patients practitioners] [name]
}

func ExampleGraphError() {
	_, err := clinicCatalog.Graph("encounters", "practitioners").Build()
	fmt.Println(err, errors.Is(err, query.ErrGraph))
	// Output:
	// query: graph refused at encounters.practitioners: can mean several ways; use the name of the column that refers, or give the graph an Edge for the one that is meant
	//   encounters(attending_id) = practitioners(id)
	//   encounters(referrer_id) = practitioners(id) true
}

func ExampleGraphBuilder_Edge() {
	g := query.MustGraph(clinicCatalog.Graph("practitioners", "referrals.patient").
		Edge(query.Edge{Name: "referrals", From: "practitioners", To: "encounters", ToColumns: []string{"referrer_id"}}))
	fmt.Println(g.Statement().Name(), g.Statement().Relations())
	// Output: graph practitioners [encounters patients practitioners]
}

func ExampleDecodeGraph() {
	g := query.MustGraph(clinicCatalog.Graph("patients", "encounters").
		Root(query.Level{Columns: []string{"id", "name"}}).
		At("encounters", query.Level{Columns: []string{"id"}}))
	type Encounter struct{ ID int32 }
	type Patient struct {
		ID         int32
		Name       string
		Encounters []Encounter
	}
	rows := func() *fakeGraphRows { // in a program: db.Query(tc, g.Statement())
		return &fakeGraphRows{rows: [][]any{
			{int32(0), int32(1), "Ann", nil}, {int32(0), int32(2), "Bob", nil},
			{int32(1), int32(7), nil, int32(1)}, {int32(1), int32(8), nil, int32(1)},
		}}
	}
	patients, err := query.DecodeGraph[Patient](g, rows())
	fmt.Println(patients, err)
	nodes, err := query.DecodeGraph[*query.Node](g, rows()) // without a struct
	text, _ := json.Marshal(nodes)
	fmt.Println(string(text), err)
	// Output:
	// [{1 Ann [{7} {8}]} {2 Bob []}] <nil>
	// [{"id":1,"name":"Ann","encounters":[{"id":7},{"id":8}]},{"id":2,"name":"Bob","encounters":[]}] <nil>
}
