package query

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/septum-go/septum/internal/sqlproof"
)

// proof is what is kept of a proved text.
type proof struct {
	sql         string
	id          string
	name        string
	command     Command
	writes      bool
	returnsRows bool
	usesTenant  bool
	tenantType  Type // the narrowest below those of the tenant columns
	params      int
	relations   []string
	explain     string
}

// proofs are kept under the exact text and the tenant's index.
type proofs = cache[*proof]

const (
	maxProofs    = 4096
	maxProofText = 16 << 20 // bytes of text kept; the proofs take about as much
)

// prepareProver gives the catalog its prover and its caches.
func (s *catalogSpec) prepareProver(c *Catalog) {
	c.proofs = proofs{maxCount: maxProofs, maxSize: maxProofText}
	c.shapes = shapes{maxCount: maxShapes, maxSize: maxProofText}
	c.texts = fragments{maxCount: maxFragments, maxSize: maxProofText}
	relations := make([]sqlproof.Relation, 0, len(c.sorted))
	for _, r := range c.sorted {
		out := sqlproof.Relation{Schema: r.schema, Name: r.table, Kind: sqlproof.Tenant, Column: r.Column, Type: string(r.Type.Base())}
		if r.Kind == GlobalKind {
			out.Kind, out.Writable = sqlproof.Global, r.Writable
		}
		if id := r.Type.id(); id != nil {
			out.TypeSchema, out.TypeName = id[0], id[1]
		}
		if r.Type.IsEnum() {
			out.Type = "enum"
		}
		for _, column := range r.Columns {
			out.Columns = append(out.Columns, column.Name)
		}
		relations = append(relations, out)
	}
	prover, err := sqlproof.NewCatalog(relations, s.functions, s.types...)
	if err != nil {
		s.problem("", err.Error())
		return
	}
	c.prover = prover
}

// prove gives the proof of a text; a text that was proved before costs one look-up. The text must not hold user's values.
// Errors are *Refusal.
func (c *Catalog) prove(text []byte, tenantIndex int, options ...sqlproof.Option) (*proof, error) {
	if p, ok := c.proofs.getBytes(text); ok && p.bindsAt(tenantIndex) && (p.command != MergeCommand || len(options) > 0) {
		return p, nil
	}
	sql := string(text)
	proved, err := sqlproof.Prove(sql, c.prover, tenantIndex, options...)
	if err != nil {
		return nil, refusalOf(err)
	}
	if proved.UsesTenant != (tenantIndex == 1) {
		// Both sides must agree on where the tenant is: the writer says it is $1 or nowhere.
		return nil, misuse("the statement's tenant parameter is not where the builder put it")
	}
	p := newProof(sql, c, proved)
	c.proofs.put(sql, p)
	return p, nil
}

// bindsAt keeps a proof from being used for a text whose $1 is another thing than the tenant.
func (p *proof) bindsAt(tenantIndex int) bool { return p.usesTenant == (tenantIndex == 1) }

func newProof(sql string, c *Catalog, proved *sqlproof.Proof) *proof {
	sum := sha256.Sum256([]byte(sql))
	p := &proof{
		sql: sql, id: "septum_" + hex.EncodeToString(sum[:16]),
		command:     Command(proved.Command.String()),
		returnsRows: proved.ReturnsRows, usesTenant: proved.UsesTenant, params: proved.Params,
		explain: proved.String(), tenantType: c.typ.Base(),
	}
	p.writes = p.command != SelectCommand
	for _, r := range proved.Relations {
		id := []string{r.Schema, r.Name}
		if r.Schema == "" {
			id = id[1:]
		}
		p.relations = append(p.relations, normalise(id))
		p.writes = p.writes || r.Written
		if t := c.relations[p.relations[len(p.relations)-1]]; t != nil && t.Kind == TenantKind {
			p.tenantType = t.Type.Base().narrower(p.tenantType)
		}
	}
	p.writes = p.writes || slices.ContainsFunc(proved.Functions, func(name string) bool { return slices.Contains(c.writers, name) })
	p.name = defaultName(p.command, p.relations)
	slices.Sort(p.relations)
	p.relations = slices.Compact(p.relations)
	return p
}

// refusalOf is the prover's refusal under the package's own type, with the rule's title as the head line.
func refusalOf(err error) error {
	var r *sqlproof.Refusal
	if !errors.As(err, &r) {
		return ruleMisuse.refuse("", "the statement can't be proved")
	}
	out := &Refusal{Rule: r.Rule, Relation: r.Relation, Line: r.Line, Column: r.Column, Why: r.Why, Write: r.Write, What: "the statement is not proved"}
	if strings.HasPrefix(r.Rule, "SEP-T") {
		out.What = "is not bound to the tenant"
		return out
	}
	for _, rule := range sqlproof.Rules() {
		if rule.ID == r.Rule {
			out.What = rule.Title
		}
	}
	return out
}

// unmap turns a position in a rewritten text into the position in the text as it was written. Edits are in order.
func unmap(r *Refusal, written, final string, edits []edit) {
	if r.Line == 0 {
		return
	}
	at := offsetOf(final, r.Line, r.Column)
	shift := 0 // how much longer the final text is before at
	for _, e := range edits {
		if e.start+shift >= at {
			break
		}
		shift += len(e.text) - (e.end - e.start)
	}
	at = max(0, min(at-shift, len(written)))
	before := written[:at]
	r.Line = strings.Count(before, "\n") + 1
	r.Column = utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// edit replaces written[start:end] by text.
type edit struct {
	start, end int
	text       string
}

func apply(written string, edits []edit) string {
	var b strings.Builder
	pos := 0
	for _, e := range edits {
		b.WriteString(written[pos:e.start])
		b.WriteString(e.text)
		pos = e.end
	}
	b.WriteString(written[pos:])
	return b.String()
}

// offsetOf is the byte that a line and a column in characters name.
func offsetOf(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	for ; column > 1 && at < len(text); column-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}
