package audit

import (
	"fmt"
	"slices"
)

// recast reports whether the tenant column is to be changed.
func (r *relation) recast() bool {
	return r.isTenant() && r.tenant != nil && (r.tenant.vague || !r.declared.Type.Is(r.tenant.declared))
}

// retype gives a tenant column another type. What hangs on the column is taken away before and made anew behind it: policies,
// foreign keys, the default, views. What hangs on several columns that are to be changed comes back with the last of them.
func (d *database) retype(r *relation, to, cast string) []string {
	var before, keys, views []string
	for _, p := range r.policies {
		before = append(before, "drop policy if exists "+quote(p.name)+" on "+r.name)
	}
	for i := len(r.views) - 1; i >= 0; i-- {
		before = append(before, r.views[i].drop)
	}
	for _, from := range d.sorted {
		for _, c := range from.constraints {
			if c.kind != "f" || c.parent || !c.hangsOn(r) || c.definition == "" {
				continue
			}
			before = append(before, "alter table "+from.name+" drop constraint if exists "+quote(c.name))
			other := from
			if from == r {
				other = c.to
			}
			if !d.changesLater(r, func(later *relation) bool { return later == other }) {
				keys = append(keys, "alter table "+from.name+" add constraint "+quote(c.name)+" "+c.definition)
			}
		}
	}
	for _, v := range r.views {
		if !d.changesLater(r, func(later *relation) bool {
			return slices.ContainsFunc(later.views, func(o view) bool { return o.drop == v.drop })
		}) {
			views = append(views, v.make...)
		}
	}
	alter := "alter table " + r.name + " alter column " + r.tenant.sql
	change := []string{fmt.Sprintf("%s type %s using %s::text::%s", alter, to, r.tenant.sql, cast)}
	if r.tenant.defaults != "" {
		change = []string{alter + " drop default", change[0], alter + " set default (" + r.tenant.defaults + ")::text::" + cast}
	}
	// Views come last: one whose text needs the old type can't be made as it was, and nothing else is to wait for that.
	return slices.Concat(before, change, keys, d.wall(r), views)
}

// changesLater reports whether a relation that is to be changed after this one is such.
func (d *database) changesLater(r *relation, is func(*relation) bool) bool {
	return slices.ContainsFunc(d.sorted[slices.Index(d.sorted, r)+1:], func(later *relation) bool { return later.recast() && is(later) })
}

// hangsOn reports whether a foreign key is over the relation's tenant column.
func (c *constraint) hangsOn(r *relation) bool {
	return c.relation == r && slices.Contains(c.columns, r.tenant.number) || c.to == r && slices.Contains(c.toColumns, r.tenant.number)
}

// viewsOfColumn reads the views that name a column, and those above them, in the order in which they can be made.
const viewsOfColumn = `with recursive above(oid, depth) as (
		select r.ev_class, 1 from pg_depend d join pg_rewrite r on r.oid = d.objid
			where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = $1 and d.refobjsubid = $2 and r.ev_class <> $1
		union select r.ev_class, a.depth + 1 from above a join pg_depend d on d.refobjid = a.oid join pg_rewrite r on r.oid = d.objid
			where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and r.ev_class <> a.oid and a.depth < 64)
	select format('drop %s if exists %s', v.kind, v.name), array[format('create %s %s%s as %s', v.kind, v.name, ' with (' || array_to_string(v.reloptions, ', ') || ')', rtrim(v.definition, '; ')),
			format('alter %s %s owner to %I', v.kind, v.name, pg_get_userbyid(v.relowner))]
		|| array(select format('grant %s on %s to %s', string_agg(a.privilege_type, ', ' order by a.privilege_type), v.name,
				case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end || case when a.is_grantable then ' with grant option' else '' end)
			from aclexplode(v.relacl) a where a.grantee <> v.relowner group by a.grantee, a.is_grantable order by 1)
		|| array(select pg_get_indexdef(indexrelid) from pg_index where indrelid = v.oid order by indexrelid)
	from (select c.*, case c.relkind when 'm' then 'materialized view' else 'view' end as kind, format('%I.%I', n.nspname, c.relname) as name,
			pg_get_viewdef(c.oid) as definition, (select max(a.depth) from above a where a.oid = c.oid) as depth
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid in (select oid from above) and c.relkind in ('v', 'm')
			and c.oid <> all ($3)) v
	order by v.depth, v.name`

// loadViews reads what is to be made anew with a tenant column.
func (l *loader) loadViews() error {
	for _, r := range l.sorted {
		if !r.recast() || r.unseen {
			continue
		}
		var v view
		err := l.each(viewsOfColumn, []any{r.oid, r.tenant.number, l.held}, []any{&v.drop, &v.make}, func() {
			r.views = append(r.views, view{v.drop, slices.Clone(v.make)})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
