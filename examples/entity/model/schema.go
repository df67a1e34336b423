// Package model is a general entity model over one small set of tables: types, their fields and their relations are
// data, defined at run time, and each tenant has its own. It shows [query.Graph] at its most dynamic: what a graph loads
// is looked up in the tenant's own definitions, and the statement is proved like any other.
//
// The tables are those of a platform that keeps customers' records apart by a tenant column in each of few tables:
// entities, relationships (type, from, to), and a table of values for each kind of field.
package model

import (
	_ "embed"

	"github.com/septum-go/septum/query"
)

// Schema is the SQL of the tables. Every key and every reference begins with the tenant column, so that a relationship
// can't lead to another tenant's entity whatever statement writes it.
//
//go:embed schema.sql
var Schema string

//go:embed catalog.json
var catalogJSON []byte

// Catalog gives the catalog of the tables.
func Catalog() (*query.Catalog, error) { return query.ParseCatalog(catalogJSON) }

// Kind is what a field holds, and so in which table its values are.
type Kind string

// The kinds of fields, with the Go type that a value has when it is loaded.
const (
	Text     Kind = "text"     // string
	Int      Kind = "int"      // int64
	Decimal  Kind = "decimal"  // string with all digits
	DateTime Kind = "datetime" // time.Time
	Bool     Kind = "bool"     // bool
)

var kinds = []Kind{Text, Int, Decimal, DateTime, Bool}

// table is where values of the kind are. Kinds are constants of this package, never a tenant's text.
func (k Kind) table() string { return "field_" + string(k) }
