package web

import (
	"fmt"

	"github.com/septum-go/septum/examples/hms/attack"
	"github.com/septum-go/septum/examples/hms/fhir"
	"github.com/septum-go/septum/examples/hms/story"
)

// Report is what a run of the demo found.
type Report struct {
	Server    string // "PostgreSQL 18.1 (docker)"
	Hospitals []Hospital
	Skipped   []string // files that were not read
	Rows      int64    // of all hospitals, before the attacks
	Story     []story.Step
	Attacks   []attack.Result
}

// Hospital is a tenant and what was imported for it.
type Hospital struct {
	ID      string
	Files   int
	Summary fhir.Summary
}

// Refused counts the attacks that were tried and got nothing.
func (r Report) Refused() (n int) {
	for _, a := range r.Attacks {
		if a.Refused() {
			n++
		}
	}
	return n
}

// Leaked counts the attacks that got something.
func (r Report) Leaked() (n int) {
	for _, a := range r.Attacks {
		if a.Leak != "" {
			n++
		}
	}
	return n
}

// OK reports whether every attack was tried and got nothing.
func (r Report) OK() bool { return len(r.Attacks) > 0 && r.Refused() == len(r.Attacks) }

// Last is the last line of the demo.
func (r Report) Last() string {
	verdict := "ok"
	if !r.OK() {
		verdict = "FAILED"
	}
	return fmt.Sprintf("demo: %s tenants=%d rows=%d attacks=%d refused=%d leaked=%d", verdict, len(r.Hospitals), r.Rows, len(r.Attacks), r.Refused(), r.Leaked())
}
