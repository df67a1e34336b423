package sqlproof

// Command is the kind of a statement.
type Command uint8

// The commands that can be proved.
const (
	Select Command = iota + 1
	Insert
	Update
	Delete
	Merge
)

var commandNames = [...]string{"", "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"}

// String returns the SQL keyword.
func (c Command) String() string {
	if int(c) < len(commandNames) {
		return commandNames[c]
	}
	return "?"
}

// A Proof says why a statement is bound to its tenant. It is immutable.
type Proof struct {
	// Command of the statement itself, not of its CTEs.
	Command Command
	// ReturnsRows is true for SELECT and for writes with RETURNING.
	ReturnsRows bool
	// Params is the highest parameter number in the text, 0 when there is none.
	Params int
	// UsesTenant is true when the text names the tenant parameter.
	UsesTenant bool
	// Relations are in the order in which they stand in the text.
	Relations []BoundRelation
	// Functions are those of the catalog that the text calls, in the order in which they stand there, as the catalog
	// names them. PostgreSQL's own are left out.
	Functions []string
	// Lints are remarks that do not hinder acceptance.
	Lints []Lint

	text string
}

// A BoundRelation is one mention of a base relation and the reason why it is bound.
type BoundRelation struct {
	Schema, Name, Alias string // Alias is "" when there is none
	Kind                Kind
	Line, Column        int  // 1-based, Column in characters
	Written             bool // target of INSERT, UPDATE, DELETE or MERGE
	// Chain is the equalities from the tenant column to the parameter, such as
	// ["v.tenant_id", "p.tenant_id", "$1"]. It is nil for a global relation.
	Chain []string
}

// A Lint is a remark on an accepted statement.
type Lint struct {
	Rule         string // SEP-L…
	Relation     string
	Line, Column int
	Why, Write   string
}

// Option changes what Prove accepts.
type Option uint8

const (
	// AllowMerge accepts MERGE statements that can be proved. Without it they are refused.
	AllowMerge Option = iota + 1
)

// String is the proof in lines for people, one per relation: name, position, and the chain of equalities.
func (p *Proof) String() string { return p.text }
