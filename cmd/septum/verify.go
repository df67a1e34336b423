package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/septum-go/septum/query"
)

const verifyUsage = `usage: septum verify --catalog FILE [--format text|json] FILE…

Proves each statement of the SQL files: whatever the tenant, neither its result nor what it writes depends on another
tenant's rows. A statement ends with ";". The tenant is the parameter $1 or @tenant; query files of sqlc work as they are.
"-" reads standard input.

One line a statement, in order: "accept", or "refuse <rule> <line>:<column> <relation>: why". docs/refusals.md
explains each rule. Exit status: 0 all accepted, 1 some refused, 2 could not run.

  septum verify --catalog catalog.json queries/*.sql
  git diff --name-only main -- '*.sql' | xargs septum verify --catalog catalog.json --format json

flags:
`

// verdict is one line of the answer.
type verdict struct {
	File     string `json:"file"`
	Line     int    `json:"line"` // of the refused place, or where the statement starts
	Column   int    `json:"column"`
	Name     string `json:"name,omitempty"`
	Verdict  string `json:"verdict"` // "accept" or "refuse"
	Rule     string `json:"rule,omitempty"`
	Relation string `json:"relation,omitempty"`
	What     string `json:"what,omitempty"`
	Why      string `json:"why,omitempty"`
	Write    string `json:"write,omitempty"`
}

func verify(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := newFlags("verify", verifyUsage, stderr)
	format := flags.String("format", "text", "output `format`: text or json")
	in, code := readInputs(flags, args, stdin, stdout, stderr)
	if in == nil {
		return code
	}
	if *format != "text" && *format != "json" {
		fmt.Fprintf(stderr, "septum: there is no format %q; take text or json\n", *format)
		return exitFailed
	}
	verdicts := make([]verdict, 0, len(in.statements))
	for _, s := range in.statements {
		v, err := judge(in.catalog, s)
		if err != nil {
			fmt.Fprintf(stderr, "septum: %s:%d: %v\n", s.file, s.line, err)
			return exitFailed
		}
		if v.Verdict == "refuse" {
			code = exitFindings
		}
		verdicts = append(verdicts, v)
	}
	if err := writeVerdicts(stdout, *format, verdicts); err != nil {
		fmt.Fprintln(stderr, "septum:", err)
		return exitFailed
	}
	return code
}

func judge(c *query.Catalog, s statement) (verdict, error) {
	v := verdict{File: s.file, Line: s.line, Column: s.col, Name: s.name, Verdict: "accept"}
	_, err := prove(c, s)
	if err == nil {
		return v, nil
	}
	var r *query.Refusal
	if !errors.As(err, &r) {
		return verdict{}, err
	}
	v.Verdict, v.Rule, v.Relation, v.What, v.Why, v.Write = "refuse", r.Rule, r.Relation, r.What, r.Why, r.Write
	v.Line, v.Column = r.Line, r.Column
	return v, nil
}

func writeVerdicts(w io.Writer, format string, verdicts []verdict) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(verdicts)
	}
	var out strings.Builder
	for _, v := range verdicts {
		if v.Verdict == "accept" {
			out.WriteString("accept\n")
			continue
		}
		relation := v.Relation
		if relation == "" {
			relation = "-"
		}
		why := v.What
		if v.Why != "" {
			why += "; " + v.Why
		}
		fmt.Fprintf(&out, "refuse %s %d:%d %s: %s\n", v.Rule, v.Line, v.Column, relation, oneLine(why))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
