package sqlproof

import (
	"strings"

	"github.com/sqlc-dev/oliphant/ast"
)

// fromList binds the entries of a FROM or USING list and returns their trees. Those already there (the target of a write)
// are an error to refer to from inside.
func (p *prover) fromList(sc *scope, nodes []*ast.Node) []*from {
	var roots []*from
	for _, n := range nodes {
		f := p.fromItem(sc, n, roots, sc.blocked)
		if p.refusal != nil {
			return nil
		}
		roots = append(roots, f)
	}
	return roots
}

// fromItem binds one entry. left are the trees that stand before it, which LATERAL sees; of blocked a LATERAL reference
// is an error.
func (p *prover) fromItem(sc *scope, n *ast.Node, left, blocked []*from) *from {
	if !p.enter() {
		return nil
	}
	defer p.leave()
	lateral := &scope{outer: sc.outer, level: sc.level, visible: left, blocked: blocked, ctes: sc.ctes}
	switch n := n.GetNode().(type) {
	case *ast.Node_RangeVar:
		return p.rangeVar(sc, n.RangeVar)
	case *ast.Node_RangeSubselect:
		s := n.RangeSubselect
		if !s.Lateral {
			lateral = &scope{outer: sc.outer, ctes: sc.ctes}
		}
		q := p.statement(lateral, s.Subquery)
		if p.refusal != nil {
			return nil
		}
		it := &item{location: p.aliasLocation(s.Subquery), outputs: q.outputs, subset: q}
		p.alias(it, s.Alias)
		return p.newItem(sc.level, it)
	case *ast.Node_RangeFunction:
		return p.rangeFunction(sc, lateral, n.RangeFunction)
	case *ast.Node_RangeTableFunc:
		t := n.RangeTableFunc
		p.walkAll(lateral, t.Docexpr, t.Rowexpr)
		p.walkList(lateral, t.Namespaces)
		p.walkList(lateral, t.Columns)
		it := &item{location: t.Location, open: true, name: "xmltable", alias: "xmltable"}
		p.alias(it, t.Alias)
		return p.newItem(sc.level, it)
	case *ast.Node_JsonTable:
		t := n.JsonTable
		p.jsonTable(lateral, t)
		it := &item{location: t.Location, open: true, name: "json_table", alias: "json_table"}
		p.alias(it, t.Alias)
		return p.newItem(sc.level, it)
	case *ast.Node_JoinExpr:
		return p.join(sc, n.JoinExpr, left, blocked)
	case *ast.Node_RangeTableSample:
		p.refuse(n.RangeTableSample.Location, ruleSample)
	default:
		p.refuseAt(0, ruleUnknownForm, "", "", "")
	}
	return nil
}

// aliasLocation is a place to point at for a derived table: PostgreSQL records none.
func (p *prover) aliasLocation(subquery *ast.Node) int32 {
	if s := subquery.GetSelectStmt(); s != nil {
		for s.GetLarg() != nil {
			s = s.Larg
		}
		for _, list := range [][]*ast.Node{s.GetTargetList(), s.GetFromClause()} {
			for _, n := range list {
				if t := n.GetResTarget(); t != nil {
					return t.Location
				}
				if r := n.GetRangeVar(); r != nil {
					return r.Location
				}
			}
		}
	}
	return 0
}

// alias gives a derived table its name, and its columns the names of the list.
func (p *prover) alias(it *item, a *ast.Alias) {
	for _, o := range it.outputs {
		it.open = it.open || o.anyName
	}
	if a == nil {
		return
	}
	it.name, it.alias, it.aliased = a.Aliasname, a.Aliasname, true
	if len(a.Colnames) > 0 {
		it.outputs = renamed(it.outputs, a.Colnames)
		it.open = it.open || len(it.outputs) < len(a.Colnames)
		for _, o := range it.outputs {
			it.open = it.open || o.anyName
		}
	}
}

// renamed copies the outputs with the first names replaced. When a position in front is not known, nothing behind is.
func renamed(outputs []*output, names []*ast.Node) []*output {
	list := make([]*output, 0, max(len(outputs), len(names)))
	known := true
	for i := 0; i < len(outputs) || i < len(names); i++ {
		if i < len(outputs) {
			known = known && !outputs[i].many && !outputs[i].pinned
		}
		switch {
		case i >= len(names) && known:
			list = append(list, outputs[i])
		case i >= len(names):
			list = append(list, &output{anyName: true, many: true})
		case i < len(outputs) && known:
			o := outputs[i]
			list = append(list, &output{name: names[i].GetString_().GetSval(), exact: o.exact, arms: []*output{o}})
		default:
			list = append(list, &output{name: names[i].GetString_().GetSval(), pinned: true})
		}
	}
	return list
}

