package query

import "strings"

// ReportError says what is wrong with a report and where.
//
// [Report.Parse] returns it for every specification it refuses,
// [ReportQuery.Collect] for an answer with too many rows, and [NewReport] for
// a definition that can't work (its Path then names the field of
// [ReportConfig], as in "Columns[2].Via"). It never holds a value that the
// user wrote, so it may be logged, and shown to the user who wrote it.
type ReportError struct {
	// Path is a JSON Pointer (RFC 6901) into the specification, as in
	// "/filters/0/value"; "" is the whole document.
	Path string
	// Reason is a stable word for programs.
	Reason ReportReason
	// Message is one sentence for people: what is wrong and what to do.
	Message string
	// Choices lists what could stand at Path, when that is known: column
	// names, operators, or the ways to a relation.
	Choices []string
	// Err is the error beneath, if any: a *Refusal when the statement could
	// not be proved.
	Err error
}

// ReportReason is a stable word for why a report was refused.
type ReportReason string

// The reasons. Programs may switch on them; more can be added.
const (
	ReportSyntax    ReportReason = "syntax"     // not JSON, or JSON that is not allowed here: duplicate keys, bad UTF-8
	ReportTooLarge  ReportReason = "too_large"  // a bound of the specification: bytes, depth, number of entries
	ReportField     ReportReason = "field"      // unknown, missing or contradicting field
	ReportUnknown   ReportReason = "unknown"    // a column or item that this report does not have
	ReportAmbiguous ReportReason = "ambiguous"  // more than one way to the relation: say which
	ReportType      ReportReason = "type"       // a value, operator or function that does not fit the column's type
	ReportFanOut    ReportReason = "fan_out"    // would count rows more than once
	ReportLimit     ReportReason = "limit"      // more rows or groups than the report may give
	ReportUnproved  ReportReason = "unproved"   // the prover refused the statement
	ReportBadConfig ReportReason = "definition" // the definition of the report, not the specification
)

// Error gives the path, the message and the choices in one line.
func (e *ReportError) Error() string {
	var b strings.Builder
	b.WriteString("query: report: ")
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if len(e.Choices) > 0 {
		const most = 12 // an error is read by a person
		b.WriteString(" (choices: ")
		b.WriteString(strings.Join(e.Choices[:min(most, len(e.Choices))], "; "))
		if len(e.Choices) > most {
			b.WriteString("; …")
		}
		b.WriteString(")")
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the error beneath.
func (e *ReportError) Unwrap() error { return e.Err }
