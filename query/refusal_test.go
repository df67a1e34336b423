package query_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

func TestRefusalText(t *testing.T) {
	t.Parallel()
	r := &query.Refusal{
		Rule: "SEP-Q12", Relation: "encounters e", What: "is not bound to the tenant", Line: 3, Column: 12,
		Why:   "its predicate stands in WHERE of an outer join's other side, so rows of every tenant would join",
		Write: "LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND …",
	}
	require.Equal(t, `query: refused SEP-Q12: "encounters e" is not bound to the tenant (line 3, column 12)
  its predicate stands in WHERE of an outer join's other side, so rows of every tenant would join
  write: LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND …`, r.Error())
	require.Equal(t, "query: refused SEP-B01: a condition is nil", (&query.Refusal{Rule: "SEP-B01", What: "a condition is nil"}).Error())
}

func TestRules(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	id := regexp.MustCompile(`^SEP-[A-Z]\d\d$`)
	threat := regexp.MustCompile(`^[A-Z]\d\d$`)
	for _, rule := range query.Rules() {
		require.Regexp(t, id, rule.ID)
		require.False(t, seen[rule.ID], "%s is there twice", rule.ID)
		seen[rule.ID] = true
		require.NotEmpty(t, rule.Title, rule.ID)
		require.NotEmpty(t, rule.Why, rule.ID)
		for _, id := range rule.Threats {
			require.Regexp(t, threat, id)
		}
	}
	require.True(t, seen["SEP-B01"])
}
