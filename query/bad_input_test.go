package query_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

// sqlizer is a condition that the builder does not know.
type sqlizer func() (string, []any, error)

func (s sqlizer) ToSql() (string, []any, error) { return s() }

func raw(text string, args ...any) sqlizer {
	return func() (string, []any, error) { return text, args, nil }
}

// broken panics when it is rendered.
type broken struct{ text *string }

func (b *broken) ToSql() (string, []any, error) { return *b.text, nil, nil }

// TestConditionsThatAreRefused: what can't be taken as one condition is an error, and never left out.
func TestConditionsThatAreRefused(t *testing.T) {
	t.Parallel()
	nested := sq.Sqlizer(sq.Eq{"id": 1})
	for range 100 {
		nested = sq.And{nested}
	}
	var nobody *broken
	c := clinic
	for _, test := range []struct {
		name, rule string
		condition  sq.Sqlizer
	}{
		{"Q05 nil", "SEP-B01", nil},
		{"Q05 an empty text", "SEP-B01", query.Expr("")},
		{"Q05 spaces", "SEP-B01", query.Expr(" \n")},
		{"Q05 an empty text of squirrel", "SEP-B01", sq.Expr("")},
		{"Q06 an empty Eq", "SEP-B01", sq.Eq{}},
		{"Q06 a nil Eq", "SEP-B01", sq.Eq(nil)},
		{"Q06 an empty NotEq", "SEP-B01", sq.NotEq{}},
		{"Q06 NotEq of nothing", "SEP-B01", sq.NotEq{"id": []int{}}},
		{"Q06 an empty And", "SEP-B01", sq.And{}},
		{"Q06 an empty Or", "SEP-B01", sq.Or{}},
		{"Q06 an And of nil", "SEP-B01", sq.And{nil}},
		{"Q06 an empty Eq in an Or", "SEP-B01", sq.Or{sq.Eq{"id": 1}, sq.Eq{}}},
		{"Q06 an empty Lt", "SEP-B01", sq.Lt{}},
		{"Q06 an empty Like", "SEP-B01", sq.Like{}},
		{"a nil pointer", "SEP-B06", nobody},
		{"an error", "SEP-B06", sqlizer(func() (string, []any, error) { return "true", nil, errors.New("no") })},
		{"Q01 a keyword behind", "SEP-B03", query.Expr("status = 'a' order by id")},
		{"Q02 a comment to the end", "SEP-B03", query.Expr("true --")},
		{"Q02 a comment that opens", "SEP-B03", query.Expr("true /*")},
		{"Q02 a comment", "SEP-B03", query.Expr("true /* x */")},
		{"Q02 parentheses that close ours", "SEP-B03", query.Expr("true) or (true")},
		{"Q02 the same through squirrel", "SEP-B03", sq.Expr("true) or (true")},
		{"Q02 the same through a Sqlizer", "SEP-B03", raw("true) or (true")},
		{"Q02 inside an And", "SEP-B03", sq.And{raw("true) or (true")}},
		{"Q03 union", "SEP-B05", query.Expr("true union all select 1")},
		{"Q03 a second statement", "SEP-B03", query.Expr("true; delete from patients")},
		{"Q03 an open string", "SEP-B03", query.Expr("name = 'x")},
		{"Q03 an open dollar quote", "SEP-B03", query.Expr("name = $q$x")},
		{"Q04 a sub-select as text", "", query.Expr("exists (select 1 from encounters)")},
		{"Q04 TABLE as text", "", query.Expr("exists (table encounters)")},
		{"Q04 a squirrel sub-select", "", sq.Expr("exists (?)", sq.Select("1").From("encounters"))},
		{"Q04 a whole squirrel statement", "SEP-B05", sq.Select("1").From("encounters")},
		{"Q04 a column that is SQL", "SEP-B09", sq.Eq{"1=1 or id": 1}},
		{"Q04 a column that is a function", "SEP-B09", sq.Eq{"lower(name)": "x"}},
		{"Q04 an empty column", "SEP-B09", sq.Eq{"": 1}},
		{"Q04 a dotted nothing", "SEP-B09", sq.Eq{".id": 1}},
		{"Q04 three parts", "SEP-B09", sq.Eq{"public.patients.id": 1}},
		{"Q08 too few arguments", "SEP-B04", query.Expr("id = ? or id = ?", 1)},
		{"Q08 too many arguments", "SEP-B04", query.Expr("id = ?", 1, 2)},
		{"Q08 a numbered parameter", "SEP-B04", query.Expr("tenant_id = $1")},
		{"Q08 a question mark in a string", "SEP-B04", query.Expr("name = '?'", "x")},
		{"Q08 the jsonb operator, not doubled", "SEP-B04", query.Expr("data ? 'k'")},
		{"an unknown column", "SEP-B08", sq.Eq{"salary": 1}},
		{"an unknown column in text", "SEP-B08", query.Expr("salary > 1")},
		{"an unknown alias", "SEP-B08", sq.Eq{"x.id": 1}},
		{"an unknown alias in text", "SEP-B08", query.Expr("x.id > 1")},
		{"the relation's name beside its alias", "SEP-B08", sq.Eq{"patients.id": 1}},
		{"NaN", "SEP-B16", sq.Gt{"id": math.NaN()}},
		{"NaN in a list", "SEP-B16", sq.Eq{"id": []float64{1, math.NaN()}}},
		{"NaN in an array", "SEP-B16", query.Expr("id > any(?)", []float64{math.NaN()})},
		{"invalid UTF-8", "SEP-B16", sq.Eq{"name": "\xff"}},
		{"invalid UTF-8 in text", "SEP-B03", query.Expr("name = '\xff'")},
		{"NUL", "SEP-B16", sq.Eq{"name": "a\x00"}},
		{"a function for a value", "SEP-B16", sq.Eq{"id": func() {}}},
		{"a condition for a value", "SEP-B16", sq.Eq{"id": sq.Eq{"id": 1}}},
		{"greater than NULL", "SEP-B16", sq.Gt{"id": nil}},
		{"like a list", "SEP-B16", sq.Like{"name": []string{"a"}}},
		{"100,000 elements", "SEP-B02", sq.Eq{"id": make([]int, 100_000)}},
		{"100,000 conditions", "SEP-B17", many(100_000)},
		{"deep nesting", "SEP-B17", nested},
		{"deep parentheses", "SEP-B03", query.Expr(strings.Repeat("(", 10_000) + "true" + strings.Repeat(")", 10_000))},
		{"the tenant as argument", "SEP-B15", sq.Eq{"id": query.Arg("tenant")}},
		{"an argument without name", "SEP-B15", sq.Eq{"id": query.Arg("")}},
		{"an argument that is SQL", "SEP-B15", sq.Eq{"id": query.Arg("a b")}},
		{"TenantArg in a builder", "SEP-B18", sq.Eq{"tenant_id": query.TenantArg()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, b := range []query.Builder{
				c.Select("id").From("patients p").Where(test.condition),
				c.Select("p.id").From("patients p").LeftJoin("encounters e", test.condition),
				c.Delete("patients p").Where(test.condition),
				c.Select("id").From("patients p").Filter("f", test.condition),
			} {
				if test.rule == "SEP-B08" {
					refused(t, b, "")
					continue
				}
				refused(t, b, test.rule)
			}
		})
	}
}

