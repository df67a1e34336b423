package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/septum-go/septum/query"
)

const explainUsage = `usage: septum explain --catalog FILE FILE…

Shows for each statement of the SQL files the proof: per relation the chain of equalities that binds it to the tenant.
For a refused one it shows what would leak and what to write instead. "-" reads standard input.

  echo 'select id from patients where tenant_id = $1' | septum explain --catalog catalog.json -

flags:
`

func explain(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	in, code := readInputs(newFlags("explain", explainUsage, stderr), args, stdin, stdout, stderr)
	if in == nil {
		return code
	}
	for _, s := range in.statements {
		fmt.Fprintf(stdout, "%s:%d:%d %s\n", s.file, s.line, s.col, s.name)
		proof, err := prove(in.catalog, s)
		var refusal *query.Refusal
		switch {
		case err == nil:
			fmt.Fprintf(stdout, "%s\n\n", proof)
		case errors.As(err, &refusal):
			code = exitFindings
			fmt.Fprintf(stdout, "%v\n\n", refusal)
		default:
			fmt.Fprintf(stderr, "septum: %s:%d: %v\n", s.file, s.line, err)
			return exitFailed
		}
	}
	return code
}
