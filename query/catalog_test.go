package query_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

func TestCatalogTellsWhatWasDeclared(t *testing.T) {
	t.Parallel()
	c, err := query.NewCatalog(
		query.TenantColumn("tenant_id", query.BigInt),
		query.Tenant("patients", "clinic.visits", "public.charges", "Staff"),
		query.Global("icd10_codes"),
		query.WithRelation(query.Relation{Name: "tenants", Kind: query.TenantKind, Column: "id", Type: query.BigInt}))
	require.NoError(t, err)
	var names []string
	for _, r := range c.Relations() {
		names = append(names, r.Name)
	}
	require.Equal(t, []string{"charges", "clinic.visits", "icd10_codes", "patients", "staff", "tenants"}, names)

	visits, ok := c.Relation("clinic.visits")
	require.True(t, ok)
	require.Equal(t, "clinic", visits.Schema())
	require.Equal(t, "visits", visits.Table())
	require.Equal(t, "tenant_id", visits.Column)
	require.Equal(t, query.BigInt, visits.Type)
	require.True(t, visits.Writable)

	tenants, ok := c.Relation("public.tenants")
	require.True(t, ok)
	require.Equal(t, "id", tenants.Column)
	codes, _ := c.Relation("icd10_codes")
	require.False(t, codes.Writable)
	_, ok = c.Relation("visits")
	require.False(t, ok, "clinic.visits is not public.visits")
}

func TestCatalogNeverChanges(t *testing.T) {
	t.Parallel()
	names := []string{"patients"}
	r := query.Relation{Name: "visits", Kind: query.TenantKind, Columns: columns("tenant_id", "id"), Key: []string{"id"}}
	opts := []query.CatalogOption{query.TenantColumn("tenant_id", query.Text), query.Tenant(names...), query.WithRelation(r)}
	names[0] = "secrets"
	r.Columns[1].Name = "other"
	c := query.MustCatalog(opts...)
	again := query.MustCatalog(opts...) // options can be used twice
	c.Relations()[0].Name = "changed"
	visits, _ := c.Relation("visits")
	visits.Columns[0].Name = "changed"
	visits.Key[0] = "changed"
	for _, c := range []*query.Catalog{c, again} {
		_, ok := c.Relation("patients")
		require.True(t, ok)
		visits, _ := c.Relation("visits")
		require.Equal(t, columns("tenant_id", "id"), visits.Columns)
		require.Equal(t, []string{"id"}, visits.Key)
	}
}

func TestCatalogListsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := query.NewCatalog(
		query.TenantColumn("tenant id", "numeric"),
		query.Tenant("patients", "patients", "drop table x", "a.b.c", "pg_catalog.pg_class", ""),
		query.WithRelation(query.Relation{Name: "both", Kind: query.GlobalKind, Column: "tenant_id"}),
		query.WithRelation(query.Relation{Name: "neither", Kind: "shared"}),
		query.WithRelation(query.Relation{Name: "cols", Kind: query.GlobalKind, Columns: columns("a", "a", "b c"), Key: []string{"z"},
			References: []query.Reference{{Column: "q", To: "nowhere", ToColumn: "id"}}}),
		query.WithFunctions("f(x)"))
	require.ErrorIs(t, err, query.ErrCatalog)
	var e *query.CatalogError
	require.ErrorAs(t, err, &e)
	all := strings.Join(e.Problems, "\n")
	for _, want := range []string{
		`the tenant column "tenant id" is not an identifier`, `"numeric" is not a tenant column`, `"patients" is declared twice`, `"drop table x" is not the name`,
		`"a.b.c" is not the name`, "system schema", `"both" is global and has a tenant column`, `"neither" is of kind "shared"`,
		`"cols" has the column "a" twice`, `column "b c"`, `key column "z"`, `refers to "nowhere"`, `"f(x)" is not the name of a function`,
	} {
		require.Contains(t, all, want)
	}
}

func TestCatalogRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for name, opts := range map[string][]query.CatalogOption{
		"nothing":                   nil,
		"a tenant without a column": {query.Tenant("patients")},
		"two types of tenant": {query.TenantColumn("tenant_id", query.UUID),
			query.WithRelation(query.Relation{Name: "a", Kind: query.TenantKind, Column: "id", Type: query.BigInt})},
		"two types among relations": {
			query.WithRelation(query.Relation{Name: "a", Kind: query.TenantKind, Column: "id", Type: query.BigInt}),
			query.WithRelation(query.Relation{Name: "b", Kind: query.TenantKind, Column: "id", Type: query.Text})},
		"a name that PostgreSQL would cut": {query.TenantColumn("tenant_id", query.UUID), query.Tenant(long)},
		"two tenant columns":               {query.TenantColumn("a", query.UUID), query.TenantColumn("b", query.UUID), query.Tenant("t")},
		"columns without the tenant's": {query.TenantColumn("tenant_id", query.UUID),
			query.WithRelation(query.Relation{Name: "a", Kind: query.TenantKind, Columns: columns("id")})},
		"a quoted twin":   {query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients", `"patients"`)},
		"a folded twin":   {query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients", "PATIENTS")},
		"a default twin":  {query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients", "public.patients")},
		"a NUL in a name": {query.TenantColumn("tenant_id", query.UUID), query.Tenant("\"a\x00b\"")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := query.NewCatalog(opts...)
			require.ErrorIs(t, err, query.ErrCatalog)
		})
	}
}

const catalogJSON = `{
  "tenant": {"column": "tenant_id", "type": "bigint"},
  "relations": {
    "patients": "tenant",
    "icd10_codes": "global",
    "tenants": {"kind": "tenant", "column": "id"},
    "clinic.visits": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "patient_id": "bigint"}, "key": ["id"],
      "references": {"patient_id": "patients.id"}},
    "notices": {"kind": "global", "columns": ["id", "text"], "writable": true}
  }
}`

func TestParseCatalog(t *testing.T) {
	t.Parallel()
	c, err := query.ParseCatalog([]byte(catalogJSON))
	require.NoError(t, err)
	require.Len(t, c.Relations(), 5)
	visits, ok := c.Relation("clinic.visits")
	require.True(t, ok)
	require.Equal(t, query.Relation{
		Name: "clinic.visits", Kind: query.TenantKind, Column: "tenant_id", Type: query.BigInt, Key: []string{"id"}, Writable: true,
		Columns:    []query.Column{{Name: "tenant_id", Type: "bigint"}, {Name: "id", Type: "bigint"}, {Name: "patient_id", Type: "bigint"}},
		References: []query.Reference{{Column: "patient_id", To: "patients", ToColumn: "id"}},
	}, visits)
	notices, _ := c.Relation("notices")
	require.True(t, notices.Writable)
	column, typ := c.TenantColumn()
	require.Equal(t, "tenant_id", column)
	require.Equal(t, query.BigInt, typ)
}

func TestParseCatalogNamesThePath(t *testing.T) {
	t.Parallel()
	with := func(relations string) string {
		return `{"tenant":{"column":"tenant_id","type":"uuid"},"relations":` + relations + `}`
	}
	for _, c := range []struct{ name, json, want string }{
		{"not JSON", `{`, "$: "},
		{"an array", `[]`, "$: must be a JSON object"},
		{"nothing", ``, "$: "},
		{"text after the end", with(`{"a":"tenant"}`) + `{}`, "$: has text after its end"},
		{"an unknown field", `{"tenants":{}}`, "$.tenants: is not a field"},
		{"an unknown field of tenant", `{"tenant":{"column":"c","typ":"uuid"}}`, "$.tenant.typ: is not a field"},
		{"a tenant without column", `{"tenant":{}}`, "$.tenant.column: is missing"},
		{"an unknown kind", with(`{"a":"shared"}`), "$.relations.a: must be"},
		{"an unknown field of a relation", with(`{"a":{"kind":"tenant","colum":"x"}}`), "$.relations.a.colum: is not a field"},
		{"a relation without kind", with(`{"a":{}}`), "$.relations.a: must be"},
		{"a number for a relation", with(`{"a":1}`), "$.relations.a: must be a JSON object"},
		{"a relation twice", with(`{"a":"tenant","a":"global"}`), "$.relations.a: is there twice"},
		{"null", with(`{"a":null}`), "$.relations.a: must be"},
		{"columns of numbers", with(`{"a":{"kind":"tenant","columns":[1]}}`), "$.relations.a.columns: must be an array of names"},
		{"a type that is no text", with(`{"a":{"kind":"tenant","columns":{"id":1}}}`), "$.relations.a.columns.id: must be a text"},
		{"writable as text", with(`{"a":{"kind":"global","writable":"yes"}}`), "$.relations.a.writable: must be true or false"},
		{"a reference without column", with(`{"a":{"kind":"tenant","references":{"x":"b"}}}`), "$.relations.a.references.x: \"b\" is not relation.column"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := query.ParseCatalog([]byte(c.json))
			require.ErrorIs(t, err, query.ErrCatalog)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := query.ParseCatalog([]byte(with(`{"a":"global","` + strings.Repeat("x", 9<<20) + `":1}`)))
	require.ErrorContains(t, err, "8 MiB")
}

func FuzzParseCatalog(f *testing.F) {
	f.Add([]byte(catalogJSON))
	f.Add([]byte(`{"tenant":{"column":"t","type":"uuid"},"relations":{"a":"tenant","\"b\"\"c\"":"global"},"functions":["f"]}`))
	f.Add([]byte(`{"relations":{"a":{"kind":"tenant","column":"id","type":"text","columns":["id","x"],"key":["x"],"references":{"x":"a.x"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := query.ParseCatalog(data)
		if err != nil {
			require.ErrorIs(t, err, query.ErrCatalog)
			return
		}
		for _, r := range c.Relations() {
			again, ok := c.Relation(r.Name)
			require.True(t, ok, "%q", r.Name)
			require.Equal(t, r, again)
		}
	})
}

// A function that writes makes a write of the statement that calls it, wherever in it the call stands.
func TestWriters(t *testing.T) {
	t.Parallel()
	c, err := query.NewCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients"),
		query.WithFunctions("app.age"), query.WithWriters("app.admit"))
	require.NoError(t, err)
	for text, writes := range map[string]bool{
		"select app.age(1)":                                       false,
		"select app.admit(1)":                                     true,
		"select x from app.admit(@id) as x":                       true,
		"select p.id from patients p where p.tenant_id = @tenant": false,
		"select (select app.admit(p.id)) from patients p where p.tenant_id = @tenant":                   true,
		"with a as (select app.admit(1) as x) select app.age(a.x) from a":                               true,
		"select p.id from patients p where p.tenant_id = @tenant order by coalesce(app.admit(p.id), 1)": true,
	} {
		s, err := query.Static(c, text)
		require.NoError(t, err, text)
		require.Equal(t, writes, s.Writes(), text)
		require.Equal(t, query.SelectCommand, s.Command())
	}
}
