package query

import (
	"fmt"
	"slices"
	"strings"
)

// migrationTables are the bookkeeping of migration tools.
var migrationTables = []string{"schema_migrations", "goose_db_version", "flyway_schema_history", "alembic_version", "atlas_schema_revisions",
	"gorp_migrations", "databasechangelog", "databasechangeloglock", "river_migration", "knex_migrations", "django_migrations", "_prisma_migrations"}

// blobRelation is the one relation of package blob that belongs into a catalog. Its tenant column is always tenant_id.
const blobRelation = "septum_blob.blobs"

// codeWords are what relations are called whose rows are everybody's.
var codeWords = []string{"code", "codes", "icd", "icd10", "icd9", "loinc", "snomed", "atc", "country", "countries", "currency", "currencies",
	"language", "languages", "unit", "units", "timezone", "timezones"}

// recordWords are what relations are called that keep what happened.
var recordWords = []string{"log", "logs", "audit", "history", "trail", "journal", "archive", "backup", "event", "events"}

// judge says of each table whose rows it holds.
func (p *Proposal) judge(known Inspection) {
	root, rootKey := p.root()
	for i := range p.Relations {
		r := &p.Relations[i]
		if kind, reason := p.decided(r.Name, known); kind != "" {
			r.decide(kind, reason)
			p.ownColumn(r, root, rootKey)
			continue
		}
		p.byItself(r, root, rootKey)
	}
	for p.spread(known) { // until nothing changes: each round ties at least one more relation to a tenant's
	}
	for i := range p.Relations {
		if r := &p.Relations[i]; r.Kind == Undecided && p.decisionOf(r.Name, known) == "" {
			p.withoutTie(r, root)
		}
	}
}

// root is the relation to which the tenant columns refer: the tenants themselves.
func (p *Proposal) root() (name, key string) {
	if c := p.found[p.Column]; c != nil {
		return c.Root, c.RootKey
	}
	return "", ""
}

func (p *Proposal) decisionOf(name string, known Inspection) Kind {
	kind, _ := p.decided(name, known)
	return kind
}

func (p *Proposal) decided(name string, known Inspection) (kind Kind, reason string) {
	if kind = known.Kinds[name]; kind != "" {
		return kind, "you said so"
	}
	if known.Catalog != nil {
		if r, ok := known.Catalog.Relation(name); ok {
			return r.Kind, "the catalog says so"
		}
	}
	return "", ""
}

// ownColumn finds the tenant column of a relation that somebody has declared a tenant's.
func (p *Proposal) ownColumn(r *ProposedRelation, root, rootKey string) {
	if r.Kind != TenantKind {
		return
	}
	if p.catalog != nil {
		if declared, ok := p.catalog.Relation(r.Name); ok && declared.Column != p.Column {
			r.Column = declared.Column
		}
	}
	if r.Column == "" && r.Name == root && p.live[r.Name].column(p.Column) == nil {
		r.Column = rootKey
	}
	name := p.Column
	if r.Column != "" {
		name = r.Column
	}
	if name != "" && p.live[r.Name].column(name) == nil {
		r.NeedsColumn = true
		r.because("it has no column " + name + " yet")
	}
}

// byItself judges by what a relation is, whatever it is tied to.
func (p *Proposal) byItself(r *ProposedRelation, root, rootKey string) {
	live := p.live[r.Name]
	_, table := splitQualified(r.Name)
	switch column := live.column(p.Column); {
	case r.Name == blobRelation && live.column("tenant_id") != nil:
		r.decide(TenantKind, "it is what package blob keeps for tenants; statements may read it, and its own code writes it")
		if p.Column != "tenant_id" {
			r.Column = "tenant_id"
		}
	case live.Extension != "":
		r.decide(Skip, "it belongs to the extension "+live.Extension)
	case slices.Contains(migrationTables, table):
		r.because("it is the bookkeeping of a migration tool, which an application has no business with; skip it")
	case live.Kind == LiveForeign:
		r.because("it is a foreign table: its rows are another server's, and policies here don't hold there")
	case p.Column == "":
		r.because("no tenant column is known; name one")
	case column != nil && p.Type != "" && column.tenantType().agrees(p.Type):
		r.decide(TenantKind, fmt.Sprintf("it has the column %s %s", column.Name, column.Type))
		if !column.NotNull {
			r.because(column.Name + " may be NULL there, and such rows are nobody's")
		}
	case column != nil:
		r.because(fmt.Sprintf("its column %s is %s and not %s", column.Name, column.Type, p.Type))
	case r.Name == root:
		if key := live.column(rootKey); key != nil && p.Type != "" && key.tenantType().agrees(p.Type) {
			r.decide(TenantKind, fmt.Sprintf("%s of the others refers to its %s, so each row is a tenant itself", p.Column, rootKey))
			r.Column = rootKey
		}
	}
}

