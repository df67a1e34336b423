package sqlproof

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// worstCases are texts of almost 64 KiB that repeat one thing, each aimed at a part that could take more than linear time.
func worstCases() map[string]string {
	fill := func(head, part, tail string) string {
		n := (maxText - len(head) - len(tail) - 8) / len(part)
		return head + strings.Repeat(part, n) + tail
	}
	numbered := func(head, tail string, part func(i int) string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < maxText-len(tail)-200; i++ {
			b.WriteString(part(i))
		}
		return b.String() + tail
	}
	deep := strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60)
	return map[string]string{
		"plain select list":    fill("SELECT id", ", name", " FROM patients WHERE tenant_id = $1"),
		"and":                  fill("SELECT id FROM patients WHERE tenant_id = $1", " AND id = 1", ""),
		"or":                   fill("SELECT id FROM patients WHERE tenant_id = $1 AND (false", " OR id = 1", ")"),
		"or of facts":          fill("SELECT id FROM patients WHERE tenant_id = $1", " OR tenant_id = $1", ""),
		"concatenation":        fill("SELECT name", "||name", " FROM patients WHERE tenant_id = $1"),
		"additions":            fill("SELECT id", "+id", " FROM patients WHERE tenant_id = $1"),
		"powers":               fill("SELECT id", "^id", " FROM patients WHERE tenant_id = $1"),
		"casts":                fill("SELECT id", "::text", " FROM patients WHERE tenant_id = $1"),
		"subscripts":           fill("SELECT a", "[1]", " FROM patients WHERE tenant_id = $1"),
		"collations":           fill("SELECT name", ` COLLATE "C"`, " FROM patients WHERE tenant_id = $1"),
		"not":                  fill("SELECT id FROM patients WHERE ", "NOT ", "tenant_id = $1"),
		"minus":                fill("SELECT ", "- ", "id FROM patients WHERE tenant_id = $1"),
		"and not":              fill("SELECT id FROM patients WHERE tenant_id = $1", " AND NOT NOT NOT false", ""),
		"operators":            fill("SELECT id", " @ ", "id FROM patients WHERE tenant_id = $1"),
		"in list":              fill("SELECT id FROM patients WHERE tenant_id = $1 AND id IN (1", ",1", ")"),
		"in list of tenants":   fill("SELECT id FROM patients WHERE tenant_id IN ($1", ",$1", ")"),
		"in list of rows":      fill("SELECT id FROM patients WHERE (tenant_id, id) IN (($1, 1)", ",($1,1)", ")"),
		"values":               fill("SELECT id FROM patients JOIN (VALUES ($1::bigint)", ",($1)", ") x(t) ON x.t = tenant_id"),
		"union":                fill("SELECT id FROM patients WHERE tenant_id = $1", " UNION ALL SELECT 1", ""),
		"union of tenants":     fill("SELECT tenant_id FROM patients WHERE tenant_id = $1", " UNION SELECT $1::bigint", ""),
		"comma join":           fill("SELECT 1 FROM patients p", ", icd10_codes", " WHERE p.tenant_id = $1"),
		"comma join of tables": numbered("SELECT 1 FROM patients p", " WHERE p.tenant_id = $1", func(i int) string { return fmt.Sprintf(", patients p%d", i) }),
		"inner joins, a chain": numbered("SELECT 1 FROM patients p0", " WHERE p0.tenant_id = $1", func(i int) string {
			return fmt.Sprintf(" JOIN visits p%d ON p%d.tenant_id = p%d.tenant_id", i+1, i+1, i)
		}),
		"inner joins, backwards": numbered("SELECT 1 FROM patients p0", " WHERE true", func(i int) string {
			return fmt.Sprintf(" JOIN visits p%d ON p%d.tenant_id = p%d.tenant_id", i+1, i, i+1)
		}),
		"left joins, a chain": numbered("SELECT 1 FROM patients p0", " WHERE p0.tenant_id = $1", func(i int) string {
			return fmt.Sprintf(" LEFT JOIN visits p%d ON p%d.tenant_id = p%d.tenant_id", i+1, i+1, i)
		}),
		"left joins, a star":      numbered("SELECT 1 FROM patients p", " WHERE p.tenant_id = $1", func(i int) string { return fmt.Sprintf(" LEFT JOIN visits p%d ON p%d.tenant_id = p.tenant_id", i, i) }),
		"right joins":             numbered("SELECT 1 FROM patients p", " WHERE p.tenant_id = $1", func(i int) string { return fmt.Sprintf(" RIGHT JOIN visits p%d ON p%d.tenant_id = p.tenant_id", i, i) }),
		"full joins":              numbered("SELECT 1 FROM patients p", " WHERE p.tenant_id = $1", func(i int) string { return fmt.Sprintf(" FULL JOIN visits p%d ON p%d.tenant_id = p.tenant_id", i, i) }),
		"joins by using":          numbered("SELECT 1 FROM patients p", " WHERE p.tenant_id = $1", func(i int) string { return fmt.Sprintf(" JOIN visits p%d USING (tenant_id)", i) }),
		"left joins by using":     numbered("SELECT * FROM patients p", " WHERE p.tenant_id = $1", func(i int) string { return fmt.Sprintf(" LEFT JOIN visits p%d USING (tenant_id)", i) }),
		"unqualified names":       numbered("SELECT 1 FROM patients p", " WHERE tenant_id = $1", func(i int) string { return fmt.Sprintf(" JOIN (SELECT 1 AS c%d) x%d ON c%d = id", i, i, i) }),
		"ctes, a chain":           numbered("WITH c0 AS (SELECT tenant_id FROM patients WHERE tenant_id = $1)", " SELECT 1", func(i int) string { return fmt.Sprintf(", c%d AS (SELECT tenant_id FROM c%d)", i+1, i) }),
		"ctes, recursive, lazily": numbered("WITH RECURSIVE z AS (SELECT tenant_id FROM c0)", ", c99999 AS (SELECT 1) SELECT 1", func(i int) string { return fmt.Sprintf(", c%d AS (SELECT tenant_id FROM c%d)", i, i+1) }),
		"ctes that recurse": numbered("WITH RECURSIVE c0(a, b) AS (SELECT $1::bigint, 1)", " SELECT 1", func(i int) string {
			return fmt.Sprintf(", c%d(a, b) AS (SELECT a, a FROM c%d UNION SELECT b, a FROM c%d)", i+1, i, i+1)
		}),
		"laterals, a chain":       numbered("SELECT 1 FROM patients p0", " WHERE p0.tenant_id = $1", func(i int) string { return fmt.Sprintf(", LATERAL (SELECT p%d.tenant_id) p%d", i, i+1) }),
		"sub-selects in a row":    fill("SELECT 1", ", (SELECT 1 FROM visits v WHERE v.tenant_id = p.tenant_id)", " FROM patients p WHERE p.tenant_id = $1"),
		"deep parentheses":        fill("SELECT 1", ","+deep, ""),
		"deep sub-selects":        fill("SELECT 1", ","+strings.Repeat("(SELECT ", 60)+"1"+strings.Repeat(")", 60), ""),
		"deep derived tables":     fill("SELECT 1 FROM patients p", ", "+strings.Repeat("(SELECT * FROM ", 60)+"icd10_codes"+strings.Repeat(") q", 60), " WHERE p.tenant_id = $1"),
		"deep from parentheses":   fill("SELECT 1 FROM patients p", ", "+strings.Repeat("(", 50)+"icd10_codes a cross join icd10_codes b"+strings.Repeat(")", 50), ""),
		"deep calls":              fill("SELECT 1", ","+strings.Repeat("abs(", 60)+"1"+strings.Repeat(")", 60), ""),
		"deep case":               fill("SELECT 1", ","+strings.Repeat("CASE WHEN true THEN ", 60)+"1"+strings.Repeat(" END", 60), ""),
		"deep arrays":             fill("SELECT 1", ",ARRAY"+strings.Repeat("[", 60)+"1"+strings.Repeat("]", 60), ""),
		"end as a name":           fill("SELECT 1 AS end", ", 1 AS end", ""),
		"grouping sets":           fill("SELECT 1 FROM patients WHERE tenant_id = $1 GROUP BY GROUPING SETS (id", ", (id)", ")"),
		"windows":                 numbered("SELECT 1 FROM patients WHERE tenant_id = $1 WINDOW w AS ()", "", func(i int) string { return fmt.Sprintf(", w%d AS (w)", i) }),
		"strings":                 fill("SELECT 'a'", "\n'a'", ""),
		"one string":              fill("SELECT '", "a", "'"),
		"dollar quotes":           fill("SELECT $a", "$a", "$"),
		"one comment":             fill("SELECT 1 /*", "/* */", "*/"),
		"comments":                fill("SELECT 1", "/**/", ""),
		"open parentheses":        fill("SELECT ", "(", ""),
		"insert rows":             fill("INSERT INTO patients (tenant_id, id) VALUES ($1, 1)", ",($1,1)", ""),
		"set":                     fill("UPDATE patients SET name = 'x'", ", note = 'x'", " WHERE tenant_id = $1"),
		"merge clauses":           fill("MERGE INTO patients p USING (SELECT 1 AS id) s ON p.tenant_id = $1", " WHEN MATCHED THEN DELETE", ""),
		"statements":              fill("SELECT 1", ";SELECT 1", ""),
		"named windows and joins": numbered("SELECT 1 FROM patients p0", "", func(i int) string { return fmt.Sprintf(" NATURAL JOIN visits p%d", i) }),
		"joins before their ON":   fill("SELECT 1 FROM patients", " JOIN icd10_codes", ""),
	}
}

