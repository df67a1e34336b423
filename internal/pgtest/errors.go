package pgtest

import "strings"

// StartError is why no server could be had.
type StartError struct {
	Attempts []Attempt // in the order in which they were made
}

// Attempt is a way that was tried, and what failed in it.
type Attempt struct {
	Source Source
	Err    error
}

// Error names each way on a line of its own, and the way out.
func (e *StartError) Error() string {
	var b strings.Builder
	b.WriteString("pgtest: no PostgreSQL could be started:")
	for _, a := range e.Attempts {
		b.WriteString("\n  " + string(a.Source) + ": " + strings.ReplaceAll(strings.TrimSpace(a.Err.Error()), "\n", "\n    "))
	}
	b.WriteString("\nset " + EnvURL + ", start a Docker engine, install the PostgreSQL server (make setup), or allow the download")
	return b.String()
}

// Unwrap gives the attempts' errors to errors.Is and errors.As.
func (e *StartError) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a.Err
	}
	return errs
}
