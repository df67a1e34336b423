package audit

import (
	"fmt"
	"strings"
)

// serverRules are about PostgreSQL itself (R19).
func serverRules() []Rule {
	return []Rule{
		{ID: "SEP090", Name: "server-release", Title: "The server lacks security fixes of its branch", Severity: high, Evidence: byCatalog,
			Threats: []string{"R19"}, References: []string{nistFlaws, hipaaAudit},
			Why:  "Published defects get around row-level security, whatever the policies say.",
			Mend: "No SQL mends it: install the newest minor release of the branch, from where the server came (apt, yum, the provider's console). It needs a restart and no dump.",
			find: oldRelease},
		{ID: "SEP091", Name: "server-branch", Title: "The server is of a branch that Septum does not support", Severity: high, Evidence: byCatalog,
			Threats: []string{"R19"}, References: []string{nistFlaws, hipaaAudit},
			Why:  "Before PostgreSQL 15 a view can't run with its caller's rights, and there are no more security fixes for it, or soon none.",
			Mend: "No SQL mends it: upgrade to PostgreSQL 15 or newer, by pg_upgrade, a dump or logical replication.",
			find: func(d *database) []Finding {
				if d.version >= 150000 {
					return nil
				}
				return []Finding{{Object: "server", What: "the server is PostgreSQL " + d.versionText, Show: "show server_version"}}
			}},
	}
}

// newest is the newest security release of each branch that was known when this was written; hole is a published way past row-level security, with the first minor release of each branch that closes it
// (https://www.postgresql.org/support/security/).
var newest = map[int]int{14: 25, 15: 20, 16: 16, 17: 12, 18: 7}

type hole struct {
	cve   string
	fixed map[int]int
}

var holes = []hole{
	{"CVE-2023-2455", map[int]int{14: 8, 15: 3}},
	{"CVE-2023-39418", map[int]int{15: 4}},
	{"CVE-2024-10976", map[int]int{14: 14, 15: 9, 16: 5, 17: 1}},
	{"CVE-2025-8713", map[int]int{14: 19, 15: 14, 16: 10, 17: 6}},
	{"CVE-2026-14666", map[int]int{15: 19}},
	{"CVE-2026-16237", newest},
	{"CVE-2026-116311", newest},
	{"CVE-2026-116327", newest},
	{"CVE-2026-120154", newest},
}

func oldRelease(d *database) []Finding {
	branch, minor := d.version/10000, d.version%10000
	want, known := newest[branch]
	if !known || minor >= want {
		return nil
	}
	var open []string
	for _, h := range holes {
		if fixed, affected := h.fixed[branch]; affected && minor < fixed {
			open = append(open, h.cve)
		}
	}
	return []Finding{{Object: "server", Show: "show server_version",
		What: fmt.Sprintf("the server is PostgreSQL %d.%d; %d.%d fixes %s", branch, minor, branch, want, strings.Join(open, ", "))}}
}
