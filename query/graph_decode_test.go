package query_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

// fakeGraphRows are rows of int4 and text columns, without a server.
type fakeGraphRows struct {
	rows   [][]any // nil, int32 or string
	next   int
	err    error
	closed bool
}

func (r *fakeGraphRows) Next() bool { r.next++; return r.next <= len(r.rows) }
func (r *fakeGraphRows) Err() error { return r.err }
func (r *fakeGraphRows) Close()     { r.closed = true }

func (r *fakeGraphRows) RawValues() [][]byte {
	var raw [][]byte
	for _, v := range r.rows[r.next-1] {
		switch v := v.(type) {
		case int32:
			raw = append(raw, []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		case string:
			raw = append(raw, []byte(v))
		default:
			raw = append(raw, nil)
		}
	}
	return raw
}

func (r *fakeGraphRows) Scan(dest ...any) error {
	for i, v := range r.rows[r.next-1] {
		switch d := dest[i].(type) {
		case *any:
			*d = v
		case *int32:
			*d, _ = v.(int32)
		case *string:
			*d, _ = v.(string)
		}
	}
	return nil
}

func TestRowsThatAreNotTheGraphsAreRefused(t *testing.T) {
	t.Parallel()
	c := graphCatalog(t)
	columns := query.Level{Columns: []string{"mark"}}
	g := query.MustGraph(c.Graph("wards", "patients").Root(columns).At("patients", columns))
	// slots: level, mark, wards.id, patients.ward_id
	lost := errors.New("connection lost")
	for name, test := range map[string]struct {
		rows fakeGraphRows
		why  string
	}{
		"too few columns":  {fakeGraphRows{rows: [][]any{{int32(0), "a"}}}, "not those of the graph"},
		"unknown level":    {fakeGraphRows{rows: [][]any{{int32(2), "a", int32(1)}}}, "not those of the graph"},
		"level is NULL":    {fakeGraphRows{rows: [][]any{{nil, "a", int32(1)}}}, "not those of the graph"},
		"negative level":   {fakeGraphRows{rows: [][]any{{int32(-1), "a", int32(1)}}}, "not those of the graph"},
		"row without ward": {fakeGraphRows{rows: [][]any{{int32(0), "a", int32(1)}, {int32(1), "b", int32(2)}}}, "under a key that no row above has"},
		"key is NULL":      {fakeGraphRows{rows: [][]any{{int32(0), "a", int32(1)}, {int32(1), "b", nil}}}, "under a key that no row above has"},
		"broken":           {fakeGraphRows{rows: [][]any{{int32(0), "a", int32(1)}}, err: lost}, ""},
	} {
		nodes, err := query.DecodeGraph[*query.Node](g, &test.rows)
		require.Nil(t, nodes, name)
		require.True(t, test.rows.closed, name)
		if test.why == "" {
			require.ErrorIs(t, err, lost)
			continue
		}
		require.ErrorIs(t, err, query.ErrGraph, name)
		require.ErrorContains(t, err, test.why, name)
	}
}
