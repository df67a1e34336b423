package audit

import (
	"cmp"
	"slices"
)

// Severities, from the least to the worst. Package rls documents them.
const (
	info     = "info"
	low      = "low"
	medium   = "medium"
	high     = "high"
	critical = "critical"
)

// Kinds of evidence.
const (
	byCatalog       = "catalog"
	byImpersonation = "impersonation"
	byBehaviour     = "behaviour"
)

// Standards that rules refer to. A rule names those that ask for what it checks, and no others.
const (
	asvsTenants = "OWASP ASVS 5.0 8.4.1"           // cross-tenant controls
	hipaaAccess = "HIPAA 45 CFR 164.312(a)(1)"     // access control
	hipaaWhole  = "HIPAA 45 CFR 164.312(c)(1)"     // integrity
	hipaaAudit  = "HIPAA 45 CFR 164.308(a)(1)(ii)" // risk analysis and management
	nistEnforce = "NIST SP 800-53 AC-3"            // access enforcement
	nistFlow    = "NIST SP 800-53 AC-4"            // information flow enforcement
	nistLeast   = "NIST SP 800-53 AC-6"            // least privilege
	nistShared  = "NIST SP 800-53 SC-4"            // information in shared system resources
	nistConfig  = "NIST SP 800-53 CM-6"            // configuration settings
	nistFlaws   = "NIST SP 800-53 SI-2"            // flaw remediation
	nistErrors  = "NIST SP 800-53 SI-11"           // error handling: messages that reveal
)

// Rule is one way in which isolation fails.
type Rule struct {
	ID, Name, Title    string
	Severity, Evidence string
	Threats            []string
	References         []string
	Why, Mend          string

	find func(*database) []Finding // nil for rules of behaviour, whose findings come from the probes
}

// Finding is one fault. Rule, Evidence and, where it is empty, Severity are filled in from the rule.
type Finding struct {
	Rule, Severity, Evidence string
	Object, What, Show       string
	Mend                     []string
	Relation                 string // the catalog's relation that it concerns; may be empty
}

// Gap is something that could not be seen.
type Gap struct{ What, Object, Why, Do string }

// Rules lists all rules by id.
func Rules() []Rule {
	all := slices.Concat(roleRules(), stateRules(), policyRules(), helperRules(), viewRules(), definerRules(),
		keyRules(), columnRules(), rightRules(), sharedRules(), serverRules(), activeRules(), probeRules())
	slices.SortFunc(all, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// each asks about every one of a list, and gives the findings.
func each[T any](list []T, ask func(T) (Finding, bool)) []Finding {
	var out []Finding
	for _, one := range list {
		if f, found := ask(one); found {
			out = append(out, f)
		}
	}
	return out
}

// rank orders severities.
func rank(severity string) int {
	return slices.Index([]string{info, low, medium, high, critical}, severity)
}

// settle fills in what findings take from their rules, keeps the worst of those that name one object twice, and sorts.
func settle(rules []Rule, findings []Finding) []Finding {
	byID := make(map[string]Rule, len(rules))
	for _, r := range rules {
		byID[r.ID] = r
	}
	for i := range findings {
		f := &findings[i]
		rule := byID[f.Rule]
		f.Severity, f.Evidence = cmp.Or(f.Severity, rule.Severity), cmp.Or(f.Evidence, rule.Evidence)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(b.Severity), rank(a.Severity)), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Object, b.Object))
	})
	seen := make(map[[2]string]bool, len(findings))
	return slices.DeleteFunc(findings, func(f Finding) bool {
		key := [2]string{f.Rule, f.Object}
		twice := seen[key]
		seen[key] = true
		return twice
	})
}
