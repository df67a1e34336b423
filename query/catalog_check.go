package query

import (
	"fmt"
	"slices"
	"strings"
)

// NewCatalog checks the declarations and makes a catalog of them. The error is a *CatalogError with every problem, not
// only the first.
//
//	query.NewCatalog(
//		query.TenantColumn("tenant_id", query.UUID),
//		query.Tenant("patients", "encounters"),
//		query.Global("icd10_codes"),
//		query.WithRelation(query.Relation{Name: "tenants", Kind: query.TenantKind, Column: "id"}))
func NewCatalog(opts ...CatalogOption) (*Catalog, error) {
	var spec catalogSpec
	for _, opt := range opts {
		if opt != nil {
			opt(&spec)
		}
	}
	return spec.catalog()
}

// MustCatalog is NewCatalog for package-level variables: it panics when a declaration is wrong.
func MustCatalog(opts ...CatalogOption) *Catalog {
	c, err := NewCatalog(opts...)
	if err != nil {
		panic(err)
	}
	return c
}

// catalog checks everything, so that one run shows all that has to be corrected.
func (s *catalogSpec) catalog() (*Catalog, error) {
	s.checkTenantColumn()
	c := &Catalog{relations: make(map[string]*relation, len(s.relations)), column: s.column, typ: s.typ}
	if len(s.relations) == 0 && len(s.problems) == 0 {
		s.problem("", "no relation is declared")
	}
	for _, declared := range s.relations {
		if r := s.relation(declared); r != nil {
			if c.relations[r.Name] != nil {
				s.problem(r.Name, "is declared twice")
				continue
			}
			c.relations[r.Name] = r
			c.sorted = append(c.sorted, r)
		}
	}
	slices.SortFunc(c.sorted, func(a, b *relation) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range c.sorted {
		s.checkReferences(c, r)
	}
	for _, name := range s.functions {
		if _, err := parseName(name); err != nil {
			s.problem("", fmt.Sprintf("%q is not the name of a function", shorten(name)))
		}
	}
	c.functions, c.writers = s.functions, s.writers
	c.filters = s.catalogFilters(c)
	if len(s.problems) == 0 {
		s.prepareProver(c)
	}
	if len(s.problems) == 0 {
		s.checkFilters(c)
	}
	if len(s.problems) > 0 {
		return nil, &CatalogError{Problems: s.problems}
	}
	return c, nil
}

func (s *catalogSpec) problem(relation, what string) {
	if relation != "" {
		what = fmt.Sprintf("relation %q %s", shorten(relation), what)
	}
	s.problems = append(s.problems, what)
}

func (s *catalogSpec) checkTenantColumn() {
	if s.column == "" {
		return
	}
	name, err := parseColumnName(s.column)
	if err != nil {
		s.problem("", fmt.Sprintf("the tenant column %q is not an identifier", shorten(s.column)))
	}
	s.column = name
	if s.typ, err = ParseType(string(s.typ)); err != nil {
		s.problem("", err.Error())
	}
}

// relation checks one declaration and gives it in normal form, nil when its name is of no use.
func (s *catalogSpec) relation(r Relation) *relation {
	id, err := parseName(r.Name)
	if err != nil || len(id) > 2 {
		s.problem("", fmt.Sprintf("%q is not the name of a relation; write name or schema.name, with at most %d bytes each", shorten(r.Name), maxNameLength))
		return nil
	}
	r.Name = normalise(id)
	out := &relation{schema: defaultSchema, table: id[len(id)-1]}
	if len(id) == 2 {
		out.schema = id[0]
	}
	if strings.HasPrefix(out.schema, "pg_") || out.schema == "information_schema" {
		s.problem(r.Name, "is in a system schema, which shows all tenants' data")
	}
	s.checkKind(&r)
	s.checkColumns(&r, out)
	out.Relation = r
	out.isTenant = "." + quote(r.Column) + " = $1"
	out.sql = quote(out.table)
	if out.schema != defaultSchema {
		out.sql = quote(out.schema) + "." + out.sql
	}
	return out
}

func (s *catalogSpec) checkKind(r *Relation) {
	switch r.Kind {
	case TenantKind:
		if r.Column == "" {
			r.Column = s.column
			if r.Type == "" {
				r.Type = s.typ
			}
		} else if name, err := parseColumnName(r.Column); err != nil {
			s.problem(r.Name, fmt.Sprintf("has a tenant column %q that is not an identifier", shorten(r.Column)))
		} else {
			r.Column = name
		}
		s.checkType(r)
		r.Writable = true
	case GlobalKind:
		if r.Column != "" || r.Type != "" {
			s.problem(r.Name, "is global and has a tenant column; it is one or the other")
		}
	default:
		s.problem(r.Name, fmt.Sprintf("is of kind %q, which is neither tenant nor global", shorten(string(r.Kind))))
	}
}

// checkType holds the tenant column's type against the catalog's, or, where that has none, against the first relation's.
func (s *catalogSpec) checkType(r *Relation) {
	if r.Type == "" {
		r.Type = s.typ
	}
	if r.Column == "" {
		s.problem(r.Name, "has no tenant column; declare TenantColumn, or the relation's own")
		return
	}
	if r.Type == "" && s.column != "" {
		return // the catalog's own type was refused already
	}
	parsed, err := ParseType(string(r.Type))
	if err != nil {
		s.problem(r.Name, "has a wrong tenant column: "+err.Error())
		return
	}
	if r.Type = parsed; s.typ == "" {
		s.typ = parsed
	}
	if !parsed.agrees(s.typ) {
		s.problem(r.Name, fmt.Sprintf("has a tenant column of type %s while the catalog's is %s; one tenant id can't be both", parsed, s.typ))
	}
}

func (s *catalogSpec) checkColumns(r *Relation, out *relation) {
	if r.Columns != nil {
		out.columns = make(map[string]bool, len(r.Columns))
	}
	for i, column := range r.Columns {
		name, err := parseColumnName(column.Name)
		switch {
		case err != nil:
			s.problem(r.Name, fmt.Sprintf("has a column %q that is not an identifier", shorten(column.Name)))
		case out.columns[name]:
			s.problem(r.Name, fmt.Sprintf("has the column %q twice", name))
		}
		r.Columns[i].Name = name
		out.columns[name] = true
	}
	if r.Columns != nil && r.Kind == TenantKind && r.Column != "" && !out.columns[r.Column] {
		s.problem(r.Name, fmt.Sprintf("does not list its tenant column %q among its columns", r.Column))
	}
	for i, key := range r.Key {
		name, err := parseColumnName(key)
		if err != nil || out.columns != nil && !out.columns[name] {
			s.problem(r.Name, fmt.Sprintf("has a key column %q that it does not have", shorten(key)))
		}
		r.Key[i] = name
	}
	r.Key = slices.DeleteFunc(r.Key, func(name string) bool { return r.Kind == TenantKind && name == r.Column && len(r.Key) > 1 })
}

func (s *catalogSpec) checkReferences(c *Catalog, r *relation) {
	for i, ref := range r.References {
		to := c.lookup(ref.To)
		if to == nil {
			s.problem(r.Name, fmt.Sprintf("refers to %q, which is not declared", shorten(ref.To)))
			continue
		}
		from, err := parseColumnName(ref.Column)
		if err != nil || r.columns != nil && !r.columns[from] {
			s.problem(r.Name, fmt.Sprintf("has a reference from column %q that it does not have", shorten(ref.Column)))
		}
		target, err := parseColumnName(ref.ToColumn)
		if err != nil || to.columns != nil && !to.columns[target] {
			s.problem(r.Name, fmt.Sprintf("refers to column %q that %q does not have", shorten(ref.ToColumn), to.Name))
		}
		r.References[i] = Reference{Column: from, To: to.Name, ToColumn: target}
	}
}

// parseColumnName reads one identifier and nothing after it.
func parseColumnName(text string) (string, error) {
	name, rest, err := parseIdentifier(text)
	if err != nil || rest != "" {
		return "", errName
	}
	return name, nil
}

// shorten keeps texts from outside short in messages.
func shorten(text string) string {
	if len(text) > 80 {
		return strings.ToValidUTF8(text[:80], "") + "…"
	}
	return text
}
