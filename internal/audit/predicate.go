package audit

import (
	"slices"
	"strconv"
)

// predicate is what can be said about one expression of a policy.
type predicate struct {
	right    bool   // it is the text that Septum writes
	open     bool   // it does not compare the tenant column with anything of the session
	failOpen bool   // it can be true although there is no tenant
	cast     bool   // the tenant column is cast
	perRow   bool   // the setting is read for each row, not once
	queries  bool   // it reads other relations
	setting  string // another setting than Septum's that it reads
}

// current_setting(text) and current_setting(text, boolean) have had these oids since they exist (pg_proc.dat).
var currentSetting = []string{"2077", "3294"}

// setConfig is the oid of set_config(text, text, boolean).
const setConfig = "2078"

// judge reads the policies' expressions once, for all rules.
func (d *database) judge() {
	for _, p := range d.policies {
		if p.relation.isTenant() {
			p.usingIs, p.checkIs = d.read(p.relation, p.using, p.usingTree), d.read(p.relation, p.check, p.checkTree)
			// A cast that calls a function of the house is printed like one that calls none.
			if len(p.functions)+len(p.operators) > 0 {
				p.usingIs.right, p.checkIs.right = false, false
			}
		}
	}
}

// read judges a policy's expression on the relation. A nil text is "no expression", which is open.
func (d *database) read(r *relation, printed, tree *string) predicate {
	if printed == nil || r.tenant == nil {
		return predicate{open: true}
	}
	if slices.Contains(r.declared.Accepted(r.tenant.sql, r.tenant.base), squeeze(*printed)) {
		return predicate{right: true}
	}
	root := parseTree(tree)
	if root == nil {
		return predicate{} // nothing is known but that it is not the right one
	}
	isTenant := func(n *node) bool {
		return n.name == "VAR" && n.value(":varno") == "1" && n.value(":varattno") == strconv.Itoa(int(r.tenant.number))
	}
	ofSession := func(n *node) bool {
		return n.name == "FUNCEXPR" && (slices.Contains(currentSetting, n.value(":funcid")) || d.functionOf(n) != nil) || n.name == "SQLVALUEFUNCTION"
	}
	var p predicate
	p.open = !root.has(isTenant) || !root.has(ofSession) && !root.has(queries)
	root.walk(func(n *node) bool {
		switch n.name {
		case "BOOLEXPR":
			p.failOpen = p.failOpen || n.value(":boolop") != "and"
		case "NULLTEST", "DISTINCTEXPR", "COALESCEEXPR", "COALESCE", "CASEEXPR", "CASE", "BOOLEANTEST":
			p.failOpen = true
		case "COERCEVIAIO":
			p.cast = p.cast || slices.ContainsFunc(n.fields[":arg"], isTenant)
		case "FUNCEXPR":
			if n.value(":funcformat") != "0" && len(n.fields[":args"]) == 1 {
				p.cast = p.cast || slices.ContainsFunc(n.fields[":args"][0].list, isTenant)
			}
			if slices.Contains(currentSetting, n.value(":funcid")) && len(n.fields[":args"]) == 1 && len(n.fields[":args"][0].list) > 0 {
				if name := n.fields[":args"][0].list[0].constant(); name != d.input.Setting {
					p.setting = name
				}
			}
		case "SUBLINK":
			p.queries = p.queries || queries(n)
		}
		return true
	})
	// What stands in a sub-select without relations is computed once.
	root.walk(func(n *node) bool {
		if n.name == "SUBLINK" && !queries(n) {
			return false
		}
		f := d.functionOf(n)
		p.perRow = p.perRow || ofSession(n) && (f == nil || d.readsSession(f))
		return true
	})
	return p
}

// namesTenant reports whether a condition on the relation lets rows of chosen tenants through and no others: the tenant
// column = a constant, or in a list of constants, perhaps with more conditions beside it. Equals are the operators.
func (d *database) namesTenant(r *relation, tree *string, equals map[string]bool) bool {
	if r == nil || r.whose() == nil {
		return false
	}
	isTenant := func(n *node) bool {
		return n.name == "VAR" && n.value(":varattno") == strconv.Itoa(int(r.whose().number)) || n.name == "RELABELTYPE" && n.has(func(n *node) bool {
			return n.name == "VAR" && n.value(":varattno") == strconv.Itoa(int(r.whose().number))
		})
	}
	isConstant := func(n *node) bool {
		return !n.has(func(n *node) bool { return n.name == "VAR" })
	}
	var chooses func(n *node) bool
	chooses = func(n *node) bool {
		if n == nil || len(n.fields[":args"]) != 1 {
			return false
		}
		args := n.fields[":args"][0].list
		switch n.name {
		case "BOOLEXPR":
			return n.value(":boolop") == "and" && slices.ContainsFunc(args, chooses)
		case "SCALARARRAYOPEXPR":
			return n.value(":useOr") == "true" && equals[n.value(":opno")] && len(args) == 2 && isTenant(args[0]) && isConstant(args[1])
		case "OPEXPR":
			return equals[n.value(":opno")] && len(args) == 2 && (isTenant(args[0]) && isConstant(args[1]) || isTenant(args[1]) && isConstant(args[0]))
		}
		return false
	}
	return chooses(parseTree(tree))
}

// queries reports whether a sub-select reads a relation (an entry of kind 0 in its range table).
func queries(n *node) bool {
	return n.name == "SUBLINK" && n.has(func(n *node) bool {
		return (n.name == "RANGETBLENTRY" || n.name == "RTE") && n.value(":rtekind") == "0"
	})
}

// functionOf gives the user's function that a node calls; nil when it calls none.
func (d *database) functionOf(n *node) *function {
	for _, field := range []string{":funcid", ":opfuncid"} {
		if id, err := strconv.ParseUint(n.value(field), 10, 32); err == nil && id > 0 {
			if f := d.functions[oid(id)]; f != nil {
				return f
			}
		}
	}
	return nil
}
