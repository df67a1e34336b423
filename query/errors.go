package query

import (
	"errors"
	"strings"
)

// Sentinel errors of the package. The errors that carry them are typed: [Refusal], [ArgError], [CatalogError].
var (
	// ErrRefused: a statement could not be proved bound to the tenant, or a builder was asked for what it can't say
	// safely. The error is a *Refusal.
	ErrRefused = errors.New("statement refused")
	// ErrNotFound: a statement that had to write wrote no row. It is the same error when the row does not exist and
	// when it is another tenant's, on purpose. Package tenanthttp answers it with 404.
	ErrNotFound error = notFound("query: not found")
	// ErrArgs: arguments do not fit the statement. The error is an *ArgError.
	ErrArgs = errors.New("arguments do not fit the statement")
	// ErrCatalog: declarations of a catalog are wrong. The error is a *CatalogError.
	ErrCatalog = errors.New("invalid catalog")
	// ErrPage: a page token was not made for this tenant, statement and arguments, or was changed.
	// Package tenanthttp answers it with 400.
	ErrPage error = badRequest("query: the page token is not valid here; start again with the first page")
)

// notFound says what it is by a method, so that a border which does not import this package can tell.
type notFound string

func (e notFound) Error() string { return string(e) }

// NotFound is asked by tenanthttp.StatusOf.
func (notFound) NotFound() bool { return true }

// badRequest is what a client sent and must send otherwise.
type badRequest string

func (e badRequest) Error() string { return string(e) }

// HTTPStatus is asked by tenanthttp.StatusOf.
func (badRequest) HTTPStatus() int { return 400 }

// ArgError says which argument does not fit and why. It never holds values.
type ArgError struct {
	Statement string // name of the statement
	Arg       string // name of the argument; empty when it is about all of them
	Why       string // what is wrong, and what to do
}

// Error implements error.
func (e *ArgError) Error() string {
	var b strings.Builder
	b.WriteString("query: ")
	if e.Statement != "" {
		b.WriteString(e.Statement)
		b.WriteString(": ")
	}
	if e.Arg != "" {
		b.WriteString("argument @")
		b.WriteString(e.Arg)
		b.WriteByte(' ')
	}
	b.WriteString(e.Why)
	return b.String()
}

// Unwrap gives ErrArgs.
func (e *ArgError) Unwrap() error { return ErrArgs }

// CatalogError lists everything that is wrong with a catalog's declarations.
type CatalogError struct {
	Problems []string // one sentence each, in the order of declaration; from JSON each starts with its path
}

// Error implements error.
func (e *CatalogError) Error() string {
	return "query: invalid catalog: " + strings.Join(e.Problems, "; ")
}

// Unwrap gives ErrCatalog.
func (e *CatalogError) Unwrap() error { return ErrCatalog }
