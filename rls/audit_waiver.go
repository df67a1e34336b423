package rls

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Waiver says that a finding is known and accepted for a while, by whom and why. Waivers stand in a file that is reviewed
// like code; see [ParseWaivers].
type Waiver struct {
	Rule    string `json:"rule"`    // "SEP013"
	Object  string `json:"object"`  // the finding's, exactly
	Reason  string `json:"reason"`  // why it may stand
	Owner   string `json:"owner"`   // who answers for it
	Expires string `json:"expires"` // the last day on which it holds, in UTC: "2027-03-31"
}

// ErrWaivers says that a file of waivers can't be used.
var ErrWaivers = errors.New("the waivers can't be used")

// ParseWaivers reads a JSON array of waivers. Every field is required, rules must exist, days must be days, and
// nothing may be waived twice; the error says all that is wrong, and is ErrWaivers.
func ParseWaivers(data []byte) ([]Waiver, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var waivers []Waiver
	if err := d.Decode(&waivers); err != nil {
		return nil, fmt.Errorf("rls: %w: %w", ErrWaivers, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("rls: %w: text follows the array", ErrWaivers)
	}
	if problems := checkWaivers(waivers); len(problems) > 0 {
		return nil, fmt.Errorf("rls: %w: %s", ErrWaivers, strings.Join(problems, "; "))
	}
	return waivers, nil
}

func checkWaivers(waivers []Waiver) []string {
	known := map[string]bool{}
	for _, rule := range AuditRules() {
		known[rule.ID] = true
	}
	var problems []string
	seen := map[[2]string]bool{}
	for i, w := range waivers {
		fail := func(what string) { problems = append(problems, fmt.Sprintf("[%d] %s", i, what)) }
		for name, value := range map[string]string{"object": w.Object, "reason": w.Reason, "owner": w.Owner} {
			if strings.TrimSpace(value) == "" {
				fail(name + " is empty")
			}
		}
		if !known[w.Rule] {
			fail("there is no rule " + fmt.Sprintf("%q", w.Rule))
		}
		if _, err := time.Parse(time.DateOnly, w.Expires); err != nil {
			fail("expires must be a day such as 2027-03-31")
		}
		if key := [2]string{w.Rule, w.Object}; seen[key] {
			fail("waives " + w.Rule + " of " + w.Object + " a second time")
		} else {
			seen[key] = true
		}
	}
	return problems
}

// Waive marks the findings that waivers cover on the day of now. A waiver whose day is over covers nothing and is
// listed in Expired; one that matches no finding is listed in Unused, since it would cover the fault's return.
func (r *Report) Waive(waivers []Waiver, now time.Time) {
	today := now.UTC().Format(time.DateOnly)
	r.Expired, r.Unused = nil, nil
	for i := range r.Findings {
		r.Findings[i].Waiver = nil
	}
	for _, w := range waivers {
		found := -1
		for i, f := range r.Findings {
			if f.Rule == w.Rule && f.Object == w.Object {
				found = i
			}
		}
		switch {
		case w.Expires < today:
			r.Expired = append(r.Expired, w)
		case found < 0:
			r.Unused = append(r.Unused, w)
		default:
			r.Findings[found].Waiver = &w
		}
	}
}
