// Package livetype reads the types of a live database's columns as catalogs write them. It is SQL alone: the audit, the plan
// and the posture of a connection ask with it, each in a statement of its own.
package livetype

import "strings"

// Declared is an SQL expression for the type with the oid that the expression gives, as a catalog writes it: a type of the
// server's by its name, "enum app.site", or "domain app.hospital_id over uuid", where what is below all domains counts.
func Declared(oid string) string {
	return strings.ReplaceAll(`(select case t.typtype
			when 'e' then 'enum ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname)
			when 'd' then 'domain ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname) || ' over ' || `+below+`
			else format_type(t.oid, null) end
		from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.oid = OID)`, "OID", oid)
}

// Base is an SQL expression for the name, as the server prints it, of the type below all domains.
func Base(oid string) string {
	return strings.ReplaceAll(`(select case when t.typtype = 'd' then (`+bases+` select format_type(b.oid, null) from base b where b.typtype <> 'd')
		else format_type(t.oid, null) end from pg_type t where t.oid = OID)`, "OID", oid)
}

// Vague is an SQL expression for whether two texts can be equal that are not the same: under a nondeterministic collation, which
// the expression collation gives, or which is that of the type with the oid that typ gives. It is citext by another way.
func Vague(collation, typ string) string {
	return `exists (select from pg_collation k where not k.collisdeterministic and (k.oid = ` + collation +
		` or k.oid = (select t.typcollation from pg_type t where t.oid = ` + typ + `)))`
}

// bases walks down from the domain t.
const bases = `with recursive base as (select t.oid, t.typtype, t.typbasetype, t.typname, t.typnamespace
			union all select c.oid, c.typtype, c.typbasetype, c.typname, c.typnamespace from base b join pg_type c on c.oid = b.typbasetype)`

const below = `(` + bases + ` select case b.typtype when 'e' then 'enum ' || quote_ident(s.nspname) || '.' || quote_ident(b.typname) else format_type(b.oid, null) end
				from base b join pg_namespace s on s.oid = b.typnamespace where b.typtype <> 'd')`