// spread ties relations to those that are tenants' already, and says whether there was one.
func (p *Proposal) spread(known Inspection) bool {
	root, _ := p.root()
	found := false
	for i := range p.Relations {
		r := &p.Relations[i]
		if r.Kind != Undecided || len(r.Reasons) > 0 || p.decisionOf(r.Name, known) != "" {
			continue
		}
		live := p.live[r.Name]
		for _, key := range live.ForeignKeys {
			parent := p.relations[key.To]
			if parent == nil || parent.Kind != TenantKind || key.To == root || key.To == r.Name || !live.allNotNull(key.Columns) {
				continue
			}
			r.decide(TenantKind, fmt.Sprintf("each row belongs to one of %s by %s; it needs the column %s", key.To, strings.Join(key.Columns, ", "), p.Column))
			r.NeedsColumn, found = true, true
			break
		}
		if r.Kind == Undecided {
			found = p.fromChildren(r) || found
		}
	}
	return found
}

func (r *LiveRelation) allNotNull(columns []string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool {
		c := r.column(name)
		return c == nil || !c.NotNull
	})
}

// fromChildren looks whether relations inherit from this one: reading a parent reads their rows.
func (p *Proposal) fromChildren(r *ProposedRelation) bool {
	for i := range p.Relations {
		child := &p.Relations[i]
		if child.Kind == TenantKind && slices.Contains(p.live[child.Name].Inherits, r.Name) {
			r.because(fmt.Sprintf("%s inherits from it and is a tenant's, so reading it reads tenants' rows: skip it if nobody reads it by its own name, "+
				"or say that it is a tenant's, and it and all its children get the column %s", child.Name, p.Column))
			return true
		}
	}
	return false
}

// withoutTie judges what no rule has tied to a tenant's relation.
func (p *Proposal) withoutTie(r *ProposedRelation, root string) {
	live := p.live[r.Name]
	ties := false
	for _, key := range live.ForeignKeys {
		parent := p.relations[key.To]
		switch {
		case parent == nil || key.To == r.Name:
		case key.To == root:
			ties = true
			r.because(fmt.Sprintf("it refers to %s by %s: is that its tenant column under another name?", key.To, strings.Join(key.Columns, ", ")))
		case parent.Kind == TenantKind:
			ties = true
			r.because(fmt.Sprintf("it refers to %s by %s, which may be NULL, so some rows may be nobody's", key.To, strings.Join(key.Columns, ", ")))
		case parent.Kind == Undecided:
			ties = true
			r.because("it refers to " + key.To + ", which is undecided")
		}
	}
	for _, parent := range live.Inherits {
		if owner := p.relations[parent]; owner != nil && (owner.Kind == TenantKind || owner.Kind == Undecided) {
			ties = true
			r.because(fmt.Sprintf("it inherits from %s, which is %s", parent, map[Kind]string{TenantKind: "a tenant's", Undecided: "undecided"}[owner.Kind]))
		}
	}
	if ties || len(r.Reasons) > 0 || p.Column == "" {
		return
	}
	if reason := p.everybodys(live); reason != "" {
		r.decide(GlobalKind, reason)
		r.Review = true
		return
	}
	r.because("nothing says whose rows it holds: it has no tenant column and no foreign key to a tenant's relation")
}

// everybodys says why a relation looks like a list that all tenants share; empty when nothing says so.
func (p *Proposal) everybodys(live *LiveRelation) string {
	_, table := splitQualified(live.Name)
	words := strings.FieldsFunc(strings.ToLower(table), func(r rune) bool { return r == '_' || r == '"' })
	if slices.ContainsFunc(words, func(word string) bool { return slices.Contains(recordWords, word) }) {
		return "" // what records who did what is nobody's list, however seldom it is written
	}
	for _, word := range codeWords {
		if slices.Contains(words, word) {
			return fmt.Sprintf("it is called a list (%q), and nothing in it refers to a tenant", word)
		}
	}
	if len(live.Key) == 1 {
		if c := live.column(live.Key[0]); c != nil && strings.HasPrefix(c.Type, "character") || c != nil && c.Type == "text" && strings.Contains(c.Name, "code") {
			return "its key " + c.Name + " is a short text, as code lists have, and nothing in it refers to a tenant"
		}
	}
	if live.Writes == 0 && live.Rows > 0 && p.othersWritten() {
		return fmt.Sprintf("it has some %.0f rows and nobody has written it since the server's statistics begin, while others were written", live.Rows)
	}
	return ""
}

func (p *Proposal) othersWritten() bool {
	for _, r := range p.live {
		if r.Writes > 0 {
			return true
		}
	}
	return false
}

// judgeViews says what each view shows. A view is never proposed: policies of what lies behind it decide.
func (p *Proposal) judgeViews(known Inspection) {
	for i := range p.Views {
		v := &p.Views[i]
		v.Kind = Skip
		if kind, reason := p.decided(v.Name, known); kind != "" {
			v.decide(kind, reason)
			continue
		}
		var tenants []string
		p.reads(v.Name, map[string]bool{}, &tenants)
		v.because("it is a " + string(p.live[v.Name].Kind))
		if len(tenants) > 0 {
			slices.Sort(tenants)
			v.because("it shows rows of " + strings.Join(tenants, ", "))
		}
	}
}

// reads collects the tenants' relations behind a view, at any depth.
func (p *Proposal) reads(name string, seen map[string]bool, out *[]string) {
	if seen[name] || p.live[name] == nil {
		return
	}
	seen[name] = true
	if r := p.relations[name]; r != nil && r.Kind != GlobalKind && r.Kind != Skip {
		*out = append(*out, name)
	}
	for _, next := range p.live[name].Reads {
		p.reads(next, seen, out)
	}
}
