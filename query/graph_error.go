package query

import (
	"errors"
	"strings"
)

// Sentinel errors of graphs; the error that carries them is a [*GraphError].
var (
	// ErrGraph: a graph can't be built as it was asked for, or its rows don't fit the type they are decoded into.
	ErrGraph = errors.New("query: graph refused")
	// ErrGraphLimit: the graph has more nodes than it may have. Nothing of it was returned.
	ErrGraphLimit = errors.New("query: graph too large")
)

// GraphError says at which path of a graph what is wrong, and what to write instead. It never holds values of rows or
// arguments.
type GraphError struct {
	Path    string   // "patients.encounters"; starts with the root
	Why     string   // what is wrong, and what to do
	Choices []string // the ways that the path could mean, when there are several
	err     error
}

// Error implements error.
func (e *GraphError) Error() string {
	var b strings.Builder
	b.WriteString(e.Unwrap().Error())
	if e.Path != "" {
		b.WriteString(" at ")
		b.WriteString(e.Path)
	}
	b.WriteString(": ")
	b.WriteString(e.Why)
	for _, choice := range e.Choices {
		b.WriteString("\n  ")
		b.WriteString(choice)
	}
	return b.String()
}

// Unwrap gives ErrGraph or ErrGraphLimit.
func (e *GraphError) Unwrap() error {
	if e.err == nil {
		return ErrGraph
	}
	return e.err
}

func graphError(path, why string, choices ...string) *GraphError {
	return &GraphError{Path: path, Why: why, Choices: choices}
}
