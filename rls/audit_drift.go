package rls

import (
	"slices"
	"time"
)

// Drift is what changed between two reports of one database, or of two that should be alike.
type Drift struct {
	Started  time.Time      `json:"started"`  // when the older report was made
	Database string         `json:"database"` // of the older report
	Login    string         `json:"login"`    // of the older report
	New      []Finding      `json:"new"`      // found now and not before, or more severe than before
	Gone     []Finding      `json:"gone"`     // found before and not now
	Lost     []string       `json:"lost"`     // what held before and holds no more, beside findings: a sentence each
	Policies []PolicyChange `json:"policies"` // whose text, roles or command differ
}

// PolicyChange is a policy that is not what it was. An empty hash means that it did not exist then, or does not now.
type PolicyChange struct {
	Relation string `json:"relation"`
	Policy   string `json:"policy"`
	Before   string `json:"before_sha256,omitempty"`
	Now      string `json:"now_sha256,omitempty"`
}

// Worse reports whether anything got worse: a finding that is new, or a protection that was lost. A policy that changed
// and still is right is none; what is wrong with it would be a finding.
func (d Drift) Worse() bool { return len(d.New) > 0 || len(d.Lost) > 0 }

// Since compares the report with an older one.
func (r *Report) Since(old *Report) Drift {
	d := Drift{Started: old.Started, Database: old.Database, Login: old.Login, New: worseThan(r.Findings, old.Findings, true), Gone: worseThan(old.Findings, r.Findings, false)}
	before := map[string]Posture{}
	for _, p := range old.Relations {
		before[p.Relation] = p
	}
	for _, now := range r.Relations {
		was := before[now.Relation]
		delete(before, now.Relation)
		d.Policies = append(d.Policies, changedPolicies(was, now)...)
		if was.Kind == "tenant" && now.Kind != "tenant" {
			d.Lost = append(d.Lost, now.Relation+" was declared a tenant's and is global now")
		}
	}
	for _, p := range old.Relations { // in its order
		if _, gone := before[p.Relation]; gone && p.Kind == "tenant" {
			d.Lost = append(d.Lost, p.Relation+" was declared a tenant's and is not in the catalog any more")
		}
	}
	for _, gap := range r.Incomplete {
		if !slices.ContainsFunc(old.Incomplete, func(g Gap) bool { return g.What == gap.What && g.Object == gap.Object }) {
			d.Lost = append(d.Lost, "could be seen before and not now: "+gap.What+" "+gap.Object)
		}
	}
	return d
}

// worseThan lists the findings of a that b lacks or, when severity counts, has as less severe.
func worseThan(a, b []Finding, severity bool) []Finding {
	known := map[[2]string]int{}
	for _, f := range b {
		known[[2]string{f.Rule, f.Object}] = f.Severity.Rank() + 1
	}
	var out []Finding
	for _, f := range a {
		rank := known[[2]string{f.Rule, f.Object}]
		if rank == 0 || severity && f.Severity.Rank()+1 > rank {
			out = append(out, f)
		}
	}
	return out
}

func changedPolicies(was, now Posture) []PolicyChange {
	var changes []PolicyChange
	find := func(in Posture, name string) string {
		for _, p := range in.Policies {
			if p.Name == name {
				return p.SHA256
			}
		}
		return ""
	}
	for _, p := range now.Policies {
		if hash := find(was, p.Name); hash != p.SHA256 {
			changes = append(changes, PolicyChange{Relation: now.Relation, Policy: p.Name, Before: hash, Now: p.SHA256})
		}
	}
	for _, p := range was.Policies {
		if find(now, p.Name) == "" {
			changes = append(changes, PolicyChange{Relation: now.Relation, Policy: p.Name, Before: p.SHA256})
		}
	}
	return changes
}
