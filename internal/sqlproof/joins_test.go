package sqlproof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A joinMaker writes statements over random trees of joins, where most of what the prover knows of facts, NULLs and
// labels is at work at once.
type joinMaker struct {
	*rand.Rand
	n int // aliases given out
}

func (m *joinMaker) one(list ...string) string { return list[m.IntN(len(list))] }

// tree gives a FROM entry and the aliases in it. left are the aliases that LATERAL sees.
func (m *joinMaker) tree(depth int, left []string) (sql string, aliases []string) {
	if depth == 0 || m.IntN(4) == 0 {
		return m.leaf(left)
	}
	l, la := m.tree(depth-1, left)
	join := m.one("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
	seen := left
	if join == "JOIN" || join == "LEFT JOIN" {
		seen = append(append([]string{}, left...), la...)
	}
	r, ra := m.tree(depth-1, seen)
	aliases = append(append([]string{}, la...), ra...)
	if strings.Contains(r, " JOIN ") {
		r = "(" + r + ")"
	}
	if m.IntN(8) == 0 && len(la) == 1 && len(ra) == 1 {
		return fmt.Sprintf("%s %s %s USING (%s)", l, join, r, m.one("tenant_id", "tenant_id, id")), aliases
	}
	on := m.pair(la, ra)
	for m.IntN(3) > 0 {
		on += " AND " + m.condition(aliases)
	}
	return fmt.Sprintf("%s %s %s ON %s", l, join, r, on), aliases
}

func (m *joinMaker) leaf(left []string) (string, []string) {
	m.n++
	alias := fmt.Sprintf("a%d", m.n)
	table := m.one("patients", "visits", "invoices")
	switch m.IntN(9) {
	case 0:
		return fmt.Sprintf("(SELECT tenant_id, id FROM %s WHERE tenant_id = $1) %s", table, alias), []string{alias}
	case 1:
		return fmt.Sprintf("(SELECT x.tenant_id, y.id FROM %s x LEFT JOIN visits y ON y.tenant_id = x.tenant_id AND y.id = x.id + 3 WHERE x.tenant_id = $1) %s", table, alias), []string{alias}
	case 2:
		return fmt.Sprintf("(SELECT y.tenant_id, x.id FROM %s x LEFT JOIN visits y ON y.tenant_id = x.tenant_id AND y.id = x.id + 3 WHERE x.tenant_id = $1) %s", table, alias), []string{alias}
	case 3:
		if len(left) > 0 {
			return fmt.Sprintf("LATERAL (SELECT tenant_id, id FROM %s WHERE %s = %s.tenant_id AND id < %d) %s", table, m.one("tenant_id", "tenant_id", "id"), m.one(left...), 2+m.IntN(6), alias), []string{alias}
		}
	case 4:
		return fmt.Sprintf("(VALUES ($1::bigint, 1::bigint), (%s, 2)) %s(tenant_id, id)", m.one("$1", "NULL", "2"), alias), []string{alias}
	}
	return table + " " + alias, []string{alias}
}

// pair relates the two sides of a join, mostly by tenant.
func (m *joinMaker) pair(l, r []string) string {
	switch m.IntN(5) {
	case 0:
		return fmt.Sprintf("%s.id = %s.id", m.one(l...), m.one(r...))
	case 1:
		return fmt.Sprintf("%s.tenant_id = $1", m.one(append(append([]string{}, l...), r...)...))
	}
	return fmt.Sprintf("%s.tenant_id = %s.tenant_id", m.one(l...), m.one(r...))
}

func (m *joinMaker) condition(aliases []string) string {
	a, b := m.one(aliases...), m.one(aliases...)
	switch m.IntN(16) {
	case 0, 1, 2:
		return a + ".tenant_id = $1"
	case 3, 4, 5:
		return a + ".tenant_id = " + b + ".tenant_id"
	case 6:
		return a + ".id = " + b + ".id"
	case 7:
		return a + ".id IS NULL"
	case 8:
		return a + ".tenant_id IS NOT NULL"
	case 9:
		return "(" + m.condition(aliases) + " OR " + m.condition(aliases) + ")"
	case 10:
		return fmt.Sprintf("(%s.tenant_id = $1 AND %s OR %s.tenant_id = $1 AND %s)", a, m.condition(aliases), a, m.condition(aliases))
	case 11:
		return fmt.Sprintf("%s.id < %d", a, 1+m.IntN(7))
	case 12:
		return fmt.Sprintf("EXISTS (SELECT 1 FROM visits e WHERE e.tenant_id = %s.tenant_id AND e.id = %s.id)", a, b)
	case 13:
		return fmt.Sprintf("%s.tenant_id IN (SELECT e.tenant_id FROM visits e WHERE e.tenant_id = %s)", a, m.one("$1", b+".tenant_id"))
	case 14:
		return fmt.Sprintf("(%s.tenant_id, %s.id) = (%s, 3)", a, a, m.one("$1", b+".tenant_id"))
	}
	return fmt.Sprintf("%s.tenant_id IN (%s, %s)", a, m.one("$1", b+".tenant_id"), m.one("$1", b+".tenant_id"))
}

func (m *joinMaker) statement() string {
	m.n = 0
	from, aliases := m.tree(1+m.IntN(3), nil)
	if m.IntN(4) == 0 {
		more, others := m.tree(1, aliases)
		from, aliases = from+", "+more, append(aliases, others...)
	}
	where := m.condition(aliases)
	for m.IntN(3) > 0 {
		where += " AND " + m.condition(aliases)
	}
	var out []string
	for _, a := range aliases {
		out = append(out, a+".tenant_id", a+".id")
	}
	if m.IntN(5) == 0 {
		out = []string{fmt.Sprintf("(SELECT count(*) FROM invoices e WHERE e.tenant_id = %s.tenant_id)", m.one(aliases...)), "count(*) OVER ()"}
	}
	return "SELECT " + strings.Join(out, ", ") + " FROM " + from + " WHERE " + where
}

// Non-interference of joins: as TestMutantsDoNotInterfere, on statements that are made and not mutated.
func TestRandomJoinsDoNotInterfere(t *testing.T) {
	t.Parallel()
	total, seed := trials(t, 20_000)
	m := &joinMaker{Rand: rand.New(rand.NewPCG(seed, 2))}
	w := newWorlds(t)
	catalogs := []*Catalog{corpusCatalog(t), closedCatalog(t)}
	var sum tally
	for sum.proved < total {
		sql := m.statement()
		proof, err := Prove(sql, catalogs[sum.proved%2], 1)
		sum.proved++
		if err != nil {
			continue
		}
		sum.accepted++
		if sum.accepted > total/12 {
			continue
		}
		how, ran := w.differ(context.Background(), sql, false)
		if ran || how != "" {
			sum.ran++
		}
		if how != "" {
			sum.interfered++
			t.Errorf("interferes: %s\n%s\n%s", sql, proof, how)
			if sum.interfered > 3 {
				break
			}
		}
	}
	t.Logf("joins: proved %d, accepted %d, executed %d, interfered %d", sum.proved, sum.accepted, sum.ran, sum.interfered)
	require.Greater(t, sum.accepted, total/100)
}
