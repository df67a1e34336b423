package query

import (
	"fmt"
	"strconv"

	sq "github.com/Masterminds/squirrel"
	"pgregory.net/rapid"
)

// program draws random builders over every form that there is. What it makes is always well-formed, so Build must
// accept it, and must refuse it with any one predicate left out.
type program struct {
	t *rapid.T
	c *Catalog
	n int // makes aliases different
}

func randomCatalog() *Catalog {
	cols := func(names ...string) []Column {
		var out []Column
		for _, name := range names {
			out = append(out, Column{Name: name})
		}
		return out
	}
	return MustCatalog(TenantColumn("tenant_id", BigInt),
		WithRelation(Relation{Name: "a", Kind: TenantKind, Columns: cols("tenant_id", "id", "x", "y")}),
		WithRelation(Relation{Name: "b", Kind: TenantKind, Columns: cols("tenant_id", "id", "x", "y")}),
		WithRelation(Relation{Name: "s.c", Kind: TenantKind, Column: "hospital", Columns: cols("hospital", "id", "x", "y")}),
		WithRelation(Relation{Name: "g", Kind: GlobalKind, Columns: cols("id", "x", "y")}),
		WithFilter("gone", sq.Eq{"x": nil}, "b"))
}

func (p *program) pick(label string, options ...string) string {
	return rapid.SampledFrom(options).Draw(p.t, label)
}

func (p *program) maybe(label string) bool { return rapid.IntRange(0, 3).Draw(p.t, label) == 0 }

func (p *program) alias() string {
	p.n++
	return "t" + strconv.Itoa(p.n)
}

// tenantRelation is where at least one predicate comes from.
func (p *program) tenantRelation() string { return p.pick("relation", "a", "b", "s.c") }

func (p *program) relation() string { return p.pick("relation", "a", "b", "s.c", "g") }

func (p *program) columnOf(alias string) string {
	return alias + "." + p.pick("column", "id", "x", "y")
}

// condition draws a condition on the aliases, with sub-selects while depth lasts.
func (p *program) condition(depth int, aliases ...string) Condition {
	column := func() string { return p.columnOf(rapid.SampledFrom(aliases).Draw(p.t, "alias")) }
	kinds := 10
	if depth > 0 {
		kinds = 15
	}
	switch rapid.IntRange(0, kinds).Draw(p.t, "condition") {
	case 0:
		return sq.Eq{column(): rapid.Int64().Draw(p.t, "value")}
	case 1:
		return sq.Eq{column(): rapid.SliceOfN(rapid.Int64(), 0, 3).Draw(p.t, "list")}
	case 2:
		return sq.NotEq{column(): nil}
	case 3:
		return sq.Or{p.condition(depth-1, aliases...), p.condition(depth-1, aliases...)}
	case 4:
		return sq.And{p.condition(depth-1, aliases...), p.condition(depth-1, aliases...)}
	case 5:
		return sq.GtOrEq{column(): Arg(p.pick("arg", "p", "q"))}
	case 6:
		return Expr(column()+" = ? or "+column()+" = @p", 1)
	case 7:
		return sq.Expr("not ("+column()+" = ?)", 2)
	case 8:
		return Expr(column() + " is not distinct from " + column())
	case 9:
		return Expr("coalesce("+column()+", 0) > ?", Expr(column()+" + 1"))
	case 10:
		return Expr(column() + " = " + column())
	case 11:
		return Exists(p.selectOf(depth-1, 1, aliases...))
	case 12:
		return NotExists(p.selectOf(depth-1, 1, aliases...))
	case 13:
		return In(column(), p.selectOf(depth-1, 1))
	case 14:
		return NotIn(column(), p.query(depth-1, 1))
	default:
		return Expr(column()+" > ?", p.selectOf(depth-1, 1, aliases...).Limit(1))
	}
}

// query draws a SELECT or a set operation of so many columns.
func (p *program) query(depth, columns int) Query {
	if depth <= 0 || !p.maybe("set") {
		return p.selectOf(depth, columns)
	}
	b := p.selectOf(depth-1, columns).Union(p.selectOf(depth-1, columns))
	for p.maybe("another arm") {
		q := p.query(depth-1, columns)
		switch p.pick("operation", "union all", "intersect", "except") {
		case "union all":
			b = b.UnionAll(q)
		case "intersect":
			b = b.Intersect(q)
		default:
			b = b.Except(q)
		}
	}
	return b
}

