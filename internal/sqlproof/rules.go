package sqlproof

// A Rule is a reason for a refusal. Its ID is stable.
type Rule struct {
	ID      string   // SEP-, a letter for the family, two digits
	Title   string   // a few words
	Threats []string // cases of docs/threats.md
	Why     string   // what leaks when the rule is not kept
	Write   string   // what to write instead
}

// Rules lists every rule, sorted by ID. docs/refusals.md has a section for each.
func Rules() []Rule { return nil }
