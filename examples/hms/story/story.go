// Package story is a day in a hospital: what its people do with the backend, told in steps that can be printed.
package story

import (
	"errors"
	"fmt"
	"time"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Step is one thing that was done, and what came of it, as a table.
type Step struct {
	Title   string
	Columns []string
	Rows    [][]string
}

// day is the day of the story; a fixed one, so that it always reads the same.
var day = time.Date(2024, 5, 14, 9, 30, 0, 0, time.UTC)

const chartLines = 6 // of a chart are shown

// Search looks for one name in each hospital: who is known to several of them is another patient in each.
func Search(db *rls.DB, name string, hospitals []tenant.Context) (Step, error) {
	step := Step{Title: fmt.Sprintf("Search for %q, by a user of each hospital", name), Columns: []string{"hospital", "patient", "record", "name", "born"}}
	for _, tc := range hospitals {
		found, err := hospital.Search(tc, db, name)
		if err != nil {
			return Step{}, err
		}
		for _, p := range found {
			step.Rows = append(step.Rows, []string{tc.Tenant().String(), fmt.Sprint(p.ID), p.RecordNo, p.Name, p.BirthDate})
		}
	}
	return step, nil
}

// Day is the way of one patient through a hospital: chart, admission, ward report, discharge, invoice.
func Day(tc tenant.Context, db *rls.DB, name string) ([]Step, error) {
	found, err := hospital.Search(tc, db, name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("story: " + name + " is no patient of the hospital")
	}
	p := found[0]
	var steps []Step
	for _, tell := range []func(tenant.Context, *rls.DB, hospital.Patient) ([]Step, error){chart, stay, invoice} {
		told, err := tell(tc, db, p)
		if err != nil {
			return nil, err
		}
		steps = append(steps, told...)
	}
	return steps, nil
}

func chart(tc tenant.Context, db *rls.DB, p hospital.Patient) ([]Step, error) {
	entries, err := hospital.Chart(tc, db, p.ID)
	if err != nil {
		return nil, err
	}
	shown := entries[:min(len(entries), chartLines)]
	step := Step{Title: fmt.Sprintf("Chart of %s: %d entries, the newest %d", p.Name, len(entries), len(shown)),
		Columns: []string{"when", "kind", "what", "value"}}
	for _, e := range shown {
		step.Rows = append(step.Rows, []string{when(e.At), e.Kind, e.Title, e.Value})
	}
	return []Step{step}, nil
}

func stay(tc tenant.Context, db *rls.DB, p hospital.Patient) ([]Step, error) {
	const ward = "3 West"
	stay, err := hospital.Admit(tc, db, hospital.Admission{Patient: p.ID, Ward: ward, Reason: "for observation", At: day, DayPrice: "420.00", Currency: "EUR"})
	if err != nil {
		return nil, err
	}
	admission := Step{Title: "Admission: a stay and its first charge, both or neither", Columns: []string{"patient", "ward", "stay", "charge"},
		Rows: [][]string{{p.Name, ward, stay.RecordNo, fmt.Sprint(stay.Charge)}}}

	report := Step{Title: "Ward report", Columns: []string{"ward", "patient", "since", "for", "physician"}}
	wards, err := hospital.Wards(tc, db)
	if err != nil {
		return nil, err
	}
	for _, w := range wards {
		beds, err := hospital.Ward(tc, db, w)
		if err != nil {
			return nil, err
		}
		for _, b := range beds {
			report.Rows = append(report.Rows, []string{b.Ward, b.Patient, when(b.AdmittedAt), b.Reason, b.Physician})
		}
	}
	return []Step{admission, report}, hospital.Discharge(tc, db, stay.Encounter, day.AddDate(0, 0, 1))
}

func invoice(tc tenant.Context, db *rls.DB, p hospital.Patient) ([]Step, error) {
	lines, totals, err := hospital.Invoice(tc, db, p.ID)
	if err != nil {
		return nil, err
	}
	step := Step{Title: "Discharge, and the invoice", Columns: []string{"what", "times", "amount", "currency"}}
	for _, l := range append(lines, totals...) {
		step.Rows = append(step.Rows, []string{l.Title, fmt.Sprint(l.Count), l.Amount, l.Currency})
	}
	return []Step{step}, nil
}

func when(t *time.Time) string {
	if t == nil {
		return "—"
	}
	return t.UTC().Format("2006-01-02")
}
