package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func columns(text string) []LiveColumn {
	var out []LiveColumn
	for _, part := range strings.Split(text, ",") {
		words := strings.Fields(part)
		out = append(out, LiveColumn{Name: words[0], Type: words[1], NotNull: len(words) < 3, Own: true})
	}
	return out
}

func reference(column, to string) []LiveForeignKey {
	return []LiveForeignKey{{Name: column + "_fkey", Columns: []string{column}, To: to, ToColumns: []string{"id"}}}
}

// ward is a schema in which each rule has its case, and its near miss.
func ward() Schema {
	tenantKey := reference("hospital_id", "hospitals")
	return Schema{Relations: []LiveRelation{
		{Name: "hospitals", Kind: LiveTable, Columns: columns("id bigint, name text"), Key: []string{"id"}, Writes: 3},
		{Name: "patients", Kind: LiveTable, Columns: columns("hospital_id bigint, id bigint, name text"), Key: []string{"hospital_id", "id"}, ForeignKeys: tenantKey, Writes: 9},
		{Name: "staff", Kind: LiveTable, Columns: columns("id bigint, hospital_id bigint null"), Key: []string{"id"}, ForeignKeys: tenantKey, Writes: 9},
		{Name: "visits", Kind: LiveTable, Columns: columns("id bigint, patient_id bigint"), Key: []string{"id"}, ForeignKeys: reference("patient_id", "patients"), Writes: 9},
		{Name: "notes", Kind: LiveTable, Columns: columns("id bigint, visit_id bigint"), Key: []string{"id"}, ForeignKeys: reference("visit_id", "visits"), Writes: 9},
		{Name: "audit_log", Kind: LiveTable, Columns: columns("id bigint, patient_id bigint null"), Key: []string{"id"}, ForeignKeys: reference("patient_id", "patients"), Writes: 9},
		{Name: "partners", Kind: LiveTable, Columns: columns("id bigint, home bigint"), Key: []string{"id"}, ForeignKeys: reference("home", "hospitals"), Writes: 9},
		{Name: "old_patients", Kind: LiveTable, Columns: columns("hospital_id text, id bigint"), Writes: 9},
		{Name: "icd10_codes", Kind: LiveTable, Columns: columns("id bigint, title text"), Key: []string{"id"}, Writes: 9},
		{Name: "colours", Kind: LiveTable, Columns: columns("id bigint, title text"), Key: []string{"id"}, Rows: 12},
		{Name: "empty", Kind: LiveTable, Columns: columns("id bigint, title text"), Key: []string{"id"}},
		{Name: "messages", Kind: LiveTable, Columns: columns("id bigint, body text"), Key: []string{"id"}, Rows: 12, Writes: 12},
		{Name: "schema_migrations", Kind: LiveTable, Columns: columns("version bigint")},
		{Name: "spatial", Kind: LiveTable, Columns: columns("id bigint"), Extension: "postgis"},
		{Name: "log_unit", Kind: LiveTable, Columns: columns("id bigint"), Rows: 5},
		{Name: "everything", Kind: LiveTable, Columns: columns("id bigint"), Writes: 1},
		{Name: "letters", Kind: LiveTable, Columns: columns("hospital_id bigint, id bigint"), Inherits: []string{"everything"}, ForeignKeys: tenantKey, Writes: 1},
		{Name: "vitals", Kind: LiveTable, Columns: columns("hospital_id bigint, at date"), ForeignKeys: tenantKey, Writes: 1},
		{Name: "vitals_1", Kind: LiveTable, PartitionOf: "vitals", Columns: columns("hospital_id bigint, at date")},
		{Name: "vitals_1_a", Kind: LiveTable, PartitionOf: "vitals_1", Columns: columns("hospital_id bigint, at date")},
		{Name: "names", Kind: LiveView, Columns: columns("name text"), Reads: []string{"patients", "icd10_codes"}},
		{Name: "names2", Kind: LiveView, Columns: columns("name text"), Reads: []string{"names"}},
	}}
}

func TestInspectSaysWhoseRowsAndWhy(t *testing.T) {
	t.Parallel()
	p := Inspect(ward(), Inspection{})
	require.Equal(t, "hospital_id", p.Column)
	require.Equal(t, BigInt, p.Type)
	require.Equal(t, "hospitals", p.Candidates[0].Root)
	for name, want := range map[string]struct {
		kind   Kind
		needs  bool
		reason string
	}{
		"patients":          {TenantKind, false, "it has the column hospital_id"},
		"staff":             {TenantKind, false, "may be NULL"},
		"hospitals":         {TenantKind, false, "each row is a tenant"},
		"visits":            {TenantKind, true, "belongs to one of patients by patient_id"},
		"notes":             {TenantKind, true, "belongs to one of visits"},
		"everything":        {Undecided, false, "letters inherits from it"},
		"log_unit":          {Undecided, false, "nothing says"}, // called like a list, and a record of what was done
		"audit_log":         {Undecided, false, "may be NULL, so some rows may be nobody's"},
		"partners":          {Undecided, false, "under another name?"},
		"old_patients":      {Undecided, false, "hospital_id is text and not bigint"},
		"icd10_codes":       {GlobalKind, false, "called a list"},
		"colours":           {GlobalKind, false, "nobody has written it"},
		"empty":             {Undecided, false, "nothing says"}, // never written either, but that says nothing without rows
		"messages":          {Undecided, false, "nothing says"},
		"schema_migrations": {Undecided, false, "migration tool"},
		"spatial":           {Skip, false, "extension postgis"},
	} {
		r := p.relations[name]
		require.NotNil(t, r, name)
		require.Equal(t, want.kind, r.Kind, "%s: %v", name, r.Reasons)
		require.Equal(t, want.needs, r.NeedsColumn, name)
		require.Contains(t, strings.Join(r.Reasons, "; "), want.reason, name)
		require.Equal(t, want.kind == GlobalKind, r.Review, "%s: what would show its rows to everybody is never proposed without a mark", name)
	}
	require.Equal(t, []string{"vitals_1", "vitals_1_a"}, p.relations["vitals"].Folded)
	require.Nil(t, p.relations["vitals_1"])
	require.Len(t, p.Views, 2)
	require.Contains(t, p.Views[1].Reasons, "it shows rows of patients", "through another view")
	require.Equal(t, []string{"audit_log", "empty", "everything", "log_unit", "messages", "old_patients", "partners", "schema_migrations"}, p.Undecided())
}

