package query

import (
	"slices"
	"strings"
	"sync"

	"github.com/septum-go/septum/internal/sqlproof"
)

// Kind says whose rows a relation holds.
type Kind string

// The kinds of relations.
const (
	TenantKind Kind = "tenant" // each row belongs to the tenant that its tenant column names
	GlobalKind Kind = "global" // the rows are everybody's: code lists, countries; read-only unless Writable
)

// Column is a declared column of a relation.
type Column struct {
	Name string
	Type string // SQL type as written in the catalog; empty when not declared
}

// Reference is a declared foreign key: Column refers to ToColumn of relation To. The tenant column, which is part of
// every foreign key between tenant relations, is not written here.
type Reference struct {
	Column   string
	To       string
	ToColumn string
}

// Relation declares one table or view.
type Relation struct {
	Name       string      // "patients", or "clinic.patients" outside the schema public
	Kind       Kind        // TenantKind or GlobalKind
	Column     string      // tenant column; empty means the catalog's TenantColumn
	Type       Type        // type of the tenant column; empty means the catalog's
	Columns    []Column    // optional; when given, no other column of the relation can be named
	Key        []string    // optional: primary key without the tenant column
	References []Reference // optional; Report and Graph find joins over them
	Writable   bool        // a global relation that statements may write; tenant relations always are
}

// Schema is the schema of the relation, "public" when its name has none.
func (r Relation) Schema() string {
	schema, _ := splitQualified(r.Name)
	return schema
}

// Table is the name of the relation without its schema.
func (r Relation) Table() string {
	_, table := splitQualified(r.Name)
	return table
}

func (r Relation) clone() Relation {
	r.Columns = slices.Clone(r.Columns)
	r.Key = slices.Clone(r.Key)
	r.References = slices.Clone(r.References)
	return r
}

const defaultSchema = "public"

// splitQualified takes a normalised name apart; normalised names hold at most one dot that is not quoted.
func splitQualified(name string) (schema, table string) {
	id, err := parseName(name)
	if err != nil || len(id) == 0 || len(id) > 2 {
		return defaultSchema, name
	}
	if len(id) == 1 {
		return defaultSchema, id[0]
	}
	return id[0], id[1]
}

// Catalog says which relations exist, whose rows they hold, and by which column. Every statement is built and proved
// against one; a relation that it does not name can't be reached. A Catalog never changes and is safe for concurrent
// use. Make one per database schema and keep it in a package-level variable: it also keeps the proofs of the
// statements made with it.
type Catalog struct {
	relations map[string]*relation // by normalised name
	sorted    []*relation
	functions []string
	writers   []string // of the functions
	filters   []filter
	column    string
	typ       Type
	prover    *sqlproof.Catalog
	proofs    proofs
	texts     fragments
	shapes    shapes
	structs   sync.Map // reflect.Type of arguments to their []boundField
}

// relation is a Relation prepared for writing SQL.
type relation struct {
	Relation
	schema, table string
	sql           string          // as it is written after FROM
	isTenant      string          // the predicate, to be written after an alias
	columns       map[string]bool // nil when not declared
}

// CatalogOption is one declaration of a catalog.
type CatalogOption func(*catalogSpec)

// catalogSpec collects declarations; NewCatalog checks them together.
type catalogSpec struct {
	column    string
	typ       Type
	relations []Relation
	functions []string
	writers   []string // of the functions
	types     []string
	filters   []filterSpec
	problems  []string
}

// TenantColumn declares the tenant column of every tenant relation that does not name its own.
func TenantColumn(name string, t Type) CatalogOption {
	return func(s *catalogSpec) {
		if s.column != "" {
			s.problems = append(s.problems, "the tenant column is declared twice")
		}
		s.column, s.typ = name, t
	}
}

// Tenant declares relations whose rows belong to tenants.
func Tenant(names ...string) CatalogOption { return declare(TenantKind, slices.Clone(names)) }

// Global declares relations whose rows are everybody's. They can only be read; see Relation.Writable.
func Global(names ...string) CatalogOption { return declare(GlobalKind, slices.Clone(names)) }

func declare(kind Kind, names []string) CatalogOption {
	return func(s *catalogSpec) {
		for _, name := range names {
			s.relations = append(s.relations, Relation{Name: name, Kind: kind})
		}
	}
}

// WithRelation declares one relation in full.
func WithRelation(r Relation) CatalogOption {
	r = r.clone()
	return func(s *catalogSpec) { s.relations = append(s.relations, r.clone()) }
}

// WithFunctions adds functions that statements may call, beside the prover's list of harmless ones. A function must
// not read or write tenants' rows, run SQL text, or reach outside the database.
func WithFunctions(names ...string) CatalogOption {
	names = slices.Clone(names)
	return func(s *catalogSpec) { s.functions = append(s.functions, names...) }
}

// WithWriters adds functions as WithFunctions does, whose call writes something of the tenant's own. A statement that calls
// one writes, whatever its first word: it is refused where the tenant may only read, and its outcome is unknown when the
// connection is lost.
func WithWriters(names ...string) CatalogOption {
	names = slices.Clone(names)
	return func(s *catalogSpec) {
		s.functions = append(s.functions, names...)
		s.writers = append(s.writers, names...)
	}
}

// WithTypes adds user-defined types, enums and domains that casts may name. Their input functions must be as harmless.
func WithTypes(names ...string) CatalogOption {
	names = slices.Clone(names)
	return func(s *catalogSpec) { s.types = append(s.types, names...) }
}

// CatalogOptions makes one option of several, for packages that bring relations of their own along.
func CatalogOptions(opts ...CatalogOption) CatalogOption {
	opts = slices.Clone(opts)
	return func(s *catalogSpec) {
		for _, opt := range opts {
			if opt != nil {
				opt(s)
			}
		}
	}
}

// Relations lists the declared relations, sorted by name. The caller owns the copies.
func (c *Catalog) Relations() []Relation {
	out := make([]Relation, len(c.sorted))
	for i, r := range c.sorted {
		out[i] = r.clone()
	}
	return out
}

// Relation gives one declared relation by its name, with or without the schema public.
func (c *Catalog) Relation(name string) (Relation, bool) {
	r := c.lookup(name)
	if r == nil {
		return Relation{}, false
	}
	return r.clone(), true
}

// TenantColumn is the declared default tenant column and its type; empty when each relation names its own.
func (c *Catalog) TenantColumn() (name string, t Type) { return c.column, c.typ }

// lookup finds a relation by a name as a user writes it.
func (c *Catalog) lookup(name string) *relation {
	if r := c.relations[name]; r != nil {
		return r
	}
	id, err := parseName(name)
	if err != nil {
		return nil
	}
	return c.relations[normalise(id)]
}

// normalise gives a relation's one name: without the schema public, quoted only where SQL needs it.
func normalise(id []string) string {
	if len(id) == 2 && id[0] == defaultSchema {
		id = id[1:]
	}
	quoted := make([]string, len(id))
	for i, part := range id {
		quoted[i] = quoteIfNeeded(part)
	}
	return strings.Join(quoted, ".")
}
