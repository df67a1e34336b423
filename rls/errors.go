package rls

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
)

// The reasons for which this package refuses or fails, beside query.ErrNotFound, query.ErrArgs, tenant.ErrUnbound and
// tenant.ErrConflict. Match them with errors.Is; the error that carries one is an [*Error].
var (
	// ErrStatement: the statement is nil, or was made with another catalog than the DB's.
	ErrStatement = errors.New("not a statement of this database's catalog")
	// ErrArgument: an argument can't be encoded as the parameter's type. Nothing was sent.
	ErrArgument = errors.New("an argument does not fit its parameter's type")
	// ErrScan: a column can't be read into its destination.
	ErrScan = errors.New("a column does not fit its destination")
	// ErrPoolExhausted: no connection came free, or could be made, within Config.AcquireTimeout. Nothing was sent.
	ErrPoolExhausted = errors.New("no connection came free in time")
	// ErrTenantBusy: as many requests of the tenant as its Limits.MaxConns allows were under way for all of Limits.MaxWait.
	// Nothing was sent. Over HTTP it is 429.
	ErrTenantBusy = errors.New("too many requests of the tenant are under way")
	// ErrTooSlow: the server ended a statement after Limits.StatementTimeout, or a transaction that did nothing for
	// Limits.IdleInTransaction. It was rolled back.
	ErrTooSlow = errors.New("it took longer than the limits allow, and was rolled back")
	// ErrUnavailable: the server can't be reached, or went away.
	ErrUnavailable = errors.New("the server is not available")
	// ErrOutcomeUnknown: the connection was lost after a write was sent and before its reply: it may have been done
	// or not. Read before writing again.
	ErrOutcomeUnknown = errors.New("the connection was lost, so that the write may or may not have been done")
	// ErrClosed: the DB is closed.
	ErrClosed = errors.New("the database handle is closed")
	// ErrTxAborted: a transaction did not commit, though its function returned nil, because a statement in it failed.
	ErrTxAborted = errors.New("the transaction was rolled back, since a statement in it failed")
	// ErrTxDone: a Tx was used after its function returned.
	ErrTxDone = errors.New("the transaction has ended")
	// ErrBusy: a Tx was used while rows of it were open, or by two goroutines at once.
	ErrBusy = errors.New("the transaction is busy: close its open rows first, and use it from one goroutine")
	// ErrResultTooLarge: a result has more rows or bytes than Limits allow. What was read of it is to be thrown away. Inside a
	// transaction the transaction is rolled back. Outside, a write whose RETURNING gave too much has been done.
	ErrResultTooLarge = errors.New("the result is larger than the limits allow: ask for a page of it")
	// ErrForeignRow: a row of another tenant came back from the database and was not shown. The connection was closed, and
	// Config.OnIncident told.
	ErrForeignRow = errors.New("the database gave a row of another tenant")
	// ErrOption: a transaction option is not one that PostgreSQL knows.
	ErrOption = errors.New("unknown transaction option")
	// errWaited: the wait for a slot came to its end.
	errWaited = errors.New("no slot came free in time")
	// errLost: an earlier request lost the connection. It becomes ErrUnavailable.
	errLost = errors.New("the connection is closed")
	// errOutOfStep: a reply was not the one that belongs to the request. The connection is closed.
	errOutOfStep = errors.New("a reply did not belong to its request; the connection was closed")
)

// Error is what every method of this package returns when it fails. Its text names the operation, the statement and
// what the server objected to, and never argument values or row data: PostgreSQL's message and detail, which can hold
// both, are left out of it where they could.
type Error struct {
	Op        string // the method: "Query", "Exec", "InTx", …
	Statement string // the statement's name, or its id; empty when there is none
	Kind      error  // a sentinel of this package, query or tenant; nil when Err says it all
	Err       error  // the cause; nil when Kind says it all
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("rls: ")
	b.WriteString(e.Op)
	if e.Statement != "" {
		b.WriteByte(' ')
		b.WriteString(e.Statement)
	}
	if e.Kind != nil {
		b.WriteString(": ")
		b.WriteString(e.Kind.Error())
	}
	if cause := e.cause(); cause != "" {
		b.WriteString(": ")
		b.WriteString(cause)
	}
	return b.String()
}

