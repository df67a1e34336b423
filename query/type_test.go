package query_test

import (
	"strings"
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/stretchr/testify/require"
)

// R20: a tenant column has any type whose values are equal only when their texts are, and a type has one spelling.
func TestParseType(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]query.Type{
		"uuid": query.UUID, "text": query.Text, "bigint": query.BigInt, "INT8": query.BigInt,
		"integer": query.Integer, "int4": query.Integer, "int": query.Integer, "smallint": query.SmallInt, "int2": query.SmallInt,
		"varchar": query.Varchar, "varchar(20)": query.Varchar, "character varying": query.Varchar, "character  varying (63)": query.Varchar,
		"char": query.Char, "character(8)": query.Char, "bpchar": query.Char,
		"enum site": query.Enum("site"), "enum public.site": query.Enum("site"), "enum App.Site": query.Enum("app.site"),
		`enum "Odd App"."a over b"`:                  query.Enum(`"Odd App"."a over b"`),
		"domain app.hospital_id over uuid":           query.Domain("app.hospital_id", query.UUID),
		"domain public.h over character varying(20)": query.Domain("h", query.Varchar),
		`domain "x over uuid" over int4`:             query.Domain(`"x over uuid"`, query.Integer),
		`domain "enum site" over text`:               query.Domain(`"enum site"`, query.Text),
	} {
		got, err := query.ParseType(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := query.ParseType(string(got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, text := range []string{
		"", "numeric", "numeric(10,0)", "citext", "real", "double precision", "date", "jsonb", "bytea", "name", `"char"`, "oid", "uuid[]", "varchar(20", "varchar(20)x",
		"enum", "enum ", "enum a.b.c", "enum a b", `enum "a`, "domain d", "domain d over", "domain d over numeric", "domain d over domain e over uuid", "domain d over enum e", "domain d  over uuid",
		"enum a;drop table x", "uuid; drop table x", strings.Repeat("x", 10_000), "enum " + strings.Repeat("x", 64),
	} {
		_, err := query.ParseType(text)
		require.Error(t, err, text)
		require.Less(t, len(err.Error()), 500)
	}
}

func TestTypeInSQL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ          query.Type
		sql, setting string
	}{
		{query.UUID, "uuid", "uuid"},
		{query.Varchar, "varchar", "text"},
		{query.Char, "bpchar", "bpchar"}, // char alone is character(1)
		{query.SmallInt, "smallint", "smallint"},
		{query.Enum("site"), `"public"."site"`, `"public"."site"`},
		{query.Enum(`app."Odd ""one"`), `"app"."Odd ""one"`, `"app"."Odd ""one"`},
		{query.Domain("app.id", query.UUID), `"app"."id"`, "uuid"},
		{query.Domain("app.id", query.Varchar), `"app"."id"`, "text"},
	} {
		require.Equal(t, c.sql, c.typ.SQL(), c.typ)
		require.Equal(t, c.setting, c.typ.Setting(), c.typ)
		require.Equal(t, strings.Contains(string(c.typ), "enum"), c.typ.IsEnum())
	}
}

// Ids are bound in the one form that names them, and only when the column can hold them.
func TestBindByType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ         query.Type
		good, wrong []string
	}{
		{query.Integer, []string{"0", "7", "2147483647"}, []string{"007", "2147483648", "x", "1e3"}},
		{query.SmallInt, []string{"32767"}, []string{"32768", "00"}},
		{query.Domain("ward", query.Integer), []string{"7"}, []string{"07", "2147483648"}},
		{query.Varchar, []string{"st-mary", "007"}, nil},
		{query.Char, []string{"mary"}, nil},
		{query.Enum("app.site"), []string{"mary"}, nil},
		{query.Domain("id", query.UUID), []string{"11111111-1111-1111-1111-111111111111"}, []string{"mary"}},
	} {
		// The type is the catalog's, or the relation's alone.
		for _, options := range [][]query.CatalogOption{
			{query.TenantColumn("tenant_id", c.typ), query.Tenant("patients")},
			{query.WithRelation(query.Relation{Name: "patients", Kind: query.TenantKind, Column: "tenant_id", Type: c.typ})},
		} {
			catalog, err := query.NewCatalog(options...)
			require.NoError(t, err)
			stmt := query.Must(catalog.Select("id").From("patients"))
			for _, id := range c.good {
				values, err := stmt.Bind(as(t, id))
				require.NoError(t, err, id)
				require.Len(t, values, 1)
			}
			for _, id := range c.wrong {
				_, err := stmt.Bind(as(t, id))
				require.ErrorContains(t, err, "canonical", "%s %s", c.typ, id)
			}
		}
	}
}

