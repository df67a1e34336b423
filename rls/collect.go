package rls

import (
	"database/sql"
	"errors"
	"net"
	"reflect"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// All runs a statement and reads all its rows. A struct T is filled by column names, as pgx.RowToStructByName does (a
// field's `db` tag, or its name without regard to case and underscores); any other T takes the only column. No rows is an
// empty slice, not nil, and no error.
func All[T any](tc tenant.Context, q Querier, stmt *query.Statement, args ...any) ([]T, error) {
	r := &rows{op: "All", stmt: stmt}
	if err := q.run(r, tc, args); err != nil {
		return nil, err
	}
	out, err := pgx.CollectRows(r, readerOf[T]())
	if err != nil {
		return nil, unreadable("All", stmt, err)
	}
	return out, nil
}

// One runs a statement and reads its only row, as [All] does. No row is query.ErrNotFound; more than one is an error
// too, pgx.ErrTooManyRows, since picking one would hide a wrong statement.
func One[T any](tc tenant.Context, q Querier, stmt *query.Statement, args ...any) (T, error) {
	var zero T
	r := &rows{op: "One", stmt: stmt}
	if err := q.run(r, tc, args); err != nil {
		return zero, err
	}
	out, err := pgx.CollectExactlyOneRow(r, readerOf[T]())
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, pgx.ErrNoRows):
		return zero, refuse("One", stmt, query.ErrNotFound, err)
	}
	return zero, unreadable("One", stmt, err)
}

// unreadable keeps what rows said themselves, and takes the rest (a struct without the column's field) as ErrScan.
func unreadable(op string, stmt *query.Statement, err error) error {
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	return refuse(op, stmt, ErrScan, err)
}

// readerOf chooses how a T is read from a row.
func readerOf[T any]() pgx.RowToFunc[T] {
	if isRecord(reflect.TypeFor[T]()) {
		return pgx.RowToStructByName[T]
	}
	return pgx.RowTo[T]
}

// records remembers isRecord by type; types are few.
var records sync.Map

// isRecord reports whether a type is filled column by column, and not from one column.
func isRecord(t reflect.Type) bool {
	if known, ok := records.Load(t); ok {
		return known.(bool)
	}
	record := t.Kind() == reflect.Struct && t != reflect.TypeFor[net.IPNet]() &&
		!reflect.PointerTo(t).Implements(reflect.TypeFor[sql.Scanner]()) && hasExported(t)
	records.Store(t, record)
	return record
}

// hasExported tells structs of data from opaque ones like time.Time and netip.Addr.
func hasExported(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return true
		}
	}
	return false
}
