package query_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// clinic is the catalog of most tests: columns declared, so that wrong ones are found.
var clinic = query.MustCatalog(
	query.TenantColumn("tenant_id", query.UUID),
	query.WithRelation(query.Relation{Name: "patients", Kind: query.TenantKind, Key: []string{"id"}, Columns: columns(
		"tenant_id", "id", "name", "mrn", "status", "note", "parent_id", "born", "ward", "tags", "data", "search", "deleted_at")}),
	query.WithRelation(query.Relation{Name: "encounters", Kind: query.TenantKind, Key: []string{"id"}, Columns: columns(
		"tenant_id", "id", "patient_id", "ward", "status", "admitted_at", "discharged_at", "deleted_at")}),
	query.WithRelation(query.Relation{Name: "charges", Kind: query.TenantKind, Columns: columns(
		"tenant_id", "id", "encounter_id", "code", "amount", "status")}),
	query.WithRelation(query.Relation{Name: "tenants", Kind: query.TenantKind, Column: "id", Columns: columns("id", "name", "plan")}),
	query.WithRelation(query.Relation{Name: "codes", Kind: query.GlobalKind, Columns: columns("code", "title")}),
	query.WithRelation(query.Relation{Name: "notices", Kind: query.GlobalKind, Writable: true, Columns: columns("id", "text")}),
)

// open has no declared columns.
var open = query.MustCatalog(
	query.TenantColumn("tenant_id", query.BigInt),
	query.Tenant("patients", "visits", "clinic.audit"),
	query.Global("icd10_codes"))

func columns(names ...string) []query.Column {
	out := make([]query.Column, len(names))
	for i, name := range names {
		out[i].Name = name
	}
	return out
}

const (
	mary = "11111111-1111-1111-1111-111111111111"
	john = "22222222-2222-2222-2222-222222222222"
)

func as(t testing.TB, id string) tenant.Context {
	t.Helper()
	parsed, err := tenant.ParseID(id)
	require.NoError(t, err)
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: parsed, Subject: "test"})
	require.NoError(t, err)
	return tc
}

// text is what a builder becomes; every text in these tests was proved.
func text(t testing.TB, b query.Builder) string {
	t.Helper()
	s, err := b.Build()
	require.NoError(t, err)
	return s.SQL()
}

func refusal(t testing.TB, err error) *query.Refusal {
	t.Helper()
	var r *query.Refusal
	require.ErrorAs(t, err, &r)
	require.ErrorIs(t, err, query.ErrRefused)
	require.NotEmpty(t, r.Rule)
	require.NotEmpty(t, r.What)
	return r
}

// refused is for builders that must not become a statement, by the named rule; "" takes any.
func refused(t testing.TB, b query.Builder, rule string) *query.Refusal {
	t.Helper()
	s, err := b.Build()
	require.Error(t, err, "built: %v", s)
	r := refusal(t, err)
	if rule != "" {
		require.Equal(t, rule, r.Rule, r.Error())
	}
	return r
}

func argError(t testing.TB, err error) *query.ArgError {
	t.Helper()
	var e *query.ArgError
	require.ErrorAs(t, err, &e)
	require.True(t, errors.Is(err, query.ErrArgs))
	return e
}
