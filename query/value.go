package query

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	sq "github.com/Masterminds/squirrel"
)

// check says what is wrong with a value, "" when nothing is.
func (p *param) check(v any) string {
	if p.typ != nil && v != nil && reflect.TypeOf(v) != p.typ {
		return "must be a " + p.typ.String() + ", not " + typeName(v)
	}
	return checkValue(v)
}

// checkValue lets data through and nothing that a driver would act on: pgx takes query rewriters, execution modes and
// result formats from among the arguments.
func checkValue(v any) string {
	switch v := v.(type) {
	case nil, bool, int, int16, int32, int64, uint8, uint16, uint32, time.Time, []byte, []int, []int32, []int64, []bool, [16]byte:
		return ""
	case string:
		return checkText(v)
	case float64:
		return checkFloat(v)
	case float32:
		return checkFloat(float64(v))
	case []string:
		for _, text := range v {
			if why := checkText(text); why != "" {
				return why
			}
		}
		return ""
	case *string:
		if v == nil {
			return ""
		}
		return checkText(*v)
	case Argument, Expression, Source, Builder, *Statement, sq.Sqlizer:
		return "is a part of a statement (" + typeName(v) + "), not a value; put it in when the statement is built"
	}
	return checkReflect(reflect.ValueOf(v), 0)
}

func checkText(text string) string {
	if !utf8.ValidString(text) {
		return "is not valid UTF-8"
	}
	if strings.IndexByte(text, 0) >= 0 {
		return "holds a NUL, which PostgreSQL has no place for"
	}
	return ""
}

// checkFloat refuses NaN: PostgreSQL sorts it above every number, so that a condition with it holds for all rows.
func checkFloat(f float64) string {
	if math.IsNaN(f) {
		return "is NaN"
	}
	return ""
}

// rewriter is pgx.QueryRewriter by its method's name; importing pgx for it would cost every user of this package.
const rewriterMethod = "RewriteQuery"

func checkReflect(v reflect.Value, depth int) string {
	if !v.IsValid() {
		return ""
	}
	t := v.Type()
	if _, ok := t.MethodByName(rewriterMethod); ok {
		return "is a " + t.String() + ", which rewrites statements"
	}
	if _, ok := t.MethodByName("ToSql"); ok {
		return "is a part of a statement (" + t.String() + "), not a value"
	}
	if path := t.PkgPath(); strings.HasPrefix(path, "github.com/jackc/pgx") && !strings.HasSuffix(path, "/pgtype") {
		return "is a " + t.String() + ", which changes how the statement is run"
	}
	if depth > 8 {
		return "is nested too deep"
	}
	switch v.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Uintptr, reflect.Complex64, reflect.Complex128:
		return "is a " + t.String() + ", which is no value of SQL"
	case reflect.Float32, reflect.Float64:
		return checkFloat(v.Float())
	case reflect.String:
		return checkText(v.String())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return ""
		}
		return checkReflect(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return checkElements(v, depth)
	}
	return ""
}

func checkElements(v reflect.Value, depth int) string {
	switch v.Type().Elem().Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return ""
	}
	for i := range v.Len() {
		if why := checkReflect(v.Index(i), depth+1); why != "" {
			return why
		}
	}
	return ""
}

// freeze copies what the caller could change later.
func freeze(v any) any {
	switch v := v.(type) {
	case nil, string, int, int64, bool, Argument, time.Time, float64:
		return v
	case []byte:
		return slices.Clone(v)
	case []string:
		return slices.Clone(v)
	case []int:
		return slices.Clone(v)
	case []int64:
		return slices.Clone(v)
	case []any:
		return freezeAll(v)
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice:
		if r.IsNil() {
			return v
		}
		out := reflect.MakeSlice(r.Type(), r.Len(), r.Len())
		reflect.Copy(out, r)
		return out.Interface()
	case reflect.Map:
		if r.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(r.Type(), r.Len())
		for _, key := range r.MapKeys() {
			out.SetMapIndex(key, r.MapIndex(key))
		}
		return out.Interface()
	case reflect.Pointer:
		if isPartOfStatement(v) || r.IsNil() || r.Elem().Kind() == reflect.Struct {
			return v
		}
		out := reflect.New(r.Type().Elem())
		out.Elem().Set(r.Elem())
		return out.Interface()
	}
	return v
}

func isPartOfStatement(v any) bool {
	switch v.(type) {
	case Builder, sq.Sqlizer:
		return true
	}
	return false
}

func freezeAll(values []any) []any {
	if len(values) == 0 {
		return nil
	}
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = freeze(v)
	}
	return out
}

func cloneNames(names []string) []string { return slices.Clone(names) }

func cloneExprs(exprs []Expression) []Expression { return slices.Clone(exprs) }
