package sqlproof

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/sqlc-dev/oliphant/ast"

	"github.com/septum-go/septum/internal/sqltext"
)

// An Expr is a fragment of SQL that is one expression and nothing else.
type Expr struct {
	// Params are the parameter numbers in order of appearance, repeats included.
	Params []int
	// Subselect, Aggregate and Window say whether the fragment holds one, at any depth.
	Subselect, Aggregate, Window bool
	// Columns are the column references outside sub-selects, each as its parts: ["p", "name"], ["name"], ["p", "*"].
	Columns [][]string
	// Functions are the names of the functions called, as written, without repeats.
	Functions []string
}

// ParseExpr parses a fragment that is to be placed inside a statement, in parentheses. It refuses whatever is not exactly
// one expression: comments, ';', unbalanced parentheses, a list, a clause behind the expression, a sub-select without
// parentheses of its own. The error is a *Refusal. Parameters are $n.
func ParseExpr(text string) (expr *Expr, err error) {
	p := newProver(text, nil, 1, nil)
	defer p.recovered(&err)
	parenthesised := p.fragment()
	if p.refusal != nil {
		return nil, p.refusal
	}
	const before, after = "SELECT (", "\n)"
	tree, perr := parseTree(before + text + after)
	if perr != nil || len(tree.GetStmts()) != 1 {
		p.refuse(0, ruleFragment)
		return nil, p.refusal
	}
	s := tree.Stmts[0].GetStmt().GetSelectStmt()
	if s == nil || len(s.TargetList) != 1 || !bare(s) || s.TargetList[0].GetResTarget().GetName() != "" {
		p.refuse(0, ruleFragment)
		return nil, p.refusal
	}
	value := s.TargetList[0].GetResTarget().GetVal()
	link := value.GetSubLink()
	if value.GetSetToDefault() != nil || (!parenthesised && link != nil && link.SubLinkType == ast.SubLinkType_EXPR_SUBLINK) {
		p.refuse(0, ruleFragment)
		return nil, p.refusal
	}
	if p.shapeOf(reflect.ValueOf(value)); p.refusal != nil {
		// Places in the tree count from the SELECT that was put before the fragment.
		p.refusal.Line, p.refusal.Column = 1, 1
		return nil, p.refusal
	}
	e := &Expr{}
	e.collect(reflect.ValueOf(value), false)
	return e, nil
}

// bare reports whether a SELECT has a select list and nothing else.
func bare(s *ast.SelectStmt) bool {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		switch f := v.Type().Field(i); f.Name {
		case "TargetList", "LimitOption", "Op":
		default:
			if f.IsExported() && !v.Field(i).IsZero() {
				return false
			}
		}
	}
	return s.Op == ast.SetOperation_SETOP_NONE
}

// fragment checks the tokens of a fragment, and reports whether it begins with a parenthesis.
func (p *prover) fragment() (parenthesised bool) {
	if len(p.sql) > maxText {
		p.refuse(0, ruleTooLong)
		return false
	}
	tokens, err := sqltext.Scan(p.sql)
	if err != nil {
		offset := 0
		if e := (*sqltext.Error)(nil); errors.As(err, &e) {
			offset = e.Offset
		}
		p.refuseAt(offset, ruleSyntax, "", "", "")
		return false
	}
	if len(tokens) == 0 {
		p.refuse(0, ruleEmpty)
		return false
	}
	depth := 0
	for _, t := range tokens {
		bad := t.Kind == sqltext.Comment
		if t.Kind == sqltext.Punct {
			switch p.sql[t.Start:t.End] {
			case "(", "[":
				depth++
			case ")", "]":
				depth--
				bad = depth < 0
			case ";":
				bad = true
			case ",":
				bad = depth == 0
			}
		}
		if bad {
			p.refuseAt(t.Start, ruleFragment, "", "", "")
			return false
		}
	}
	if depth != 0 {
		p.refuseAt(len(p.sql), ruleFragment, "", "", "")
		return false
	}
	p.nesting(tokens)
	return p.sql[tokens[0].Start] == '('
}

// collect gathers what a fragment refers to.
func (e *Expr) collect(v reflect.Value, inside bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
	case reflect.Slice:
		for i := range v.Len() {
			e.collect(v.Index(i), inside)
		}
		return
	default:
		return
	}
	switch m := v.Interface().(type) {
	case *ast.ColumnRef:
		if !inside {
			e.Columns = append(e.Columns, columnParts(m))
		}
		return
	case *ast.ParamRef:
		e.Params = append(e.Params, int(m.Number))
		return
	case *ast.SubLink:
		e.Subselect = true
		e.collect(reflect.ValueOf(m.Testexpr), inside)
		e.collect(reflect.ValueOf(m.Subselect), true)
		return
	case *ast.JsonArrayQueryConstructor:
		e.Subselect, inside = true, true
	case *ast.FuncCall:
		e.call(m)
	case *ast.JsonAggConstructor:
		e.Aggregate, e.Window = true, e.Window || m.Over != nil
	}
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	s := v.Elem()
	for i := range s.NumField() {
		if s.Type().Field(i).IsExported() {
			e.collect(s.Field(i), inside)
		}
	}
}

func (e *Expr) call(f *ast.FuncCall) {
	parts, _ := names(f.Funcname)
	name := strings.Join(parts, ".")
	if !slices.Contains(e.Functions, name) {
		e.Functions = append(e.Functions, name)
	}
	plain := strings.TrimPrefix(name, "pg_catalog.")
	switch {
	case f.Over != nil || windowFunctions[plain]:
		e.Window = true
	case aggregateFunctions[plain], f.AggStar, f.AggDistinct, f.AggFilter != nil, len(f.AggOrder) > 0, f.AggWithinGroup:
		e.Aggregate = true
	}
}

func columnParts(ref *ast.ColumnRef) []string {
	parts := make([]string, 0, len(ref.Fields))
	for _, f := range ref.Fields {
		if s := f.GetString_(); s != nil {
			parts = append(parts, s.Sval)
		} else {
			parts = append(parts, "*")
		}
	}
	return parts
}
