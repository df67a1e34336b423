package rls

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// maxGenerated bounds how many texts a Generated keeps. Generated code has a constant number of them; texts beyond are
// proved each time.
const maxGenerated = 4096

// Generated runs the SQL of generated code, such as sqlc's with sql_package pgx/v5, whose DBTX interface it implements:
//
//	q := wards.New(rls.NewGenerated(db, catalog))
//	patients, err := q.ListWard(tc, wards.ListWardParams{TenantID: 1, Ward: "3 West"})
//
// Each text is proved before its first use, and not run when that gives a *query.Refusal; prove them in CI with "septum
// verify queries.sql". The tenant must be $1, unless the text reads global relations alone. The context handed to the generated method must be, or come from, a
// tenant.Context, and the value for $1 must name that context's tenant: another one is tenant.ErrConflict. It is safe for concurrent use.
type Generated struct {
	q       Querier
	catalog *query.Catalog
	proved  sync.Map // text → *query.Statement
	count   atomic.Int64
}

// NewGenerated runs generated code on q, a *DB or a *Tx that was opened with the same catalog.
func NewGenerated(q Querier, catalog *query.Catalog) *Generated {
	return &Generated{q: q, catalog: catalog}
}

// Exec implements DBTX. Unlike [DB.Exec] it leaves it to the caller to look at the number of rows, as generated code does.
func (g *Generated) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r := rows{op: "Generated.Exec"}
	if err := g.run(ctx, &r, sql, args); err != nil {
		return pgconn.CommandTag{}, err
	}
	r.Close()
	return r.tag, r.err
}

// Query implements DBTX.
func (g *Generated) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	r := &rows{op: "Generated.Query"}
	if err := g.run(ctx, r, sql, args); err != nil {
		return failedRows(err), err
	}
	return r, nil
}

// QueryRow implements DBTX; the statement runs when the row is scanned.
func (g *Generated) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return generatedRow{g, ctx, sql, args}
}

// generatedRow is row for a text.
type generatedRow struct {
	g    *Generated
	ctx  context.Context
	sql  string
	args []any
}

// Scan implements pgx.Row.
func (r generatedRow) Scan(dest ...any) error {
	one := rows{op: "Generated.QueryRow"}
	if err := r.g.run(r.ctx, &one, r.sql, r.args); err != nil {
		return err
	}
	return one.only(dest)
}

func (g *Generated) run(ctx context.Context, r *rows, sql string, args []any) error {
	tc, err := tenant.From(ctx)
	if err != nil {
		return err
	}
	stmt, err := g.statement(sql, len(args))
	if err != nil {
		return err
	}
	named := make(query.Args, len(args))
	for i, arg := range args {
		if i > 0 || !stmt.UsesTenant() {
			named[argumentName(i)] = arg
			continue
		}
		if text, known := idText(arg); !known {
			return refuse(r.op, stmt, ErrArgument, fmt.Errorf("$1 is the tenant and can't be a %T", arg))
		} else if text != tc.Tenant().String() {
			return refuse(r.op, stmt, tenant.ErrConflict, errors.New("$1 names another tenant than the context"))
		}
	}
	r.stmt = stmt
	return g.q.run(r, tc, []any{named})
}

// statement proves a text once. What is refused is not kept: it does not belong into a program that runs.
func (g *Generated) statement(sql string, args int) (*query.Statement, error) {
	if known, ok := g.proved.Load(sql); ok {
		return known.(*query.Statement), nil
	}
	names := make([]string, args)
	for i := range names {
		names[i] = argumentName(i)
	}
	// Over global relations alone there is no tenant, and $1 is an argument like the others.
	stmt, err := query.Positional(g.catalog, sql, names...)
	if err != nil {
		if args > 0 {
			names[0] = "tenant"
		}
		if stmt, err = query.Positional(g.catalog, sql, names...); err != nil {
			return nil, err
		}
	}
	if g.count.Add(1) <= maxGenerated {
		g.proved.Store(sql, stmt)
	}
	return stmt, nil
}

// argumentName is the name of $i+1.
func argumentName(i int) string { return "p" + strconv.Itoa(i+1) }

// idText is the text of a tenant id in the types that generated code has for those of tenant columns, enums of its own too.
func idText(arg any) (text string, known bool) {
	switch v := reflect.ValueOf(arg); v.Kind() {
	case reflect.String:
		return v.String(), true
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	}
	if id, ok := arg.(fmt.Stringer); ok { // pgtype.UUID, google/uuid, gofrs/uuid, tenant.ID
		return id.String(), true
	}
	return "", false
}
