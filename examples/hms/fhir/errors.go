package fhir

import (
	"fmt"
	"strings"
)

// Error says which resource of a file can't be imported, and why. Nothing of the file was stored.
type Error struct {
	File     string // as it was given to Read; may be empty
	Index    int    // the resource's position in the file or bundle, from 0; -1 when the file as a whole is wrong
	Resource string // "Observation/f001", as far as it is known
	Err      error  // the cause: a JSON error, or what the database said
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("fhir: ")
	if e.File != "" {
		b.WriteString(e.File + ": ")
	}
	if e.Index >= 0 {
		fmt.Fprintf(&b, "resource [%d]", e.Index)
		if e.Resource != "" {
			b.WriteString(" " + e.Resource)
		}
		b.WriteString(": ")
	}
	return b.String() + e.Err.Error() + "; nothing of the file was stored"
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
