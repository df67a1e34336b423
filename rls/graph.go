package rls

import (
	"errors"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// Graph loads entities with what is related to them, in one round trip and one snapshot: see [query.Graph]. T is a
// struct, or *query.Node, as query.DecodeGraph says.
func Graph[T any](tc tenant.Context, q Querier, g *query.Graph, args ...any) ([]T, error) {
	if g == nil {
		return nil, refuse("Graph", nil, ErrStatement, errors.New("the graph is nil; take it from Build or MustGraph"))
	}
	r := &rows{op: "Graph", stmt: g.Statement()}
	if err := q.run(r, tc, args); err != nil {
		return nil, err
	}
	out, err := query.DecodeGraph[T](g, graphRows{r})
	var typed *Error
	if err != nil && !errors.As(err, &typed) && !errors.Is(err, query.ErrGraphLimit) {
		err = refuse("Graph", g.Statement(), ErrScan, err)
	}
	return out, err
}

// graphRows shows the values as they lie in the connection's buffer: DecodeGraph is done with them before it asks for
// the next row, and a copy of each value would cost as much as reading it.
type graphRows struct{ *rows }

func (r graphRows) RawValues() [][]byte { return r.values }
