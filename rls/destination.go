package rls

import (
	"reflect"
	"slices"
	"strings"
)

// mayKeep reports that reading into a type runs code that is neither Go's nor pgx's, and may keep the bytes that it is shown:
// a BytesScanner, a type within an array, a json.Unmarshaler in a document. By their contracts they must not. But the
// bytes are the connection's, and what it reads there next is another tenant's; so such code is given bytes of its own.
func mayKeep(t reflect.Type) bool {
	for {
		switch pkg := t.PkgPath(); {
		case pkg == "":
		case strings.HasPrefix(pkg, "github.com/jackc/pgx/v5/"), slices.Contains(copying, pkg):
			return strings.Contains(t.Name(), "[") // a generic one, of whatever
		default:
			return t.Kind() > reflect.Complex128 && t.Kind() != reflect.String || reflect.PointerTo(t).NumMethod() > 0
		}
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			t = t.Elem()
		case reflect.Struct: // one without a name
			return true
		default:
			return false
		}
	}
}

// copying are the packages of Go whose types are read into, and keep nothing.
var copying = []string{"time", "database/sql", "net", "net/netip", "encoding/json", "math/big"}
