package rls_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant/tenanthttp"
	"github.com/stretchr/testify/require"
)

// What the database wall fails with has its status at the HTTP border, without either knowing the other.
func TestErrorsAtTheBorder(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) {
		cfg.MaxConns, cfg.AcquireTimeout, cfg.Limits.MaxRows = 1, 500*time.Millisecond, 2
	})
	require.Equal(t, http.StatusNotFound, tenanthttp.StatusOf(c.db.Exec(c.mary, rename, named(99, "x"))))

	require.Equal(t, http.StatusServiceUnavailable, tenanthttp.StatusOf(c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "x")))
		_, err := rls.All[patient](c.paul, c.db, allPatients)
		require.ErrorIs(t, err, rls.ErrPoolExhausted)
		return err
	})))
	_, err := rls.All[patient](c.mary, c.db, allPatients)
	require.Equal(t, http.StatusInternalServerError, tenanthttp.StatusOf(err), "too much is the application's fault")
	_, err = rls.Open(context.Background(), rls.Config{URL: "postgres://app@127.0.0.1:1/none?sslmode=disable"}, hospital)
	require.ErrorIs(t, err, rls.ErrUnavailable)
	require.Equal(t, http.StatusServiceUnavailable, tenanthttp.StatusOf(err))
	require.Equal(t, http.StatusBadRequest, tenanthttp.StatusOf(query.ErrPage))
}
