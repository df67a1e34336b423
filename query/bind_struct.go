package query

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/septum-go/septum/tenant"
)

// collectStruct adds the fields that the statement names.
func (s *Statement) collectStruct(all Args, id tenant.ID, arg any) error {
	v := reflect.ValueOf(arg)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return s.argError("", "arguments are query.Args or structs, not "+typeName(arg))
	}
	fields := s.c.fieldsOf(v.Type())
	if len(fields) == 0 {
		return s.argError("", typeName(arg)+" has no exported fields")
	}
	for i := range fields {
		field := &fields[i]
		name := field.name
		value, err := v.FieldByIndexErr(field.index)
		if err != nil {
			continue // below a nil embedded pointer: the field is not there
		}
		if s.proof.writes && name == s.c.column && !sameTenant(value, id) {
			return s.argError(name, "holds another tenant; the value was read under a tenant other than the one that writes it")
		}
		if !s.hasParam(name) {
			if name = field.goName; !s.hasParam(name) {
				continue
			}
		}
		if _, twice := all[name]; twice {
			return s.argError(name, "is given twice")
		}
		all[name] = fieldValue(value)
	}
	return nil
}

// boundField is a field that can hold an argument.
type boundField struct {
	index        []int
	name, goName string
}

// fieldsOf reads a struct type once; a program has few of them.
func (c *Catalog) fieldsOf(t reflect.Type) []boundField {
	if known, ok := c.structs.Load(t); ok {
		fields, _ := known.([]boundField)
		return fields
	}
	var fields []boundField
	for _, field := range reflect.VisibleFields(t) {
		if !field.IsExported() || field.Anonymous {
			continue
		}
		if name := fieldName(field); name != "" {
			fields = append(fields, boundField{field.Index, name, field.Name})
		}
	}
	c.structs.Store(t, fields)
	return fields
}

// fieldValue turns nil pointers into NULL.
func fieldValue(v reflect.Value) any {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	return v.Interface()
}

// sameTenant accepts a field without a tenant: a new object has none yet.
func sameTenant(v reflect.Value, id tenant.ID) bool {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return true
		}
		v = v.Elem()
	}
	if v.IsZero() {
		return true
	}
	if valuer, ok := v.Interface().(driver.Valuer); ok {
		plain, err := valuer.Value()
		if _, again := plain.(driver.Valuer); err != nil || again {
			return false
		}
		return plain == nil || sameTenant(reflect.ValueOf(plain), id)
	}
	switch v.Kind() {
	case reflect.String:
		text := strings.TrimRight(v.String(), " ") // a char(n) column is filled up with blanks, which no id has
		return strings.EqualFold(text, id.String()) && (text == id.String() || len(text) == 36)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10) == id.String()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10) == id.String()
	}
	if stringer, ok := v.Interface().(fmt.Stringer); ok {
		return stringer.String() == id.String()
	}
	if b, ok := v.Interface().([16]byte); ok {
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16]) == id.String()
	}
	return false
}

// fieldName is the argument that a field is for: its `db` tag, or its name in snake_case. "-" means none.
func fieldName(field reflect.StructField) string {
	if tag, ok := field.Tag.Lookup("db"); ok {
		tag, _, _ = strings.Cut(tag, ",")
		if tag == "-" {
			return ""
		}
		if tag != "" {
			return tag
		}
	}
	return snakeCase(field.Name)
}

// snakeCase writes PatientID as patient_id and HTTPCode as http_code.
func snakeCase(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 {
			afterLower := unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1])
			beforeLower := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if runes[i-1] != '_' && (afterLower || beforeLower && unicode.IsUpper(runes[i-1])) {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
