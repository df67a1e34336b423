package audit

import (
	"slices"
	"strings"
)

// loadFunctions reads the functions that are not the server's own. The text of those that came with an extension is
// left out: it is large, and nobody here wrote it.
func (l *loader) loadFunctions() error {
	var f function
	var namespace oid
	var config []string
	var body *string
	return l.each(`select p.oid, p.proowner, p.pronamespace, p.proname::text, oidvectortypes(p.proargtypes), p.prokind::text,
			p.prosecdef, p.proleakproof, p.provolatile::text, coalesce(p.proconfig, '{}'), case when e.objid is null then p.prosrc else '' end,
			g.lanname::text, p.prorettype::regtype::text, e.objid is not null, case when e.objid is null then p.prosqlbody::text end
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language g on g.oid = p.prolang
			left join pg_depend e on e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e'
		where not `+theServers("p.oid")+` order by p.oid`, nil,
		[]any{&f.oid, &f.owner, &namespace, &f.name, &f.arguments, &f.kind, &f.definer, &f.leakproof, &f.volatility, &config, &f.source,
			&f.language, &f.returns, &f.extension, &body}, func() {
			made := f
			made.parsed = body != nil
			made.asks, made.sets = l.readBody(body)
			body = nil
			made.schema, made.config = l.schemas[namespace], slices.Clone(config)
			if made.schema != nil {
				l.functions[f.oid] = &made
				l.sortedFunctions = append(l.sortedFunctions, &made)
				name := strings.ToLower(f.name)
				l.byFunctionName[name] = append(l.byFunctionName[name], f.oid)
			}
		})
}

// readBody looks into a body that the server keeps parsed, of which it has no text: does it read the session or a relation,
// and does it set the tenant?
func (l *loader) readBody(body *string) (asks, sets bool) {
	parseTree(body).walk(func(n *node) bool {
		switch n.name {
		case "SQLVALUEFUNCTION":
			asks = true
		case "RANGETBLENTRY", "RTE":
			asks = asks || n.value(":rtekind") == "0"
		case "FUNCEXPR":
			asks = asks || slices.Contains(currentSetting, n.value(":funcid"))
			if args := n.fields[":args"]; n.value(":funcid") == setConfig && len(args) == 1 && len(args[0].list) > 0 {
				sets = sets || strings.EqualFold(args[0].list[0].constant(), l.input.Setting)
			}
		}
		return true
	})
	return asks, sets
}

// functionRights reads who may run them. Unless somebody revoked it, everybody may.
func (l *loader) functionRights() error {
	var g grant
	return l.each(`select p.oid, a.grantee, a.privilege_type from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
			aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		where not `+theServers("p.oid")+` and (a.grantee = 0 or a.grantee = any($1) and a.grantee <> p.proowner) order by 1, 2, 3`,
		[]any{l.ids}, []any{&g.on, &g.grantee, &g.privilege}, func() {
			if f := l.functions[g.on]; f != nil {
				f.rights = append(f.rights, g)
			}
		})
}

// functionCalls reads what runs functions with other rights than the caller's: operators, aggregates and the bodies that
// the server keeps parsed. Only functions that matter for it are asked about.
func (l *loader) functionCalls() error {
	var ids []oid
	for id, f := range l.functions {
		if !f.extension {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	var f, names oid
	err := l.each(`select distinct objid, refobjid from pg_depend where classid = 'pg_proc'::regclass and refclassid = 'pg_class'::regclass
			and objid = any($1) order by 1, 2`, []any{ids}, []any{&f, &names},
		func() { l.functions[f].relations = append(l.functions[f].relations, names) })
	if err != nil {
		return err
	}
	var c call
	return l.each(`select d.refobjid, d.classid::regclass::text, d.objid, pg_describe_object(d.classid, d.objid, 0) from pg_depend d
		where d.refclassid = 'pg_proc'::regclass and d.refobjid = any($1) and d.deptype = 'n'
			and d.classid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_cast'::regclass, 'pg_type'::regclass)
			or d.refclassid = 'pg_proc'::regclass and d.refobjid = any($1) and d.classid = 'pg_amproc'::regclass
		order by 1, 2, 3`, []any{ids}, []any{&c.function, &c.class, &c.by, &c.what}, func() {
		l.calls = append(l.calls, c)
		if c.class == "pg_proc" {
			l.parsedCalls[c.by] = append(l.parsedCalls[c.by], c.function)
		}
	})
}

func (l *loader) loadTriggers() error {
	var on oid
	var t trigger
	return l.each(`select tgrelid, tgname::text, tgfoid, tgenabled not in ('D', 'R'), tgtype from pg_trigger
		where not tgisinternal and tgrelid >= 16384 order by tgrelid, tgname`, nil,
		[]any{&on, &t.name, &t.function, &t.enabled, &t.kind}, func() {
			if r := l.relations[on]; r != nil {
				made := t
				made.relation = r
				l.triggers = append(l.triggers, &made)
				r.triggers = append(r.triggers, &made)
			}
		})
}
