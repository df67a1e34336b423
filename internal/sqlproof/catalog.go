package sqlproof

import (
	"errors"
	"fmt"
	"strings"
)

// DefaultSchema is the schema of an unqualified relation name. The other walls pin search_path to it.
const DefaultSchema = "public"

// Kind says whose rows a relation holds.
type Kind uint8

const (
	// Tenant relations hold rows of many tenants, told apart by the tenant column.
	Tenant Kind = iota + 1
	// Global relations hold rows that every tenant may read.
	Global
)

// String returns "tenant" or "global".
func (k Kind) String() string {
	switch k {
	case Tenant:
		return "tenant"
	case Global:
		return "global"
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// A Relation is a table or view that statements may name.
type Relation struct {
	Schema string // "" is DefaultSchema
	Name   string
	Kind   Kind
	// Column is the tenant column of a Tenant relation and Type its type, below all domains: uuid, text, varchar, char,
	// bigint, integer, smallint or enum. TypeSchema and TypeName are those of the enum or the domain.
	Column, Type         string
	TypeSchema, TypeName string
	// Columns lists every column, or is nil when they are not known. When known, a name outside it is refused, and *
	// has known positions.
	Columns []string
	// Writable lets statements write a Global relation. Tenant relations are always writable.
	Writable bool
}

// A Catalog is an immutable set of relations, and of functions and types beyond the built-in harmless ones.
type Catalog struct {
	relations map[string]*Relation // by schema + "." + name; neither may hold a NUL, and lookups join the same way
	functions map[string]bool
	types     map[string]bool
	// tenantTypes are the types of the tenant columns: the server's by name, the users' as relations are. They map to
	// whether a cast to them leaves an id what it is.
	tenantTypes map[string]bool
	// lossy says that a parameter of a wrong type could be compared with a tenant column.
	lossy bool
}

// NewCatalog checks and copies the relations. The functions, written name or schema.name, are trusted as harmless: they
// read and write nothing of another tenant. The types are names of user-defined types, enums or domains that casts may name.
// The error joins every fault that was found.
func NewCatalog(relations []Relation, functions []string, types ...string) (*Catalog, error) {
	c := &Catalog{relations: map[string]*Relation{}, functions: map[string]bool{}, types: map[string]bool{}, tenantTypes: map[string]bool{}}
	var faults []error
	for _, r := range relations {
		if r.Schema == "" {
			r.Schema = DefaultSchema
		}
		if err := r.check(); err != nil {
			faults = append(faults, err)
			continue
		}
		r.Columns = append([]string(nil), r.Columns...)
		key := relationKey(r.Schema, r.Name)
		if c.relations[key] != nil {
			faults = append(faults, fmt.Errorf("relation %s.%s is declared twice", r.Schema, r.Name))
			continue
		}
		c.relations[key] = &r
		if r.Kind == Tenant {
			c.tenantTypes[r.Type] = true
			if r.TypeName != "" {
				// A domain over a text can have a length, to which a cast cuts an id off, and a collation under which two are equal.
				c.tenantTypes[relationKey(r.TypeSchema, r.TypeName)] = r.Type != "text" && r.Type != "varchar" && r.Type != "char"
			}
			c.lossy = c.lossy || r.Type != "uuid" && r.Type != "enum"
		}
	}
	for list, set := range map[*[]string]map[string]bool{&functions: c.functions, &types: c.types} {
		for _, name := range *list {
			if name == "" || strings.Count(name, ".") > 1 {
				faults = append(faults, fmt.Errorf("%q is not a name or schema.name", name))
			}
			set[name] = true
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

// castName is the type to which a tenant parameter may always be cast.
func (c *Catalog) castName() string {
	for _, name := range []string{"bigint", "integer", "smallint", "text", "varchar"} {
		if c.tenantTypes[name] {
			return name
		}
	}
	return "bpchar"
}

func relationKey(schema, name string) string { return schema + "\x00" + name }

func (r *Relation) check() error {
	full := r.Schema + "." + r.Name
	for _, name := range append([]string{r.Schema, r.Name}, r.Columns...) {
		if err := checkName(name); err != nil {
			return fmt.Errorf("relation %s: %w", full, err)
		}
	}
	switch {
	case strings.HasPrefix(r.Name, "pg_"), strings.HasPrefix(r.Schema, "pg_"), r.Schema == "information_schema":
		// pg_catalog is searched before every other schema, so an unqualified name would mean the system's relation.
		return fmt.Errorf("relation %s: names of PostgreSQL's own relations cannot be declared", full)
	case r.Kind == Global:
		if r.Column != "" || r.Type != "" {
			return fmt.Errorf("relation %s: a global relation has no tenant column", full)
		}
		return nil
	case r.Kind != Tenant:
		return fmt.Errorf("relation %s: kind is neither Tenant nor Global", full)
	case r.Writable:
		return fmt.Errorf("relation %s: Writable is for global relations", full)
	}
	if err := checkName(r.Column); err != nil {
		return fmt.Errorf("relation %s: tenant column: %w", full, err)
	}
	if !exactTypes[r.Type] && (r.Type != "enum" || r.TypeName == "") {
		return fmt.Errorf("relation %s: type %q can't be that of a tenant column", full, r.Type)
	}
	if r.Columns != nil && !r.has(r.Column) {
		return fmt.Errorf("relation %s: the columns do not hold the tenant column %q", full, r.Column)
	}
	if systemColumns[r.Column] {
		return fmt.Errorf("relation %s: %q is a system column", full, r.Column)
	}
	return nil
}

// checkName accepts what PostgreSQL can hold as an identifier. Longer names are cut by the server to 63 bytes, and two
// names could become one.
func checkName(name string) error {
	if name == "" || len(name) > maxIdentifier || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%q is not an identifier of 1 to %d bytes", name, maxIdentifier)
	}
	return nil
}

func (r *Relation) has(column string) bool {
	for _, c := range r.Columns {
		if c == column {
			return true
		}
	}
	return false
}

func (c *Catalog) relation(schema, name string) *Relation {
	if schema == "" {
		schema = DefaultSchema
	}
	return c.relations[relationKey(schema, name)]
}

// maxIdentifier is NAMEDATALEN-1 in bytes.
const maxIdentifier = 63

// systemColumns exist on every table. Their values follow from where rows lie and who wrote them, so they tell of other
// tenants' rows.
var systemColumns = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}
