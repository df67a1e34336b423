package rls_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

func TestReads(t *testing.T) {
	t.Parallel()
	c := newClinic(t)

	all, err := rls.All[patient](c.mary, c.db, allPatients)
	require.NoError(t, err)
	require.Len(t, all, 20)
	require.Equal(t, patient{7, "Mary 7"}, all[6])

	one, err := rls.One[patient](c.paul, c.db, onePatient, query.Args{"id": 7})
	require.NoError(t, err)
	require.Equal(t, patient{7, "Paul 7"}, one)

	names, err := rls.All[string](c.paul, c.db, patientName, query.Args{"id": 7})
	require.NoError(t, err)
	require.Equal(t, []string{"Paul 7"}, names)

	none, err := rls.All[patient](c.mary, c.db, onePatient, query.Args{"id": 999})
	require.NoError(t, err)
	require.Equal(t, []patient{}, none)

	var name string
	require.NoError(t, c.db.QueryRow(c.mary, patientName, query.Args{"id": 3}).Scan(&name))
	require.Equal(t, "Mary 3", name)

	rows, err := c.db.Query(c.mary, allPatients)
	require.NoError(t, err)
	collected, err := pgx.CollectRows(rows, pgx.RowToStructByName[patient])
	require.NoError(t, err)
	require.Equal(t, all, collected)

	codes, err := rls.All[struct{ Code, Title string }](c.mary, c.db, allCodes)
	require.NoError(t, err)
	require.Len(t, codes, 1)
	c.healthy(t, c.db)
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.sql(t, `delete from encounters where id = 20; delete from patients where id = 20 and tenant_id = $1`[:37])
	c.sql(t, `delete from patients where id = 20 and tenant_id = $1`, mary.String())

	var name string
	err := c.db.QueryRow(c.mary, patientName, query.Args{"id": 20}).Scan(&name)
	require.ErrorIs(t, err, query.ErrNotFound)
	require.ErrorIs(t, err, pgx.ErrNoRows)
	_, err = rls.One[patient](c.mary, c.db, onePatient, query.Args{"id": 20})
	require.ErrorIs(t, err, query.ErrNotFound)

	// J09, W01: what is another tenant's and what does not exist are the same error, to the letter.
	foreign := c.db.Exec(c.mary, rename, query.Args{"id": 20, "name": "stolen"})
	absent := c.db.Exec(c.mary, rename, query.Args{"id": 2020, "name": "stolen"})
	require.ErrorIs(t, foreign, query.ErrNotFound)
	require.Equal(t, absent.Error(), foreign.Error())
	require.ErrorIs(t, c.db.Exec(c.mary, remove, query.Args{"id": 20}), query.ErrNotFound)
	require.Equal(t, "Paul 20", c.nameOf(t, paul, 20))

	n, err := c.db.Affected(c.mary, rename, query.Args{"id": 20, "name": "stolen"})
	require.NoError(t, err)
	require.Zero(t, n)

	_, err = rls.One[patient](c.mary, c.db, allPatients)
	require.ErrorIs(t, err, pgx.ErrTooManyRows)
	c.healthy(t, c.db)
}

func TestWrites(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	require.NoError(t, c.db.Exec(c.mary, rename, query.Args{"id": 1, "name": "Mary the first"}))
	require.Equal(t, "Mary the first", c.nameOf(t, mary, 1))
	require.Equal(t, "Paul 1", c.nameOf(t, paul, 1))

	require.NoError(t, c.db.Exec(c.mary, admit, query.Args{"id": 21, "name": "Ann"}))
	err := c.db.Exec(c.mary, admit, query.Args{"id": 21, "name": "a secret name"})
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Equal(t, "23505", pg.Code)
	require.Contains(t, err.Error(), "patients_pkey")
	require.NotContains(t, err.Error(), "secret")
	require.NotContains(t, err.Error(), mary.String(), "the server's detail holds the key")

	// W05: a child can't have another tenant's parent, though the parent's id exists there.
	c.sql(t, `insert into patients values ($1, 500, 'Paul 500')`, paul.String())
	err = c.db.Exec(c.mary, visit, query.Args{"id": 900, "patient": 500, "ward": "3"})
	require.ErrorAs(t, err, &pg)
	require.Equal(t, "23503", pg.Code)
	c.healthy(t, c.db)
}

