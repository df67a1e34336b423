package query

type proofs struct{}
type fragments struct{}
type filter struct{}
type filterSpec struct{}
type writer struct{}

func snapshot(Condition) frag { return frag{} }

func notYet() *Refusal {
	return &Refusal{Rule: "SEP-B00", What: "the builder is not finished", Write: "wait"}
}
func build(c *Catalog, b Builder) (*Statement, error) { return nil, notYet() }
func (b SelectBuilder) write(w *writer)               {}
func (b SetBuilder) write(w *writer)                  {}
func (b InsertBuilder) write(w *writer)               {}
func (b UpdateBuilder) write(w *writer)               {}
func (b DeleteBuilder) write(w *writer)               {}

// NewCatalog checks the declarations.
func NewCatalog(opts ...CatalogOption) (*Catalog, error) { return nil, &CatalogError{} }

// MustCatalog is NewCatalog for package-level variables.
func MustCatalog(opts ...CatalogOption) *Catalog {
	c, err := NewCatalog(opts...)
	if err != nil {
		panic(err)
	}
	return c
}

// ParseCatalog reads JSON.
func ParseCatalog(data []byte) (*Catalog, error) { return nil, &CatalogError{} }

// Static takes hand-written SQL.
func Static(c *Catalog, sql string) (*Statement, error) { return nil, notYet() }

// MustStatic is Static for package-level variables.
func MustStatic(c *Catalog, sql string) *Statement {
	s, err := Static(c, sql)
	if err != nil {
		panic(err)
	}
	return s
}

// FromSquirrel takes a squirrel statement.
func FromSquirrel(c *Catalog, b Condition) (*Statement, error) { return nil, notYet() }

// Positional takes SQL with $1 … $n.
func Positional(c *Catalog, sql string, names ...string) (*Statement, error) { return nil, notYet() }
