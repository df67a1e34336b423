package rls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// copyStream turns a source's rows into COPY's binary format, as they are asked for.
type copyStream struct {
	source  pgx.CopyFromSource
	types   *pgtype.Map
	columns []pgconn.FieldDescription
	encode  []encodePlan

	mu     sync.Mutex // a cancelled CopyFrom may still be reading when it has returned
	ended  bool
	buffer []byte
	sent   int
	rows   int64
	err    error // what stopped it, which the server need not know
}

// copyChunk is how many bytes are made at a time.
const copyChunk = 64 << 10

// copyHeader is PostgreSQL's signature of the format, without flags and extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// errStopped is all that the server is told.
var errStopped = errors.New("the source of rows failed")

func newCopyStream(types *pgtype.Map, columns []pgconn.FieldDescription, source pgx.CopyFromSource) *copyStream {
	return &copyStream{source: source, types: types, columns: columns, encode: make([]encodePlan, len(columns)),
		buffer: append(make([]byte, 0, copyChunk+copyChunk/8), copyHeader...)}
}

// Read implements io.Reader.
func (c *copyStream) Read(into []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent == len(c.buffer) && !c.ended {
		c.buffer, c.sent = c.buffer[:0], 0
	}
	for !c.ended && len(c.buffer) < copyChunk {
		c.row()
	}
	if c.err != nil {
		return 0, errStopped
	}
	n = copy(into, c.buffer[c.sent:])
	c.sent += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// row adds the source's next row.
func (c *copyStream) row() {
	values, more, err := c.next()
	if err != nil {
		c.fail(&sourceError{err})
		return
	}
	if !more {
		c.ended = true
		c.buffer = append(c.buffer, 0xff, 0xff)
		return
	}
	c.rows++
	if len(values) != len(c.columns) {
		c.fail(badRow("row %d has %d values for %d columns", c.rows, len(values), len(c.columns)))
		return
	}
	c.buffer = binary.BigEndian.AppendUint16(c.buffer, uint16(len(values)))
	for i, value := range values {
		if err := c.value(i, value); err != nil {
			// The encoder's error repeats the value, so only the place and the type are told.
			c.fail(badRow("row %d: column %s can't be made of a %T", c.rows, c.columns[i].Name, value))
			return
		}
	}
}

// next asks the source. It runs on a goroutine of pgconn's, where a panic would end the program, whoever recovers it where.
func (c *copyStream) next() (values []any, more bool, err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	if !c.source.Next() {
		return nil, false, c.source.Err()
	}
	values, err = c.source.Values()
	return values, true, err
}

func (c *copyStream) fail(err error) { c.ended, c.err = true, err }

// sourceError is an error of the caller's own, to be given back as it is.
type sourceError struct{ error }

func badRow(format string, args ...any) error {
	return refuse("CopyIn", nil, ErrArgument, fmt.Errorf(format, args...))
}

// value adds one value and its length.
func (c *copyStream) value(i int, value any) error {
	start := len(c.buffer)
	c.buffer = append(c.buffer, 0xff, 0xff, 0xff, 0xff) // NULL
	buffer, err := c.binary(i, value)
	if err != nil {
		return err
	}
	if buffer != nil {
		c.buffer = buffer
		binary.BigEndian.PutUint32(c.buffer[start:], uint32(len(c.buffer)-start-4))
	}
	return nil
}

// binary gives the buffer with the value appended, nil for NULL.
func (c *copyStream) binary(i int, value any) ([]byte, error) {
	oid, last := c.columns[i].DataTypeOID, &c.encode[i]
	if source := reflect.TypeOf(value); source != nil && source == last.source {
		if buffer, err := last.Encode(value, c.buffer); err == nil && buffer != nil {
			return buffer, nil
		}
	} else if isSolid(source) {
		if plan := c.types.PlanEncode(oid, pgtype.BinaryFormatCode, value); plan != nil {
			*last = encodePlan{plan, source, pgtype.BinaryFormatCode}
		}
	}
	buffer, err := c.types.Encode(oid, pgtype.BinaryFormatCode, value, c.buffer)
	if err == nil {
		return buffer, nil
	}
	text, isText := value.(string)
	if !isText {
		return nil, err
	}
	known, ok := c.types.TypeForOID(oid)
	if !ok { // an enum, say, whose binary form is its text
		return append(c.buffer, text...), nil
	}
	decoded, err := known.Codec.DecodeValue(c.types, oid, pgtype.TextFormatCode, []byte(text))
	if err != nil {
		return nil, err
	}
	return c.types.Encode(oid, pgtype.BinaryFormatCode, decoded, c.buffer)
}

// end waits for the source, if it is asked right now, has no more of it, and says what was wrong with it.
func (c *copyStream) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	return c.err
}
