package hospital

import (
	"time"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Patient is a line of a search.
type Patient struct {
	ID        int64  `db:"id" json:"id"`
	RecordNo  string `db:"record_no" json:"record_no"`
	Name      string `db:"name" json:"name"`
	Gender    string `db:"gender" json:"gender"`
	BirthDate string `db:"birth_date" json:"birth_date"`
}

var patientColumns = []string{"p.id", "p.record_no", "p.name", "p.gender", "p.birth_date"}

var search = query.Must(Catalog.Select(patientColumns...).
	From("patients p").
	Where(sq.ILike{"p.name": query.Arg("pattern")}).
	OrderBy("p.name", "p.id").
	Limit(50))

// Search finds patients by a part of their name; at most 50.
func Search(tc tenant.Context, q rls.Querier, name string) ([]Patient, error) {
	return rls.All[Patient](tc, q, search, query.Args{"pattern": "%" + escapeLike(name) + "%"})
}

var patientByID = query.Must(Catalog.Select(patientColumns...).From("patients p").Where(sq.Eq{"p.id": query.Arg("id")}))

// Find gives one patient; query.ErrNotFound when the hospital has no such patient.
func Find(tc tenant.Context, q rls.Querier, id int64) (Patient, error) {
	return rls.One[Patient](tc, q, patientByID, query.Args{"id": id})
}

// Entry is a line of a chart.
type Entry struct {
	Kind     string     `db:"kind" json:"kind"` // observation, condition, prescription
	RecordNo string     `db:"record_no" json:"record_no"`
	At       *time.Time `db:"at" json:"at,omitempty"`
	Title    string     `db:"title" json:"title"`
	Value    string     `db:"value" json:"value"`
}

// The chart is hand-written SQL: three tables of the hospital's, each bound to it, beside the list of codes, which is everybody's.
var chart = query.MustStatic(Catalog, `
	select 'observation' as kind, o.record_no, o.taken_at as at, coalesce(c.title, nullif(o.title, ''), o.code) as title,
		case when o.value is null then coalesce(v.title, o.value_text) else concat_ws(' ', o.value::text, nullif(o.unit, '')) end as value
	from observations o left join codes c on c.code = o.code left join codes v on v.code = o.value_text
	where o.tenant_id = @tenant and o.patient_id = @patient
	union all
	select 'condition', d.record_no, d.onset_at, coalesce(c.title, nullif(d.title, ''), d.code), d.status
	from conditions d left join codes c on c.code = d.code
	where d.tenant_id = @tenant and d.patient_id = @patient
	union all
	select 'prescription', r.record_no, r.ordered_at, coalesce(c.title, nullif(r.title, ''), m.title, r.code), r.status
	from prescriptions r left join medications m on m.tenant_id = r.tenant_id and m.id = r.medication_id left join codes c on c.code = r.code
	where r.tenant_id = @tenant and r.patient_id = @patient
	order by 3 desc nulls last, 2`)

// Chart gives all that is known of a patient, newest first. It is empty for a patient of another hospital.
func Chart(tc tenant.Context, q rls.Querier, patient int64) ([]Entry, error) {
	return rls.All[Entry](tc, q, chart, query.Args{"patient": patient})
}

// Bed is a line of a ward report.
type Bed struct {
	Ward       string     `db:"ward" json:"ward"`
	Patient    string     `db:"patient" json:"patient"`
	RecordNo   string     `db:"record_no" json:"record_no"`
	AdmittedAt *time.Time `db:"admitted_at" json:"admitted_at,omitempty"`
	Reason     string     `db:"reason" json:"reason"`
	Physician  string     `db:"physician" json:"physician"`
	Findings   int64      `db:"findings" json:"findings"` // observations of the stay
}

var ward = query.Must(Catalog.Select("e.ward", "p.name as patient", "e.record_no", "e.admitted_at", "e.reason").
	Columns(query.Expr("coalesce(a.name, '')").As("physician"), query.Expr("count(o.id)").As("findings")).
	From("encounters e").
	Join("patients p", query.On("p.id = e.patient_id")).
	LeftJoin("practitioners a", query.On("a.id = e.practitioner_id")).
	LeftJoin("observations o", query.On("o.encounter_id = e.id")).
	Where(sq.Eq{"e.ward": query.Arg("ward")}, sq.NotEq{"e.status": "finished"}).
	GroupBy("e.ward", "p.name", "e.record_no", "e.admitted_at", "e.reason", "a.name").
	OrderBy("p.name", "e.record_no"))

// Ward lists who lies in a ward.
func Ward(tc tenant.Context, q rls.Querier, name string) ([]Bed, error) {
	return rls.All[Bed](tc, q, ward, query.Args{"ward": name})
}

var wards = query.Must(Catalog.Select("e.ward").Distinct().From("encounters e").Where(sq.NotEq{"e.ward": ""}).OrderBy("e.ward"))

// Wards lists the wards with encounters.
func Wards(tc tenant.Context, q rls.Querier) ([]string, error) { return rls.All[string](tc, q, wards) }

// Line is a line of an invoice: all charges for one thing in one currency.
type Line struct {
	Title    string `db:"title" json:"title"`
	Count    int64  `db:"count" json:"count"`
	Amount   string `db:"amount" json:"amount"` // decimal
	Currency string `db:"currency" json:"currency"`
}

var invoice = query.MustStatic(Catalog, `
	select coalesce(k.title, nullif(c.title, ''), nullif(c.code, ''), 'other') as title, count(*) as count, sum(c.amount)::text as amount, c.currency
	from charges c left join codes k on k.code = c.code
	where c.tenant_id = @tenant and c.patient_id = @patient and c.status not in ('cancelled', 'entered-in-error')
	group by 1, 4 order by 4, 1`)

var invoiceTotal = query.MustStatic(Catalog, `
	select 'total' as title, count(*) as count, sum(c.amount)::text as amount, c.currency from charges c
	where c.tenant_id = @tenant and c.patient_id = @patient and c.status not in ('cancelled', 'entered-in-error')
	group by 4 order by 4`)

// Invoice gives the charges of a patient by what they are for, and the totals, one for each currency.
func Invoice(tc tenant.Context, q rls.Querier, patient int64) (lines, totals []Line, err error) {
	args := query.Args{"patient": patient}
	if lines, err = rls.All[Line](tc, q, invoice, args); err != nil {
		return nil, nil, err
	}
	totals, err = rls.All[Line](tc, q, invoiceTotal, args)
	return lines, totals, err
}
