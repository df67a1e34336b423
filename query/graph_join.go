package query

import "slices"

// keys writes the keys of the level above, of every round when the level repeats.
func (g graphWriter) keys(l *graphLevel, named bool) {
	for i := range l.edge.fromCols {
		if i > 0 {
			g.text(", ")
		}
		g.text("g.")
		if l.repeat > 1 {
			g.text(graphKey(i))
		} else {
			g.slotName(l.parentSlots()[i])
		}
		if named {
			g.text(" as " + graphKey(i))
		}
	}
	g.text(" from ")
	if l.repeat > 1 {
		g.cte("w", l)
	} else {
		g.cte("g", l.parent)
	}
	g.text(" g")
}

// parentSlots are the slots of the level above that hold the key to this level.
func (l *graphLevel) parentSlots() []int {
	return l.parent.outs[slices.Index(l.parent.children, l)]
}

// lookup writes a level whose key has one column, with the keys as an array: that is faster than a join.
func (g graphWriter) lookup(l *graphLevel) {
	if l.edge.link == nil {
		g.source(l)
		g.text(" c where ")
		g.columnOf("c", l.edge.toCols[0])
	} else {
		g.link(l)
		g.text(" l join ")
		g.source(l)
		g.text(" c on ")
		g.pairs("c", l.edge.toCols, "l", l.edge.linkTo)
		g.text(" where ")
		g.columnOf("l", l.edge.linkFrom[0])
	}
	g.text(" = any(array(select ")
	g.keys(l, false)
	g.text("))")
}

// joined writes the join of a level to keys under an alias; its rows are c. A limit is for each key.
func (g graphWriter) joined(l *graphLevel, keys string) {
	columns := make([]string, len(l.edge.fromCols))
	for i := range columns {
		columns[i] = graphKey(i)
	}
	limited := l.spec.Limit > 0
	if !limited {
		if l.edge.link != nil {
			g.text(" join ")
			g.link(l)
			g.text(" l on ")
			g.pairs("l", l.edge.linkFrom, keys, columns)
		}
		g.text(" join ")
		g.source(l)
		g.text(" c on ")
		g.partner(l, keys, columns)
		return
	}
	g.text(" cross join lateral (select ")
	for i, name := range l.needed() {
		if i > 0 {
			g.text(", ")
		}
		g.columnOf("c", name)
	}
	g.text(" from ")
	if l.edge.link != nil {
		g.link(l)
		g.text(" l join ")
	}
	g.source(l)
	g.text(" c")
	if l.edge.link != nil {
		g.text(" on ")
		g.partner(l, keys, columns)
		g.text(" where ")
		g.pairs("l", l.edge.linkFrom, keys, columns)
	} else {
		g.text(" where ")
		g.partner(l, keys, columns)
	}
	g.sort(l)
	// One more than is asked for, so that the result can say whether there is more.
	g.atMost(l.spec.Limit + 1)
	g.text(") c")
}

// partner writes how rows of the level's relation are found: by the link, or by the keys.
func (g graphWriter) partner(l *graphLevel, keys string, columns []string) {
	if l.edge.link != nil {
		g.pairs("c", l.edge.toCols, "l", l.edge.linkTo)
	} else {
		g.pairs("c", l.edge.toCols, keys, columns)
	}
}

func (g graphWriter) pairs(left string, leftColumns []string, right string, rightColumns []string) {
	for i := range leftColumns {
		if i > 0 {
			g.text(" and ")
		}
		g.columnOf(left, leftColumns[i])
		g.text(" = ")
		g.columnOf(right, rightColumns[i])
	}
}

// walk writes the keys that a level repeats itself over. UNION drops what was seen at the same depth, so that a cycle
// or a dense web costs depth times keys and not the number of ways through it.
func (g graphWriter) walk(l *graphLevel) {
	slots := l.parentSlots()
	g.cte("w", l)
	g.text("(d")
	for i := range slots {
		g.text(", " + graphKey(i))
	}
	g.text(") as (select 1")
	for _, slot := range slots {
		g.text(", g.")
		g.slotName(slot)
	}
	g.text(" from ")
	g.cte("g", l.parent)
	g.text(" g union select w.d + 1")
	for _, o := range l.edgeKey(l.edge) {
		g.text(", ")
		g.output(o)
	}
	g.text(" from ")
	g.cte("w", l)
	g.text(" w")
	g.joined(l, "w")
	g.text(" where w.d < ")
	g.number(l.repeat)
	g.text(")")
}
