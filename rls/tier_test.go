package rls_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

// One DB, one API, the same statements: tenants of shared tables and of schemas of their own.
func TestTiersSideBySide(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna, bert := w.settle(t, "Anna", 2), w.settle(t, "Bert", 3)
	mary := bind(t, context.Background(), mary)
	db := w.open(t)
	for range 3 {
		require.Equal(t, []string{"Anna 1", "Anna 2"}, patientsOf(t, db, anna))
		require.Equal(t, []string{"Bert 1", "Bert 2", "Bert 3"}, patientsOf(t, db, bert))
		require.Len(t, patientsOf(t, db, mary), 20)
	}
	require.NoError(t, db.Exec(anna, rename, query.Args{"id": 1, "name": "Anna the first"}))
	require.NoError(t, db.InTx(bert, func(tx *rls.Tx) error {
		if err := tx.Exec(bert, admit, query.Args{"id": 9, "name": "Bert 9"}); err != nil {
			return err
		}
		return tx.Exec(bert, visit, query.Args{"id": 1, "patient": 9, "ward": "3"})
	}))
	require.Equal(t, []string{"Anna the first", "Anna 2"}, patientsOf(t, db, anna))
	require.Equal(t, []string{"Bert 1", "Bert 2", "Bert 3", "Bert 9"}, patientsOf(t, db, bert))
	require.Equal(t, "Mary 1", patientsOf(t, db, mary)[0])
	require.ErrorIs(t, db.Exec(anna, rename, query.Args{"id": 9, "name": "x"}), query.ErrNotFound)
}
