package query

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// pageKey is one value of a row before a page, with the type that it must have again as a parameter.
type pageKey struct {
	Text  *string    `json:"s,omitempty"`
	Int   *int64     `json:"i,omitempty"`
	Float *float64   `json:"f,omitempty"`
	Bool  *bool      `json:"b,omitempty"`
	Time  *time.Time `json:"t,omitempty"`
}

func encodeKeys(values []any) ([]byte, error) {
	keys := make([]pageKey, len(values))
	for i, v := range values {
		key, err := newPageKey(v)
		if err != nil {
			return nil, err
		}
		keys[i] = key
	}
	return json.Marshal(keys)
}

var errPageNull = errors.New("a column to page by is NULL, after which no row would follow; sort by columns that are NOT NULL")

func newPageKey(v any) (pageKey, error) {
	switch v := v.(type) {
	case nil:
		return pageKey{}, errPageNull
	case time.Time:
		return pageKey{Time: &v}, nil
	case [16]byte:
		text := fmt.Sprintf("%x-%x-%x-%x-%x", v[0:4], v[4:6], v[6:8], v[8:10], v[10:16])
		return pageKey{Text: &text}, nil
	case driver.Valuer:
		plain, err := v.Value()
		if err != nil {
			return pageKey{}, err
		}
		if _, again := plain.(driver.Valuer); again {
			return pageKey{}, errors.New("a column to page by has no plain value")
		}
		return newPageKey(plain)
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return pageKey{}, errPageNull
		}
		return newPageKey(r.Elem().Interface())
	case reflect.String:
		text := r.String()
		return pageKey{Text: &text}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := r.Int()
		return pageKey{Int: &n}, nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		n := int64(r.Uint())
		return pageKey{Int: &n}, nil
	case reflect.Float32, reflect.Float64:
		f := r.Float()
		return pageKey{Float: &f}, nil
	case reflect.Bool:
		b := r.Bool()
		return pageKey{Bool: &b}, nil
	}
	return pageKey{}, errors.New("a column to page by is a " + r.Type().String() + "; use text, numbers, times, UUIDs")
}

func decodeKeys(data []byte) ([]any, error) {
	var keys []pageKey
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, err
	}
	values := make([]any, len(keys))
	for i, key := range keys {
		switch {
		case key.Text != nil:
			values[i] = *key.Text
		case key.Int != nil:
			values[i] = *key.Int
		case key.Float != nil:
			values[i] = *key.Float
		case key.Bool != nil:
			values[i] = *key.Bool
		case key.Time != nil:
			values[i] = *key.Time
		default:
			return nil, ErrPage
		}
	}
	return values, nil
}

// rowValues gives a row's values by column name.
func rowValues(row any) (Args, error) {
	switch row := row.(type) {
	case Args:
		return row, nil
	case map[string]any:
		return row, nil
	}
	v := reflect.ValueOf(row)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil, errors.New("the last row is a struct or query.Args, not " + typeName(row))
	}
	out := Args{}
	for _, field := range reflect.VisibleFields(v.Type()) {
		if !field.IsExported() || field.Anonymous {
			continue
		}
		if value, err := v.FieldByIndexErr(field.Index); err == nil {
			if name := fieldName(field); name != "" {
				out[name] = fieldValue(value)
			}
		}
	}
	return out, nil
}
