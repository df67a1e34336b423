package audit

import (
	"slices"
	"strings"

	"github.com/septum-go/septum/internal/livetype"
)

func (l *loader) loadRelations() error {
	var r relation
	var namespace oid
	var options []string
	err := l.each(`select c.oid, c.relowner, c.relnamespace, c.relname::text, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity,
			c.relispartition, coalesce(c.reloptions, '{}'),
			exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e'),
			c.relkind = 'S' and exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid
				and x.deptype in ('a', 'i') and x.refclassid = 'pg_class'::regclass)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not `+theServers("c.oid"), nil,
		[]any{&r.oid, &r.owner, &namespace, &r.table, &r.kind, &r.enabled, &r.forced, &r.partition, &options, &r.extension, &r.follows},
		func() {
			made := &relation{oid: r.oid, owner: r.owner, schema: l.schemas[namespace], table: r.table, kind: r.kind,
				enabled: r.enabled, forced: r.forced, partition: r.partition, extension: r.extension, follows: r.follows, columns: map[int16]*column{}}
			if made.schema == nil {
				return
			}
			made.name = quote(made.schema.name) + "." + quote(made.table)
			made.unseen = slices.Contains(l.held, made.oid)
			made.owned = l.isApp(made.owner) && !l.roles[made.owner].super // a superuser owns everything, which SEP001 says
			for _, option := range options {
				name, value, _ := strings.Cut(option, "=")
				made.invoker = made.invoker || name == "security_invoker" && isTrue(value)
			}
			l.relations[made.oid], l.byName[made.name] = made, made
			l.sorted = append(l.sorted, made)
			bare := strings.ToLower(made.table)
			l.byTable[bare] = append(l.byTable[bare], made)
		})
	slices.SortFunc(l.sorted, func(a, b *relation) int { return strings.Compare(a.name, b.name) })
	for i := range l.input.Relations {
		declared := &l.input.Relations[i]
		if r := l.byName[declared.name()]; r != nil && r.kind != "S" {
			r.declared = declared
		}
	}
	return err
}

// isTrue reads a boolean of reloptions, which keep what was written.
func isTrue(value string) bool {
	return slices.Contains([]string{"", "true", "on", "yes", "1", "t", "tr", "tru", "y", "ye"}, strings.ToLower(value))
}

// rights reads what the login's roles and PUBLIC may do with relations and single columns.
func (l *loader) rights() error {
	return l.grants(l.ids, func(r *relation, g grant) { r.rights = append(r.rights, g) })
}