// Unwrap gives the sentinel and the cause.
func (e *Error) Unwrap() []error {
	switch {
	case e.Kind == nil && e.Err == nil:
		return nil
	case e.Kind == nil:
		return []error{e.Err}
	case e.Err == nil:
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// cause is the part of the text that comes from Err, as far as it can't hold values.
func (e *Error) cause() string {
	if e.Err == nil {
		return ""
	}
	var inner *Error
	if errors.As(e.Err, &inner) {
		return strings.TrimPrefix(inner.Error(), "rls: ")
	}
	var pg *pgconn.PgError
	if errors.As(e.Err, &pg) {
		return describe(pg)
	}
	if errors.Is(e.Kind, query.ErrNotFound) {
		return ""
	}
	return e.Err.Error()
}

// describe says what the server objected to. Messages of some classes quote values (22P02: invalid input syntax for
// type integer: "…"; P0001: whatever a trigger raises), so only those classes that speak of names and states are
// repeated.
func describe(pg *pgconn.PgError) string {
	var b strings.Builder
	text, known := conditions[pg.Code]
	switch {
	case known:
		b.WriteString(text)
	case len(pg.Code) == 5 && namesOnly[pg.Code[:2]]:
		b.WriteString(pg.Message)
	default:
		b.WriteString("the server refused it")
	}
	b.WriteString(" (SQLSTATE " + pg.Code + ")")
	for _, part := range [...]struct{ what, name string }{
		{"constraint", pg.ConstraintName}, {"table", pg.TableName}, {"column", pg.ColumnName},
	} {
		if part.name != "" {
			b.WriteString(", " + part.what + " " + part.name)
		}
	}
	return b.String()
}

var conditions = map[string]string{
	"23502": "a required column is null",
	"23503": "a foreign key does not match",
	"23505": "a unique key exists already",
	"23514": "a check constraint does not hold",
	"23P01": "an exclusion constraint does not hold",
	"22P02": "a text is not of the column's type",
	"22001": "a text is too long for its column",
	"22003": "a number is out of range",
	"22012": "division by zero",
}

// namesOnly are the classes of SQLSTATE whose messages hold names and states, and no values.
var namesOnly = map[string]bool{
	"08": true, "0A": true, "25": true, "3F": true, "40": true, "42": true, "53": true, "54": true, "55": true, "57": true,
}

// fail makes the error of an operation. It classifies what pgx and pgconn return; an *Error passes through.
func fail(op string, stmt *query.Statement, err error) error {
	if err == nil {
		return nil
	}
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	e := &Error{Op: op, Statement: label(stmt), Err: err}
	kind, cause := sentinelIn(err)
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var open *OpenError
	switch {
	case kind == nil && isTooSlow(err):
		e.Kind = ErrTooSlow
	case kind == nil && errors.As(err, &pg):
		if isShutdown(pg.Code) || errors.As(err, &connect) {
			e.Kind = ErrUnavailable
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case isSentinel(err):
		e.Kind, e.Err = err, nil
	case kind != nil:
		e.Kind, e.Err = kind, cause
	case errors.As(err, &open): // the inspection of a tenant's place
	default:
		e.Kind = ErrUnavailable
	}
	return e
}

// outcome is fail for what happened after a statement was sent. A write whose reply never came may have been done. So
// may one whose connection the server, or a pooler, ended with words of its own: a backend that is terminated says so also
// when it had just committed.
func outcome(op string, stmt *query.Statement, err error, write bool) error {
	refusal := serverError(err)
	if !write || err == nil || refusal != nil && !isLastWord(refusal) || pgconn.SafeToRetry(err) {
		return fail(op, stmt, err)
	}
	return &Error{Op: op, Statement: label(stmt), Kind: ErrOutcomeUnknown, Err: err}
}

// refuse makes the error of an operation that did not come to the server, or whose result is not what was asked for.
func refuse(op string, stmt *query.Statement, kind, cause error) error {
	return &Error{Op: op, Statement: label(stmt), Kind: kind, Err: cause}
}

// isSentinel knows the sentinels that inner functions return bare.
func isSentinel(err error) bool {
	return slices.Contains([]error{ErrPoolExhausted, ErrTenantBusy, ErrClosed, errOutOfStep}, err)
}

// isShutdown knows the server's words for "I am going away": admin_shutdown, crash_shutdown, cannot_connect_now, and
// the end of an idle session.
func isShutdown(code string) bool {
	return code == "57P01" || code == "57P02" || code == "57P03" || code == "57P05" || strings.HasPrefix(code, "08")
}

// isLastWord reports that an error is the end of the connection and not a statement's own.
func isLastWord(pg *pgconn.PgError) bool {
	for _, severity := range []string{pg.SeverityUnlocalized, pg.Severity} { // poolers may leave the first out
		if strings.EqualFold(severity, "FATAL") || strings.EqualFold(severity, "PANIC") {
			return true
		}
	}
	return isShutdown(pg.Code)
}

// label is how errors call a statement.
func label(stmt *query.Statement) string {
	if stmt == nil || stmt.Catalog() == nil {
		return ""
	}
	if name := stmt.Name(); name != "" {
		return name
	}
	return stmt.ID()
}

// serverError is the server's own error in err, nil when there is none.
func serverError(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg
	}
	return nil
}