func TestInspectKeepsDecisions(t *testing.T) {
	t.Parallel()
	first := Inspect(ward(), Inspection{Kinds: map[string]Kind{"messages": TenantKind, "empty": GlobalKind, "audit_log": Skip}})
	require.Equal(t, TenantKind, first.relations["messages"].Kind)
	require.True(t, first.relations["messages"].NeedsColumn)
	require.False(t, first.relations["empty"].Review)
	data, err := first.CatalogJSON()
	require.NoError(t, err)
	catalog, err := ParseCatalog(data)
	require.NoError(t, err)
	_, ok := catalog.Relation("old_patients")
	require.False(t, ok, "what is undecided can't be reached")
	visits, _ := catalog.Relation("visits")
	require.Equal(t, []Reference{{Column: "patient_id", To: "patients", ToColumn: "id"}}, visits.References)
	patients, _ := catalog.Relation("patients")
	require.Equal(t, []string{"id"}, patients.Key)

	again := Inspect(ward(), Inspection{Catalog: catalog, Kinds: map[string]Kind{"audit_log": Skip}})
	second, err := again.CatalogJSON()
	require.NoError(t, err)
	require.Equal(t, string(data), string(second), "the order does not change")
}

// A column that many tables have is no tenant column for that.
func TestInspectChoosesNoColumnThatDoesNotStandOut(t *testing.T) {
	t.Parallel()
	var s Schema
	for i := range 6 {
		s.Relations = append(s.Relations, LiveRelation{Name: fmt.Sprintf("t%d", i), Kind: LiveTable, Columns: columns("id bigint, created_by bigint, site_id bigint, account_id bigint")})
	}
	p := Inspect(s, Inspection{})
	require.Empty(t, p.Column)
	require.Len(t, p.Candidates, 2)
	require.Len(t, p.Undecided(), 6)
	_, err := p.CatalogJSON()
	require.Error(t, err)
	p = Inspect(s, Inspection{Column: "site_id"})
	require.Equal(t, BigInt, p.Type)
	require.Empty(t, p.Undecided())
}

func ExampleInspect() {
	p := Inspect(Schema{Relations: []LiveRelation{
		{Name: "patients", Kind: LiveTable, Columns: []LiveColumn{{Name: "tenant_id", Type: "uuid", NotNull: true}, {Name: "id", Type: "bigint", NotNull: true}}, Key: []string{"id"}},
		{Name: "visits", Kind: LiveTable, Columns: []LiveColumn{{Name: "patient_id", Type: "bigint", NotNull: true}},
			ForeignKeys: []LiveForeignKey{{Columns: []string{"patient_id"}, To: "patients", ToColumns: []string{"id"}}}},
		{Name: "settings", Kind: LiveTable, Columns: []LiveColumn{{Name: "key", Type: "text"}}},
	}}, Inspection{Column: "tenant_id"})
	for _, r := range p.Relations {
		fmt.Printf("%s: %s: %s\n", r.Name, r.Kind, r.Reasons[0])
	}
	// Output:
	// patients: tenant: it has the column tenant_id uuid
	// settings: undecided: nothing says whose rows it holds: it has no tenant column and no foreign key to a tenant's relation
	// visits: tenant: each row belongs to one of patients by patient_id; it needs the column tenant_id
}

// What a name holds that would make a reviewer read something else is written by its number, and stays the name.
func TestCatalogOfNamesThatTurnTheText(t *testing.T) {
	t.Parallel()
	schema := Schema{Relations: []LiveRelation{{Name: "\"a\u202eb\x7f\u0085\"", Kind: LiveTable, Columns: []LiveColumn{{Name: "tenant_id", Type: "uuid", NotNull: true}}}}}
	p := Inspect(schema, Inspection{Column: "tenant_id"})
	data, err := p.CatalogJSON()
	require.NoError(t, err)
	require.Contains(t, string(data), `a\u202eb\u007f\u0085`)
	catalog, err := ParseCatalog(data)
	require.NoError(t, err)
	require.Equal(t, "\"a\u202eb\x7f\u0085\"", catalog.Relations()[0].Name)
}
