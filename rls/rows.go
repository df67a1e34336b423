package rls

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// rows implements pgx.Rows on a reply. Unlike pgx's it gives nothing of the connection away: Conn is nil, and nothing
// that it returned is overwritten by what the connection reads next for somebody else.
type rows struct {
	op     string
	stmt   *query.Statement
	lease  lease
	tx     *Tx  // nil outside transactions
	shared bool // the connection is given back by somebody else
	reply  reply
	values [][]byte
	tag    pgconn.CommandTag
	err    error
	write  bool
	closed bool

	guard *guard // nil when nobody needs to look at the rows first
	plans []plan
}

func failedRows(err error) *rows { return &rows{err: err, closed: true} }

// Next implements pgx.Rows.
func (r *rows) Next() bool {
	if r.closed || !r.enter() {
		return false
	}
	defer r.leave()
	if !r.reply.next() {
		r.close()
		return false
	}
	values := r.reply.values()
	if r.guard != nil {
		if err := r.guard.pass(values); err != nil {
			r.stop(err)
			return false
		}
	}
	r.values = values
	return true
}

// Close implements pgx.Rows. It always gives the connection back, or closes it when its state is in doubt.
func (r *rows) Close() {
	if !r.closed && r.enter() {
		defer r.leave()
		r.close()
	}
}

// close is Close for who has entered.
func (r *rows) close() {
	if r.readOn(); r.closed {
		return
	}
	tag, err := r.reply.close()
	if err != nil {
		r.fatal(outcome(r.op, r.stmt, err, r.write))
	} else {
		r.tag = tag
	}
	l := r.lease
	r.forget()
	switch {
	case r.shared:
	case r.tx != nil:
		r.tx.noteFailure(r.err)
	default:
		l.release()
	}
}

// forget leaves what belongs to the connection.
func (r *rows) forget() {
	r.closed = true
	r.reply, r.values, r.plans, r.guard, r.lease = reply{}, nil, nil, nil, lease{}
}