// W06: an object read under one tenant can't be written back under another.
func TestObjectOfAnotherTenant(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	type full struct {
		TenantID pgtype.UUID `db:"tenant_id"`
		ID       int64
		Name     string
	}
	var id pgtype.UUID
	require.NoError(t, id.Scan(paul.String()))
	err := c.db.Exec(c.mary, rename, full{TenantID: id, ID: 1, Name: "Paul, written under Mary"})
	require.Error(t, err)
	require.Equal(t, "Mary 1", c.nameOf(t, mary, 1))
	require.Equal(t, "Paul 1", c.nameOf(t, paul, 1))
}

// X02: no tenant is an error before anything is sent, and never all tenants.
func TestNoTenant(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	var nobody tenant.Context
	type embedded struct{ tenant.Context }
	for _, tc := range []tenant.Context{nobody, embedded{}.Context} {
		err := failed(c.db.Query(tc, allPatients))
		require.ErrorIs(t, err, tenant.ErrUnbound)
		require.ErrorIs(t, c.db.Exec(tc, rename, query.Args{"id": 1, "name": "x"}), tenant.ErrUnbound)
		require.ErrorIs(t, c.db.QueryRow(tc, countAll).Scan(new(int)), tenant.ErrUnbound)
		require.ErrorIs(t, c.db.InTx(tc, func(*rls.Tx) error { return nil }), tenant.ErrUnbound)
		var b rls.Batch
		b.Exec(rename, query.Args{"id": 1, "name": "x"})
		require.ErrorIs(t, c.db.Batch(tc, &b), tenant.ErrUnbound)
		require.ErrorIs(t, c.db.Batch(tc, &rls.Batch{}), tenant.ErrUnbound)
		_, err = rls.All[patient](tc, c.db, allPatients)
		require.ErrorIs(t, err, tenant.ErrUnbound)
	}
	require.Zero(t, c.db.Stats().Open, "no connection was made")
}

func TestBadStatement(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	// In this catalog patients are everybody's: its statements were proved by other rules.
	other := query.MustCatalog(query.Global("patients"))
	foreign := query.MustStatic(other, `select id, name from patients order by id`)
	for name, stmt := range map[string]*query.Statement{"nil": nil, "zero": {}, "another catalog's": foreign} {
		err := failed(c.db.Query(c.mary, stmt))
		require.ErrorIs(t, err, rls.ErrStatement, name)
		require.NotEmpty(t, err.Error())
		require.ErrorIs(t, c.db.InTx(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, stmt) }), rls.ErrStatement, name)
		var b rls.Batch
		b.Exec(stmt)
		require.ErrorIs(t, c.db.Batch(c.mary, &b), rls.ErrStatement, name)
	}
	require.Zero(t, c.db.Stats().Open, "no connection was made")
}

type rewriter struct{}

func (rewriter) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return "select 1, 'rewritten'", nil, nil
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	for name, args := range map[string]query.Args{"missing": {}, "unknown": {"id": 1, "tenant": paul.String()}, "tenant": {"id": 1, "tenant_id": paul.String()}} {
		err := failed(c.db.Query(c.mary, onePatient, args))
		require.ErrorIs(t, err, query.ErrArgs, name)
	}
	// What pgx would obey as an option or a rewriter is a value here, and one that does not fit.
	for _, value := range []any{"a secret text", rewriter{}, pgx.QueryExecModeSimpleProtocol, pgx.QueryResultFormats{0}, struct{ X int }{}} {
		_, err := rls.All[patient](c.mary, c.db, onePatient, query.Args{"id": value})
		require.Error(t, err, "%T", value)
		require.NotContains(t, err.Error(), "secret")
		require.NotErrorIs(t, err, rls.ErrUnavailable)
	}
	for _, name := range []string{`'; select set_config('septum.tenant', '` + paul.String() + `', false); --`, `x'); drop table patients; --`} { // X07
		require.NoError(t, c.db.Exec(c.mary, rename, query.Args{"id": 1, "name": name}))
		require.Equal(t, name, c.nameOf(t, mary, 1))
	}
	c.healthy(t, c.db)
}

