package sqlproof

import "fmt"

// A Refusal says why a statement is not proved. It is the only error of Prove and ParseExpr.
type Refusal struct {
	Rule         string // SEP-…, one of Rules
	Relation     string // as written, "encounters e"; "" when the refusal is about something else
	Line, Column int    // 1-based, Column in characters; 0 when the text could not be read at all
	Why          string // one sentence: what leaks
	Write        string // what to write instead, "" when nothing would do
	// Threats are the cases of docs/threats.md that the rule serves, such as Q12.
	Threats []string
}

// Error prints the rule, the relation, the position, the reason and the remedy. It holds text of the statement's
// identifiers only, never of its literals.
func (r *Refusal) Error() string {
	subject := ""
	if r.Relation != "" {
		subject = fmt.Sprintf("%q ", r.Relation)
	}
	text := fmt.Sprintf("refused %s: %s(line %d, column %d)\n  %s", r.Rule, subject, r.Line, r.Column, r.Why)
	if r.Write != "" {
		text += "\n  write: " + r.Write
	}
	return text
}
