package sqlproof

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseExprAccepts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Expr{
		"p.name = $1":              {Params: []int{1}, Columns: [][]string{{"p", "name"}}},
		"a OR b":                   {Columns: [][]string{{"a"}, {"b"}}},
		"(a, b) = ($2, $2)":        {Params: []int{2, 2}, Columns: [][]string{{"a"}, {"b"}}},
		"lower(name) LIKE $1":      {Params: []int{1}, Columns: [][]string{{"name"}}, Functions: []string{"lower"}},
		"count(*)":                 {Aggregate: true, Functions: []string{"count"}},
		"sum(x) over (order by y)": {Window: true, Columns: [][]string{{"x"}, {"y"}}, Functions: []string{"sum"}},
		"exists (select 1 from t where t.x = p.x)": {Subselect: true},
		"(select max(x) from t)":                   {Subselect: true, Aggregate: true, Functions: []string{"max"}},
		"data ? 'k'":                               {Columns: [][]string{{"data"}}},
		"'-- ; /* '":                               {},
	} {
		got, err := ParseExpr(text)
		require.NoError(t, err, text)
		require.Equal(t, want, *got, text)
	}
}

// Q02, Q03, Q04: a fragment cannot leave its place.
func TestParseExprRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "  ", "a; b", "a;", "1=1) OR (1=1", "a)", "(a", "a -- x", "a /* x */", "a, b", "a AS b", "a FROM t", "a UNION SELECT 1",
		"select 1", "values (1)", "with x as (select 1) select 1", "table t", "*", "DEFAULT", "a ORDER BY b", "1 LIMIT 1", "a] || [b",
		"@name = 1", "a = ?", "'open", "\xff", "a\x00b", "DISTINCT a", "ALL a", "a) AS x, (b", "1\n) UNION (SELECT 1",
	} {
		_, err := ParseExpr(text)
		var r *Refusal
		require.ErrorAs(t, err, &r, text)
		require.NotEmpty(t, r.Why, text)
	}
}
