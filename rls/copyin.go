package rls

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// CopyIn streams rows into a tenant relation of the catalog, all or none, and counts them. Columns are those that the
// source gives, in its order, and never the tenant column: the tenant is the context's. Source is pgx.CopyFromRows,
// pgx.CopyFromSlice, pgx.CopyFromFunc or one of the caller's; it must end when tc does.
//
// PostgreSQL refuses COPY where row-level security holds, so there are three ways, of which the first that is there is
// taken. They differ in cost alone:
//
//   - Config.LoaderURL, a login that can insert and nothing else; see Options.LoaderRole. It costs what COPY costs.
//   - A temporary table of the application's login, empty outside of CopyIn's transaction: COPY into it, and INSERT … SELECT
//     from there, under the policies. It takes the right TEMPORARY on the database.
//   - INSERT with many rows at a time. On Citus always; see docs/scale.md.
//
// With a Directory the login is the one of the tenant's place, in each tier.
//
// Errors: ErrCopy for a relation or columns that can't be loaded, ErrArgument for a value that does not fit its column, the
// source's own error, ErrOutcomeUnknown when the connection was lost during the commit, and what the server said. Whatever
// the error but ErrOutcomeUnknown, nothing was written. A panic of the source is an error too.
func (db *DB) CopyIn(tc tenant.Context, relation string, columns []string, source pgx.CopyFromSource) (int64, error) {
	scope, err := scopeOf(tc)
	if err != nil {
		return 0, err
	}
	into, err := db.copyTarget(relation, columns, source)
	if err != nil {
		return 0, refuse("CopyIn", nil, ErrCopy, err)
	}
	if into.tenant = scope; !isCanonical(scope, into.relation.Type) {
		return 0, refuse("CopyIn", nil, ErrCopy, errors.New("the tenant's id is not one of the tenant column's type, in its canonical form"))
	}
	if db.closed.Load() {
		return 0, refuse("CopyIn", nil, ErrClosed, nil)
	}
	if db.loader != nil {
		return db.load(tc, into)
	}
	return db.copyPlain(tc, into)
}

// ErrCopy says that CopyIn was asked for what it does not do.
var ErrCopy = errors.New("it can't be loaded like this")

// copyTarget is what is loaded: names of the catalog and of columns, all quoted, and the source.
type copyTarget struct {
	relation query.Relation
	table    string   // quoted, with its schema
	columns  []string // quoted
	tenant   string   // the tenant's id
	source   pgx.CopyFromSource
}

func (t copyTarget) list() string { return strings.Join(t.columns, ", ") }

func (t copyTarget) tenantColumn() string { return quoteName(t.relation.Column) }

// copyTarget checks names before anything is sent. Names that the catalog does not know are quoted all the same.
func (db *DB) copyTarget(relation string, columns []string, source pgx.CopyFromSource) (copyTarget, error) {
	r, ok := db.catalog.Relation(relation)
	switch {
	case !ok:
		return copyTarget{}, errors.New("the catalog has no such relation")
	case r.Kind != query.TenantKind:
		return copyTarget{}, errors.New("the relation is global; load it with the owner's login")
	case len(columns) == 0:
		return copyTarget{}, errors.New("name the columns")
	case source == nil:
		return copyTarget{}, errors.New("the source is nil")
	}
	t := copyTarget{relation: r, table: quoteName(r.Table()), source: source}
	if strings.Contains(r.Name, ".") { // else the name stands in the tenant's schema, where tenants have one
		t.table = quoteName(r.Schema()) + "." + t.table
	}
	for i, column := range columns {
		switch {
		case column == r.Column:
			return copyTarget{}, errors.New("the tenant column is not the source's to give; it comes from the context")
		case column == "" || strings.ContainsRune(column, 0):
			return copyTarget{}, errors.New("a column has no name")
		case slices.Contains(columns[:i], column):
			return copyTarget{}, errors.New("a column is named twice")
		}
		t.columns = append(t.columns, quoteName(column))
	}
	return t, nil
}

// load is CopyIn by the loader's login: BEGIN and the tenant, COPY, COMMIT. The tenant column's default reads the tenant.
func (db *DB) load(tc tenant.Context, into copyTarget) (int64, error) {
	l, err := db.acquireOn(db.loader, tc, true)
	if err != nil {
		return 0, fail("CopyIn", nil, err)
	}
	return copyInTx(tc, l, func(s *session) (int64, error) {
		columns, err := s.columnsOf(tc, into)
		if err != nil {
			return 0, err
		}
		if err := s.start(tc, into.tenant, []string{"begin"}, nil); err != nil {
			return 0, err
		}
		return s.copyFrom(tc, into.table, into.list(), columns, into.source)
	}, func(*session) {})
}

// copyInTx runs the work, commits it, and gives the connection back; an error or a panic leaves nothing behind.
func copyInTx(tc tenant.Context, l lease, work func(*session) (int64, error), done func(*session)) (int64, error) {
	committed := false
	defer func() {
		if !committed && l.sess.status != 'I' {
			l.sess.rollBack(tc)
		}
		if l.sess.pooler == PooledPrepared && !l.sess.pg.IsClosed() {
			l.sess.destroy() // PgBouncer 1.25 keeps the server's connection for a client that has copied until it goes
		}
		l.release()
	}()
	n, err := work(l.sess)
	if err != nil {
		return 0, failCopy(err)
	}
	if err := tc.Err(); err != nil {
		return 0, failCopy(err)
	}
	tag, err := l.sess.control(tc, "commit")
	committed = true
	if err != nil {
		return 0, outcome("CopyIn", nil, err, true)
	}
	if tag.String() != "COMMIT" {
		return 0, refuse("CopyIn", nil, ErrTxAborted, nil)
	}
	done(l.sess)
	return n, nil
}

// rollBack ends an open transaction, or the connection.
func (s *session) rollBack(tc tenant.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tc), closeTimeout)
	defer cancel()
	if !s.pg.IsClosed() {
		_, _ = s.control(ctx, "rollback") // control destroys the connection when it can't
	}
}

// failCopy gives the source's own error back as it is.
func failCopy(err error) error {
	var own *sourceError
	if errors.As(err, &own) {
		return own.error
	}
	return fail("CopyIn", nil, err)
}

// columnsOf asks the server for the columns' types. Describing needs no right to read.
func (s *session) columnsOf(ctx context.Context, into copyTarget) ([]pgconn.FieldDescription, error) {
	s.pinPath()
	sd, err := s.pg.Prepare(ctx, "", "select "+into.list()+" from "+into.table, nil)
	s.status = s.pg.TxStatus()
	if err != nil {
		return nil, s.judge(err)
	}
	return sd.Fields, nil
}

// copyFrom streams a source into a table.
func (s *session) copyFrom(ctx context.Context, table, list string, columns []pgconn.FieldDescription, source pgx.CopyFromSource) (int64, error) {
	stream := newCopyStream(s.types, columns, source)
	tag, err := s.pg.CopyFrom(ctx, stream, "copy "+table+" ("+list+") from stdin (format binary)")
	s.status = s.pg.TxStatus()
	cause := stream.end()
	switch {
	case cause != nil && (err == nil || serverError(err) != nil): // what the server says is what it was told
		return 0, cause
	case err != nil:
		return 0, s.judge(err)
	}
	return tag.RowsAffected(), nil
}
