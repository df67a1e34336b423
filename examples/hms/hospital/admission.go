package hospital

import (
	"strings"
	"time"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Admission asks for a bed.
type Admission struct {
	Patient  int64     `json:"patient"`
	Ward     string    `json:"ward"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
	DayPrice string    `json:"day_price"` // decimal
	Currency string    `json:"currency"`
}

// Stay is what an admission made.
type Stay struct {
	Encounter int64  `json:"encounter"`
	Charge    int64  `json:"charge"`
	RecordNo  string `json:"record_no"`
}

var (
	startEncounter = query.Must(Catalog.Insert("encounters").
			Set("id", query.Arg("id")).Set("fhir_id", query.Arg("fhir_id")).Set("record_no", query.Arg("record_no")).
			Set("patient_id", query.Arg("patient")).Set("ward", query.Arg("ward")).Set("class", "IMP").Set("status", "in-progress").
			Set("reason", query.Arg("reason")).Set("admitted_at", query.Arg("at")))
	addCharge = query.Must(Catalog.Insert("charges").
			Set("id", query.Arg("id")).Set("fhir_id", query.Arg("fhir_id")).Set("record_no", query.Arg("record_no")).
			Set("patient_id", query.Arg("patient")).Set("encounter_id", query.Arg("encounter")).Set("code", "BED-DAY").
			Set("title", "Bed, first day").Set("amount", query.Arg("amount")).Set("currency", query.Arg("currency")).
			Set("status", "billable").Set("charged_at", query.Arg("at")))
	endEncounter = query.Must(Catalog.Update("encounters e").
			Set("status", "finished").Set("discharged_at", query.Arg("at")).
			Where(sq.Eq{"e.id": query.Arg("encounter"), "e.status": "in-progress"}))
)

// Admit starts a stay and charges its first day, both or neither. The patient must be this hospital's: it is read first, and
// query.ErrNotFound is the answer when it is not there.
func Admit(tc tenant.Context, db *rls.DB, a Admission) (stay Stay, err error) {
	err = db.InTx(tc, func(tx *rls.Tx) error {
		if _, err := Find(tc, tx, a.Patient); err != nil {
			return err
		}
		encounters, err := Reserve(tc, tx, "encounters", 1)
		if err != nil {
			return err
		}
		charges, err := Reserve(tc, tx, "charges", 1)
		if err != nil {
			return err
		}
		var chargeNo string
		if stay.Encounter, stay.RecordNo, err = encounters.Take(); err != nil {
			return err
		}
		if stay.Charge, chargeNo, err = charges.Take(); err != nil {
			return err
		}
		if err := tx.Exec(tc, startEncounter, query.Args{"id": stay.Encounter, "fhir_id": "hms-" + stay.RecordNo, "record_no": stay.RecordNo,
			"patient": a.Patient, "ward": a.Ward, "reason": a.Reason, "at": a.At}); err != nil {
			return err
		}
		return tx.Exec(tc, addCharge, query.Args{"id": stay.Charge, "fhir_id": "hms-" + chargeNo, "record_no": chargeNo,
			"patient": a.Patient, "encounter": stay.Encounter, "amount": a.DayPrice, "currency": a.Currency, "at": a.At})
	})
	return stay, err
}

// Discharge ends a stay; query.ErrNotFound when it has ended, or is not this hospital's.
func Discharge(tc tenant.Context, db *rls.DB, encounter int64, at time.Time) error {
	return db.Exec(tc, endEncounter, query.Args{"encounter": encounter, "at": at})
}

// escapeLike makes a text stand for itself in a LIKE pattern.
func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
