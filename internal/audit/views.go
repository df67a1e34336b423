package audit

import (
	"fmt"
	"slices"
)

// viewRules are about relations through which others are read with somebody else's rights (R10, R12).
func viewRules() []Rule {
	return []Rule{
		{ID: "SEP040", Name: "definer-view", Title: "A view without security_invoker stands directly over a tenant relation", Severity: high, Evidence: byCatalog,
			Threats: []string{"R10"}, References: enforcement,
			Why:  "Such a view reads with its owner's rights, and with the policies that hold for the owner, not for the one who asks.",
			Mend: "Set security_invoker on the view.",
			find: definerViews},
		{ID: "SEP041", Name: "materialized-view", Title: "The application reads a materialized view of a tenant relation", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R10"}, References: enforcement,
			Why:  "A materialized view is a copy of all tenants' rows and can't carry policies.",
			Mend: "Take the right to read it, or make it a table with a tenant column and policies.",
			find: materializedViews},
		{ID: "SEP042", Name: "foreign-table", Title: "The application reaches a foreign table", Severity: high, Evidence: byCatalog,
			Threats: []string{"R10"}, References: enforcement,
			Why:  "A foreign table can't carry policies, and the other server knows this one's tenants as one login.",
			Mend: "Take the application's rights on it.",
			find: func(d *database) []Finding {
				shown := d.shown()
				return each(d.sorted, func(r *relation) (Finding, bool) {
					f := Finding{Object: r.name, Relation: r.name, What: "the application reaches the foreign table " + r.name, Show: r.showRights(), Mend: d.revokeAll(r)}
					if above := shown[r]; !r.reached() && len(above) > 0 {
						f.What = fmt.Sprintf("the application sees the foreign table %s through %s", r.name, above[0].name)
					}
					f.Mend = append(f.Mend, d.unshow(shown[r])...)
					return f, r.kind == "f" && (r.reached() || len(shown[r]) > 0)
				})
			}},
		{ID: "SEP043", Name: "child-relation", Title: "A partition or child of a tenant relation is reached by its own name", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R12"}, References: enforcement,
			Why:  "Policies hold for the name that a statement uses: under its own name a child knows nothing of its parent's.",
			Mend: "Take the application's rights on the child; those on the parent are enough.",
			find: children},
		{ID: "SEP044", Name: "parent-relation", Title: "A tenant relation is read through a parent without policies", Severity: critical, Evidence: byCatalog,
			Threats: []string{"R12"}, References: enforcement,
			Why:  "A parent in inheritance shows its children's rows, and then its own policies hold and theirs don't.",
			Mend: "Take the application's rights on the parent, or declare it a tenant's.",
			find: parents},
	}
}

// reachable gives the relations that the login can get at: by rights of its own, and through views that read with their
// owner's rights, at any depth.
func (d *database) reachable() map[oid]bool {
	seen := map[oid]bool{}
	var queue []*relation
	for _, r := range d.sorted {
		if r.reached() || d.isApp(r.owner) {
			queue = append(queue, r)
		}
	}
	for len(queue) > 0 {
		r := queue[0]
		queue = queue[1:]
		if seen[r.oid] {
			continue
		}
		seen[r.oid] = true
		if r.kind != "v" || r.invoker {
			continue
		}
		queue = append(queue, d.under(r)...)
	}
	return seen
}

// under lists the relations that a view names.
func (d *database) under(view *relation) []*relation {
	var out []*relation
	for _, rule := range view.rules {
		if rule.event != "1" {
			continue
		}
		for _, id := range rule.relations {
			if r := d.relations[id]; r != nil {
				out = append(out, r)
			}
		}
	}
	return out
}

func definerViews(d *database) []Finding {
	reachable := d.reachable()
	var out []Finding
	for _, view := range d.sorted {
		if view.kind != "v" || view.invoker || !reachable[view.oid] {
			continue
		}
		for _, below := range d.under(view) {
			if !d.showsTenants(below) {
				continue
			}
			f := Finding{Object: view.name, Relation: below.name, Show: view.show("reloptions, relowner::regrole, relacl"),
				Mend: []string{"alter view " + view.name + " set (security_invoker = true)"},
				What: fmt.Sprintf("%s reads %s with the rights of its owner %s, for whom no policy holds", view.name, below.name, d.who(view.owner))}
			if d.bound(view.owner, below) {
				f.Severity = low
				f.What = fmt.Sprintf("%s reads %s with the rights of its owner %s; policies hold for that role too, as things stand", view.name, below.name, d.who(view.owner))
			}
			out = append(out, f)
		}
	}
	return out
}

