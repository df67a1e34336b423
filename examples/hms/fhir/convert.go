package fhir

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/septum-go/septum/query"
)

// row is what a resource becomes in one table. References stay FHIR's until the file is stored.
type row struct {
	resource int // its index in the file
	table    string
	fhirID   string
	values   query.Args
	refs     map[string]link // column → what it refers to
}

// link is what a column refers to: the first of the references that leads to a known resource of the kind.
type link struct {
	kind       string
	references []string
}

func to(kind string, references ...reference) link {
	l := link{kind: kind}
	for _, r := range references {
		if r.Reference != "" {
			l.references = append(l.references, r.Reference)
		}
	}
	return l
}

// converters say which kinds are imported, and how.
var converters = map[string]func(Resource) ([]row, error){
	"Location":          convert(location),
	"Practitioner":      convert(practitioner),
	"Medication":        convert(medication),
	"Patient":           convert(patient),
	"Encounter":         convert(encounter),
	"Condition":         convert(condition),
	"Observation":       convert(observation),
	"MedicationRequest": convert(medicationRequest),
	"Appointment":       convert(appointment),
	"ChargeItem":        convert(chargeItem),
	"Claim":             convert(claim),
}

// tables says where a referred resource is stored.
var tables = map[string]string{
	"Location": "locations", "Practitioner": "practitioners", "Medication": "medications", "Patient": "patients", "Encounter": "encounters",
}

// ranks says how late a kind is stored; a kind that is not there does not matter.
var ranks = map[string]int{"Encounter": 1, "Condition": 2, "Observation": 2, "MedicationRequest": 2, "Appointment": 2, "ChargeItem": 2, "Claim": 2}

func convert[T any](f func(id string, body T) []row) func(Resource) ([]row, error) {
	return func(r Resource) ([]row, error) {
		var body T
		if err := json.Unmarshal(r.body, &body); err != nil {
			return nil, err
		}
		rows := f(r.ID, body)
		for i := range rows {
			rows[i].resource = r.Index
		}
		return rows, nil
	}
}

type locationBody struct {
	Name         string  `json:"name"`
	Description  string  `json:"description"`
	PhysicalType concept `json:"physicalType"`
}

func location(id string, b locationBody) []row {
	return []row{{table: "locations", fhirID: id, values: query.Args{"name": either(b.Name, b.Description), "kind": b.PhysicalType.label()}}}
}

type practitionerBody struct {
	Name          []humanName `json:"name"`
	Qualification []struct {
		Code concept `json:"code"`
	} `json:"qualification"`
}

func practitioner(id string, b practitionerBody) []row {
	specialty := ""
	if len(b.Qualification) > 0 {
		specialty = b.Qualification[0].Code.label()
	}
	return []row{{table: "practitioners", fhirID: id, values: query.Args{"name": best(b.Name), "specialty": specialty}}}
}

type medicationBody struct {
	ID   string  `json:"id"`
	Code concept `json:"code"`
}

func medication(id string, b medicationBody) []row {
	return []row{{table: "medications", fhirID: id, values: query.Args{"code": b.Code.code(), "title": b.Code.title()}}}
}

type patientBody struct {
	Name      []humanName    `json:"name"`
	Gender    string         `json:"gender"`
	BirthDate partialDate    `json:"birthDate"`
	Telecom   []contactPoint `json:"telecom"`
}

func patient(id string, b patientBody) []row {
	phone := ""
	for _, t := range b.Telecom {
		if t.System == "phone" && phone == "" {
			phone = t.Value
		}
	}
	return []row{{table: "patients", fhirID: id,
		values: query.Args{"name": best(b.Name), "gender": b.Gender, "birth_date": string(b.BirthDate), "phone": phone}}}
}

type encounterBody struct {
	Status      string    `json:"status"`
	Class       coding    `json:"class"`
	Subject     reference `json:"subject"`
	Period      period    `json:"period"`
	ReasonCode  []concept `json:"reasonCode"`
	Participant []struct {
		Individual reference `json:"individual"`
	} `json:"participant"`
	Location []struct {
		Location reference `json:"location"`
	} `json:"location"`
}

// inpatient are the classes of encounter that fill a bed (v3-ActCode).
var inpatient = map[string]bool{"IMP": true, "ACUTE": true, "NONAC": true, "EMER": true, "SS": true, "OBSENC": true}

