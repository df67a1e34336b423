package main

import (
	"fmt"
	"io"
	"strings"
)

const explainUsage = `usage: septum explain --catalog FILE [--format text|json|html] FILE…

Shows for each statement of the SQL files the proof: per relation the chain of equalities that binds it to the tenant.
For a refused one it shows what would leak and what to write instead. "-" reads standard input.
Exit status: 0 all accepted, 1 some refused, 2 could not run.

  echo 'select id from patients where tenant_id = $1' | septum explain --catalog catalog.json -
  septum explain --catalog catalog.json --format html queries/*.sql > proofs.html

flags:
`

func explain(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := newFlags("explain", explainUsage, stderr)
	format := flags.String("format", asText, "output `format`: text, json or html")
	in, code := readInputs(flags, args, stdin, stdout, stderr, func() error { return checkFormat("explain", *format, asText, asJSON, asHTML) })
	if in == nil {
		return code
	}
	var text strings.Builder
	var verdicts []verdict
	for _, s := range in.statements {
		v, err := judge(in.catalog, s)
		if err != nil {
			return failed(stderr, fmt.Errorf("%s:%d: %w", s.file, s.line, err))
		}
		v.SQL = strings.TrimSpace(s.text)
		if v.Verdict == "refuse" {
			code = exitFindings
		}
		verdicts = append(verdicts, v)
		fmt.Fprintf(&text, "%s:%d:%d %s\n%s\n\n", clean(oneLine(s.file)), s.line, s.col, s.name, clean(v.explained()))
	}
	var err error
	switch *format {
	case asJSON:
		err = writeJSON(stdout, verdicts)
	case asHTML:
		err = writePage(stdout, in.page(verdicts))
	default:
		_, err = io.WriteString(stdout, text.String())
	}
	if err != nil {
		return failed(stderr, err)
	}
	return code
}