// selectOf draws a SELECT of so many columns c1, c2 …; outer are aliases of the queries around that it may use.
func (p *program) selectOf(depth, columns int, outer ...string) SelectBuilder {
	b := p.c.Select()
	aliases := outer
	if depth > 0 && p.maybe("with") {
		cte := "w" + p.alias()
		if p.maybe("recursive") {
			step := p.alias()
			b = b.WithRecursive(cte, []string{"id", "x", "y"}, p.plain(), p.c.Select(step+".id", step+".x", step+".y").From(p.tenantRelation()+" "+step).
				Join(cte+" up", On("up.id = "+step+".x")))
		} else {
			b = b.With(cte, p.plain())
		}
		alias := p.alias()
		b = b.From(cte + " " + alias)
		aliases = append(aliases[:len(aliases):len(aliases)], alias)
		inner := p.alias()
		b = b.Join(p.tenantRelation()+" "+inner, p.condition(0, alias, inner))
		aliases = append(aliases, inner)
	} else {
		alias := p.alias()
		b = b.From(p.tenantRelation() + " " + alias)
		aliases = append(aliases[:len(aliases):len(aliases)], alias)
	}
	for range rapid.IntRange(0, 3).Draw(p.t, "joins") {
		b, aliases = p.join(b, depth, aliases)
	}
	for range rapid.IntRange(0, 2).Draw(p.t, "conditions") {
		b = b.Where(p.condition(depth, aliases...))
	}
	if p.maybe("filter") {
		b = b.Filter("own", p.condition(0, aliases...))
	}
	if p.maybe("without") {
		b = b.Without("gone")
	}
	column := func() string { return p.columnOf(rapid.SampledFrom(aliases).Draw(p.t, "alias")) }
	first := column()
	if p.maybe("grouped") {
		b = b.Columns(Expr(first).As("c1")).GroupBy(first)
		for i := 2; i <= columns; i++ {
			b = b.Columns(Count("*").As(fmt.Sprintf("c%d", i)))
		}
		if p.maybe("having") {
			b = b.Having(Expr("count(*) > ?", 1))
		}
		return b.OrderBy(outputs(columns)...)
	}
	for i := 1; i <= columns; i++ {
		b = p.column(b, depth, fmt.Sprintf("c%d", i), column(), aliases)
	}
	if p.maybe("order") {
		b = b.OrderBy("c1 desc").OrderByExpr(Expr("coalesce(" + first + ", 0)"))
	}
	// Sorted by all of its columns a result has one order, with or without a limit, so that two servers agree on it.
	b = b.OrderBy(outputs(columns)...)
	if p.maybe("limit") {
		b = b.Limit(3).Offset(1)
	}
	return b
}

func outputs(columns int) []string {
	names := make([]string, columns)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i+1)
	}
	return names
}

func (p *program) column(b SelectBuilder, depth int, name, column string, aliases []string) SelectBuilder {
	switch {
	case depth > 0 && p.maybe("scalar"):
		return b.Columns(Scalar(p.selectOf(depth-1, 1, aliases...).Limit(1)).As(name))
	case p.maybe("window"):
		return b.Columns(Expr("max(" + column + ") over (partition by " + column + ")").As(name))
	default:
		return b.Columns(Expr(column).As(name))
	}
}

// plain gives id, x and y of one relation.
func (p *program) plain() SelectBuilder {
	alias := p.alias()
	return p.c.Select(alias+".id", alias+".x", alias+".y").From(p.tenantRelation() + " " + alias).Where(p.condition(0, alias))
}

func (p *program) join(b SelectBuilder, depth int, aliases []string) (SelectBuilder, []string) {
	alias := p.alias()
	kind := JoinKind(rapid.IntRange(int(Inner), int(Cross)).Draw(p.t, "join"))
	all := append(aliases[:len(aliases):len(aliases)], alias)
	on := p.condition(0, all...)
	switch {
	case depth > 0 && p.maybe("derived"):
		s := Sub(p.plain(), alias)
		if kind == Cross {
			return b.JoinSource(Cross, s, nil), all
		}
		return b.JoinSource(kind, s, on), all
	case depth > 0 && p.maybe("lateral"):
		if kind != Left {
			kind = Inner
		}
		return b.JoinSource(kind, Lateral(p.plain(), alias), on), all
	}
	relation := p.relation() + " " + alias
	switch kind {
	case Inner:
		b = b.Join(relation, on)
	case Left:
		b = b.LeftJoin(relation, on)
	case Right:
		b = b.RightJoin(relation, on)
	case Full:
		b = b.FullJoin(relation, on)
	default:
		b = b.CrossJoin(relation)
	}
	return b, all
}

// statement draws any builder.
func (p *program) statement() Builder {
	switch p.pick("statement", "select", "select", "insert", "insert select", "upsert", "update", "delete", "data-modifying") {
	case "insert":
		return p.c.Insert(p.tenantRelation()).Columns("id", "x").Values(1, Arg("x")).Values(Expr("1 + ?", 2), Scalar(p.selectOf(1, 1).Limit(1))).Returning("id")
	case "insert select":
		return p.c.Insert(p.tenantRelation()).Columns("id", "x").Query(p.selectOf(2, 2))
	case "upsert":
		target := p.tenantRelation() + " target"
		b := p.c.Insert(target).Columns("id", "x").Values(1, 2).OnConflict("id")
		if p.maybe("nothing") {
			return b.DoNothing()
		}
		return b.DoUpdate("x").DoUpdateSet("y", Expr("excluded.y + target.y")).DoUpdateWhere(Expr("target.x > ?", 1))
	case "update":
		b := p.c.Update(p.tenantRelation()+" target").Set("x", Arg("x")).Set("y", Scalar(p.selectOf(1, 1, "target").Limit(1)))
		if p.maybe("from") {
			return b.From(p.relation()+" other").LeftJoin(p.tenantRelation()+" third", p.condition(0, "other", "third")).Where(p.condition(1, "target", "other", "third")).Returning("target.id")
		}
		return b.Where(p.condition(2, "target"))
	case "delete":
		b := p.c.Delete(p.tenantRelation() + " target")
		if p.maybe("using") {
			return b.Using(p.relation() + " other").Where(p.condition(1, "target", "other"))
		}
		return b.Where(p.condition(2, "target")).Returning("id")
	case "data-modifying":
		gone := p.c.Delete(p.tenantRelation()).Where(sq.Eq{"x": 1}).Returning("id")
		return p.c.Select("gone.id").With("gone", gone).From("gone").Join(p.tenantRelation()+" rest", On("rest.id = gone.id"))
	default:
		return p.query(3, rapid.IntRange(1, 3).Draw(p.t, "columns")).(Builder)
	}
}
