package sqlproof

// common intersects sets of equalities: two columns are equal in all arms when each arm's classes hold both.
func (p *prover) common(arms [][]equality, why hint) []equality {
	for _, arm := range arms {
		for _, e := range arm {
			// Only what the intersection drops keeps the hint: see check.
			e.a.hint(why)
			e.b.hint(why)
		}
	}
	if len(arms) == 0 {
		return nil
	}
	acc := partitionOf(arms[0])
	for _, arm := range arms[1:] {
		if len(acc.order) == 0 || !p.step(len(acc.order)+len(arm)) {
			return nil
		}
		acc = acc.and(partitionOf(arm))
	}
	var facts []equality
	for _, c := range acc.order {
		if root := acc.find(c); c != root {
			facts = append(facts, equality{c, root, -1})
		}
	}
	return facts
}

// A partition is a small union-find that remembers the order of its columns.
type partition struct {
	order []*column
	up    map[*column]*column
}

func partitionOf(facts []equality) partition {
	p := partition{up: make(map[*column]*column, 2*len(facts))}
	for _, e := range facts {
		a, b := p.find(e.a), p.find(e.b)
		if a != b {
			p.up[b] = a
		}
	}
	return p
}

func (p *partition) find(c *column) *column {
	if p.up[c] == nil {
		p.up[c] = c
		p.order = append(p.order, c)
	}
	for p.up[c] != c {
		p.up[c] = p.up[p.up[c]]
		c = p.up[c]
	}
	return c
}

// and is the partition whose classes are the intersections of the classes of both.
func (p *partition) and(q partition) partition {
	type pair struct{ a, b *column }
	roots := map[pair]*column{}
	next := partition{up: map[*column]*column{}}
	for _, c := range p.order {
		if q.up[c] == nil {
			continue
		}
		key := pair{p.find(c), q.find(c)}
		if roots[key] == nil {
			roots[key] = c
		}
		next.order = append(next.order, c)
		next.up[c] = roots[key]
	}
	return next
}