// Names in the places of relations, columns and aliases can't be SQL.
func TestNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := clinic
	p := c.Select("p.id").From("patients p")
	for name, b := range map[string]query.Builder{
		"Q04 a comment in From":        c.Select("id").From("patients -- "),
		"Q04 two relations in From":    c.Select("id").From("patients, encounters"),
		"Q04 a sub-select in From":     c.Select("id").From("(select * from patients) p"),
		"Q04 a join in From":           c.Select("p.id").From("patients p join encounters e on true"),
		"Q04 SQL in a column":          c.Select("(select 1)").From("patients"),
		"Q04 SQL behind a column":      c.Select("id from encounters --").From("patients"),
		"Q04 SQL in an alias":          c.Select("id as x, (select 1)").From("patients"),
		"Q04 an alias that is SQL":     c.Select("id").Columns(query.Count("*").As("n from x")).From("patients"),
		"Q03 SQL in OrderBy":           p.OrderBy("p.name; drop table x"),
		"Q03 SQL behind a direction":   p.OrderBy("p.name desc, (select 1)"),
		"Q03 SQL in GroupBy":           p.GroupBy("p.id having true"),
		"a wrong order":                p.OrderBy("p.name down"),
		"Q03 SQL in a lock":            p.Lock("for update; select 1"),
		"SQL in a window's name":       p.Window("w as (), x", query.Over{}),
		"SQL in a CTE's name":          p.With("x as (select 1), y", c.Select("id").From("patients")),
		"SQL in a source's alias":      c.Select("id").FromSource(query.Sub(c.Select("id").From("patients"), "x, patients")),
		"SQL in a source's columns":    c.Select("x").FromSource(query.Func(query.Expr("unnest(?::text[])", nil), "x", "a) , patients (")),
		"Q10 a function that runs SQL": c.Select().Columns(query.Expr("query_to_xml('select * from patients', true, false, '')")),
		"Q10 the same in FROM":         c.Select("x").FromSource(query.Func(query.Expr("dblink('', 'select 1')"), "x", "x")),
		"a call that is no call":       c.Select("x").FromSource(query.Func(query.Expr("f(), patients"), "x", "x")),
		"a relation as call":           c.Select("x.id").FromSource(query.Func(query.Expr("patients"), "x")),
		"an unknown relation":          c.Select("id").From("nobody"),
		"Q14 an undeclared twin":       c.Select("id").From("other.patients"),
		"Q14 system catalogs":          c.Select("rolname").From("pg_catalog.pg_authid"),
		"Q14 a CTE over a relation":    c.Select("id").With("patients", c.Select("id").From("encounters")).From("patients"),
		"Q14 one alias for two":        c.Select("p.id").From("patients p").CrossJoin("encounters p"),
		"no relation for *":            c.Select("*"),
		"nothing to select":            c.Select().From("patients"),
		"a join before From":           c.Select("id").Join("patients", query.On("true")),
		"From twice":                   c.Select("id").From("patients").From("encounters"),
		"an unknown column":            c.Select("p.salary").From("patients p"),
		"an unknown alias":             c.Select("x.*").From("patients p"),
		"an unknown lock":              p.ForUpdate("x"),
		"a wait without a lock":        p.NoWait(),
		"a long name":                  c.Select(strings.Repeat("a", 64)).From("patients"),
		"a query of another catalog":   p.Where(query.Exists(open.Select("id").From("patients"))),
		"a zero builder":               query.SelectBuilder{},
		"a zero builder inside":        p.Where(query.Exists(query.SelectBuilder{})),
		"no query in Exists":           p.Where(query.Exists(nil)),
		"no query in With":             p.With("x", nil),
		"no query in Union":            p.Union(nil),
		"no step":                      p.WithRecursive("x", nil, c.Select("id").From("patients"), nil),
		"a neighbour, without LATERAL": p.JoinSource(query.Inner, query.Sub(c.Select("e.id").From("encounters e").Where(query.Expr("e.patient_id = p.id")), "x"), query.On("true")),
		"an inner join without ON":     p.Join("encounters e", nil),
		"Q09 a natural join in From":   c.Select("*").From("patients natural join encounters"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, b, "")
		})
	}
}

