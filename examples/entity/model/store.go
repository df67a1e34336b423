package model

import (
	"errors"
	"fmt"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// ErrUndefined says that the tenant has defined no such type, field or relation. It says nothing about other tenants'.
var ErrUndefined = errors.New("model: not defined")

// Store keeps entities. It is safe for concurrent use and holds nothing of any tenant.
type Store struct {
	db      *rls.DB
	catalog *query.Catalog

	types, typeByName           *query.Graph
	newType, newField           *query.Statement
	newRelation, newEntity      *query.Statement
	relate, unrelate, nextID    *query.Statement
	setValue, findByValue, drop map[Kind]*query.Statement
}

// New prepares the store's statements; every one is proved before the first is run.
func New(db *rls.DB) (*Store, error) {
	c := db.Catalog()
	s := &Store{db: db, catalog: c,
		setValue: map[Kind]*query.Statement{}, findByValue: map[Kind]*query.Statement{}, drop: map[Kind]*query.Statement{}}
	var failed error
	statement := func(b query.Builder) *query.Statement {
		stmt, err := b.Build()
		failed = errors.Join(failed, err)
		return stmt
	}
	graph := func(b query.GraphBuilder) *query.Graph {
		g, err := b.Build()
		failed = errors.Join(failed, err)
		return g
	}
	definitions := c.Graph("types", "fields", "relations", "inverses").
		Edge(query.Edge{Name: "relations", From: "types", To: "relation_types", ToColumns: []string{"from_type_id"}}).
		Edge(query.Edge{Name: "inverses", From: "types", To: "relation_types", ToColumns: []string{"to_type_id"}}).
		At("fields", query.Level{OrderBy: []string{"id"}}).
		At("relations", query.Level{OrderBy: []string{"id"}}).
		At("inverses", query.Level{OrderBy: []string{"id"}})
	s.types = graph(definitions.Root(query.Level{OrderBy: []string{"id"}}))
	s.typeByName = graph(definitions.Root(query.Level{Where: sq.Eq{"name": query.Arg("name")}}))

	s.newType = statement(insert(c, "types", "id", "name"))
	s.newField = statement(insert(c, "fields", "id", "type_id", "name", "kind"))
	s.newRelation = statement(insert(c, "relation_types", "id", "from_type_id", "name", "to_type_id", "inverse"))
	s.newEntity = statement(insert(c, "entities", "id", "type_id"))
	s.nextID = statement(c.Insert("counters").Set("name", "id").Set("last", query.Arg("n")).
		OnConflict("name").DoUpdateSet("last", query.Expr("counters.last + excluded.last")).Returning("last"))
	// The relationship is written only when both ends are entities of the types that the relation is between.
	s.relate = statement(c.Insert("relationships").Columns("relation_type_id", "from_id", "to_id").
		Query(c.Select("r.id", "f.id", "t.id").From("relation_types r").
			Join("entities f", query.On("f.type_id = r.from_type_id")).
			Join("entities t", query.On("t.type_id = r.to_type_id")).
			Where(sq.Eq{"r.id": query.Arg("relation"), "f.id": query.Arg("from"), "t.id": query.Arg("to")})))
	s.unrelate = statement(c.Delete("relationships").
		Where(sq.Eq{"relation_type_id": query.Arg("relation"), "from_id": query.Arg("from"), "to_id": query.Arg("to")}))
	for _, kind := range kinds {
		s.setValue[kind] = statement(insert(c, kind.table(), "entity_id", "field_id", "value").OnConflict("entity_id", "field_id").DoUpdate("value"))
		s.drop[kind] = statement(c.Delete(kind.table()).Where(sq.Eq{"entity_id": query.Arg("entity_id"), "field_id": query.Arg("field_id")}))
		s.findByValue[kind] = statement(c.Select("v.entity_id").From(kind.table() + " v").
			Where(sq.Eq{"v.field_id": query.Arg("field"), "v.value": query.Arg("value")}).OrderBy("v.entity_id"))
	}
	return s, failed
}

func insert(c *query.Catalog, relation string, columns ...string) query.InsertBuilder {
	b := c.Insert(relation)
	for _, name := range columns {
		b = b.Set(name, query.Arg(name))
	}
	return b
}

// ids reserves n numbers of the tenant and gives the first.
func (s *Store) ids(tc tenant.Context, q rls.Querier, n int) (int64, error) {
	last, err := rls.One[int64](tc, q, s.nextID, query.Args{"n": int64(n)})
	return last - int64(n) + 1, err
}

func undefined(what, name string) error { return fmt.Errorf("%w: %s %q", ErrUndefined, what, name) }
