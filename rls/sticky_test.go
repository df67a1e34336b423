package rls_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

func sticking(cfg *rls.Config) { cfg.StickyScope, cfg.MaxConns = true, 1 }

// X05 with a scope that sticks: on one connection, after every way in which a request can end, no request runs in another
// tenant's scope. The statements have no predicate, so that nothing but the scope tells the tenants apart.
func TestStickyScope(t *testing.T) {
	t.Parallel()
	c := newClinic(t, sticking)
	c.sql(t, `alter table encounters drop constraint encounters_tenant_id_patient_id_fkey;
		alter table encounters add foreign key (tenant_id, patient_id) references patients deferrable initially deferred`)
	look := func(tc tenant.Context, how string) {
		t.Helper()
		rows, err := c.db.QueryUnproved(tc, `select name from patients`)
		require.NoError(t, err, how)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, how)
		require.Len(t, names, 20, how)
		require.NotContains(t, fmt.Sprint(names), map[tenant.Context]string{c.mary: "Paul ", c.paul: "Mary "}[tc], how)
	}
	look(c.mary, "first")
	require.Equal(t, mary.String(), c.db.LeftOver(t.Context()), "it sticks")
	ends := map[string]func(tc tenant.Context){
		"an error": func(tc tenant.Context) {
			requireCode(t, c.db.Exec(tc, admit, query.Args{"id": 1, "name": "again"}), "23505")
		},
		"an error at the commit": func(tc tenant.Context) {
			requireCode(t, c.db.Exec(tc, visit, query.Args{"id": 900, "patient": 9999, "ward": "x"}), "23503")
		},
		"an error after rows": func(tc tenant.Context) {
			rows, _ := c.db.QueryUnproved(tc, `select 1 / (n - 10) from generate_series(1, 20) n`)
			rows.Close()
		},
		"a statement that is no statement": func(tc tenant.Context) { _ = failed(c.db.QueryUnproved(tc, `select nonsense`)) },
		"a transaction": func(tc tenant.Context) {
			require.NoError(t, c.db.InTx(tc, func(tx *rls.Tx) error { _, err := rls.All[patient](tc, tx, allPatients); return err }))
		},
		"a transaction that is rolled back": func(tc tenant.Context) {
			require.Error(t, c.db.InTx(tc, func(tx *rls.Tx) error {
				_, _ = rls.All[patient](tc, tx, allPatients)
				return errors.New("rolled back")
			}))
		},
		"a batch": func(tc tenant.Context) {
			b := &rls.Batch{}
			var found []patient
			rls.Collect(b, &found, allPatients)
			require.NoError(t, c.db.Batch(tc, b))
			require.Len(t, found, 20)
		},
		"a cancelled reply": func(tc tenant.Context) {
			ctx, cancel := context.WithCancel(tc)
			own, err := tenant.From(ctx)
			require.NoError(t, err)
			rows, err := c.db.Query(own, allPatients)
			require.NoError(t, err)
			rows.Next()
			cancel()
			for rows.Next() {
			}
		},
		"a panic": func(tc tenant.Context) {
			defer func() { _ = recover() }()
			_ = c.db.InTx(tc, func(tx *rls.Tx) error { _, _ = tx.Query(tc, allPatients); panic("with rows open") })
		},
	}
	for name, end := range ends {
		for _, who := range [][2]tenant.Context{{c.mary, c.paul}, {c.paul, c.mary}} {
			look(who[0], name)
			end(who[1]) // while the first one's scope sticks
			look(who[0], name)
			end(who[1]) // and when it is the same one's turn again
			look(who[1], name)
			end(who[1])
			look(who[1], name)
			look(who[0], name)
		}
	}
	c.healthy(t, c.db)
}

func TestStickyTenantsAtOnce(t *testing.T) {
	t.Parallel()
	newClinic(t, sticking, func(cfg *rls.Config) { cfg.MaxConns = 3 }).tenantsAtOnce(t)
}

// Where a session is not the DB's own, nothing sticks.
func TestStickyScopeIsRefused(t *testing.T) {
	t.Parallel()
	c, url := newPooledClinic(t)
	require.True(t, refusal(t, url, sticking).Has(rls.StickyScope))
	_, err := rls.Open(t.Context(), rls.Config{URL: c.AppURL, StickyScope: true, LimitsFor: func(tenant.ID) rls.Limits { return rls.Limits{} }}, hospital)
	require.ErrorIs(t, err, rls.ErrOptions)
	require.True(t, refusal(t, newCitus(t).AppURL, sticking).Has(rls.StickyScope))
}