func many(n int) sq.And {
	and := make(sq.And, n)
	for i := range and {
		and[i] = sq.Eq{"id": i}
	}
	return and
}

// A Sqlizer is rendered once, when it is given: what it says later has no effect.
func TestStatefulConditions(t *testing.T) {
	t.Parallel()
	calls := 0
	counting := sqlizer(func() (string, []any, error) {
		calls++
		return fmt.Sprintf("id = %d", calls), nil, nil
	})
	b := clinic.Select("id").From("patients").Where(counting)
	require.Equal(t, 1, calls)
	first, second := text(t, b), text(t, b.Limit(1))
	require.Equal(t, 1, calls)
	require.Contains(t, first, "id = 1")
	require.Contains(t, second, "id = 1")
}

func TestMutatedConditions(t *testing.T) {
	t.Parallel()
	eq := sq.Eq{"status": "a"}
	ids := []string{"x", "y"}
	args := []any{[]string{"z"}}
	names := []string{"id"}
	b := clinic.Select(names...).From("patients").Where(eq, sq.Eq{"mrn": ids}, query.Expr("name = any(?)", args...))
	before := must(t, b)
	eq["status"], eq["note"] = "changed", "added"
	ids[0], names[0] = "changed", "name"
	args[0].([]string)[0] = "changed"
	args[0] = nil
	after := must(t, b)
	require.Equal(t, before.SQL(), after.SQL())
	values, err := after.Bind(as(t, mary))
	require.NoError(t, err)
	require.Equal(t, []any{mary, "a", "x", "y", []string{"z"}}, values)
	values[1], values[4] = "changed", nil
	again, err := after.Bind(as(t, mary))
	require.NoError(t, err)
	require.Equal(t, []any{mary, "a", "x", "y", []string{"z"}}, again)
}

func must(t testing.TB, b query.Builder) *query.Statement {
	t.Helper()
	s, err := b.Build()
	require.NoError(t, err)
	return s
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	insert := clinic.Insert("patients").Columns("id")
	for i := range 5_000 {
		insert = insert.Values(i)
	}
	refused(t, insert, "SEP-B17")
	deep := clinic.Select("id").From("patients")
	for range 40 {
		deep = clinic.Select("id").From("patients").Where(query.Exists(deep))
	}
	refused(t, deep, "SEP-B17")
	refused(t, clinic.Select("id").From("patients").Where(query.Expr("name = '"+strings.Repeat("x", 100_000)+"'")), "")
}