func TestScanErrors(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	var n int
	err := c.db.QueryRow(c.mary, patientName, query.Args{"id": 1}).Scan(&n)
	require.ErrorIs(t, err, rls.ErrScan)
	require.NotContains(t, err.Error(), "Mary 1")
	require.Contains(t, err.Error(), "name")
	_, err = rls.All[struct{ Other string }](c.mary, c.db, allPatients)
	require.ErrorIs(t, err, rls.ErrScan)
	_, err = rls.All[string](c.mary, c.db, allPatients)
	require.ErrorIs(t, err, rls.ErrScan)
	var text string
	require.ErrorIs(t, c.db.QueryRow(c.mary, onePatient, query.Args{"id": 1}).Scan(&text), rls.ErrScan)
	c.sql(t, `update patients set name = null where id = 2`)
	err = c.db.QueryRow(c.mary, patientName, query.Args{"id": 2}).Scan(&text)
	require.ErrorIs(t, err, rls.ErrScan)
	require.Contains(t, err.Error(), "NULL")
	c.sql(t, `update patients set name = 'Nobody' where id = 2`)
	c.healthy(t, c.db)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	db := c.open(t)
	c.healthy(t, db)
	db.Close()
	db.Close()
	err := failed(db.Query(c.mary, allPatients))
	require.ErrorIs(t, err, rls.ErrClosed)
	require.ErrorIs(t, db.InTx(c.mary, func(*rls.Tx) error { return nil }), rls.ErrClosed)
	var b rls.Batch
	require.ErrorIs(t, db.Batch(c.mary, &b), rls.ErrClosed)
}

// X10: a pool that is used up refuses in time, and works again.
func TestPoolExhausted(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	db := c.open(t, func(cfg *rls.Config) { cfg.MaxConns, cfg.AcquireTimeout = 2, time.Second })
	first, err := db.Query(c.mary, allPatients)
	require.NoError(t, err)
	defer first.Close()
	second, err := db.Query(c.paul, allPatients)
	require.NoError(t, err)
	defer second.Close()
	stats := db.Stats()
	stats.Waits = 0
	require.Equal(t, rls.Stats{Max: 2, Open: 2, InUse: 2}, stats)
	start := time.Now()
	err = failed(db.Query(c.mary, allPatients))
	require.ErrorIs(t, err, rls.ErrPoolExhausted)
	require.Less(t, time.Since(start), 10*time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err = failed(db.Query(bind(t, ctx, mary), allPatients))
	require.ErrorIs(t, err, context.DeadlineExceeded, "the caller's own deadline is the caller's")
	require.NotErrorIs(t, err, rls.ErrPoolExhausted)
	first.Close()
	second.Close()
	c.healthy(t, db)
}

// A type with its own encoder may panic; the connection survives it.
type panicky struct{}

func (panicky) TextValue() (pgtype.Text, error) { panic("in an argument") }

func TestPanicInArgument(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	for range 2 * c.db.Stats().Max {
		require.Panics(t, func() { _ = c.db.Exec(c.mary, rename, query.Args{"id": 1, "name": panicky{}}) })
		require.Panics(t, func() {
			_ = c.db.InTx(c.mary, func(tx *rls.Tx) error { return tx.Exec(c.mary, rename, query.Args{"id": 1, "name": panicky{}}) })
		})
	}
	c.healthy(t, c.db)
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	err := &rls.Error{Op: "Exec", Statement: "admit", Err: &pgconn.PgError{Code: "23505", Message: `duplicate key "secret"`, Detail: "Key (mrn)=(secret)", ConstraintName: "mrn_key", TableName: "patients"}}
	require.Equal(t, "rls: Exec admit: a unique key exists already (SQLSTATE 23505), constraint mrn_key, table patients", err.Error())
	err.Err = &pgconn.PgError{Code: "P0001", Message: "secret"}
	require.Equal(t, "rls: Exec admit: the server refused it (SQLSTATE P0001)", err.Error())
	err.Err = &pgconn.PgError{Code: "42501", Message: "permission denied for table patients"}
	require.Equal(t, "rls: Exec admit: permission denied for table patients (SQLSTATE 42501)", err.Error())
	require.Equal(t, "rls: InTx: the transaction was rolled back, since a statement in it failed: Exec admit: permission denied for table patients (SQLSTATE 42501)",
		(&rls.Error{Op: "InTx", Kind: rls.ErrTxAborted, Err: err}).Error())
	require.True(t, errors.Is(&rls.Error{Op: "x", Kind: rls.ErrClosed}, rls.ErrClosed))
	require.NotContains(t, fmt.Sprint(&rls.Error{Op: "x"}), "%!")
}
