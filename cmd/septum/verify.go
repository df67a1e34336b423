package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/septum-go/septum/query"
)

const verifyUsage = `usage: septum verify --catalog FILE [--format text|json|sarif|html] FILE…

Proves each statement of the SQL files: whatever the tenant, neither its result nor what it writes depends on another
tenant's rows. A statement ends with ";". The tenant is the parameter $1 or @tenant; query files of sqlc work as they are.
"-" reads standard input.

One line a statement, in order: "accept", or "refuse <rule> <line>:<column> <relation>: why". docs/refusals.md
explains each rule. SARIF has the refusals at their place in the files, for code scanning; html is a page for people.
Exit status: 0 all accepted, 1 some refused, 2 could not run.

  septum verify --catalog catalog.json queries/*.sql
  septum verify --catalog catalog.json --format sarif queries/*.sql > statements.sarif
  septum verify --catalog catalog.json --format html queries/*.sql > proof.html
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
	SQL      string `json:"sql,omitempty"`   // of explain
	Proof    string `json:"proof,omitempty"` // likewise
}

func verify(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := newFlags("verify", verifyUsage, stderr)
	format := flags.String("format", asText, "output `format`: text, json, sarif or html")
	in, code := readInputs(flags, args, stdin, stdout, stderr, func() error { return checkFormat("verify", *format, asText, asJSON, asSARIF, asHTML) })
	if in == nil {
		return code
	}
	verdicts := make([]verdict, 0, len(in.statements))
	for _, s := range in.statements {
		v, err := judge(in.catalog, s)
		if err != nil {
			return failed(stderr, fmt.Errorf("%s:%d: %w", s.file, s.line, err))
		}
		if v.Verdict == "refuse" {
			code = exitFindings
		}
		verdicts = append(verdicts, v)
	}
	if err := writeVerdicts(stdout, *format, in, verdicts); err != nil {
		return failed(stderr, err)
	}
	return code
}

func judge(c *query.Catalog, s statement) (verdict, error) {
	v := verdict{File: s.file, Line: s.line, Column: s.col, Name: s.name, Verdict: "accept"}
	var err error
	if v.Proof, err = prove(c, s); err == nil {
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

// explained is the proof, or the refusal with what to write instead.
func (v verdict) explained() string {
	if v.Verdict == "accept" {
		return v.Proof
	}
	return (&query.Refusal{Rule: v.Rule, Relation: v.Relation, What: v.What, Why: v.Why, Write: v.Write, Line: v.Line, Column: v.Column}).Error()
}

func writeVerdicts(w io.Writer, format string, in *inputs, verdicts []verdict) error {
	for i := range verdicts {
		verdicts[i].Proof = "" // which explain shows
	}
	switch format {
	case asJSON:
		return writeJSON(w, verdicts)
	case asSARIF:
		return writeJSON(w, sarifOfVerdicts(verdicts))
	case asHTML:
		return writePage(w, in.page(verdicts))
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
		fmt.Fprintf(&out, "refuse %s %d:%d %s: %s\n", v.Rule, v.Line, v.Column, clean(oneLine(relation)), clean(oneLine(why)))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// page is what an HTML page of verdicts is made of.
func (in *inputs) page(verdicts []verdict) pageData {
	return pageData{By: whoRuns(), Made: time.Now().UTC().Truncate(time.Second), Statements: verdicts,
		Proof: &proofAbout{Catalog: in.catalogFile, CatalogSHA256: in.catalogSHA256, Files: in.files, Septum: version()}}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
