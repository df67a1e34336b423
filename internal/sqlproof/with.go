package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// ctes is the list of common table expressions in scope, innermost first.
type ctes struct {
	next *ctes
	cte  *cte
}

func (c *ctes) find(name string) *cte {
	for ; c != nil; c = c.next {
		if c.cte.name == name {
			return c.cte
		}
	}
	return nil
}

// A cte is one common table expression. Those of WITH RECURSIVE are bound when they are first referred to, because one
// may name a later one.
type cte struct {
	name  string
	node  *ast.CommonTableExpr
	outer *scope // of its body
	state cteState
	query *query

	self   []*output // what a recursive reference sees: the base term, as far as the step keeps it
	caps   []label
	listed bool // among the prover's cycles
}

type cteState uint8

const (
	cteUnbound   cteState = iota
	cteBinding            // a reference now is an error
	cteRecursing          // a reference now is the recursive one
	cteBound
)

// with binds a WITH clause and returns the CTEs in scope behind it.
func (p *prover) with(outer *scope, w *ast.WithClause) *ctes {
	scope := outer.ctes
	seen := map[string]bool{}
	var list []*cte
	for _, n := range w.Ctes {
		e := n.GetCommonTableExpr()
		if e == nil {
			p.refuse(w.Location, ruleUnknownForm)
			return scope
		}
		if seen[e.Ctename] {
			p.refuseAt(int(e.Location), ruleRecursion, e.Ctename, "", "")
			return scope
		}
		seen[e.Ctename] = true
		c := &cte{name: e.Ctename, node: e}
		if !w.Recursive {
			// The body does not see its own name: there it means what it means outside.
			c.outer = transparent(outer, scope)
			p.bindCTE(c)
		}
		scope = &ctes{next: scope, cte: c}
		list = append(list, c)
	}
	if w.Recursive {
		for _, c := range list {
			c.outer = transparent(outer, scope)
		}
		for _, c := range list {
			if c.state == cteUnbound {
				p.bindCTE(c)
			}
		}
	}
	return scope
}

func transparent(outer *scope, c *ctes) *scope { return &scope{outer: outer, ctes: c} }

func (p *prover) bindCTE(c *cte) {
	if p.refusal != nil {
		return
	}
	c.state = cteBinding
	if s := c.node.Ctequery.GetSelectStmt(); s != nil && s.Op == ast.SetOperation_SETOP_UNION {
		c.query = p.selectStmt(c.outer, s, c)
		c.query.command, c.query.rows = Select, true
	} else {
		c.query = p.statement(c.outer, c.node.Ctequery)
	}
	c.state = cteBound
	c.query.outputs = c.named(c.query.outputs)
	sc := transparent(c.outer, c.outer.ctes)
	if cycle := c.node.CycleClause; cycle != nil {
		p.walkAll(sc, cycle.CycleMarkValue, cycle.CycleMarkDefault)
	}
}

// begin makes the CTE visible to its own step: with the columns of its base term.
func (c *cte) begin(base []*output) {
	base = c.named(base)
	c.caps = make([]label, len(base))
	for i, o := range base {
		c.caps[i] = exactTenant
		c.self = append(c.self, &output{
			name: o.name, anyName: o.anyName, many: o.many, pinned: o.pinned, from: o.from,
			exact: o.exact, arms: []*output{o}, cap: &c.caps[i],
		})
	}
	c.state = cteRecursing
}

// named applies the column list of the CTE, and the columns that SEARCH and CYCLE add.
func (c *cte) named(outputs []*output) []*output {
	if len(c.node.Aliascolnames) > 0 {
		outputs = renamed(outputs, c.node.Aliascolnames)
	}
	var more []string
	if s := c.node.SearchClause; s != nil {
		more = append(more, s.SearchSeqColumn)
	}
	if s := c.node.CycleClause; s != nil {
		more = append(more, s.CycleMarkColumn, s.CyclePathColumn)
	}
	outputs = outputs[:len(outputs):len(outputs)]
	for _, name := range more {
		outputs = append(outputs, &output{name: name})
	}
	return outputs
}

// cteReference is a CTE in FROM.
func (p *prover) cteReference(sc *scope, r *ast.RangeVar, c *cte) *from {
	if c.state == cteUnbound {
		p.bindCTE(c)
	}
	if p.refusal != nil {
		return nil
	}
	it := &item{name: r.Relname, alias: r.Relname, location: r.Location}
	switch c.state {
	case cteBound:
		it.outputs, it.subset = c.query.outputs, c.query
	case cteRecursing:
		it.outputs = c.self
		if !c.listed {
			c.listed = true
			p.cycles = append(p.cycles, c)
		}
	default:
		p.refuseAt(int(r.Location), ruleRecursion, r.Relname, "", "")
		return nil
	}
	p.alias(it, r.Alias)
	if r.Alias == nil {
		it.name = r.Relname
	}
	return p.newItem(sc.level, it)
}
