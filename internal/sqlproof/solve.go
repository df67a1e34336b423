package sqlproof

// solve finds the labels of all columns: the least fixpoint of "a column is the tenant when its class holds the tenant
// parameter or a column that is the tenant". References of recursive CTEs begin with what their base term has; when the
// step has less, they are lowered to it, and everything is solved again.
func (p *prover) solve() {
	for p.refusal == nil {
		p.reset()
		for p.pass() && p.refusal == nil {
		}
		if !p.lowered() {
			return
		}
	}
}

func (p *prover) reset() {
	for _, lv := range p.levels {
		for _, it := range lv.items {
			for _, c := range it.allColumns() {
				c.label, c.rank = unknown, 0
			}
		}
		lv.root.each(func(g *group) {
			for _, k := range g.order {
				k.bound = false
			}
		})
	}
	p.rank = 0
}

// lowered takes back assumptions about recursive references that their step did not keep.
func (p *prover) lowered() bool {
	again := false
	for _, c := range p.cycles {
		for i := range c.caps {
			if i >= len(c.query.outputs) {
				c.caps[i] = unknown
				continue
			}
			if l := p.labelOf(c.query.outputs[i], 0); l < c.caps[i] && p.labelOf(c.self[i], 0) > l {
				c.caps[i] = l
				again = true
			}
		}
	}
	return again
}

// pass goes over all classes once and reports whether anything was found.
func (p *prover) pass() bool {
	found := false
	for _, lv := range p.levels {
		lv.root.each(func(g *group) {
			for _, k := range g.order {
				if k.up == nil && !k.bound && p.step(1) && p.binds(k) {
					k.bound, found = true, true
				}
			}
		})
		for _, it := range lv.items {
			for _, c := range it.allColumns() {
				if p.step(1) && p.raise(c) {
					found = true
				}
			}
		}
	}
	return found
}

// binds reports whether a class holds the tenant parameter or a column that is known to be the tenant.
func (p *prover) binds(k *class) bool {
	if k.tenant {
		return true
	}
	for _, a := range k.above {
		if a.root().bound {
			return true
		}
	}
	for _, c := range k.members {
		p.step(1)
		if c.item == nil {
			if p.labelOf(c.source, 0) != unknown {
				return true
			}
		} else if c.label != unknown {
			return true
		}
	}
	return false
}

// raise looks whether more is known of a column now.
func (p *prover) raise(c *column) bool {
	l := c.given
	if c.source != nil {
		l = p.labelOf(c.source, 0)
		if l == exactTenant && c.item.nullable {
			l = tenantOrNull
		}
	}
	if l < exactTenant && c.item.group != nil {
		if k := c.item.group.class(c, false); k != nil && k.bound {
			l = exactTenant
			if c.item.nullable {
				l = tenantOrNull
			}
		}
	}
	if l <= c.label {
		return false
	}
	if c.label == unknown {
		p.rank++
		c.rank = p.rank
	}
	c.label = l
	return true
}

// labelOf is what an output has, from the labels of columns as far as they are known.
func (p *prover) labelOf(o *output, depth int) label {
	if !o.exact || depth > maxDepth || !p.step(1) {
		return unknown
	}
	l := unknown
	switch {
	case o.tenant:
		l = exactTenant
	case o.column != nil:
		l = o.column.label
	case len(o.arms) > 0:
		l = exactTenant
		for _, arm := range o.arms {
			l = min(l, p.labelOf(arm, depth+1))
			if l == unknown {
				break
			}
		}
	}
	if o.cap != nil {
		l = min(l, *o.cap)
	}
	if o.nulls {
		l = min(l, tenantOrNull)
	}
	return l
}

// allColumns are the columns of an item that can have a label, in a fixed order.
func (it *item) allColumns() []*column {
	if it.tenant != nil {
		return []*column{it.tenant}
	}
	return it.order
}

// each visits a group and those below it.
func (g *group) each(visit func(*group)) {
	if g == nil {
		return
	}
	visit(g)
	for _, b := range g.below {
		b.each(visit)
	}
}
