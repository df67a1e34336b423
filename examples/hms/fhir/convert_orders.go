package fhir

import (
	"fmt"
	"strings"

	"github.com/septum-go/septum/query"
)

type medicationRequestBody struct {
	Status                    string           `json:"status"`
	Subject                   reference        `json:"subject"`
	Encounter                 reference        `json:"encounter"`
	Requester                 reference        `json:"requester"`
	AuthoredOn                moment           `json:"authoredOn"`
	MedicationCodeableConcept concept          `json:"medicationCodeableConcept"`
	MedicationReference       reference        `json:"medicationReference"`
	Contained                 []medicationBody `json:"contained"`
}

func medicationRequest(id string, b medicationRequestBody) []row {
	what := b.MedicationCodeableConcept
	r := row{table: "prescriptions", fhirID: id,
		refs: map[string]link{
			"patient_id":      to("Patient", b.Subject),
			"encounter_id":    to("Encounter", b.Encounter),
			"practitioner_id": to("Practitioner", b.Requester),
		}}
	if inside, ok := strings.CutPrefix(b.MedicationReference.Reference, "#"); ok {
		for _, m := range b.Contained {
			if m.ID == inside {
				what = m.Code
			}
		}
	} else {
		r.refs["medication_id"] = to("Medication", b.MedicationReference)
	}
	r.values = query.Args{"code": what.code(), "title": what.title(), "status": b.Status, "ordered_at": b.AuthoredOn.t}
	return []row{r}
}

type appointmentBody struct {
	Status      string    `json:"status"`
	Description string    `json:"description"`
	Start       moment    `json:"start"`
	End         moment    `json:"end"`
	ReasonCode  []concept `json:"reasonCode"`
	Participant []struct {
		Actor reference `json:"actor"`
	} `json:"participant"`
}

func appointment(id string, b appointmentBody) []row {
	r := row{table: "appointments", fhirID: id, refs: map[string]link{},
		values: query.Args{"status": b.Status, "reason": b.Description, "starts_at": b.Start.t, "ends_at": b.End.t}}
	for _, c := range b.ReasonCode {
		r.values["reason"] = either(b.Description, c.label())
	}
	var who []reference
	for _, p := range b.Participant {
		who = append(who, p.Actor)
	}
	r.refs["patient_id"], r.refs["practitioner_id"] = to("Patient", who...), to("Practitioner", who...)
	return []row{r}
}

type chargeItemBody struct {
	Status             string    `json:"status"`
	Code               concept   `json:"code"`
	Subject            reference `json:"subject"`
	Context            reference `json:"context"`
	Quantity           quantity  `json:"quantity"`
	PriceOverride      money     `json:"priceOverride"`
	OccurrenceDateTime moment    `json:"occurrenceDateTime"`
	OccurrencePeriod   period    `json:"occurrencePeriod"`
	EnteredDate        moment    `json:"enteredDate"`
}

func chargeItem(id string, b chargeItemBody) []row {
	return []row{charge(id, b.Code, b.PriceOverride, b.Status, earliest(b.OccurrenceDateTime, b.OccurrencePeriod.Start, b.EnteredDate), b.Subject, b.Context)}
}

type claimBody struct {
	Status  string    `json:"status"`
	Created moment    `json:"created"`
	Patient reference `json:"patient"`
	Item    []struct {
		ProductOrService concept     `json:"productOrService"`
		ServicedDate     moment      `json:"servicedDate"`
		Net              money       `json:"net"`
		UnitPrice        money       `json:"unitPrice"`
		Encounter        []reference `json:"encounter"`
	} `json:"item"`
}

func claim(id string, b claimBody) (rows []row) {
	for i, item := range b.Item {
		price := item.Net
		if price.Value == "" {
			price = item.UnitPrice
		}
		var stay reference
		if len(item.Encounter) > 0 {
			stay = item.Encounter[0]
		}
		rows = append(rows, charge(fmt.Sprintf("%s#%d", id, i+1), item.ProductOrService, price, b.Status, earliest(item.ServicedDate, b.Created), b.Patient, stay))
	}
	return rows
}

// charge makes a row of charges; a thing without a price, as FHIR allows it, costs 0.
func charge(id string, what concept, price money, status string, at any, patient, stay reference) row {
	amount := string(price.Value)
	if amount == "" {
		amount = "0"
	}
	return row{table: "charges", fhirID: id,
		values: query.Args{"code": what.code(), "title": what.title(), "amount": amount, "currency": price.Currency, "status": status, "charged_at": at},
		refs:   map[string]link{"patient_id": to("Patient", patient), "encounter_id": to("Encounter", stay)}}
}
