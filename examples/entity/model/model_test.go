package model_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/examples/entity/model"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

func store(t *testing.T) *model.Store {
	t.Helper()
	s, _ := storeAndDB(t)
	return s
}

func storeAndDB(t *testing.T) (*model.Store, *rls.DB) {
	t.Helper()
	catalog, err := model.Catalog()
	require.NoError(t, err)
	db := rlstest.Open(t, rlstest.Schema(model.Schema), rlstest.Catalog(catalog))
	s, err := model.New(db)
	require.NoError(t, err)
	return s, db
}

func bind(t *testing.T, id string) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "test"})
	require.NoError(t, err)
	return tc
}

var admitted = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

// Two hospitals give the same names to different things.
func hospitals(t *testing.T, s *model.Store) (mercy, north tenant.Context) {
	t.Helper()
	mercy, north = bind(t, "mercy"), bind(t, "north")
	require.NoError(t, s.Define(mercy, model.Type{Name: "Ward", Fields: []model.Field{{Name: "Name", Kind: model.Text}}}))
	require.NoError(t, s.Define(mercy, model.Type{Name: "Patient",
		Fields:    []model.Field{{Name: "Name", Kind: model.Text}, {Name: "Beds", Kind: model.Int}, {Name: "Balance", Kind: model.Decimal}, {Name: "Admitted", Kind: model.DateTime}, {Name: "Consent", Kind: model.Bool}},
		Relations: []model.Relation{{Name: "lies in", To: "Ward", Inverse: "patients"}, {Name: "mother of", To: "Patient", Inverse: "child of"}}}))
	require.NoError(t, s.Define(north, model.Type{Name: "Patient", Fields: []model.Field{{Name: "Name", Kind: model.Int}, {Name: "Beds", Kind: model.Text}}}))
	return mercy, north
}

func create(t *testing.T, s *model.Store, tc tenant.Context, typ string, values model.Values) int64 {
	t.Helper()
	id, err := s.Create(tc, typ, values)
	require.NoError(t, err)
	return id
}

func TestTypesAreTheTenantsOwn(t *testing.T) {
	t.Parallel()
	s := store(t)
	mercy, north := hospitals(t, s)

	types, err := s.Types(north)
	require.NoError(t, err)
	require.Equal(t, []model.Type{{Name: "Patient", Fields: []model.Field{{Name: "Name", Kind: model.Int}, {Name: "Beds", Kind: model.Text}}}}, types)
	types, err = s.Types(mercy)
	require.NoError(t, err)
	require.Len(t, types, 2)
	require.Equal(t, []model.Relation{{Name: "lies in", To: "Ward", Inverse: "patients"}, {Name: "mother of", To: "Patient", Inverse: "child of"}}, types[1].Relations)

	_, err = s.Create(mercy, "Patient", model.Values{"Name": 7})
	require.ErrorContains(t, err, "it holds text, not int")
	_, err = s.Create(north, "Patient", model.Values{"Name": "Ann"})
	require.ErrorContains(t, err, "it holds int, not string")
	_, err = s.Create(north, "Patient", model.Values{"Consent": true})
	require.ErrorIs(t, err, model.ErrUndefined)
	_, err = s.Create(north, "Ward", nil)
	require.ErrorIs(t, err, model.ErrUndefined, "the ward is mercy's type")
	_, err = s.Load(north, "Patient", model.Options{Paths: []string{"lies in"}})
	require.ErrorIs(t, err, model.ErrUndefined, "the relation is mercy's")
}