func encounter(id string, b encounterBody) []row {
	r := row{table: "encounters", fhirID: id,
		values: query.Args{"ward": "", "class": b.Class.Code, "status": b.Status, "reason": "",
			"admitted_at": b.Period.Start.t, "discharged_at": b.Period.End.t},
		refs: map[string]link{"patient_id": to("Patient", b.Subject)}}
	if inpatient[b.Class.Code] {
		r.values["ward"] = "general"
		if b.Class.Code == "EMER" {
			r.values["ward"] = "emergency"
		}
		var where []reference
		for _, l := range slices.Backward(b.Location) { // the last one is where the patient is
			where = append(where, l.Location)
		}
		r.refs["ward"] = to("Location", where...)
	}
	for _, c := range b.ReasonCode {
		r.values["reason"] = c.label()
	}
	var who []reference
	for _, p := range b.Participant {
		who = append(who, p.Individual)
	}
	r.refs["practitioner_id"] = to("Practitioner", who...)
	return []row{r}
}

type conditionBody struct {
	Code           concept   `json:"code"`
	ClinicalStatus concept   `json:"clinicalStatus"`
	Subject        reference `json:"subject"`
	Encounter      reference `json:"encounter"`
	OnsetDateTime  moment    `json:"onsetDateTime"`
	OnsetPeriod    period    `json:"onsetPeriod"`
	RecordedDate   moment    `json:"recordedDate"`
}

func condition(id string, b conditionBody) []row {
	return []row{{table: "conditions", fhirID: id,
		values: query.Args{"code": b.Code.code(), "title": b.Code.title(), "status": b.ClinicalStatus.code(),
			"onset_at": earliest(b.OnsetDateTime, b.OnsetPeriod.Start, b.RecordedDate)},
		refs: map[string]link{"patient_id": to("Patient", b.Subject), "encounter_id": to("Encounter", b.Encounter)}}}
}

// value is value[x] of an observation or of a component of one.
type value struct {
	Quantity *quantity `json:"valueQuantity"`
	Concept  *concept  `json:"valueCodeableConcept"`
	String   *string   `json:"valueString"`
	Boolean  *bool     `json:"valueBoolean"`
	Integer  *decimal  `json:"valueInteger"`
	DateTime *string   `json:"valueDateTime"`
	Time     *string   `json:"valueTime"`
	Absent   concept   `json:"dataAbsentReason"`
}

func (v value) into(values query.Args) {
	values["value"], values["unit"], values["value_text"] = nil, "", ""
	switch {
	case v.Quantity != nil:
		values["value"], values["unit"] = v.Quantity.Value.orNull(), either(v.Quantity.Unit, v.Quantity.Code)
	case v.Integer != nil:
		values["value"] = v.Integer.orNull()
	case v.Concept != nil:
		values["value_text"] = v.Concept.label()
	case v.String != nil:
		values["value_text"] = *v.String
	case v.Boolean != nil:
		values["value_text"] = fmt.Sprint(*v.Boolean)
	case v.DateTime != nil:
		values["value_text"] = *v.DateTime
	case v.Time != nil:
		values["value_text"] = *v.Time
	default:
		values["value_text"] = v.Absent.label()
	}
}

type observationBody struct {
	value
	Status            string    `json:"status"`
	Code              concept   `json:"code"`
	Subject           reference `json:"subject"`
	Encounter         reference `json:"encounter"`
	EffectiveDateTime moment    `json:"effectiveDateTime"`
	EffectiveInstant  moment    `json:"effectiveInstant"`
	EffectivePeriod   period    `json:"effectivePeriod"`
	Issued            moment    `json:"issued"`
	Component         []struct {
		value
		Code concept `json:"code"`
	} `json:"component"`
}

func observation(id string, b observationBody) []row {
	at := earliest(b.EffectiveDateTime, b.EffectiveInstant, b.EffectivePeriod.Start, b.Issued)
	one := func(id string, code concept, v value) row {
		r := row{table: "observations", fhirID: id,
			values: query.Args{"code": code.code(), "title": code.title(), "status": b.Status, "taken_at": at},
			refs:   map[string]link{"patient_id": to("Patient", b.Subject), "encounter_id": to("Encounter", b.Encounter)}}
		v.into(r.values)
		return r
	}
	rows := []row{one(id, b.Code, b.value)}
	for i, c := range b.Component {
		rows = append(rows, one(fmt.Sprintf("%s#%d", id, i+1), c.Code, c.value))
	}
	return rows
}

// earliest is the first moment that is known.
func earliest(moments ...moment) any {
	for _, m := range moments {
		if m.t != nil {
			return m.t
		}
	}
	return nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
