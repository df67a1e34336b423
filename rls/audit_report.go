package rls

import (
	"slices"
	"time"
)

// Severity says how much a finding matters.
type Severity string

// The severities, from the least to the worst.
const (
	Info     Severity = "info"     // advice: isolation holds, something else suffers, such as the use of an index
	Low      Severity = "low"      // tells tenants about each other's existence or numbers, or takes a second mistake to be harmful
	Medium   Severity = "medium"   // isolation holds by luck, or for some statements
	High     Severity = "high"     // rows of other tenants can be read or written
	Critical Severity = "critical" // all of them, by any statement
)

// Rank orders severities: 0 for Info to 4 for Critical, -1 for anything else.
func (s Severity) Rank() int {
	return slices.Index([]Severity{Info, Low, Medium, High, Critical}, s)
}

// Evidence is the way in which something was found.
type Evidence string

// The kinds of evidence.
const (
	FromCatalog       Evidence = "catalog"       // PostgreSQL's own catalogs say so
	FromImpersonation Evidence = "impersonation" // seen as the application's role
	FromBehaviour     Evidence = "behaviour"     // statements were tried, in a transaction that was rolled back
)

// Rule is one way in which isolation fails that [Audit] looks for. Ids are stable and never given to another rule.
type Rule struct {
	ID         string   `json:"id"`       // "SEP013"
	Name       string   `json:"name"`     // "forgotten-relation"
	Title      string   `json:"title"`    // the fault in a few words
	Severity   Severity `json:"severity"` // of most findings; a Finding has its own
	Evidence   Evidence `json:"evidence"`
	Threats    []string `json:"threats"`    // ids of docs/threats.md
	References []string `json:"references"` // standards that the rule serves, such as "OWASP ASVS 5.0 8.4.1"
	Why        string   `json:"why"`        // why it matters, in one sentence
	Mend       string   `json:"mend"`       // how it is mended, in words; a Finding has the SQL
}

// Finding is one fault of the database.
type Finding struct {
	Rule     string   `json:"rule"` // id of the Rule
	Severity Severity `json:"severity"`
	Evidence Evidence `json:"evidence"`
	// Object is what is at fault: "public.patients", "policy everybody on public.patients", "role app". Rule and Object
	// together name a finding: at most one of a report has both.
	Object string `json:"object"`
	What   string `json:"what"` // what is wrong with it, in one sentence; never a tenant's data
	Show   string `json:"show"` // a query that shows it; empty where the server itself is at fault
	// Mend is SQL that takes the fault away, statement by statement, run by the owner or an administrator. Read it
	// first: it can take locks and rights. "septum plan" prints the same changes in steps that need no downtime. Empty
	// when no SQL can mend it; the Rule's Mend tells what does.
	Mend   []string `json:"mend"`
	Waiver *Waiver  `json:"waiver,omitempty"` // set by [Report.Waive]
}

// Gap is something that the audit could not see.
type Gap struct {
	What   string `json:"what"`             // what was to be seen
	Object string `json:"object,omitempty"` // empty when it concerns the whole database
	Why    string `json:"why"`
	Do     string `json:"do"` // how to see it
}

// Posture is how one relation of the catalog stands.
type Posture struct {
	Relation   string `json:"relation"` // with its schema
	Kind       string `json:"kind"`     // "tenant" or "global"
	Exists     bool   `json:"exists"`
	Column     string `json:"column,omitempty"` // tenant column
	ColumnType string `json:"column_type,omitempty"`
	NotNull    bool   `json:"not_null,omitempty"`
	Enabled    bool   `json:"rls_enabled,omitempty"`
	Forced     bool   `json:"rls_forced,omitempty"`
	// Active is row_security_active for the application's role; nil when the role could not be taken on.
	Active   *bool          `json:"rls_active,omitempty"`
	Owner    string         `json:"owner,omitempty"`
	Rights   []string       `json:"rights,omitempty"` // of the application's login and every role that it can become
	Policies []PolicyRecord `json:"policies,omitempty"`
	Findings int            `json:"findings"` // how many of the report's findings are about it
}

// PolicyRecord is one policy as it stood.
type PolicyRecord struct {
	Name       string   `json:"name"`
	Permissive bool     `json:"permissive"`
	Command    string   `json:"command"` // "ALL", "SELECT", "INSERT", "UPDATE" or "DELETE"
	Roles      []string `json:"roles"`
	Using      string   `json:"using,omitempty"`
	Check      string   `json:"check,omitempty"`
	SHA256     string   `json:"sha256"` // of all of the above, in hexadecimal
}

// Report is what [Audit] found. It is plain data, and its JSON form is what "septum audit --format json" prints.
type Report struct {
	Format        int           `json:"format"`            // of the JSON; 1
	Septum        string        `json:"septum,omitempty"`  // the library's version, when known
	Started       time.Time     `json:"started"`           // by the clock of the machine that ran it
	Took          time.Duration `json:"took_ns"`           // in nanoseconds
	Server        string        `json:"server"`            // "15.20"
	ServerNumber  int           `json:"server_version"`    // server_version_num: 150020
	Database      string        `json:"database"`          // its name
	Auditor       string        `json:"auditor"`           // the login that ran the audit
	Login         string        `json:"login"`             // the application's login
	AppRole       string        `json:"app_role"`          // the role that the policies are for
	CatalogSHA256 string        `json:"catalog_sha256"`    // of the catalog's relations, kinds and columns
	Rules         []Rule        `json:"rules"`             // that were looked for
	Relations     []Posture     `json:"relations"`         // of the catalog, sorted by name
	Findings      []Finding     `json:"findings"`          // worst first, then by rule and object
	Expired       []Waiver      `json:"expired,omitempty"` // waivers whose day is over; see [Report.Waive]
	Unused        []Waiver      `json:"unused,omitempty"`  // waivers that match nothing
	// Incomplete lists what could not be seen, for lack of rights or of time. An empty list and an empty Error mean that
	// everything was looked at.
	Incomplete []Gap  `json:"incomplete"`
	Error      string `json:"error,omitempty"` // why the audit ended early; what was seen until then is here
}

// Complete reports whether the audit came to its end. It may still have had gaps: see Incomplete.
func (r *Report) Complete() bool { return r.Error == "" }

// Open lists the findings that no waiver covers and that are at least as severe as least.
func (r *Report) Open(least Severity) []Finding {
	var open []Finding
	for _, f := range r.Findings {
		if f.Waiver == nil && f.Severity.Rank() >= least.Rank() {
			open = append(open, f)
		}
	}
	return open
}

// Rule gives the rule of a finding.
func (r *Report) Rule(id string) (Rule, bool) {
	i := slices.IndexFunc(r.Rules, func(rule Rule) bool { return rule.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return r.Rules[i], true
}
