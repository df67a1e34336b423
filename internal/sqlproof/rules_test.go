package sqlproof

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	sectionMark = regexp.MustCompile(`(?m)^## (SEP-[A-Z]\d\d): (.*)$`)
	exampleMark = regexp.MustCompile("(?s)```sql (refused|remarked|accepted)( fragment| merge)?\n(.*?)\n```")
	repeatMark  = regexp.MustCompile(`(?s)\{\{(.*?) × (\d+)\}\}`)
)

func expand(text string) string {
	return repeatMark.ReplaceAllStringFunc(text, func(s string) string {
		m := repeatMark.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n)
	})
}

// docs/refusals.md has a section for each rule, whose bad example is refused by exactly that rule and whose good example
// is accepted.
func TestEachRuleHasItsExamples(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/refusals.md")
	require.NoError(t, err)
	page := string(data)
	catalog := corpusCatalog(t)
	marks := sectionMark.FindAllStringSubmatchIndex(page, -1)
	sections := map[string]string{}
	for i, m := range marks {
		end := len(page)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		sections[page[m[2]:m[3]]] = page[m[4]:end]
	}
	for _, rule := range Rules() {
		section, ok := sections[rule.ID]
		require.True(t, ok, "%s has no section", rule.ID)
		require.Contains(t, section, rule.Title, rule.ID)
		examples := exampleMark.FindAllStringSubmatch(section, -1)
		require.Len(t, examples, 2, "%s: a bad and a good example", rule.ID)
		for _, e := range examples {
			got, lints := tryExample(expand(e[3]), strings.TrimSpace(e[2]), catalog)
			switch e[1] {
			case "refused":
				assert.Equal(t, rule.ID, got, e[3])
			case "remarked":
				assert.Empty(t, got, e[3])
				assert.Contains(t, lints, rule.ID, e[3])
			case "accepted":
				assert.Empty(t, got, "%s: %s", rule.ID, e[3])
				assert.NotContains(t, lints, rule.ID, e[3])
			}
		}
	}
}

// tryExample gives the rule that refuses a text, "" for none, and the rules of the remarks on it.
func tryExample(text, how string, c *Catalog) (rule string, lints []string) {
	var err error
	var proof *Proof
	switch how {
	case "fragment":
		_, err = ParseExpr(text)
	case "merge":
		proof, err = Prove(text, c, 1, AllowMerge)
	default:
		proof, err = Prove(text, c, 1)
	}
	var r *Refusal
	if errors.As(err, &r) {
		return r.Rule, nil
	}
	if proof != nil {
		for _, l := range proof.Lints {
			lints = append(lints, l.Rule)
		}
	}
	return "", lints
}

func TestRules(t *testing.T) {
	t.Parallel()
	list := Rules()
	require.True(t, slices.IsSortedFunc(list, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) }))
	seen := map[string]bool{}
	for _, r := range list {
		require.Regexp(t, `^SEP-[FGLNTW]\d\d$`, r.ID)
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
		require.NotEmpty(t, r.Title, r.ID)
		require.NotEmpty(t, r.Why, r.ID)
		require.NotEmpty(t, r.Threats, r.ID)
	}
	// What a caller does with the list does not reach the next one.
	list[0].Threats[0] = "x"
	require.NotEqual(t, "x", Rules()[0].Threats[0])
}

// Each threat of the groups Q, J and W that the text of a statement can meet is served by a rule. Q15 (a cache that froze
// a tenant), J08 and J09 in part, W05 and W08 are met elsewhere.
func TestThreatsHaveRules(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, r := range Rules() {
		for _, threat := range r.Threats {
			served[threat] = true
		}
	}
	for _, threat := range strings.Fields("Q01 Q02 Q03 Q04 Q05 Q06 Q07 Q08 Q09 Q10 Q11 Q12 Q13 Q14 Q15 J01 J02 J03 J04 J05 J06 J07 J09 W01 W02 W03 W04 W06 W07") {
		require.True(t, served[threat], threat)
	}
}
