package query

import (
	"strconv"
	"strings"
)

// Refusal is the error for a statement that is not proved. Nothing was sent to a server. Its text has the rule, the
// relation, the position, what could leak, and what to write instead:
//
//	query: refused SEP-T01: "encounters e" is not bound to the tenant (line 3, column 12)
//	  rows of every tenant would join
//	  write: LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND …
//
// docs/refusals.md has a section for each rule.
type Refusal struct {
	Rule     string // stable id: "SEP-T01"
	Relation string // as written in the statement, with its alias: "encounters e"; may be empty
	What     string // what is wrong, in a few words: "is not bound to the tenant"
	Line     int    // position in the statement's text, from 1; 0 when there is none
	Column   int    // in characters, from 1
	Why      string // one sentence: what would leak
	Write    string // what to write instead
}

// Error implements error.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("query: refused ")
	b.WriteString(r.Rule)
	b.WriteString(": ")
	if r.Relation != "" {
		b.WriteByte('"')
		b.WriteString(r.Relation)
		b.WriteByte('"')
		if !isVerb(r.What) {
			b.WriteByte(':')
		}
		b.WriteByte(' ')
	}
	b.WriteString(r.What)
	if r.Line > 0 {
		b.WriteString(" (line ")
		b.WriteString(strconv.Itoa(r.Line))
		b.WriteString(", column ")
		b.WriteString(strconv.Itoa(r.Column))
		b.WriteByte(')')
	}
	if r.Why != "" {
		b.WriteString("\n  ")
		b.WriteString(r.Why)
	}
	if r.Write != "" {
		b.WriteString("\n  write: ")
		b.WriteString(r.Write)
	}
	return b.String()
}

// isVerb tells "is not bound to the tenant" from "a function that is not known to be harmless".
func isVerb(what string) bool {
	word, _, _ := strings.Cut(what, " ")
	switch word {
	case "is", "has", "gets", "names", "would":
		return true
	}
	return false
}

// Unwrap gives ErrRefused.
func (r *Refusal) Unwrap() error { return ErrRefused }
