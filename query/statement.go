package query

import (
	"slices"
	"strings"
)

// Statement is SQL that was proved: for every tenant, neither its result nor what it writes depends on another
// tenant's rows. Only this package makes one. It never changes and is safe for concurrent use; keep statements in
// package-level variables.
type Statement struct {
	c      *Catalog
	proof  *proof
	params []param
	named  int // how many different named arguments there are
	tenant bool
	name   string
}

// param is one of the statement's parameters, $1 first.
type param struct {
	Argument
	constant bool
	value    any
}

// Command is what a statement does.
type Command string

// The commands.
const (
	SelectCommand Command = "SELECT"
	InsertCommand Command = "INSERT"
	UpdateCommand Command = "UPDATE"
	DeleteCommand Command = "DELETE"
	MergeCommand  Command = "MERGE"
)

// Args are arguments by name.
type Args map[string]any

// SQL is the exact text that was proved and is sent to the server.
func (s *Statement) SQL() string { return s.proof.sql }

// ID is the same for equal texts, in every process, and fits a name of a prepared statement.
func (s *Statement) ID() string { return s.proof.id }

// Name names the statement in metrics and the access log; unless set by Named it is made of the command and the first relation: "select patients".
func (s *Statement) Name() string { return s.name }

// Named gives a copy with another name. Names must be constants: never put values in them.
func (s *Statement) Named(name string) *Statement {
	named := *s
	named.name = name
	return &named
}

// Command is what the statement does. A SELECT with a data-modifying CTE is a SELECT; see Writes.
func (s *Statement) Command() Command { return s.proof.command }

// Writes reports whether the statement writes rows, be it in a CTE.
func (s *Statement) Writes() bool { return s.proof.writes }

// ReturnsRows reports whether the statement gives rows: a SELECT, or another command with RETURNING.
func (s *Statement) ReturnsRows() bool { return s.proof.returnsRows }

// UsesTenant reports whether the tenant is a parameter of the statement; then it is $1. Statements over global relations alone do without it.
func (s *Statement) UsesTenant() bool { return s.tenant }

// Params names the arguments that Bind needs, sorted.
func (s *Statement) Params() []string {
	var names []string
	for _, p := range s.params {
		if p.name != "" && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return names
}

// Relations lists the relations that the statement reads or writes, sorted by name, each once.
func (s *Statement) Relations() []string { return slices.Clone(s.proof.relations) }

// Explain shows the proof: for each relation the chain of equalities that binds it to the tenant.
func (s *Statement) Explain() string { return s.proof.explain }

// Catalog is the catalog that the statement was proved against.
func (s *Statement) Catalog() *Catalog { return s.c }

// String is the statement's name and text, for logs. It holds no argument values.
func (s *Statement) String() string { return s.name + ": " + s.proof.sql }

// Must is for package-level variables: it gives the statement, and panics when it is refused, so that a program that
// holds one does not start.
func Must(b Builder) *Statement {
	s, err := b.Build()
	if err != nil {
		panic(err)
	}
	return s
}

// newStatement is the only maker of Statements; p comes from Catalog.prove.
func newStatement(c *Catalog, p *proof, params []param, tenant bool) *Statement {
	s := &Statement{c: c, proof: p, params: params, tenant: tenant, name: p.name}
	for i, p := range params {
		if p.name == "" || slices.ContainsFunc(params[:i], func(q param) bool { return q.name == p.name }) {
			continue
		}
		s.named++
	}
	return s
}

// defaultName is what Name gives when nothing else was said.
func defaultName(command Command, relations []string) string {
	name := strings.ToLower(string(command))
	if len(relations) > 0 {
		name += " " + relations[0]
	}
	return name
}