// fatal keeps the first error.
func (r *rows) fatal(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Err implements pgx.Rows.
func (r *rows) Err() error { return r.err }

// CommandTag implements pgx.Rows.
func (r *rows) CommandTag() pgconn.CommandTag { return r.tag }

// FieldDescriptions implements pgx.Rows. It is nil after Close: the buffer belongs to the connection's next user then.
func (r *rows) FieldDescriptions() []pgconn.FieldDescription {
	if r.closed {
		return nil
	}
	return r.reply.fields()
}

// Conn implements pgx.Rows. It is nil: a connection in hand could leave the tenant's scope.
func (r *rows) Conn() *pgx.Conn { return nil }

// TypeMap implements pgx.Rows.
func (r *rows) TypeMap() *pgtype.Map {
	if r.closed {
		return nil
	}
	return r.lease.sess.types
}

// Scan implements pgx.Rows.
func (r *rows) Scan(dest ...any) error {
	if r.closed || r.values == nil {
		return r.misuse("Scan without a row: call Next first")
	}
	if len(dest) == 1 {
		if scanner, ok := dest[0].(pgx.RowScanner); ok {
			err := scanner.ScanRow(r)
			if err != nil {
				return r.unreadable(err)
			}
			return nil
		}
	}
	fields := r.reply.fields()
	if len(fields) != len(dest) || len(fields) != len(r.values) {
		return r.unreadable(fmt.Errorf("there are %d columns and %d destinations", len(fields), len(dest)))
	}
	if len(r.plans) != len(dest) {
		r.plans = r.reply.plans(len(dest))
	}
	for i, target := range dest {
		if target == nil {
			continue
		}
		p := &r.plans[i]
		if t := reflect.TypeOf(target); p.target != t {
			if _, aliases := target.(*pgtype.DriverBytes); aliases {
				return r.unreadable(errors.New("pgtype.DriverBytes would show what the connection reads next; use []byte"))
			}
			p.ScanPlan, p.target, p.keeps = r.lease.sess.types.PlanScan(fields[i].DataTypeOID, fields[i].Format, target), t, mayKeep(t)
		}
		value := r.values[i]
		if p.keeps {
			value = bytes.Clone(value)
		}
		if err := p.Scan(value, target); err != nil {
			why := &scanTypeError{target: p.target, null: r.values[i] == nil, err: err}
			return r.unreadable(pgx.ScanArgError{ColumnIndex: i, FieldName: fields[i].Name, Err: why})
		}
	}
	return nil
}

// Values implements pgx.Rows.
func (r *rows) Values() ([]any, error) {
	if r.closed || r.values == nil {
		return nil, r.misuse("Values without a row: call Next first")
	}
	fields := r.reply.fields()
	out := make([]any, len(r.values))
	for i, raw := range r.values {
		switch t, known := r.lease.sess.types.TypeForOID(fields[i].DataTypeOID); {
		case raw == nil:
		case known:
			value, err := t.Codec.DecodeValue(r.lease.sess.types, fields[i].DataTypeOID, fields[i].Format, raw)
			if err != nil {
				return nil, r.unreadable(pgx.ScanArgError{ColumnIndex: i, FieldName: fields[i].Name, Err: &scanTypeError{err: err}})
			}
			out[i] = value
		case fields[i].Format == pgx.TextFormatCode:
			out[i] = string(raw)
		default:
			out[i] = append([]byte(nil), raw...)
		}
	}
	return out, nil
}

// RawValues implements pgx.Rows. Unlike pgx's, the bytes are the caller's to keep.
func (r *rows) RawValues() [][]byte {
	if r.closed {
		return nil
	}
	out := make([][]byte, len(r.values))
	for i, raw := range r.values {
		if raw != nil {
			out[i] = append([]byte{}, raw...)
		}
	}
	return out
}

// misuse is an error of the calling code; the rows stay as they are.
func (r *rows) misuse(text string) error {
	if r.err != nil {
		return r.err
	}
	return refuse(r.op, r.stmt, ErrScan, errors.New(text))
}

// unreadable ends the rows with a scan error, as pgx does.
func (r *rows) unreadable(cause error) error {
	err := refuse(r.op, r.stmt, ErrScan, cause)
	r.fatal(err)
	r.Close()
	return err
}

// scanTypeError stands for an error of decoding, whose text may quote the value.
type scanTypeError struct {
	target reflect.Type
	null   bool
	err    error
}

// Error implements error.
func (e *scanTypeError) Error() string {
	switch {
	case e.target == nil:
		return "its value can't be decoded"
	case e.null:
		return "it is NULL, which " + e.target.String() + " can't hold"
	}
	return "its type does not fit " + e.target.String()
}

// Unwrap gives the decoder's own error.
func (e *scanTypeError) Unwrap() error { return e.err }

// row implements pgx.Row. The statement runs in Scan, so that a row nobody scans holds no connection.
type row struct {
	one  rows
	q    Querier
	tc   tenant.Context
	args []any
	ran  bool
}

// Scan implements pgx.Row. No row is query.ErrNotFound, and pgx.ErrNoRows too.
func (r *row) Scan(dest ...any) error {
	one := &r.one
	if r.ran { // a row that is scanned twice runs twice
		one = &rows{op: r.one.op, stmt: r.one.stmt}
	}
	r.ran = true
	if err := r.q.run(one, r.tc, r.args); err != nil {
		return err
	}
	return one.only(dest)
}

// only reads the first row.
func (r *rows) only(dest []any) error {
	defer r.Close()
	if !r.Next() {
		if r.err != nil {
			return r.err
		}
		return refuse(r.op, r.stmt, query.ErrNotFound, pgx.ErrNoRows)
	}
	if err := r.Scan(dest...); err != nil {
		return err
	}
	r.Close()
	return r.err
}
