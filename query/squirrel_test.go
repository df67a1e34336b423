package query_test

import (
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

func TestFromSquirrel(t *testing.T) {
	t.Parallel()
	tenant := sq.Eq{"p.tenant_id": query.TenantArg()}
	for _, test := range []struct {
		name string
		b    sq.Sqlizer
		want string
		args []any
	}{
		{"select", sq.Select("p.id").From("patients p").Where(sq.Eq{"p.ward": query.Arg("ward")}).Where(tenant),
			"SELECT p.id FROM patients p WHERE p.ward = $2 AND p.tenant_id = $1", []any{mary, "w"}},
		{"dollars", sq.Select("p.id").From("patients p").Where(sq.Eq{"p.ward": query.Arg("ward")}).Where(tenant).PlaceholderFormat(sq.Dollar),
			"SELECT p.id FROM patients p WHERE p.ward = $2 AND p.tenant_id = $1", []any{mary, "w"}},
		{"a join", sq.Select("p.id").From("patients p").Join("encounters e ON e.patient_id = p.id AND e.tenant_id = p.tenant_id AND e.ward=?", query.Arg("ward")).Where(tenant),
			"SELECT p.id FROM patients p JOIN encounters e ON e.patient_id = p.id AND e.tenant_id = p.tenant_id AND e.ward=$2 WHERE p.tenant_id = $1", []any{mary, "w"}},
		{"constants", sq.Select("p.id").From("patients p").Where(tenant).Where(sq.Eq{"p.status": []string{"a", "b"}, "p.ward": query.Arg("ward")}),
			"SELECT p.id FROM patients p WHERE p.tenant_id = $1 AND p.status IN ($2,$3) AND p.ward = $4", []any{mary, "a", "b", "w"}},
		{"jsonb", sq.Select("p.id").From("patients p").Where("data ?? ? and p.tags ??| array['a']", query.Arg("ward")).Where(tenant),
			"SELECT p.id FROM patients p WHERE data ? $2 and p.tags ?| array['a'] AND p.tenant_id = $1", []any{mary, "w"}},
		{"insert", sq.Insert("patients").Columns("tenant_id", "ward").Values(query.TenantArg(), query.Arg("ward")),
			"INSERT INTO patients (tenant_id,ward) VALUES ($1,$2)", []any{mary, "w"}},
		{"update", sq.Update("patients p").Set("ward", query.Arg("ward")).Where(tenant).Where(sq.Eq{"p.id": 7}),
			"UPDATE patients p SET ward = $2 WHERE p.tenant_id = $1 AND p.id = $3", []any{mary, "w", 7}},
		{"delete", sq.Delete("patients p").Where(tenant).Where(sq.Eq{"p.ward": query.Arg("ward")}),
			"DELETE FROM patients p WHERE p.tenant_id = $1 AND p.ward = $2", []any{mary, "w"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := query.FromSquirrel(clinic, test.b)
			require.NoError(t, err)
			require.Equal(t, test.want, s.SQL())
			values, err := s.Bind(as(t, mary), query.Args{"ward": "w"})
			require.NoError(t, err)
			require.Equal(t, test.args, values)
		})
	}
}

// TestFromSquirrelRefuses holds each of Q01 to Q08 as squirrel 1.5.4 renders it.
func TestFromSquirrelRefuses(t *testing.T) {
	t.Parallel()
	tenant := sq.Eq{"tenant_id": query.TenantArg()}
	list := sq.Select("id").From("patients")
	scoped := list.Where(tenant)
	one := sq.Eq{"id": 1}
	for _, test := range []struct {
		name, rule string
		b          sq.Sqlizer
	}{
		{"Q01 raw OR before", "", list.Where("status=? OR ward=?", 1, 2).Where(tenant)},
		{"Q01 raw OR behind", "", scoped.Where("status=? OR ward=?", 1, 2)},
		{"Q01 inside And", "", list.Where(sq.And{sq.Expr("status=? OR ward=?", 1, 2), tenant})},
		{"Q01 update", "", sq.Update("patients").Set("name", "x").Where("id=1 OR id=2").Where(tenant)},
		{"Q01 delete", "", sq.Delete("patients").Where("id=1 OR id=2").Where(tenant)},
		{"Q02 or true", "", scoped.Where("id=1 OR 1=1")},
		{"Q02 parentheses", "", scoped.Where("id=1) OR (1=1")},
		{"Q02 a trailing comment", "SEP-B20", list.Where("id=1 --").Where(tenant)},
		{"Q02 a comment that opens", "", list.Where("id=1 /*").Where(tenant)},
		{"Q02 a whole comment", "SEP-B20", list.Where("id=1 /* x */").Where(tenant)},
		{"Q03 suffix OR", "", scoped.Suffix("OR 1=1")},
		{"Q03 suffix UNION", "", scoped.Suffix("UNION ALL SELECT id FROM encounters")},
		{"Q03 suffix expression", "", scoped.SuffixExpr(sq.Expr("UNION TABLE encounters"))},
		{"Q03 prefix", "", scoped.Prefix("WITH x AS (DELETE FROM charges RETURNING id)")},
		{"Q03 prefix expression", "", scoped.PrefixExpr(sq.Expr("SELECT * FROM patients UNION"))},
		{"Q03 a second statement", "", scoped.Suffix("; DELETE FROM patients")},
		{"Q04 a comment in From", "SEP-B20", sq.Select("id").From("patients -- ").Where(tenant)},
		{"Q04 a column with a sub-select", "", sq.Select("(select max(name) from patients)").From("encounters").Where(tenant)},
		{"Q04 a join clause", "", sq.Select("p.id").From("patients p").JoinClause("CROSS JOIN encounters e").Where(sq.Eq{"p.tenant_id": query.TenantArg()})},
		{"Q04 a sub-select in Expr", "", scoped.Where(sq.Expr("id in (select patient_id from encounters)"))},
		{"Q04 a nested builder", "", scoped.Where(sq.Expr("exists (?)", sq.Select("1").From("encounters")))},
		{"Q04 FromSelect", "", sq.Select("x.id").FromSelect(list, "x").Where(sq.Eq{"x.id": query.TenantArg()})},
		{"Q05 delete with an empty text", "SEP-B22", sq.Delete("patients").Where(tenant).Where("")},
		{"Q05 delete with nil", "SEP-B22", sq.Delete("patients").Where(tenant).Where(nil)},
		{"Q05 update with nil", "", sq.Update("patients").Set("name", "x").Where(nil).Where(tenant)},
		{"Q05 delete without Where", "SEP-B21", sq.Delete("patients")},
		{"Q05 delete without tenant", "SEP-B21", sq.Delete("patients").Where(one)},
		{"Q06 delete with an empty Eq", "SEP-B22", sq.Delete("patients").Where(tenant).Where(sq.Eq{})},
		{"Q06 delete with an empty NotEq", "SEP-B22", sq.Delete("patients").Where(tenant).Where(sq.NotEq{"id": []int{}})},
		{"Q06 select with an empty Eq", "SEP-B22", scoped.Where(sq.Eq{})},
		{"Q06 an empty And", "SEP-B22", scoped.Where(sq.And{})},
		{"Q07 the tenant set", "", sq.Update("patients").Set("tenant_id", john).Where(tenant).Where(one)},
		{"Q07 the tenant set by map", "", sq.Update("patients").SetMap(map[string]any{"tenant_id": john}).Where(tenant).Where(one)},
		{"Q07 upsert", "", sq.Insert("patients").Columns("tenant_id", "id").Values(query.TenantArg(), 1).Suffix("ON CONFLICT (tenant_id, id) DO UPDATE SET tenant_id = ?", john)},
		{"Q07 insert for another", "SEP-B21", sq.Insert("patients").Columns("tenant_id", "id").Values(john, 1)},
		{"Q07 one row for another", "", sq.Insert("patients").Columns("tenant_id", "id").Values(query.TenantArg(), 1).Values(john, 2)},
		{"Q08 nested formats", "SEP-B20", sq.Select("id").From("patients").Where(tenant).Where(sq.Expr("id = any(array(select 1 where 1 = $1))"))},
		{"Q08 a nested builder with dollars", "", scoped.Where(sq.Expr("id in (?)", sq.Select("patient_id").From("encounters").Where(tenant).PlaceholderFormat(sq.Dollar)))},
		{"Q08 a question mark in a string", "SEP-B04", scoped.Where("name = '?'", 1)},
		{"Q08 the jsonb operator", "SEP-B04", scoped.Where("data ? 'k'")},
		{"Q08 too many arguments", "SEP-B04", scoped.Where("id = ?", 1, 2)},
		{"Q08 too few arguments", "SEP-B04", scoped.Where("id = ? or id = ?", 1)},
		{"Q08 shifted arguments", "", list.Where("ward = ? and tenant_id = ?", query.TenantArg(), query.Arg("ward"))},
		{"Q15 a frozen tenant", "SEP-B21", list.Where(sq.Eq{"tenant_id": mary})},
		{"Q15 a named tenant", "SEP-B15", list.Where(sq.Eq{"tenant_id": query.Arg("tenant")})},
		{"Q15 a list of tenants", "", list.Where(sq.Eq{"tenant_id": []any{query.TenantArg(), john}})},
		{"a name in the text", "SEP-B20", scoped.Where("ward = @ward")},
		{"NaN", "SEP-B16", scoped.Where(sq.Gt{"id": nan()})},
		{"an error", "SEP-B06", sq.Select()},
		{"nil", "SEP-B06", nil},
		{"a nil pointer", "SEP-B06", (*broken)(nil)},
		{"a condition", "", tenant},
		{"an expression of ours", "SEP-B06", query.Expr("true")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := query.FromSquirrel(clinic, test.b)
			require.Error(t, err, "%v", s)
			r := refusal(t, err)
			if test.rule != "" {
				require.Equal(t, test.rule, r.Rule, r.Error())
			}
		})
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}

// A builder of squirrel's that answers differently the next time was asked once.
func TestFromSquirrelRendersOnce(t *testing.T) {
	t.Parallel()
	calls := 0
	s, err := query.FromSquirrel(clinic, sqlizer(func() (string, []any, error) {
		calls++
		return "select id from patients where tenant_id = ?", []any{query.TenantArg()}, nil
	}))
	require.NoError(t, err)
	require.Equal(t, 1, calls)
	require.Equal(t, "select id from patients where tenant_id = $1", s.SQL())
}