// rangeVar binds a name: a CTE of the innermost level that has one, or else a relation of the catalog.
func (p *prover) rangeVar(sc *scope, r *ast.RangeVar) *from {
	if r.Schemaname == "" && r.Catalogname == "" {
		if c := sc.ctes.find(r.Relname); c != nil {
			return p.cteReference(sc, r, c)
		}
	}
	relation := p.relation(r)
	if relation == nil {
		return nil
	}
	return p.newItem(sc.level, p.baseItem(r, relation))
}

// relation looks a name up in the catalog.
func (p *prover) relation(r *ast.RangeVar) *Relation {
	written := r.Relname
	if r.Schemaname != "" {
		written = r.Schemaname + "." + r.Relname
	}
	rule := ruleUnknownRelation
	switch {
	case r.Catalogname != "":
		rule = ruleOtherDatabase
	case strings.HasPrefix(r.Schemaname, "pg_"), r.Schemaname == "information_schema", strings.HasPrefix(r.Relname, "pg_"):
		rule = ruleSystemRelation
	default:
		if relation := p.catalog.relation(r.Schemaname, r.Relname); relation != nil {
			if r.GetAlias() != nil && len(r.Alias.Colnames) > 0 {
				rule = ruleColumnAliases
				break
			}
			return relation
		}
	}
	p.refuseAt(int(r.Location), rule, written, "", "")
	return nil
}

// baseItem is a mention of a relation.
func (p *prover) baseItem(r *ast.RangeVar, relation *Relation) *item {
	it := &item{relation: relation, name: r.Relname, alias: r.Relname, location: r.Location, open: relation.Columns == nil}
	if r.Alias != nil {
		it.name, it.alias, it.aliased = r.Alias.Aliasname, r.Alias.Aliasname, true
	}
	if relation.Kind == Tenant {
		it.tenant = &column{item: it, name: relation.Column}
	}
	it.outputs = p.relationOutputs(relation, it.tenant)
	p.bases = append(p.bases, it)
	return it
}

func (p *prover) relationOutputs(relation *Relation, tenant *column) []*output {
	if relation.Columns == nil {
		rest := &output{anyName: true, many: true, from: relation}
		if tenant == nil {
			return []*output{rest}
		}
		return []*output{{name: tenant.name, pinned: true, from: relation, exact: true, column: tenant}, rest}
	}
	list := make([]*output, len(relation.Columns))
	p.step(len(list))
	for i, name := range relation.Columns {
		// The catalog's order need not be the table's, so no position behind a * of it is known.
		list[i] = &output{name: name, pinned: true, from: relation}
		if tenant != nil && name == tenant.name {
			list[i].exact, list[i].column = true, tenant
		}
	}
	return list
}

// rangeFunction binds functions in FROM. They always see what stands before them. What columns they have follows from
// the function, so any name may be theirs.
func (p *prover) rangeFunction(sc, lateral *scope, f *ast.RangeFunction) *from {
	it := &item{open: true}
	for _, n := range f.Functions {
		// Each is a list of the call and its column definitions.
		items := n.GetList().GetItems()
		if len(items) == 0 || len(items) > 2 || (len(items) == 2 && items[1].GetNode() != nil && items[1].GetList() == nil) {
			p.refuse(it.location, ruleUnknownForm)
			return nil
		}
		it.location = callLocation(items[0], it.location)
		it.name = functionName(items[0])
		p.walk(lateral, items[0])
		if len(items) == 2 {
			p.walkList(lateral, items[1].GetList().GetItems())
		}
	}
	p.walkList(lateral, f.Coldeflist)
	if len(f.Functions) != 1 {
		it.name = ""
	}
	if it.name != "" {
		it.alias = it.name
	}
	p.alias(it, f.Alias)
	return p.newItem(sc.level, it)
}

func callLocation(n *ast.Node, otherwise int32) int32 {
	if c := n.GetFuncCall(); c != nil {
		return c.Location
	}
	if v := n.GetSqlvalueFunction(); v != nil {
		return v.Location
	}
	return otherwise
}

// functionName is the name that a function in FROM goes by without an alias, "" when that is not certain.
func functionName(n *ast.Node) string {
	if c := n.GetFuncCall(); c != nil && len(c.Funcname) > 0 {
		return c.Funcname[len(c.Funcname)-1].GetString_().GetSval()
	}
	return ""
}