// Columns of one family stand in one catalog, as old schemas have them: an id is bound when each column that the statement
// names can hold it.
func TestMixedTypes(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("patients"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id", Type: query.SmallInt}))
	large := as(t, "100000")
	_, err := query.Must(catalog.Select("id").From("patients")).Bind(large)
	require.NoError(t, err)
	_, err = query.Must(catalog.Select("name").From("hospitals")).Bind(large)
	require.ErrorContains(t, err, "smallint")
	both, err := query.Static(catalog, `select p.id from patients p join hospitals h on h.id = p.tenant_id where p.tenant_id = @tenant`)
	require.NoError(t, err)
	_, err = both.Bind(large)
	require.ErrorContains(t, err, "smallint")

	for _, other := range []query.Type{query.UUID, query.Text, query.Enum("site"), query.Domain("d", query.Varchar)} {
		_, err := query.NewCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("patients"),
			query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id", Type: other}))
		require.ErrorContains(t, err, "one tenant id can't be both")
	}
	_, err = query.NewCatalog(query.TenantColumn("tenant_id", query.Enum("site")), query.Tenant("patients"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id", Type: query.Text}))
	require.ErrorContains(t, err, "one tenant id can't be both", "an enum is compared with no text")
}

// A cast of the tenant to the column's own type is the tenant; a cast to one that merely sounds like it is not.
func TestCastsOfTheTenant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ       query.Type
		cast      string
		refusedBy string
	}{
		{query.Integer, "integer", ""}, {query.Integer, "int4", ""}, {query.Integer, "real", "SEP-"}, {query.Integer, "numeric", "SEP-"},
		{query.SmallInt, "smallint", ""}, {query.SmallInt, "boolean", "SEP-"},
		{query.Varchar, "varchar", ""}, {query.Varchar, "text", ""}, {query.Varchar, "varchar(2)", "SEP-"}, {query.Varchar, `"char"`, "SEP-"},
		{query.Text, "text", ""}, {query.Text, `"char"`, "SEP-"}, {query.Text, "name", "SEP-"}, {query.Text, "text[]", "SEP-"},
		{query.Char, "bpchar", ""}, {query.Char, "char", "SEP-"}, {query.Char, "char(3)", "SEP-"},
		{query.Enum("app.site"), "app.site", ""}, {query.Enum("app.site"), "site", "SEP-"}, {query.Enum("app.site"), "other.site", "SEP-"}, {query.Enum("app.site"), "app.site[]", "SEP-"},
		{query.Enum("site"), "site", ""}, {query.Enum("site"), "public.site", ""}, {query.Enum("site"), "pg_catalog.site", "SEP-"},
		{query.Enum("name"), "name", "SEP-"}, // that is the server's
		{query.Domain("app.id", query.UUID), "app.id", ""}, {query.Domain("app.id", query.UUID), "uuid", ""},
		// A domain over a text can have a length, to which the cast cuts an id off, or a collation of its own.
		{query.Domain("code", query.Varchar), "code", "SEP-"}, {query.Domain("code", query.Varchar), "text", ""}, {query.Domain("code", query.Char), "code", "SEP-"},
		{query.Domain("code", query.Text), "public.code", "SEP-"}, {query.Domain("ward", query.SmallInt), "ward", ""},
		// A bare name is the server's type first: "char" keeps one letter, and xid 32 bits.
		{query.Domain(`"char"`, query.Integer), `"char"`, "SEP-"}, {query.Domain("xid", query.BigInt), "xid", "SEP-"}, {query.Domain("xid", query.BigInt), "public.xid", ""}, {query.Domain("pg_snapshot", query.BigInt), "pg_snapshot", "SEP-"},
	} {
		catalog, err := query.NewCatalog(query.TenantColumn("tenant_id", c.typ), query.Tenant("patients"))
		require.NoError(t, err)
		_, err = query.Static(catalog, `select id from patients where tenant_id = @tenant::`+c.cast)
		if c.refusedBy == "" {
			require.NoError(t, err, "%s %s", c.typ, c.cast)
		} else {
			require.ErrorContains(t, err, c.refusedBy, "%s %s", c.typ, c.cast)
		}
	}
}

// The first use gives a parameter its type: "char" keeps one letter of a text, and "st-mary" would be tenant "s".
func TestTheTenantInAPlaceOfAnotherType(t *testing.T) {
	t.Parallel()
	for _, typ := range []query.Type{query.Text, query.Varchar, query.Char, query.Integer, query.SmallInt, query.BigInt} {
		catalog, err := query.NewCatalog(query.TenantColumn("tenant_id", typ), query.Tenant("patients"))
		require.NoError(t, err)
		for _, sql := range []string{
			`select id from patients where sort = @tenant and tenant_id = @tenant`,
			`select @tenant::"char", id from patients where tenant_id = @tenant`,
		} {
			_, err = query.Static(catalog, sql)
			require.ErrorContains(t, err, "SEP-T10", "%s %s", typ, sql)
		}
		_, err = query.Static(catalog, `select id from patients where tenant_id = @tenant and sort = @tenant`)
		require.NoError(t, err)
	}
	catalog, err := query.NewCatalog(query.TenantColumn("tenant_id", query.Domain("code", query.Text)), query.Tenant("patients"))
	require.NoError(t, err)
	_, err = query.Static(catalog, `select @tenant::code from patients where tenant_id = @tenant`)
	require.ErrorContains(t, err, "SEP-T10", "the domain's collation would be that of the comparison")
	_, err = query.Static(catalog, `select @name::code from patients where tenant_id = @tenant`)
	require.NoError(t, err, "another value may have any type of a tenant column")
}
