package sqlproof

import (
	"strings"

	"github.com/sqlc-dev/oliphant/ast"
)

// names joins the parts of a qualified name; ok is false when a part is not a string.
func names(list []*ast.Node) (parts []string, ok bool) {
	for _, n := range list {
		s := n.GetString_()
		if s == nil {
			return nil, false
		}
		parts = append(parts, s.Sval)
	}
	return parts, len(parts) > 0
}

// function refuses what is not known to be harmless.
func (p *prover) function(list []*ast.Node, location int32) {
	parts, ok := names(list)
	if !ok {
		p.refuse(location, ruleUnknownForm)
		return
	}
	name := strings.Join(parts, ".")
	switch {
	case p.catalog.functions[name]:
		p.called = append(p.called, name)
		return
	case len(parts) == 1 && harmlessFunctions[name]:
		return
	case len(parts) == 2 && parts[0] == "pg_catalog" && (harmlessFunctions[parts[1]] || syntaxFunctions[parts[1]]):
		return
	}
	p.refuseAt(int(location), ruleFunction, name, "", "")
}

// syntaxFunctions are what the grammar makes of COLLATION FOR and SYSTEM_USER.
var syntaxFunctions = map[string]bool{"pg_collation_for": true, "system_user": true}

// indirection binds (x).name and x[n]. PostgreSQL reads (x).name as a call of the function name when x has no such field,
// for any x: ('septum.tenant').current_setting reads the setting. So the name must be a column of a declared relation's
// row, a field that built-in functions return, or a harmless function.
func (p *prover) indirection(sc *scope, ind *ast.A_Indirection) {
	row := p.wholeRow(sc, ind.Arg.GetColumnRef())
	if row == nil {
		p.walk(sc, ind.Arg)
	}
	for i, n := range ind.Indirection {
		s := n.GetString_()
		switch {
		case s == nil:
			p.walk(sc, n)
		case systemColumns[s.Sval]:
			p.refuse(ind.Arg.GetColumnRef().GetLocation(), ruleSystemColumn)
		case p.catalog.functions[s.Sval]:
			p.called = append(p.called, s.Sval)
		case i == 0 && row != nil && row.relation.has(s.Sval), harmlessFunctions[s.Sval], resultFields[s.Sval]:
		default:
			p.refuseAt(int(ind.Arg.GetColumnRef().GetLocation()), ruleFunction, s.Sval, "", "")
		}
	}
}

// wholeRow is the relation with known columns whose row a lone name means, or nil.
func (p *prover) wholeRow(sc *scope, ref *ast.ColumnRef) *item {
	if ref == nil || len(ref.Fields) != 1 || ref.Fields[0].GetString_() == nil {
		return nil
	}
	name := ref.Fields[0].GetString_().Sval
	for s := sc; s != nil; s = s.outer {
		for _, f := range s.visible {
			if hits, maybe := p.search(f, name); len(hits) > 0 || maybe {
				return nil
			}
		}
		if s.level == nil {
			continue
		}
		for _, it := range s.level.byName[name] {
			if inside(s.visible, it) && it.relation != nil && it.relation.Columns != nil {
				return it
			}
		}
	}
	return nil
}

// resultFields are the names of fields that built-in functions return, and of fields of anonymous rows.
var resultFields = words("key value lexeme positions weights word ndoc nentry f1 f2 f3 f4 f5 f6 f7 f8 f9")

// operator refuses signs that PostgreSQL does not have, and those of other schemas. An empty name is fine.
func (p *prover) operator(list []*ast.Node, location int32) {
	if len(list) == 0 {
		return
	}
	parts, ok := names(list)
	switch {
	case !ok || len(parts) > 2:
		p.refuse(location, ruleUnknownForm)
	case len(parts) == 2 && parts[0] != "pg_catalog":
		p.refuse(location, ruleQualifiedOp)
	case !builtinOperators[parts[len(parts)-1]]:
		p.refuse(location, ruleUserOperator)
	}
}

// qualifiedName accepts a collation without a schema, or of pg_catalog.
func (p *prover) qualifiedName(list []*ast.Node, location int32) {
	if parts, ok := names(list); !ok || len(parts) > 2 || (len(parts) == 2 && parts[0] != "pg_catalog") {
		p.refuse(location, ruleType)
	}
}

// typeName refuses types that are not known to be harmless.
func (p *prover) typeName(t *ast.TypeName) {
	if t == nil {
		return
	}
	parts, ok := names(t.Names)
	if !ok || t.Setof || t.PctType || t.TypeOid != 0 {
		p.refuse(t.Location, ruleType)
		return
	}
	for _, m := range t.Typmods {
		if m.GetAConst() == nil {
			p.refuse(t.Location, ruleUnknownForm)
			return
		}
	}
	name := parts[len(parts)-1]
	builtin := len(parts) == 1 || (len(parts) == 2 && parts[0] == "pg_catalog")
	tenants, _ := p.catalog.tenantType(t)
	switch {
	case builtin && harmlessTypes[strings.TrimPrefix(name, "_")], p.catalog.types[strings.Join(parts, ".")], tenants:
	case len(parts) <= 2 && p.catalog.relation(strings.Join(parts[:len(parts)-1], ""), name) != nil:
		// The row type of a declared relation.
	case builtin && strings.HasPrefix(name, "reg"):
		p.refuseAt(int(t.Location), ruleRegType, strings.Join(parts, "."), "", "")
	default:
		p.refuseAt(int(t.Location), ruleType, strings.Join(parts, "."), "", "")
	}
}

// exactTypes are the server's types that tenant columns can have. None of them makes one id of two.
var exactTypes = map[string]bool{"uuid": true, "text": true, "varchar": true, "char": true, "bigint": true, "integer": true, "smallint": true}

// declaredType is one of exactTypes for the plain type of that name, and "" for any other.
func declaredType(t *ast.TypeName) string {
	parts, ok := names(t.GetNames())
	if !ok || t.Setof || t.PctType || len(t.Typmods) > 0 || len(t.ArrayBounds) > 0 {
		return ""
	}
	if len(parts) == 2 && parts[0] == "pg_catalog" {
		parts = parts[1:]
	}
	if len(parts) != 1 {
		return ""
	}
	switch parts[0] {
	case "int8":
		return "bigint"
	case "int4":
		return "integer"
	case "int2":
		return "smallint"
	case "bpchar":
		return "char"
	case "uuid", "text", "varchar":
		return parts[0]
	}
	return ""
}

// tenantType reports whether a type is one of the tenant columns', or text where they are varchar, as which the server compares
// those, and whether a cast to it leaves a tenant's id what it is.
func (c *Catalog) tenantType(t *ast.TypeName) (known, exact bool) {
	if name := declaredType(t); name != "" {
		known = c.tenantTypes[name] || name == "text" && c.tenantTypes["varchar"]
		return known, known
	}
	id, ok := names(t.GetNames())
	if !ok || t.Setof || t.PctType || len(t.Typmods) > 0 || len(t.ArrayBounds) > 0 {
		return false, false
	}
	if len(id) == 1 && !harmlessTypes[id[0]] && !otherTypes[id[0]] && !strings.HasPrefix(id[0], "pg_") {
		id = []string{DefaultSchema, id[0]}
	}
	if len(id) == 2 {
		exact, known = c.tenantTypes[relationKey(id[0], id[1])]
	}
	return known, exact
}

// isTenantType reports whether a cast to the type leaves a tenant's id what it is, and to be compared with a tenant column.
func (c *Catalog) isTenantType(t *ast.TypeName) bool {
	_, exact := c.tenantType(t)
	return exact
}