// rightsOfOthers reads the same for logins beside the application's that no policy binds.
func (l *loader) rightsOfOthers() error {
	var ids []oid
	for id, r := range l.roles {
		if r.bypass && r.login && !r.super && !l.isApp(id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return l.grants(ids, func(r *relation, g grant) { r.others = append(r.others, g) })
}

func (l *loader) grants(ids []oid, keep func(*relation, grant)) error {
	var g grant
	return l.each(`select c.oid, a.grantee, a.privilege_type, '' from pg_class c, aclexplode(c.relacl) a
			where c.relacl is not null and a.grantee = any($1) and a.grantee <> c.relowner and c.oid >= 16384
		union all
		select t.attrelid, a.grantee, a.privilege_type, t.attname::text from pg_attribute t, aclexplode(t.attacl) a
			where t.attacl is not null and not t.attisdropped and a.grantee = any($1) and t.attrelid >= 16384
		order by 1, 2, 3, 4`, []any{ids}, []any{&g.on, &g.grantee, &g.privilege, &g.column}, func() {
		if r := l.relations[g.on]; r != nil {
			keep(r, g)
		}
	})
}

func (l *loader) columns() error {
	var on oid
	var c column
	err := l.each(`select a.attrelid, a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod), `+livetype.Declared("a.atttypid")+`,
			`+livetype.Base("a.atttypid")+`, a.attnotnull, `+livetype.Vague("a.attcollation", "a.atttypid")+`, a.attidentity::text, a.attgenerated::text, case when a.attrelid = any($1) then '' else coalesce(pg_get_expr(d.adbin, d.adrelid), '') end
		from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
			left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') and not `+theServers("c.oid"), []any{l.held},
		[]any{&on, &c.number, &c.name, &c.typ, &c.declared, &c.base, &c.notNull, &c.vague, &c.identity, &c.generated, &c.defaults}, func() {
			if r := l.relations[on]; r != nil {
				made := c
				made.sql = quote(c.name)
				r.columns[c.number] = &made
			}
		})
	for _, r := range l.sorted {
		if r.isTenant() {
			r.tenant = r.column(r.declared.Column)
		}
	}
	return err
}

func (l *loader) loadConstraints() error {
	var c constraint
	var on, to oid
	var columns, toColumns []int16
	var parent oid
	var operators, equals []string
	period := "false"
	if l.version >= 180000 {
		period = "c.conperiod and c.contype = 'f'"
	}
	return l.each(`select c.oid, c.conrelid, c.conname::text, c.contype::text, coalesce(c.conkey, '{}'), c.confrelid, coalesce(c.confkey, '{}'),
			c.convalidated, c.conindid, c.conparentid, c.confdeltype in ('c', 'n', 'd') or c.confupdtype in ('c', 'n', 'd'),
			array(select p.oprname::text from unnest(c.conexclop) with ordinality as x(op, i) join pg_operator p on p.oid = x.op order by x.i), `+period+`,
			array(select format('operator(%I.%s)', n.nspname, p.oprname) from unnest(c.conpfeqop) with ordinality as x(op, i)
				join pg_operator p on p.oid = x.op join pg_namespace n on n.oid = p.oprnamespace order by x.i)
		from pg_constraint c where (c.contype in ('p', 'u', 'x', 'f') or c.contype = 'n' and not c.convalidated) and c.conrelid >= 16384 order by c.oid`, nil,
		[]any{&c.oid, &on, &c.name, &c.kind, &columns, &to, &toColumns, &c.validated, &c.index, &parent, &c.acts, &operators, &c.period, &equals}, func() {
			if r := l.relations[on]; r != nil {
				made := c
				made.relation, made.to, made.parent = r, l.relations[to], parent != 0
				made.equals = slices.Clone(equals)
				made.columns, made.toColumns = slices.Clone(columns), slices.Clone(toColumns)
				made.loose = len(operators) > 0 && r.whose() != nil
				for i, operator := range operators {
					made.loose = made.loose && (i >= len(columns) || columns[i] != r.whose().number || operator != "=")
				}
				r.constraints = append(r.constraints, &made)
			}
		})
}

// loadIndexes reads indexes with the operators and functions of their columns that are not leakproof: under a policy
// PostgreSQL does not use those columns to find rows.
func (l *loader) loadIndexes() error {
	leaky := map[oid][]string{} // by operator class
	var class oid
	var names []string
	// Of a btree, equality counts; of other methods, all operators.
	err := l.each(`select o.oid, array_agg(distinct p.proname::text order by p.proname::text) from pg_opclass o join pg_am am on am.oid = o.opcmethod
			join pg_amop a on a.amopfamily = o.opcfamily and a.amoplefttype = o.opcintype
				and (am.amname <> 'btree' or a.amopstrategy = 3 and a.amoprighttype = o.opcintype)
			join pg_operator op on op.oid = a.amopopr join pg_proc p on p.oid = op.oprcode
		where not p.proleakproof group by o.oid`, nil, []any{&class, &names}, func() { leaky[class] = slices.Clone(names) })
	if err != nil {
		return err
	}
	constraints := map[oid]bool{}
	for _, r := range l.sorted {
		for _, c := range r.constraints {
			if c.kind != "f" {
				constraints[c.index] = true
			}
		}
	}
	var x index
	var on oid
	var keys []int16
	var classes []oid
	var vague []bool
	return l.each(`select i.indexrelid, i.indrelid, c.relname::text, i.indisunique, i.indisprimary, i.indisexclusion, (i.indkey::int2[])[0:i.indnkeyatts - 1],
			(i.indclass::oid[])[0:i.indnkeyatts - 1],
			array(select coalesce((select not k.collisdeterministic from pg_collation k where k.oid = x.of), false) from unnest(i.indcollation::oid[]) with ordinality as x(of, at) order by at), am.amname::text, i.indpred is not null, c.relispartition,
			case when i.indexprs is null then '{}' else array(select distinct p.proname::text
				from regexp_matches(i.indexprs::text, ':(?:funcid|opfuncid) (\d+)', 'g') as m join pg_proc p on p.oid = m[1]::oid
				where not p.proleakproof order by 1) end
		from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am am on am.oid = c.relam
		where i.indrelid >= 16384 and i.indisvalid order by i.indexrelid`, nil,
		[]any{&x.oid, &on, &x.name, &x.unique, &x.primary, &x.exclusion, &keys, &classes, &vague, &x.method, &x.partial, &x.inherited, &names},
		func() {
			r := l.relations[on]
			if r == nil {
				return
			}
			made := x
			made.relation, made.keys, made.constraint, made.leaky = r, slices.Clone(keys), constraints[x.oid], slices.Clone(names)
			if whose := r.whose(); whose != nil && !whose.vague {
				for i := range made.keys {
					if made.keys[i] == whose.number && i < len(vague) && vague[i] {
						made.keys[i] = 0 // here two tenants can be one
					}
				}
			}
			for i, class := range classes {
				if r.tenant != nil && made.keys[i] == r.tenant.number {
					continue // the policy itself compares it, and waits for no other condition
				}
				made.leaky = append(made.leaky, leaky[class]...)
			}
			slices.Sort(made.leaky)
			made.leaky = slices.Compact(made.leaky)
			r.indexes = append(r.indexes, &made)
		})
}

// definitions prints the constraints and indexes that rules may have to write anew. Printing all would take longer than
// all the rest.
func (l *loader) definitions() error {
	constraints, indexes := map[oid]*constraint{}, map[oid]*index{}
	var ids []oid
	for _, r := range l.sorted {
		for _, c := range r.constraints {
			key := r.whose() != nil && len(c.columns) > 0 && !slices.Contains(c.columns, r.whose().number)
			if c.kind != "n" && !r.unseen && (key || !c.validated || c.kind == "x" || c.to != nil && (c.to.tenant != nil || r.tenant != nil)) {
				constraints[c.oid] = c
				ids = append(ids, c.oid)
			}
		}
		for _, x := range r.indexes {
			if r.whose() != nil && !r.unseen && !x.leads(r.whose()) {
				indexes[x.oid] = x
				ids = append(ids, x.oid)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var id oid
	var definition string
	err := l.each(`select oid, pg_get_constraintdef(oid) from pg_constraint where oid = any($1)`, []any{ids}, []any{&id, &definition}, func() { // as the snapshot has it, unlike an index's
		if c := constraints[id]; c != nil {
			c.definition = definition
		}
	})
	if err != nil {
		return err
	}
	var listed string
	// What stands before the list of columns is cut off by its length, since names may hold anything.
	return l.each(`select i.indexrelid, coalesce(pg_get_indexdef(i.indexrelid), ''), coalesce(substr(pg_get_indexdef(i.indexrelid),
				length(format('CREATE %sINDEX %I ON %s%I.%I USING %I (', case when i.indisunique then 'UNIQUE ' end, c.relname,
					case c.relkind when 'I' then 'ONLY ' end, n.nspname, t.relname, m.amname)) + 1), '')
			from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam join pg_class t on t.oid = i.indrelid
				join pg_namespace n on n.oid = t.relnamespace
			where i.indexrelid = any($1)`, []any{ids}, []any{&id, &definition, &listed}, func() {
		l.gone = l.gone || definition == ""
		if x := indexes[id]; x != nil {
			x.definition, x.listed = definition, listed
		}
	})
}

func (l *loader) inheritance() error {
	var child, parent oid
	return l.each(`select inhrelid, inhparent from pg_inherits order by inhrelid, inhseqno`, nil, []any{&child, &parent}, func() {
		c, p := l.relations[child], l.relations[parent]
		if c != nil && p != nil {
			c.parents, p.children = append(c.parents, p), append(p.children, c)
		}
	})
}

// bounds tells the parts of tenant relations what they are parts of, and which rows partitions take.
func (l *loader) bounds() error {
	var ids []oid
	for _, r := range l.sorted {
		if above := l.ancestors(r); len(above) > 0 {
			if r.tenant == nil && above[0].tenant != nil {
				r.inherited = r.column(above[0].tenant.name)
			}
			if r.partition && !r.unseen {
				ids = append(ids, r.oid)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var id oid
	var bound string
	err := l.each(`select oid, coalesce(pg_get_expr(relpartbound, oid), '') from pg_class where oid = any($1)`, []any{ids}, []any{&id, &bound}, func() {
		l.gone = l.gone || bound == ""
		l.relations[id].bound = bound
	})
	if err != nil {
		return err
	}
	var keys []int16
	var strategy string
	return l.each(`select partrelid, partstrat::text, partattrs::int2[] from pg_partitioned_table`, nil, []any{&id, &strategy, &keys}, func() {
		if r := l.relations[id]; r != nil {
			r.split, r.splitBy = strategy, slices.Clone(keys)
		}
	})
}

func (l *loader) loadPolicies() error {
	byOID := map[oid]*policy{}
	var id, on oid
	var p policy
	var roles []oid
	err := l.each(`select oid, polrelid, polname::text, case polcmd when '*' then 'ALL' when 'r' then 'SELECT' when 'a' then 'INSERT'
				when 'w' then 'UPDATE' when 'd' then 'DELETE' end,
			polpermissive, polroles, case when polrelid <> all($1) then pg_get_expr(polqual, polrelid) end,
			case when polrelid <> all($1) then pg_get_expr(polwithcheck, polrelid) end, polqual::text, polwithcheck::text
		from pg_policy order by polrelid, polname`, []any{l.held},
		[]any{&id, &on, &p.name, &p.command, &p.permissive, &roles, &p.using, &p.check, &p.usingTree, &p.checkTree}, func() {
			r := l.relations[on]
			l.gone = l.gone || (r == nil || !r.unseen) && (p.using == nil && p.usingTree != nil || p.check == nil && p.checkTree != nil)
			if r != nil {
				made := p
				made.relation, made.roles = r, slices.Clone(roles)
				byOID[id] = &made
				r.policies = append(r.policies, &made)
				l.policies = append(l.policies, &made)
			}
			p.using, p.check, p.usingTree, p.checkTree = nil, nil, nil, nil
		})
	if err != nil {
		return err
	}
	// What they name. PostgreSQL's own functions are not recorded as dependencies.
	var target oid
	var class string
	err = l.each(`select distinct objid, refobjid, refclassid::regclass::text from pg_depend
		where classid = 'pg_policy'::regclass and refclassid in ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_operator'::regclass) order by 1, 2`,
		nil, []any{&id, &target, &class}, func() {
			switch p := byOID[id]; {
			case p == nil:
			case class == "pg_proc":
				p.functions = append(p.functions, target)
			case class == "pg_operator":
				p.operators = append(p.operators, target)
			case target != p.relation.oid:
				p.relations = append(p.relations, target)
			}
		})
	if err != nil {
		return err
	}
	var o policyObject
	return l.each(`select d.objid, 'operator', o.oid::regoperator::text, o.oprowner from pg_depend d join pg_operator o on o.oid = d.refobjid
			where d.classid = 'pg_policy'::regclass and d.refclassid = 'pg_operator'::regclass and o.oid >= 16384
		union select d.objid, case t.typtype when 'd' then 'domain' else 'type' end, t.oid::regtype::text, t.typowner from pg_depend d join pg_type t on t.oid = d.refobjid
			where d.classid = 'pg_policy'::regclass and d.refclassid = 'pg_type'::regclass and t.oid >= 16384 and t.typrelid = 0 and t.typtype <> 'm' order by 1, 2, 3`,
		nil, []any{&id, &o.kind, &o.name, &o.owner}, func() {
			if p := byOID[id]; p != nil {
				p.objects = append(p.objects, o)
			}
		})
}

// loadRewrites reads views, whose definition is a rule, and rules, with the relations and functions that they name. Of the
// server's own functions pg_notify (3036) counts, for which there is no dependency.
func (l *loader) loadRewrites() error {
	var id, on, class, target oid
	var name, event string
	var notifies bool
	rules := map[oid]*rewrite{}
	return l.each(`select r.oid, r.ev_class, r.rulename::text, r.ev_type::text, coalesce(d.refclassid, 0), coalesce(d.refobjid, 0),
			r.ev_type <> '1' and r.ev_action::text ~ '\{NOTIFYSTMT |:funcid 3036 '
		from pg_rewrite r left join (select distinct classid, objid, refclassid, refobjid, deptype from pg_depend) d
			on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.deptype = 'n'
				and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
		where r.ev_class >= 16384 order by r.oid`, nil, []any{&id, &on, &name, &event, &class, &target, &notifies}, func() {
		r := l.relations[on]
		if r == nil {
			return
		}
		rule := rules[id]
		if rule == nil {
			rule = &rewrite{relation: r, name: name, event: event, notifies: notifies}
			rules[id] = rule
			l.rules, r.rules = append(l.rules, rule), append(r.rules, rule)
		}
		switch {
		case l.relations[target] != nil && target != on:
			rule.relations = append(rule.relations, target)
		case target != 0 && class != 0:
			rule.functions = append(rule.functions, target)
		}
	})
}
