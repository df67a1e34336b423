package query

import (
	"cmp"
	"slices"
)

// Schema describes the relations of a live database, for [Inspect]. A program that connects fills it: rls.ReadSchema does
// for PostgreSQL. It is plain data, so that a proposal can be made, stored and tested without a server.
type Schema struct {
	Relations []LiveRelation `json:"relations"`
}

// LiveKind is what a relation is to the server.
type LiveKind string

// The kinds of live relations. Indexes, sequences and composite types are none.
const (
	LiveTable        LiveKind = "table" // partitioned tables and partitions as well
	LiveView         LiveKind = "view"
	LiveMaterialized LiveKind = "materialized view"
	LiveForeign      LiveKind = "foreign table"
)

// LiveRelation is one relation as the server describes it. Names are written as in a [Catalog]: without the schema
// public, and quoted where SQL needs it.
type LiveRelation struct {
	Name        string           `json:"name"`
	Kind        LiveKind         `json:"kind"`
	Extension   string           `json:"extension,omitempty"` // that it belongs to
	PartitionOf string           `json:"partition_of,omitempty"`
	Inherits    []string         `json:"inherits,omitempty"` // parents that it is no partition of
	Columns     []LiveColumn     `json:"columns"`
	Key         []string         `json:"key,omitempty"`    // columns of the primary key, in order
	Unique      [][]string       `json:"unique,omitempty"` // columns of the other unique constraints and indexes
	ForeignKeys []LiveForeignKey `json:"foreign_keys,omitempty"`
	Reads       []string         `json:"reads,omitempty"` // what a view reads
	Rows        float64          `json:"rows"`            // an estimate; negative when unknown
	// Writes is how many rows were inserted, updated and deleted since the server's statistics begin; negative when
	// unknown.
	Writes int64 `json:"writes"`
}

// LiveColumn is a column of a LiveRelation.
type LiveColumn struct {
	Name string `json:"name"`
	Type string `json:"type"` // as the server writes it: "bigint", "character varying(20)"
	// Declared is the type as a catalog would have it: "enum app.site", "domain app.hospital_id over uuid", and the name
	// without a length of a type of the server's. Empty means Type.
	Declared string `json:"declared,omitempty"`
	NotNull  bool   `json:"not_null,omitempty"`
	Own      bool   `json:"own,omitempty"` // it is not there by inheritance alone
}

// LiveForeignKey is a foreign key of a LiveRelation. Columns and ToColumns correspond by position.
type LiveForeignKey struct {
	Name      string   `json:"name"`
	Columns   []string `json:"columns"`
	To        string   `json:"to"`
	ToColumns []string `json:"to_columns"`
}

// column finds a column by its name, in quotes or not: a Catalog keeps names of columns without.
func (r *LiveRelation) column(name string) *LiveColumn {
	i := slices.IndexFunc(r.Columns, func(c LiveColumn) bool { return c.Name == name || bareName(c.Name) == bareName(name) })
	if i < 0 {
		return nil
	}
	return &r.Columns[i]
}

// Inspection says what is known already. The zero value knows nothing.
type Inspection struct {
	// Column is the tenant column. Default: the best candidate, when it stands out; see Proposal.Candidates.
	Column string
	// Type is the column's type. Default: that of most of the columns.
	Type Type
	// Kinds are decisions by relation: TenantKind, GlobalKind, or Skip.
	Kinds map[string]Kind
	// Catalog holds earlier decisions, which Kinds overrides. May be nil.
	Catalog *Catalog
}

// The kinds that a proposal knows beside TenantKind and GlobalKind. No catalog has them.
const (
	Undecided Kind = "undecided" // somebody has to say whose rows it holds
	Skip      Kind = "skip"      // it stays out of the catalog, so that no statement can name it
)

// Proposal is what [Inspect] proposes. Nothing in it holds until somebody has read it.
type Proposal struct {
	Column string `json:"column,omitempty"` // tenant column; empty when no candidate stands out
	Type   Type   `json:"type,omitempty"`
	// Candidates are the columns that could be the tenant column, the likeliest first.
	Candidates []TenantCandidate `json:"candidates"`
	// Relations has each table of the database, sorted by name.
	Relations []ProposedRelation `json:"relations"`
	// Views are apart: statements reach them only when they are declared, and they show what lies behind them with the
	// rights of their owner, unless they are security_invoker.
	Views []ProposedRelation `json:"views,omitempty"`

	catalog   *Catalog                    // earlier decisions
	found     map[string]*TenantCandidate // every column that could name tenants, whatever speaks for it
	live      map[string]*LiveRelation
	relations map[string]*ProposedRelation
}

