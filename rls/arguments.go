package rls

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// arguments are the parameters of one request in the wire's format. Since they are encoded here, by the types that the
// server said, nothing in an argument can steer pgx (QueryRewriter, QueryExecMode).
type arguments struct {
	values  [][]byte
	formats []int16
	buffer  []byte
}

// encodePlan is how a parameter of one Go type was encoded.
type encodePlan struct {
	pgtype.EncodePlan
	source reflect.Type
	format int16
}

// keepBuffer is the largest buffer that stays with a connection.
const keepBuffer = 64 << 10

// build encodes the arguments of a statement. The result stays until the next build.
func (a *arguments) build(types *pgtype.Map, p *prepared, values []any) error {
	if len(values) != len(p.types) {
		return fmt.Errorf("the server wants %d arguments, the statement has %d", len(p.types), len(values))
	}
	a.values, a.formats, a.buffer = a.values[:0], a.formats[:0], a.buffer[:0]
	if cap(a.buffer) > keepBuffer {
		a.buffer = nil
	}
	for i, value := range values {
		encoded, format, err := a.encode(types, p.types[i], &p.encode[i], value)
		if err != nil {
			// pgx's error repeats the value, so only the place and the type are told.
			return fmt.Errorf("$%d can't be made of a %T", i+1, value)
		}
		a.values, a.formats = append(a.values, encoded), append(a.formats, format)
	}
	return nil
}

// encode encodes one value as pgx does: a string as text, other types in the format that their PostgreSQL type prefers, and
// in the other format when that fails.
func (a *arguments) encode(types *pgtype.Map, oid uint32, last *encodePlan, value any) ([]byte, int16, error) {
	start := len(a.buffer)
	source := reflect.TypeOf(value)
	if source != nil && source == last.source {
		buffer, err := last.Encode(value, a.buffer)
		if err == nil && buffer != nil {
			a.buffer = buffer
			return buffer[start:], last.format, nil
		}
	}
	format := types.FormatCodeForOID(oid)
	switch value.(type) {
	case string, *string:
		format = pgtype.TextFormatCode
	}
	if a.buffer == nil {
		a.buffer = make([]byte, 0, 128) // types.Encode gives nil for NULL
	}
	for _, format := range [...]int16{format, 1 - format} {
		buffer, err := types.Encode(oid, format, value, a.buffer[:start])
		if err != nil {
			continue
		}
		if isSolid(source) {
			*last = encodePlan{types.PlanEncode(oid, format, value), source, format}
		}
		if buffer == nil {
			return nil, format, nil
		}
		a.buffer = buffer
		return buffer[start:], format, nil
	}
	return nil, 0, errors.New("it can't be encoded")
}

// isSolid reports that no value of a type is nil or decides for itself how it is encoded, so that one plan fits all.
func isSolid(t reflect.Type) bool {
	if t == nil {
		return false
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return t.PkgPath() == ""
	case reflect.Struct:
		return t == reflect.TypeFor[time.Time]()
	}
	return false
}

// encodeAlone encodes a request that shares its write with others, in buffers of its own.
func encodeAlone(types *pgtype.Map, p *prepared, values []any) (request, error) {
	var own arguments
	if err := own.build(types, p, values); err != nil {
		return request{}, err
	}
	return request{p: p, values: own.values, formats: own.formats}, nil
}
