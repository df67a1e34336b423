package fhir

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

func open(t *testing.T) *rls.DB {
	t.Helper()
	return rlstest.Open(t, rlstest.Schema(hospital.Schema), rlstest.Catalog(hospital.Catalog))
}

func in(t *testing.T, db *rls.DB, name string) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID(name), Subject: "import"})
	require.NoError(t, err)
	require.NoError(t, hospital.Register(tc, db, name, "mark-"+name))
	return tc
}

func load(t *testing.T, tc tenant.Context, db *rls.DB, lines ...string) (Summary, error) {
	t.Helper()
	f, err := Read("test.ndjson", strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	return Load(tc, db, f)
}

func rows(t *testing.T, tc tenant.Context, db *rls.DB) (n int64) {
	t.Helper()
	counts, err := hospital.Counts(tc, db)
	require.NoError(t, err)
	for _, c := range counts {
		n += c.Rows
	}
	return n
}

const peter = `{"resourceType":"Patient","id":"p","name":[{"use":"usual","given":["Pit"]},{"use":"official","family":"Chalmers","given":["Peter"]}],"birthDate":"1974-12","telecom":[{"system":"phone","value":"1"}]}`

func TestLoad(t *testing.T) {
	t.Parallel()
	db := open(t)
	tc := in(t, db, "a")
	sum, err := load(t, tc, db,
		`{"resourceType":"Observation","id":"bp","status":"final","code":{"text":"Blood pressure"},"subject":{"reference":"Patient/p"},"encounter":{"reference":"Encounter/gone"},"effectiveDateTime":"2012",
			"component":[{"code":{"text":"systolic"},"valueQuantity":{"value":120.50,"unit":"mmHg"}},{"code":{"text":"diastolic"},"valueString":"not taken"}]}`,
		peter,
		`{"resourceType":"Claim","id":"c","status":"active","patient":{"reference":"Patient/p"},"created":"2014-08-16","item":[{"productOrService":{"text":"Exam"},"net":{"value":135.57,"currency":"EUR"}},{"productOrService":{"text":"X-ray"},"unitPrice":{"value":20.005,"currency":"EUR"}}]}`,
		`{"resourceType":"Observation","id":"herd","status":"final","code":{"text":"x"},"subject":{"reference":"Group/h"}}`,
		`{"resourceType":"Immunization","id":"i"}`)
	require.NoError(t, err)
	require.Equal(t, Summary{Resources: 5, Imported: map[string]int{"Patient": 1, "Observation": 1, "Claim": 1}, NotImported: map[string]int{"Immunization": 1},
		NoPatient: map[string]int{"Observation": 1}, Created: 6, Dangling: 3}, sum)
	require.Equal(t, "5 resources: 3 imported as 6 new and 0 known rows; not imported: Immunization 1; of no known patient: Observation 1; references that lead nowhere: 3", sum.String())

	found, err := hospital.Search(tc, db, "peter")
	require.NoError(t, err)
	require.Equal(t, []hospital.Patient{{ID: 1, RecordNo: "mark-a-PAT-1", Name: "Peter Chalmers", BirthDate: "1974-12"}}, found)
	chart, err := hospital.Chart(tc, db, 1)
	require.NoError(t, err)
	var values []string
	for _, e := range chart {
		values = append(values, e.Title+": "+e.Value)
	}
	require.Equal(t, []string{"Blood pressure: ", "systolic: 120.50 mmHg", "diastolic: not taken"}, values)
	_, totals, err := hospital.Invoice(tc, db, 1)
	require.NoError(t, err)
	require.Equal(t, []hospital.Line{{Title: "total", Count: 2, Amount: "155.575", Currency: "EUR"}}, totals)
}

// The same file again changes rows and makes none.
func TestLoadAgain(t *testing.T) {
	t.Parallel()
	db := open(t)
	tc := in(t, db, "a")
	_, err := load(t, tc, db, peter)
	require.NoError(t, err)
	sum, err := load(t, tc, db, strings.Replace(peter, "Chalmers", "Windsor", 1), `{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"code":{"text":"Burn"}}`)
	require.NoError(t, err)
	require.Equal(t, 1, sum.Created)
	require.Equal(t, 1, sum.Updated)
	found, err := hospital.Search(tc, db, "")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "Peter Windsor", found[0].Name)
	require.EqualValues(t, 1, found[0].ID)
}