// Time is bounded for any text under 64 KiB: the steps that a proof may take are counted, and no case takes 50 times
// those of the median. The clock is looked at too, with room for a slow machine.
func TestWorstCasesAreBounded(t *testing.T) {
	c := corpusCatalog(t)
	var steps []int
	var slowest time.Duration
	for name, sql := range worstCases() {
		require.LessOrEqual(t, len(sql), maxText, name)
		p := newProver(sql, c, 1, []Option{AllowMerge})
		start := time.Now()
		if stmt := p.gate(); p.refusal == nil {
			_, _ = p.prove(stmt)
		}
		took := time.Since(start)
		slowest = max(slowest, took)
		rule := "accepted"
		if p.refusal != nil {
			rule = p.refusal.Rule
		}
		t.Logf("%-26s %7d steps %10v %s", name, p.steps, took.Round(time.Microsecond), rule)
		require.LessOrEqual(t, p.steps, maxSteps+maxText, name)
		require.Less(t, took, 5*time.Second, name)
		if p.steps > 0 {
			steps = append(steps, p.steps)
		}
	}
	slices.Sort(steps)
	median, most := steps[len(steps)/2], steps[len(steps)-1]
	t.Logf("steps: median %d, most %d; slowest %v", median, most, slowest)
	require.Less(t, most, 50*median)
}
