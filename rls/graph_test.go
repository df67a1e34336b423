package rls_test

import (
	"context"
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

type chart struct {
	ID         int64
	Name       string
	Encounters []visitOf
}

type visitOf struct {
	ID   int64
	Ward string
}

var charts = query.MustGraph(hospital.Graph("patients", "encounters").
	Edge(query.Edge{Name: "encounters", From: "patients", To: "encounters", FromColumns: []string{"id"}, ToColumns: []string{"patient_id"}}).
	Root(query.Level{Columns: []string{"id", "name"}, Where: sq.LtOrEq{"id": query.Arg("last")}, OrderBy: []string{"id"}}).
	At("encounters", query.Level{Columns: []string{"id", "ward"}}))

// J03: what is loaded below a row is the tenant's own, though both hospitals' ids are equal.
func TestGraphIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	c, p := newDistantClinic(t)
	load := func() {
		for _, hospital := range []struct {
			tc   tenant.Context
			name string
		}{{c.mary, "Mary"}, {c.paul, "Paul"}} {
			got, err := rls.Graph[chart](hospital.tc, c.db, charts, query.Args{"last": 2})
			require.NoError(t, err)
			require.Equal(t, []chart{{1, hospital.name + " 1", []visitOf{{1, "ward 1"}}}, {2, hospital.name + " 2", []visitOf{{2, "ward 2"}}}}, got)
		}
	}
	load() // prepares
	require.Equal(t, int64(2), p.count(load), "one for each hospital")
}

func TestGraphRunsInTransactionsAndGivesItsConnectionBack(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	args := query.Args{"last": 20}
	require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		if err := tx.Exec(c.mary, rename, query.Args{"id": 1, "name": "renamed"}); err != nil {
			return err
		}
		got, err := rls.Graph[chart](c.mary, tx, charts, args)
		require.NoError(t, err)
		require.Len(t, got, 20)
		require.Equal(t, "renamed", got[0].Name)
		_, err = rls.Graph[chart](c.paul, tx, charts, args)
		require.Error(t, err, "the transaction is Mary's")
		return nil
	}))
	for range 30 { // more than there are connections
		_, err := rls.Graph[visitOf](c.mary, c.db, charts, args)
		require.ErrorIs(t, err, rls.ErrScan)
	}
	_, err := rls.Graph[chart](c.mary, c.db, charts)
	require.ErrorIs(t, err, query.ErrArgs)
	_, err = rls.Graph[chart](c.mary, c.db, nil, args)
	require.Error(t, err)
	_, err = rls.Graph[chart](tenant.Context{}, c.db, charts, args)
	require.ErrorIs(t, err, tenant.ErrUnbound)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = rls.Graph[chart](bind(t, ctx, mary), c.db, charts, args)
	require.ErrorIs(t, err, context.Canceled)
	c.healthy(t, c.db)
}
