package query

import (
	"errors"
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"
)

// J02, J03, J07: the prover does not take the graph's word for it. With any single one of the tenant predicates left
// out, of a root, a level, a link or a round of a hierarchy, the statement is refused.
func TestGraphsWithoutAnyOnePredicateAreRefused(t *testing.T) {
	t.Parallel()
	columns := func(names ...string) []Column {
		out := []Column{{Name: "tenant_id", Type: "bigint"}, {Name: "id", Type: "bigint"}}
		for _, name := range names {
			out = append(out, Column{Name: name, Type: "bigint"})
		}
		return out
	}
	c := MustCatalog(TenantColumn("tenant_id", BigInt),
		WithRelation(Relation{Name: "wards", Kind: TenantKind, Columns: columns("parent_id"), Key: []string{"id"}, References: []Reference{{"parent_id", "wards", "id"}}}),
		WithRelation(Relation{Name: "patients", Kind: TenantKind, Columns: columns("ward_id", "room"), Key: []string{"id"}, References: []Reference{{"ward_id", "wards", "id"}}}),
		WithRelation(Relation{Name: "links", Kind: TenantKind, Columns: columns("a", "b", "kind"), References: []Reference{{"a", "patients", "id"}, {"b", "patients", "id"}}}),
		WithRelation(Relation{Name: "undeclared", Kind: TenantKind, Columns: []Column{{Name: "tenant_id"}, {Name: "id"}, {Name: "patient_id"}}, References: []Reference{{"patient_id", "patients", "id"}}}))
	friends := Edge{Name: "friends", From: "patients", To: "patients", Link: "links", LinkFrom: []string{"a"}, LinkTo: []string{"b"}, LinkIs: sq.Eq{"kind": Arg("kind")}}
	roommates := Edge{Name: "roommates", From: "patients", To: "patients", FromColumns: []string{"ward_id", "room"}, ToColumns: []string{"ward_id", "room"}}
	for name, b := range map[string]GraphBuilder{
		"root":                 c.Graph("patients"),
		"one to many, to one":  c.Graph("wards", "patients.ward"),
		"many to many":         c.Graph("patients", "friends").Edge(friends),
		"limits":               c.Graph("patients", "friends.friends").Edge(friends).At("friends", Level{Limit: 2}).At("friends.friends", Level{Limit: 2, OrderBy: []string{"id"}, After: []any{5}}),
		"hierarchy":            c.Graph("patients", "ward.parent*5.patients"),
		"hierarchy with limit": c.Graph("patients", "friends*3").Edge(friends).At("friends", Level{Limit: 2}),
		"web":                  c.Graph("patients", "friends*3").Edge(friends),
		"two columns":          c.Graph("patients", "roommates*2").Edge(roommates),
		"undeclared types":     c.Graph("patients", "undeclared"),
		"condition with OR":    c.Graph("patients").Root(Level{Where: sq.Or{sq.Eq{"id": 1}, Expr("1 = 1")}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, err := b.resolve()
			require.NoError(t, err)
			s := graphStatement{c: c, layout: newGraphLayout(root), max: 10}
			whole, err := s.Build()
			require.NoError(t, err)
			for drop := 1; ; drop++ {
				stmt, err := buildDropping(c, s, drop)
				if err == nil {
					require.Equal(t, whole.SQL(), stmt.SQL(), "a predicate was left out and not missed")
					require.Greater(t, drop, 1)
					return
				}
				var refused *Refusal
				require.True(t, errors.As(err, &refused), "%v", err)
				require.NotEmpty(t, refused.Relation)
			}
		})
	}
}