// J02, R13: two hospitals with the same FHIR ids and the same numbers keep their own.
func TestLoadTwoHospitals(t *testing.T) {
	t.Parallel()
	db := open(t)
	a, b := in(t, db, "a"), in(t, db, "a_b")
	_, err := load(t, a, db, peter)
	require.NoError(t, err)
	_, err = load(t, b, db, `{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"code":{"text":"Burn"}}`)
	require.NoError(t, err)
	require.Zero(t, rows(t, b, db), "a reference never finds another hospital's patient")
	_, err = load(t, b, db, strings.Replace(peter, "Chalmers", "Other", 1))
	require.NoError(t, err)
	found, err := hospital.Search(a, db, "")
	require.NoError(t, err)
	require.Equal(t, "Peter Chalmers", found[0].Name)
	require.EqualValues(t, 1, rows(t, a, db))
	require.EqualValues(t, 1, rows(t, b, db))
}

func TestLoadLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	db := open(t)
	tc := in(t, db, "a")
	for _, c := range []struct {
		name, bad, why string
	}{
		{"a name that is a text", `{"resourceType":"Patient","id":"x","name":"Peter"}`, "name"},
		{"a date that is none", `{"resourceType":"Patient","id":"x","birthDate":"12/25/1974"}`, "not a FHIR date"},
		{"a day that is not in the calendar", `{"resourceType":"Patient","id":"x","birthDate":"2023-02-30"}`, "not a FHIR date"},
		{"a time without a zone", `{"resourceType":"Encounter","id":"x","subject":{"reference":"Patient/p"},"period":{"start":"2024-01-01T10:00:00"}}`, "not a FHIR date or time"},
		{"a number in quotes", `{"resourceType":"Observation","id":"x","subject":{"reference":"Patient/p"},"valueQuantity":{"value":"6.3"}}`, "not a number"},
		{"a character that PostgreSQL can't store", `{"resourceType":"Patient","id":"x","name":[{"text":"a\u0000b"}]}`, ""},
		{"a number that PostgreSQL can't store", `{"resourceType":"Observation","id":"x","subject":{"reference":"Patient/p"},"valueQuantity":{"value":1e999999}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, tc, db, peter, c.bad)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, 1, e.Index)
			require.Equal(t, "test.ndjson", e.File)
			require.Contains(t, e.Resource, "/x")
			require.ErrorContains(t, err, c.why)
			require.Zero(t, rows(t, tc, db), "the patient before it was not stored either")
		})
	}
	_, err := load(t, tc, db, peter)
	require.NoError(t, err, "the connection is healthy")
}

func TestLoadCancelled(t *testing.T) {
	t.Parallel()
	db := open(t)
	tc := in(t, db, "a")
	ctx, cancel := context.WithCancel(tc)
	cancelled, err := tenant.From(ctx)
	require.NoError(t, err)
	cancel()
	_, err = load(t, cancelled, db, peter)
	require.ErrorIs(t, err, context.Canceled)
	_, err = load(t, tenant.Context{}, db, peter)
	require.ErrorIs(t, err, tenant.ErrUnbound)
	require.Zero(t, rows(t, tc, db))
}

// A transaction's resources have no ids, and refer to each other by URL.
func TestLoadTransactionBundle(t *testing.T) {
	t.Parallel()
	db := open(t)
	tc := in(t, db, "a")
	sum, err := load(t, tc, db, `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Encounter","status":"in-progress","class":{"code":"IMP"},"subject":{"reference":"urn:uuid:1"},
			"participant":[{"individual":{"reference":"urn:uuid:3"}}],"location":[{"location":{"reference":"Location/gone"}},{"location":{"reference":"urn:uuid:4"}}],"period":{"start":"2024-01-01T10:00:00.5+01:00"}}},
		{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","name":[{"family":"Solo"}]}},
		{"fullUrl":"urn:uuid:3","resource":{"resourceType":"Practitioner","name":[{"family":"Grey"}]}},
		{"fullUrl":"urn:uuid:4","resource":{"resourceType":"Location","name":"3 West"}},
		{"fullUrl":"urn:uuid:5","resource":{"resourceType":"MedicationRequest","status":"active","subject":{"reference":"urn:uuid:1"},"medicationReference":{"reference":"#m"},
			"contained":[{"resourceType":"Medication","id":"m","code":{"text":"Aspirin"}}]}},
		{"fullUrl":"urn:uuid:6","resource":{"resourceType":"Appointment","status":"booked","start":"2024-02-01T10:00:00Z","participant":[{"actor":{"reference":"urn:uuid:3"}},{"actor":{"reference":"urn:uuid:1"}}]}}]}`)
	require.NoError(t, err)
	require.Equal(t, 6, total(sum.Imported))
	require.Zero(t, sum.Dangling)
	beds, err := hospital.Ward(tc, db, "3 West")
	require.NoError(t, err)
	require.Len(t, beds, 1)
	require.Equal(t, "Solo", beds[0].Patient)
	require.Equal(t, "Grey", beds[0].Physician)
	chart, err := hospital.Chart(tc, db, 1)
	require.NoError(t, err)
	require.Equal(t, "Aspirin", chart[0].Title)
}
