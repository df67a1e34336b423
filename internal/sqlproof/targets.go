package sqlproof

import (
	"strconv"

	"github.com/sqlc-dev/oliphant/ast"
)

func columnN(n int) string { return "column" + strconv.Itoa(n) }

func isStar(ref *ast.ColumnRef) bool {
	n := len(ref.GetFields())
	return n > 0 && ref.Fields[n-1].GetAStar() != nil
}

// targets binds a select list. With nulls, NULL may take the place of any column: grouping sets do so.
func (p *prover) targets(sc *scope, list []*ast.Node, nulls bool) []*output {
	outputs := make([]*output, 0, len(list))
	for _, n := range list {
		t := n.GetResTarget()
		if t == nil || len(t.Indirection) > 0 {
			p.refuse(0, ruleUnknownForm)
			return nil
		}
		if ref := t.Val.GetColumnRef(); ref != nil && isStar(ref) {
			outputs = append(outputs, p.expand(sc, ref)...)
		} else if ind := t.Val.GetAIndirection(); ind != nil && endsInStar(ind) {
			p.walk(sc, t.Val)
			outputs = append(outputs, &output{anyName: true, many: true, star: true})
		} else {
			o := p.outputOf(sc, t.Val)
			if o.name, o.anyName = t.Name, false; t.Name == "" {
				o.name, o.anyName = figureName(t.Val)
			}
			outputs = append(outputs, o)
		}
		if p.refusal != nil {
			return nil
		}
	}
	if nulls {
		for _, o := range outputs {
			o.nulls = true
		}
	}
	return outputs
}

func endsInStar(ind *ast.A_Indirection) bool {
	n := len(ind.Indirection)
	return n > 0 && ind.Indirection[n-1].GetAStar() != nil
}

// outputOf binds an expression whose value is a column of a result. A bare tenant parameter keeps the type it has, or
// becomes text, which then fails to compare with anything but text.
func (p *prover) outputOf(sc *scope, n *ast.Node) *output {
	switch v := n.GetNode().(type) {
	case *ast.Node_ColumnRef:
		c := p.resolve(sc, v.ColumnRef)
		return &output{exact: c != nil, column: c}
	case *ast.Node_ParamRef:
		if p.parameter(v.ParamRef) {
			return &output{exact: true, tenant: true, bare: v.ParamRef.Location + 1}
		}
		return &output{}
	case *ast.Node_AConst:
		// Integers and strings compare without rounding; 1.5 does not.
		return &output{exact: v.AConst.GetIval() != nil || v.AConst.GetSval() != nil}
	case *ast.Node_TypeCast:
		if p.isTenantCast(v.TypeCast) {
			return &output{exact: true, tenant: true}
		}
		p.walk(sc, n)
		switch declaredType(v.TypeCast.TypeName) {
		case "bigint", "integer", "smallint", "uuid":
			return &output{exact: true}
		}
		return &output{}
	}
	p.walk(sc, n)
	return &output{}
}

// expand lists the columns of * or alias.*.
func (p *prover) expand(sc *scope, ref *ast.ColumnRef) []*output {
	var list []*output
	if len(ref.Fields) == 1 {
		if sc.level == nil || len(sc.level.items) == 0 {
			p.refuse(ref.Location, ruleSyntax)
			return nil
		}
		for _, f := range sc.visible {
			if !f.qualified {
				list = append(list, p.expandTree(f, nil)...)
			}
		}
		return list
	}
	var parts []string
	for _, f := range ref.Fields[:len(ref.Fields)-1] {
		parts = append(parts, f.GetString_().GetSval())
	}
	if len(parts) > 2 {
		p.refuse(ref.Location, ruleOtherDatabase)
		return nil
	}
	if it := p.qualifier(sc, parts, ref.Location); it != nil {
		return p.expandItem(it, nil)
	}
	return nil
}

func (p *prover) expandItem(it *item, without map[*output]bool) []*output {
	list := make([]*output, 0, len(it.outputs)+1)
	p.step(len(it.outputs) + 1)
	for _, o := range it.outputs {
		if without[o] {
			continue
		}
		c := &output{name: o.name, anyName: o.anyName, many: o.many, pinned: o.pinned, star: true, from: o.from}
		if without != nil {
			c.from = nil // no longer the same columns as another * of this relation
		}
		if c.column = it.column(o); c.column != nil {
			c.exact = true
		}
		list = append(list, c)
	}
	if it.open && (len(list) == 0 || !list[len(list)-1].many) {
		list = append(list, &output{anyName: true, many: true, star: true})
	}
	return list
}

// expandTree lists the columns below a node of a FROM tree: those of USING first, once, then the others.
func (p *prover) expandTree(f *from, without map[*output]bool) []*output {
	if !p.step(1) {
		return nil
	}
	if f.item != nil {
		return p.expandItem(f.item, without)
	}
	var list []*output
	if len(f.using) > 0 {
		hidden := make(map[*output]bool, len(without)+2*len(f.using))
		for o := range without {
			hidden[o] = true
		}
		for _, m := range f.using {
			// A column merged here may itself have been merged above: then the upper list shows it.
			if !without[m.output] {
				list = append(list, m.output)
			}
			hidden[m.left], hidden[m.right] = true, true
		}
		delete(hidden, nil)
		without = hidden
	}
	list = append(list, p.expandTree(f.left, without)...)
	return append(list, p.expandTree(f.right, without)...)
}