// ProposedRelation is one relation of a Proposal.
type ProposedRelation struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"` // TenantKind, GlobalKind, Undecided or Skip
	Reasons []string `json:"reasons"`
	// Review asks for a person's look although there is a proposal: a wrong "global" shows its rows to all tenants.
	Review bool `json:"review,omitempty"`
	// NeedsColumn: it is a tenant's and has no tenant column yet. "septum plan" adds it.
	NeedsColumn bool `json:"needs_column,omitempty"`
	// Column is its tenant column where that is not the proposal's.
	Column string `json:"column,omitempty"`
	// Folded are its partitions, which need no line of their own.
	Folded []string `json:"folded,omitempty"`
}

func bareName(name string) string {
	if bare, err := parseColumnName(name); err == nil {
		return bare
	}
	return name
}

func (r *ProposedRelation) because(reason string) { r.Reasons = append(r.Reasons, reason) }

func (r *ProposedRelation) decide(kind Kind, reason string) {
	r.Kind = kind
	r.because(reason)
}

// Undecided lists the names of the relations about which somebody has to decide.
func (p *Proposal) Undecided() []string {
	var out []string
	for _, r := range p.Relations {
		if r.Kind == Undecided {
			out = append(out, r.Name)
		}
	}
	return out
}

// Inspect proposes a catalog for a database: which relations hold tenants' rows, which hold everybody's, and why. It
// follows foreign keys, and never guesses without saying so: what nothing speaks for is Undecided, and a relation becomes
// GlobalKind only with a reason and marked for Review. It reads nothing but its arguments, which stay as they are.
//
// The rules, in order:
//
//   - what Kinds, and then Catalog, say;
//   - relations of extensions, and those of migration tools, are skipped or left undecided, with the reason;
//   - a relation with the tenant column, in its type, is a tenant's; so is the one to which most tenant columns refer;
//   - a relation that belongs to such a one by a foreign key whose columns are NOT NULL is a tenant's, and needs the column;
//   - a parent by inheritance of a tenant's relation shows its rows: it is undecided, since it may be one to skip;
//   - a relation without any tie to a tenant's own, whose key is a code, or that nobody has written while others were
//     written, is proposed as global, for review;
//   - everything else is undecided.
func Inspect(schema Schema, known Inspection) *Proposal {
	p := &Proposal{catalog: known.Catalog, Candidates: []TenantCandidate{}, Relations: []ProposedRelation{},
		live: map[string]*LiveRelation{}, relations: map[string]*ProposedRelation{}}
	sorted := slices.Clone(schema.Relations)
	slices.SortFunc(sorted, func(a, b LiveRelation) int { return cmp.Compare(a.Name, b.Name) })
	for i := range sorted {
		p.live[sorted[i].Name] = &sorted[i]
	}
	folds := foldPartitions(sorted)
	for i := range sorted {
		r := &sorted[i]
		proposed := ProposedRelation{Name: r.Name, Kind: Undecided, Reasons: []string{}, Folded: folds[r.Name]}
		switch {
		case r.PartitionOf != "" && p.live[r.PartitionOf] != nil:
		case r.Kind == LiveView || r.Kind == LiveMaterialized:
			p.Views = append(p.Views, proposed)
		default:
			p.Relations = append(p.Relations, proposed)
		}
	}
	for i := range p.Relations {
		p.relations[p.Relations[i].Name] = &p.Relations[i]
	}
	p.candidates()
	p.chooseColumn(known)
	p.judge(known)
	p.judgeViews(known)
	return p
}

// foldPartitions lists the partitions at any depth by the table at their root.
func foldPartitions(relations []LiveRelation) map[string][]string {
	parent := map[string]string{}
	for _, r := range relations {
		if r.PartitionOf != "" {
			parent[r.Name] = r.PartitionOf
		}
	}
	out := map[string][]string{}
	for _, r := range relations {
		root := r.Name
		for range relations { // no more steps than relations, whatever the description says
			if parent[root] == "" {
				break
			}
			root = parent[root]
		}
		if root != r.Name {
			out[root] = append(out[root], r.Name)
		}
	}
	return out
}
