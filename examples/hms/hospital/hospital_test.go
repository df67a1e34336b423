package hospital

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

var day = time.Date(2024, 5, 14, 9, 30, 0, 0, time.UTC)

// hospitalWith registers a hospital with patients, numbered from 1.
func hospitalWith(t *testing.T, db *rls.DB, name string, patients ...string) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID(name), Subject: "test"})
	require.NoError(t, err)
	require.NoError(t, Register(tc, db, name, "mark-"+name))
	require.NoError(t, db.InTx(tc, func(tx *rls.Tx) error {
		numbers, err := Reserve(tc, tx, "patients", len(patients))
		if err != nil {
			return err
		}
		for _, p := range patients {
			if _, _, err := Tables[3].Save(tc, tx, numbers, "fhir-"+p, query.Args{"name": p, "gender": "", "birth_date": "", "phone": ""}); err != nil {
				return err
			}
		}
		return nil
	}))
	return tc
}

func open(t *testing.T) *rls.DB {
	t.Helper()
	return rlstest.Open(t, rlstest.Schema(Schema), rlstest.Catalog(Catalog))
}

func total(t *testing.T, tc tenant.Context, db *rls.DB) (n int64) {
	t.Helper()
	counts, err := Counts(tc, db)
	require.NoError(t, err)
	require.Len(t, counts, len(Tables))
	for _, c := range counts {
		n += c.Rows
	}
	return n
}

// J03, W01: each hospital has a patient 1, and nobody else's.
func TestNumbersCollide(t *testing.T) {
	t.Parallel()
	db := open(t)
	a := hospitalWith(t, db, "a", "Ann", "Abe")
	b := hospitalWith(t, db, "a_b", "Bob")
	for _, c := range []struct {
		tc   tenant.Context
		want string
	}{{a, "Ann"}, {b, "Bob"}} {
		p, err := Find(c.tc, db, 1)
		require.NoError(t, err)
		require.Equal(t, c.want, p.Name)
	}
	_, err := Find(b, db, 2)
	require.True(t, IsNotFound(err), "patient 2 is the other hospital's: %v", err)
	found, err := Search(b, db, "")
	require.NoError(t, err)
	require.Len(t, found, 1)
}

func TestSearchTakesTextAsItIs(t *testing.T) {
	t.Parallel()
	db := open(t)
	tc := hospitalWith(t, db, "a", "100% Ann", "Bob_1", `C\d`, "O'Brien; drop table patients")
	for text, want := range map[string]int{"%": 1, "_": 1, `\`: 1, "'": 1, "ann": 1, "": 4, "x": 0} {
		found, err := Search(tc, db, text)
		require.NoError(t, err)
		require.Len(t, found, want, text)
	}
}

func TestStay(t *testing.T) {
	t.Parallel()
	db := open(t)
	a := hospitalWith(t, db, "a", "Ann")
	b := hospitalWith(t, db, "b", "Bob")
	stay, err := Admit(a, db, Admission{Patient: 1, Ward: "3 West", Reason: "for observation", At: day, DayPrice: "420.10", Currency: "EUR"})
	require.NoError(t, err)
	require.Equal(t, Stay{Encounter: 1, Charge: 1, RecordNo: "mark-a-ENC-1"}, stay)

	beds, err := Ward(a, db, "3 West")
	require.NoError(t, err)
	require.Len(t, beds, 1)
	require.Equal(t, "Ann", beds[0].Patient)
	_, totals, err := Invoice(a, db, 1)
	require.NoError(t, err)
	require.Equal(t, []Line{{Title: "total", Count: 1, Amount: "420.10", Currency: "EUR"}}, totals)

	beds, err = Ward(b, db, "3 West")
	require.NoError(t, err)
	require.Empty(t, beds)
	require.ErrorIs(t, Discharge(b, db, stay.Encounter, day), query.ErrNotFound, "it is another hospital's")
	require.NoError(t, Discharge(a, db, stay.Encounter, day))
	require.ErrorIs(t, Discharge(a, db, stay.Encounter, day), query.ErrNotFound, "it has ended")
}

// An admission that fails anywhere leaves neither a stay nor a charge.
func TestAdmitBothOrNeither(t *testing.T) {
	t.Parallel()
	db := open(t)
	a := hospitalWith(t, db, "a", "Ann", "Abe")
	b := hospitalWith(t, db, "b", "Bob")
	_, err := Admit(b, db, Admission{Patient: 2, Ward: "x", At: day, DayPrice: "1", Currency: "EUR"})
	require.ErrorIs(t, err, query.ErrNotFound, "patient 2 is the other hospital's (W05)")
	_, err = Admit(a, db, Admission{Patient: 1, Ward: "x", At: day, DayPrice: "a lot", Currency: "EUR"})
	require.Error(t, err, "the charge is the last statement")
	_, err = Admit(a, db, Admission{Patient: 1, Ward: "a\x00b", At: day, DayPrice: "1", Currency: "EUR"})
	require.Error(t, err)
	require.EqualValues(t, 2, total(t, a, db))
	require.EqualValues(t, 1, total(t, b, db))
}

func TestReserve(t *testing.T) {
	t.Parallel()
	db := open(t)
	tc := hospitalWith(t, db, "a", "Ann")
	require.NoError(t, db.InTx(tc, func(tx *rls.Tx) error {
		n, err := Reserve(tc, tx, "charges", 2)
		require.NoError(t, err)
		for _, want := range []int64{1, 2} {
			id, _, err := n.Take()
			require.NoError(t, err)
			require.Equal(t, want, id)
		}
		_, _, err = n.Take()
		require.Error(t, err)
		return nil
	}))
}
