package audit

import (
	"slices"
	"strings"
)

// tenants gives the catalog's tenant relations that exist as tables.
func (d *database) tenants() []*relation {
	var out []*relation
	for _, r := range d.sorted {
		if r.isTenant() && r.isTable() {
			out = append(out, r)
		}
	}
	return out
}

// isApp reports whether the role is the login or one that it can become.
func (d *database) isApp(role oid) bool { return d.app[role] != nil }

// bound reports whether policies of the relation hold for a role: it is no superuser, has no BYPASSRLS, and does not
// own the relation, or the relation is forced.
func (d *database) bound(role oid, r *relation) bool {
	who := d.roles[role]
	return who != nil && !who.super && !who.bypass && r.enabled && (r.forced || !d.becomes(role, r.owner))
}

// becomes reports whether a role is another or a member of it, at any distance.
func (d *database) becomes(role, target oid) bool {
	seen := map[oid]bool{}
	var walk func(oid) bool
	walk = func(at oid) bool {
		if at == target {
			return true
		}
		if seen[at] || d.roles[at] == nil {
			return false
		}
		seen[at] = true
		return slices.ContainsFunc(d.roles[at].memberOf, walk)
	}
	return walk(role)
}

// who names a grantee for people and, quoted, for SQL.
func (d *database) who(grantee oid) string {
	if grantee == 0 {
		return "public"
	}
	if r := d.roles[grantee]; r != nil {
		return quote(r.name)
	}
	return "(unknown role)"
}

// way tells how the login comes to a role.
func (d *database) way(target oid) string {
	at := d.app[target]
	if at == nil || at.from == nil {
		return ""
	}
	names := []string{at.name}
	for at.from != nil {
		at = d.app[at.from.oid]
		names = append(names, at.name)
	}
	slices.Reverse(names)
	return strings.Join(names, " → ")
}
