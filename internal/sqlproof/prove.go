package sqlproof

import (
	"fmt"

	"github.com/sqlc-dev/oliphant/ast"

	"github.com/septum-go/septum/internal/sqltext"
)

// Prove derives from the text alone that the statement is bound to the tenant whose id the parameter $tenantParam holds
// (1 when tenantParam is 0). The error is a *Refusal.
//
// Time and memory are bounded for any input: text over 64 KiB, deeper than 64 levels, or whose proof takes too many
// steps is refused.
func Prove(sql string, c *Catalog, tenantParam int, options ...Option) (proof *Proof, err error) {
	p := newProver(sql, c, tenantParam, options)
	defer p.recovered(&err)
	if stmt := p.gate(); p.refusal == nil {
		return p.prove(stmt)
	}
	return nil, p.refusal
}

func newProver(sql string, c *Catalog, tenantParam int, options []Option) *prover {
	p := &prover{sql: sql, catalog: c, tenant: int32(tenantParam)}
	if tenantParam == 0 {
		p.tenant = 1
	}
	if c == nil {
		p.catalog = &Catalog{}
	}
	for _, o := range options {
		p.mergeAllowed = p.mergeAllowed || o == AllowMerge
	}
	return p
}

// recovered turns a fault of the parser or of the prover itself into a refusal: a program must not fall over a statement,
// and what was not proved is refused.
func (p *prover) recovered(err *error) {
	if fault := recover(); fault != nil {
		p.refusal = nil
		p.refuseAt(0, ruleUnknownForm, "", fmt.Sprintf("the prover failed on this statement (%T)", fault), "")
		*err = p.refusal
	}
}

// prove binds the names of a parsed statement, solves its labels, and checks every relation.
func (p *prover) prove(stmt *ast.Node) (*Proof, error) {
	if p.shape(stmt); p.refusal != nil {
		return nil, p.refusal
	}
	top := &scope{}
	q := p.statement(top, stmt)
	if p.refusal == nil {
		p.solve()
	}
	if p.refusal == nil {
		p.check()
	}
	if p.refusal != nil {
		return nil, p.refusal
	}
	return p.proof(q), nil
}

// prover holds the state of one proof. The first refusal wins; after it everything is skipped as soon as convenient.
type prover struct {
	sql          string
	catalog      *Catalog
	tenant       int32 // number of the tenant parameter
	mergeAllowed bool

	refusal *Refusal
	steps   int
	depth   int

	levels []*level     // every FROM list, in order of binding
	bases  []*item      // every mention of a base relation
	writes []tenantGoal // places that must hold the tenant itself
	cycles []*cte       // recursive CTEs
	lints  []Lint
	called []string // functions of the catalog
	rank   int

	inCondition hint // what it hints at when a column stands here: 0 outside of conditions

	params     int32
	usesTenant bool
	typed      bool // a use of the tenant parameter has given it its own type
	loose      int  // offset+1 of a use before that, which might have given it another
}

// tenantGoal is a column of written rows that must be exactly the tenant.
type tenantGoal struct {
	source   *output
	target   *item
	location int32
}

func (p *prover) refuseAt(offset int, rule, relation, why, write string) {
	if p.refusal != nil {
		return
	}
	r := ruleByID(rule)
	if why == "" {
		why = r.Why
	}
	if write == "" {
		write = r.Write
	}
	line, column := sqltext.Position(p.sql, offset)
	p.refusal = &Refusal{Rule: rule, Relation: relation, Line: line, Column: column, Why: why, Write: write, Threats: r.Threats}
}

func (p *prover) refuse(location int32, rule string) { p.refuseAt(int(location), rule, "", "", "") }

// step counts work and reports whether to go on.
func (p *prover) step(n int) bool {
	if p.steps += n; p.steps > maxSteps {
		p.refuseAt(0, ruleSteps, "", "", "")
	}
	return p.refusal == nil
}

// enter counts depth of recursion; every true needs a leave.
func (p *prover) enter() bool {
	p.depth++
	if p.depth > maxDepth {
		p.refuse(0, ruleNesting)
	}
	return p.step(1)
}

func (p *prover) leave() { p.depth-- }
