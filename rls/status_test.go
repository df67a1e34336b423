package rls_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// strays are functions of a schema that change the session for good, as a legacy schema's may.
const strays = `
create function stray(name text, value text) returns text language sql volatile as 'select set_config(name, value, false)';
create function stray_for_now(name text, value text) returns text language sql volatile as 'select set_config(name, value, true)';
create function strange_notice() returns int language plpgsql as $$ begin raise notice 'look here'; notify septum; return 1; end $$;
create procedure commits() language plpgsql as $$ begin insert into settings values ('by', 'a procedure') on conflict do nothing; commit; end $$;`

func setting(t *testing.T, tc tenant.Context, db *rls.DB, name string) string {
	t.Helper()
	rows, err := db.QueryUnproved(tc, `select coalesce(current_setting('`+name+`', true), '')`)
	require.NoError(t, err)
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return value
}

func run(t *testing.T, tc tenant.Context, db *rls.DB, sql string) {
	t.Helper()
	rows, err := db.QueryUnproved(tc, sql)
	require.NoError(t, err)
	rows.Close()
	require.NoError(t, rows.Err())
}

// X05: a session whose settings a function changed for good serves nobody any more, in each way in which statements are sent.
func TestASessionThatWasChanged(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	c.sql(t, strays)
	call := func(name, value string) string { return fmt.Sprintf(`select stray('%s', '%s')`, name, value) }
	for name, value := range map[string]string{"TimeZone": "Asia/Tokyo", "DateStyle": "German", "standard_conforming_strings": "off",
		"client_encoding": "LATIN1", "default_transaction_read_only": "on"} {
		for how, change := range map[string]func(sql string){
			"alone": func(sql string) { run(t, c.mary, c.db, sql) },
			"in a transaction": func(sql string) {
				require.NoError(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
					rows, err := tx.QueryUnproved(c.mary, sql)
					rows.Close()
					return err
				}))
			},
		} {
			before, backend := setting(t, c.paul, c.db, name), c.db.Backend(t.Context())
			change(call(name, value))
			require.Equal(t, before, setting(t, c.paul, c.db, name), "%s, %s", name, how)
			require.NotEqual(t, backend, c.db.Backend(t.Context()), "%s, %s", name, how)
		}
	}
	// What goes with its transaction, or is undone, costs no connection.
	backend := c.db.Backend(t.Context())
	run(t, c.mary, c.db, `select stray_for_now('TimeZone', 'Asia/Tokyo')`)
	run(t, c.mary, c.db, `select stray('TimeZone', current_setting('TimeZone'))`)
	run(t, c.mary, c.db, `select strange_notice()`)
	require.Error(t, c.db.InTx(c.mary, func(tx *rls.Tx) error {
		rows, _ := tx.QueryUnproved(c.mary, call("TimeZone", "Asia/Tokyo")+`, 1 / 0`)
		rows.Close()
		return rows.Err()
	}))
	require.Equal(t, backend, c.db.Backend(t.Context()))
	c.healthy(t, c.db)
}

// X05, R08: a function that changes the tenant for good, which none of the statements of package query can call, has no
// effect on the next request: it brings its own.
func TestATenantThatWasChangedForGood(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	c.sql(t, strays)
	look := func(tc tenant.Context, want string) {
		t.Helper()
		rows, err := c.db.QueryUnproved(tc, `select name from patients`)
		require.NoError(t, err)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Len(t, names, 20)
		require.Contains(t, names, want+" 1")
	}
	for range 2 {
		run(t, c.mary, c.db, `select stray('septum.tenant', '`+mary.String()+`')`)
		require.Equal(t, mary.String(), c.db.LeftOver(t.Context()))
		look(c.paul, "Paul")
		require.NoError(t, c.db.InTx(c.paul, func(tx *rls.Tx) error {
			rows, err := tx.QueryUnproved(c.paul, `select stray('septum.tenant', '`+mary.String()+`')`)
			rows.Close()
			require.NoError(t, err)
			found, err := rls.All[patient](c.paul, tx, allPatients)
			require.Equal(t, "Paul 1", found[0].Name, "each statement brings it, also in a transaction")
			return err
		}))
		look(c.paul, "Paul")
		look(c.mary, "Mary")
	}
}

// A procedure that commits can't end a transaction. Alone some releases of PostgreSQL let it; the tenant's setting goes with its
// COMMIT, and nothing is left open.
func TestAProcedureThatCommits(t *testing.T) {
	t.Parallel()
	c := newClinic(t, func(cfg *rls.Config) { cfg.MaxConns = 1 })
	c.sql(t, strays+`grant insert on settings to `+pgx.Identifier{c.AppRole}.Sanitize())
	rows, err := c.db.QueryUnproved(c.mary, `call commits()`)
	rows.Close()
	if err == nil {
		err = rows.Err()
	}
	if err != nil {
		requireCode(t, err, "2D000")
	}
	require.Empty(t, c.db.LeftOver(t.Context()))
	err = c.db.InTx(c.mary, func(tx *rls.Tx) error {
		require.NoError(t, tx.Exec(c.mary, rename, named(1, "half")))
		rows, err := tx.QueryUnproved(c.mary, `call commits()`)
		rows.Close()
		if err == nil {
			err = rows.Err()
		}
		requireCode(t, err, "2D000")
		return nil
	})
	require.ErrorIs(t, err, rls.ErrTxAborted)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	require.Empty(t, c.db.LeftOver(t.Context()))
	c.healthy(t, c.db)
}
