package sqlproof

import (
	"github.com/sqlc-dev/oliphant/ast"

	"github.com/septum-go/septum/internal/sqltext"
)

// maxLints bounds the remarks on one statement.
const maxLints = 32

func (p *prover) lint(rule string, it *item, write string) {
	if len(p.lints) >= maxLints {
		return
	}
	line, column := sqltext.Position(p.sql, int(it.location))
	r := ruleByID(rule)
	if write == "" {
		write = r.Write
	}
	p.lints = append(p.lints, Lint{Rule: rule, Relation: it.written(), Line: line, Column: column, Why: r.Why, Write: write})
}

// lintJoin remarks that an outer join works as an inner one.
func (p *prover) lintJoin(f *from) {
	side := f.right
	if f.join == ast.JoinType_JOIN_RIGHT {
		side = f.left
	}
	for side.item == nil {
		side = side.left
	}
	p.lint(lintInner, side.item, "")
}