func TestTypesGrowAtRunTime(t *testing.T) {
	t.Parallel()
	s := store(t)
	mercy, _ := hospitals(t, s)
	id := create(t, s, mercy, "Patient", model.Values{"Name": "Ann"})
	require.NoError(t, s.Define(mercy, model.Type{Name: "Patient", Fields: []model.Field{{Name: "Name", Kind: model.Text}, {Name: "Allergy", Kind: model.Text}},
		Relations: []model.Relation{{Name: "lies in", To: "Ward", Inverse: "patients"}}}))
	require.NoError(t, s.Set(mercy, "Patient", id, model.Values{"Allergy": "penicillin", "Beds": 2}))
	require.NoError(t, s.Set(mercy, "Patient", id, model.Values{"Beds": nil}))
	found, err := s.Load(mercy, "Patient", model.Options{IDs: []int64{id}})
	require.NoError(t, err)
	require.Equal(t, model.Values{"Name": "Ann", "Allergy": "penicillin"}, found[0].Values)

	require.ErrorContains(t, s.Define(mercy, model.Type{Name: "Patient", Fields: []model.Field{{Name: "Name", Kind: model.Int}}}), "is of kind text")
	require.ErrorContains(t, s.Define(mercy, model.Type{Name: "A.B"}), "holds a dot")
	require.ErrorContains(t, s.Define(mercy, model.Type{Name: "A", Fields: []model.Field{{Name: "f", Kind: "text; drop"}}}), "none of")
	require.ErrorIs(t, s.Define(mercy, model.Type{Name: "A", Relations: []model.Relation{{Name: "r", To: "Nowhere", Inverse: "i"}}}), model.ErrUndefined)
	types, err := s.Types(mercy)
	require.NoError(t, err)
	require.Len(t, types, 2, "what failed left nothing behind")
}

// J02, J03: ids are equal at both tenants on purpose, and a graph follows a tenant's own relationships only.
func TestGraphsFollowTheTenantsRelations(t *testing.T) {
	t.Parallel()
	s := store(t)
	mercy, north := hospitals(t, s)
	ward := create(t, s, mercy, "Ward", model.Values{"Name": "W1"})
	ann := create(t, s, mercy, "Patient", model.Values{"Name": "Ann", "Beds": int64(1) << 62, "Balance": "12345678901234567890.10", "Admitted": admitted, "Consent": true})
	bob := create(t, s, mercy, "Patient", model.Values{"Name": "Bob", "Consent": false})
	theirs := map[int64]bool{}
	for range 40 {
		theirs[create(t, s, north, "Patient", model.Values{"Name": 7, "Beds": "north's"})] = true
	}
	require.True(t, theirs[ann] && theirs[bob] && theirs[ward], "ids collide")
	require.NoError(t, s.Relate(mercy, "Patient", ann, "lies in", ward))
	require.NoError(t, s.Relate(mercy, "Ward", ward, "patients", bob), "by its inverse")
	require.NoError(t, s.Relate(mercy, "Patient", ann, "mother of", bob))

	found, err := s.Load(mercy, "Patient", model.Options{IDs: []int64{bob}, Paths: []string{"lies in.patients.mother of", "child of"}})
	require.NoError(t, err)
	text, err := json.Marshal(found)
	require.NoError(t, err)
	annJSON := fmt.Sprintf(`"id": %d, "type": "Patient", "values": {"Name": "Ann", "Beds": 4611686018427387904, "Balance": "12345678901234567890.10", "Admitted": %q, "Consent": true}`,
		ann, admitted.Local().Format(time.RFC3339))
	bobJSON := fmt.Sprintf(`"id": %d, "type": "Patient", "values": {"Name": "Bob", "Consent": false}`, bob)
	require.JSONEq(t, fmt.Sprintf(`[{%[2]s, "related": {
		"lies in": [{"id": %[3]d, "type": "Ward", "values": {"Name": "W1"}, "related": {
			"patients": [{%[1]s, "related": {"mother of": [{%[2]s}]}}, {%[2]s, "related": {"mother of": []}}]}}],
		"child of": [{%[1]s}]}}]`, annJSON, bobJSON, ward), string(text))

	found, err = s.Load(north, "Patient", model.Options{IDs: []int64{ann}})
	require.NoError(t, err)
	require.Equal(t, model.Values{"Name": int64(7), "Beds": "north's"}, found[0].Values)

	require.NoError(t, s.Unrelate(mercy, "Patient", bob, "child of", ann))
	require.ErrorIs(t, s.Unrelate(mercy, "Patient", bob, "child of", ann), query.ErrNotFound)
}

