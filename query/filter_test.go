package query_test

import (
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

func filtered(t testing.TB, filters ...query.CatalogOption) *query.Catalog {
	t.Helper()
	c, err := query.NewCatalog(append([]query.CatalogOption{
		query.TenantColumn("tenant_id", query.UUID),
		query.WithRelation(query.Relation{Name: "patients", Kind: query.TenantKind, Columns: columns("tenant_id", "id", "name", "deleted_at")}),
		query.WithRelation(query.Relation{Name: "encounters", Kind: query.TenantKind, Columns: columns("tenant_id", "id", "patient_id", "ward", "deleted_at")}),
	}, filters...)...)
	require.NoError(t, err)
	return c
}

// J05: each filter is lifted alone, and the tenant's predicate stays whatever is lifted.
func TestFilters(t *testing.T) {
	t.Parallel()
	c := filtered(t,
		query.WithFilter("deleted", sq.Eq{"deleted_at": nil}, "patients", "encounters"),
		query.WithFilter("ward", query.Expr(`ward = any(@wards) and "ward" <> lower('ward.ward')`), "encounters"))
	join := c.Select("p.id").From("patients p").LeftJoin("encounters e", query.On("e.patient_id = p.id"))
	for _, test := range []struct {
		name string
		b    query.Builder
		want string
	}{
		{"all", join,
			`select "p"."id" from "patients" as "p" left join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 and ("e"."deleted_at" is null) and ("e"."ward" = any($2) and "e"."ward" <> lower('ward.ward')) where "p"."tenant_id" = $1 and ("p"."deleted_at" is null)`},
		{"one lifted", join.Without("ward"),
			`select "p"."id" from "patients" as "p" left join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 and ("e"."deleted_at" is null) where "p"."tenant_id" = $1 and ("p"."deleted_at" is null)`},
		{"the other lifted", join.Without("deleted"),
			`select "p"."id" from "patients" as "p" left join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 and ("e"."ward" = any($2) and "e"."ward" <> lower('ward.ward')) where "p"."tenant_id" = $1`},
		{"both lifted", join.Without("deleted", "ward"),
			`select "p"."id" from "patients" as "p" left join "encounters" as "e" on (e.patient_id = p.id) and "e"."tenant_id" = $1 where "p"."tenant_id" = $1`},
		{"full join", c.Select("p.id").From("patients p").FullJoin("encounters e", query.On("e.patient_id = p.id")).Without("ward"),
			`select "p"."id" from (select * from "patients" as "p" where "p"."tenant_id" = $1 and ("p"."deleted_at" is null)) as "p" full join (select * from "encounters" as "e" where "e"."tenant_id" = $1 and ("e"."deleted_at" is null)) as "e" on (e.patient_id = p.id)`},
		{"update", c.Update("patients").Set("name", "x").All(),
			`update "patients" set "name" = $2 where "patients"."tenant_id" = $1 and ("patients"."deleted_at" is null)`},
		{"update, lifted", c.Update("patients").Set("name", "x").All().Without("deleted"),
			`update "patients" set "name" = $2 where "patients"."tenant_id" = $1`},
		{"delete", c.Delete("patients").Where(sq.Eq{"id": 1}),
			`delete from "patients" where "patients"."tenant_id" = $1 and ("patients"."deleted_at" is null) and ("id" = $2)`},
		{"inside a query, not lifted by the one around", c.Select("p.id").From("patients p").Where(query.Exists(c.Select("e.id").From("encounters e").Without("ward"))).Without("deleted"),
			`select "p"."id" from "patients" as "p" where "p"."tenant_id" = $1 and (exists (select "e"."id" from "encounters" as "e" where "e"."tenant_id" = $1 and ("e"."deleted_at" is null)))`},
		{"of the builder", c.Select("id").From("patients").Filter("consent", sq.Eq{"name": "x"}),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and ("patients"."deleted_at" is null) and ("name" = $2)`},
		{"of the builder, lifted", c.Select("id").From("patients").Filter("consent", sq.Eq{"name": "x"}).Without("consent"),
			`select "id" from "patients" where "patients"."tenant_id" = $1 and ("patients"."deleted_at" is null)`},
		{"lifted twice", c.Select("id").From("patients").Without("deleted").Without("deleted"),
			`select "id" from "patients" where "patients"."tenant_id" = $1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, text(t, test.b))
		})
	}
	for _, name := range []string{"tenant", "tenant_id", "", "*", "delted"} {
		refused(t, join.Without(name), "SEP-B14")
		refused(t, c.Delete("patients").All().Without(name), "SEP-B14")
	}
	require.Equal(t, []string{"wards"}, must(t, join).Params())
}

func TestFiltersThatAreRefused(t *testing.T) {
	t.Parallel()
	deleted := sq.Eq{"deleted_at": nil}
	for name, option := range map[string]query.CatalogOption{
		"no relation":          query.WithFilter("deleted", deleted),
		"an unknown relation":  query.WithFilter("deleted", deleted, "nobody"),
		"the tenant's name":    query.WithFilter("tenant", deleted, "patients"),
		"no name":              query.WithFilter("", deleted, "patients"),
		"no condition":         query.WithFilter("deleted", nil, "patients"),
		"an unknown column":    query.WithFilter("deleted", sq.Eq{"gone": nil}, "patients"),
		"an unknown column in": query.WithFilter("deleted", query.Expr("gone"), "patients"),
		"not an expression":    query.WithFilter("deleted", query.Expr("true) or (true"), "patients"),
		"a qualified column":   query.WithFilter("deleted", query.Expr("patients.deleted_at is null"), "patients"),
		"a sub-select":         query.WithFilter("deleted", query.Expr("exists (select 1)"), "patients"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := query.NewCatalog(query.TenantColumn("tenant_id", query.UUID), option,
				query.WithRelation(query.Relation{Name: "patients", Kind: query.TenantKind, Columns: columns("tenant_id", "id", "name", "deleted_at")}))
			require.ErrorIs(t, err, query.ErrCatalog)
		})
	}
	_, err := query.NewCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients"),
		query.WithFilter("a", deleted, "patients"), query.WithFilter("a", deleted, "patients"))
	require.ErrorContains(t, err, "twice")
}