// holdsTenants reports whether a relation is a tenant's, or a part of one.
func (d *database) holdsTenants(r *relation) bool {
	return r.isTenant() || len(d.ancestors(r)) > 0
}

// showsTenants reports whether reading a relation reads a tenant's rows: it is one, a part of one, or a parent of one.
func (d *database) showsTenants(r *relation) bool {
	return d.holdsTenants(r) || slices.ContainsFunc(d.descendants(r), (*relation).isTenant)
}

// ancestors lists the tenant relations above a partition or child, at any depth.
func (d *database) ancestors(r *relation) []*relation {
	var out []*relation
	seen := map[*relation]bool{}
	var walk func(*relation)
	walk = func(at *relation) {
		for _, parent := range at.parents {
			if seen[parent] {
				continue
			}
			seen[parent] = true
			if parent.isTenant() {
				out = append(out, parent)
			}
			walk(parent)
		}
	}
	walk(r)
	return out
}

// descendants lists the partitions and children below a relation, at any depth.
func (d *database) descendants(r *relation) []*relation {
	var out []*relation
	seen := map[*relation]bool{}
	var walk func(*relation)
	walk = func(at *relation) {
		for _, child := range at.children {
			if !seen[child] {
				seen[child] = true
				out = append(out, child)
				walk(child)
			}
		}
	}
	walk(r)
	return out
}

// sources lists the tenant relations whose rows a view shows, through views of any kind and functions.
func (d *database) sources(view *relation) []*relation {
	var out []*relation
	seen := map[*relation]bool{}
	var walk func(*relation)
	walk = func(at *relation) {
		for _, below := range d.under(at) {
			if seen[below] {
				continue
			}
			seen[below] = true
			if d.showsTenants(below) {
				out = append(out, below)
			}
			walk(below)
		}
		for _, id := range d.functionsUnder(at) {
			if f := d.functions[id]; f != nil {
				for _, named := range d.readsOf(f) {
					if d.showsTenants(named) && !seen[named] {
						seen[named] = true
						out = append(out, named)
					}
				}
			}
		}
	}
	walk(view)
	return out
}

// functionsUnder lists the functions that a view calls.
func (d *database) functionsUnder(view *relation) []oid {
	var out []oid
	for _, rule := range view.rules {
		if rule.event == "1" {
			out = append(out, rule.functions...)
		}
	}
	return out
}

func materializedViews(d *database) []Finding {
	reachable := d.reachable()
	var out []Finding
	for _, view := range d.sorted {
		if view.kind != "m" || !reachable[view.oid] {
			continue
		}
		if sources := d.sources(view); len(sources) > 0 {
			mend := d.revokeAll(view)
			for _, above := range d.definersOver(view) {
				mend = append(mend, "alter view "+above.name+" set (security_invoker = true)")
			}
			out = append(out, Finding{Object: view.name, Relation: sources[0].name, Show: view.showRights(), Mend: mend,
				What: fmt.Sprintf("%s is a copy of rows of %s, and the application reaches it", view.name, sources[0].name)})
		}
	}
	return out
}

// definersOver lists the views that read a relation with their owner's rights.
func (d *database) definersOver(r *relation) []*relation {
	var out []*relation
	for _, view := range d.sorted {
		if view.kind == "v" && !view.invoker && slices.Contains(d.under(view), r) {
			out = append(out, view)
		}
	}
	return out
}

func children(d *database) []Finding {
	var out []Finding
	for _, r := range d.sorted {
		if r.isTenant() || !r.reached() || len(d.ancestors(r)) == 0 {
			continue
		}
		above := d.ancestors(r)[0]
		f := Finding{Object: r.name, Relation: above.name, Show: r.showRights(), Mend: d.revokeAll(r),
			What: fmt.Sprintf("the application reaches %s, a part of %s, by its own name, where %s's policies don't hold", r.name, above.name, above.name)}
		if r.enabled && r.forced {
			f.Severity = medium
			f.What = fmt.Sprintf("the application reaches %s, a part of %s, by its own name, under policies that nobody compared with the catalog", r.name, above.name)
		}
		out = append(out, f)
	}
	return out
}

func parents(d *database) []Finding {
	var out []Finding
	for _, r := range d.sorted {
		if r.isTenant() || !r.isTable() || !r.reached() {
			continue
		}
		i := slices.IndexFunc(d.descendants(r), (*relation).isTenant)
		if i < 0 {
			continue
		}
		out = append(out, Finding{Object: r.name, Relation: d.descendants(r)[i].name, Show: r.showRights(), Mend: d.revokeAll(r),
			What: fmt.Sprintf("%s shows the rows of its child %s, whose policies don't hold there", r.name, d.descendants(r)[i].name)})
	}
	return out
}