func TestEntitiesAreFoundByFields(t *testing.T) {
	t.Parallel()
	s := store(t)
	mercy, north := hospitals(t, s)
	ann := create(t, s, mercy, "Patient", model.Values{"Name": "Ann", "Balance": "1.50", "Admitted": admitted, "Consent": true, "Beds": 3})
	create(t, s, mercy, "Patient", model.Values{"Name": "Bob"})
	create(t, s, north, "Patient", model.Values{"Name": 3, "Beds": "Ann"})
	for field, value := range (model.Values{"Name": "Ann", "Balance": "1.5", "Admitted": admitted, "Consent": true, "Beds": 3}) {
		ids, err := s.Find(mercy, "Patient", field, value)
		require.NoError(t, err, field)
		require.Equal(t, []int64{ann}, ids, field)
	}
	ids, err := s.Find(north, "Patient", "Beds", "x' or '1'='1")
	require.NoError(t, err)
	require.Empty(t, ids)
	_, err = s.Find(mercy, "Patient", "Balance", "1; drop table entities")
	require.Error(t, err)
	_, err = s.Find(mercy, "Patient", "Phone", "1")
	require.ErrorIs(t, err, model.ErrUndefined)
}

// W05, W01, J09: another tenant's entity is not there, for relating as for changing, and the answer is that of an id
// nobody has.
func TestNothingReachesAnotherTenantsEntities(t *testing.T) {
	t.Parallel()
	s := store(t)
	mercy, north := hospitals(t, s)
	var last int64
	for range 30 {
		last = create(t, s, north, "Patient", model.Values{"Beds": "north's"})
	}
	ann := create(t, s, mercy, "Patient", model.Values{"Name": "Ann"})
	require.Less(t, ann, last)
	for _, id := range []int64{last, 1 << 40} {
		require.Equal(t, query.ErrNotFound.Error(), unwrapped(s.Set(mercy, "Patient", id, model.Values{"Name": "x"})))
		require.ErrorIs(t, s.Relate(mercy, "Patient", ann, "mother of", id), query.ErrNotFound)
		require.ErrorIs(t, s.Relate(mercy, "Patient", id, "mother of", ann), query.ErrNotFound)
		require.ErrorIs(t, s.Relate(mercy, "Patient", ann, "lies in", ann), query.ErrNotFound, "not a ward")
		found, err := s.Load(mercy, "Patient", model.Options{IDs: []int64{id}})
		require.NoError(t, err)
		require.Empty(t, found)
	}
}

func unwrapped(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestGraphsThatAreTooLargeAreErrors(t *testing.T) {
	t.Parallel()
	s := store(t)
	mercy, _ := hospitals(t, s)
	for range 3 {
		create(t, s, mercy, "Patient", model.Values{"Name": "Ann"})
	}
	_, err := s.Load(mercy, "Patient", model.Options{MaxNodes: 5})
	require.ErrorIs(t, err, query.ErrGraphLimit)
	found, err := s.Load(mercy, "Patient", model.Options{MaxNodes: 6})
	require.NoError(t, err)
	require.Len(t, found, 3)
}

// The shape of a graph is shared, the words are not: no statement's text holds a name that a tenant chose.
func TestStatementsHoldNoTenantsWords(t *testing.T) {
	t.Parallel()
	s := store(t)
	mercy, _ := hospitals(t, s)
	evil := `x"; drop table entities; --`
	require.NoError(t, s.Define(mercy, model.Type{Name: evil, Fields: []model.Field{{Name: evil, Kind: model.Text}}}))
	require.NoError(t, s.Define(mercy, model.Type{Name: evil, Relations: []model.Relation{{Name: evil, To: evil, Inverse: evil + "'"}}}))
	id := create(t, s, mercy, evil, model.Values{evil: evil})
	require.NoError(t, s.Relate(mercy, evil, id, evil, id))
	found, err := s.Load(mercy, evil, model.Options{Paths: []string{evil}})
	require.NoError(t, err)
	require.Equal(t, evil, found[0].Related[evil][0].Values[evil])
}
