package query

import (
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/internal/sqltext"
)

// FromSquirrel adopts a statement of squirrel's own builders. It is rendered once, its text is proved, and [TenantArg]
// must stand wherever the tenant does:
//
//	query.FromSquirrel(catalog, sq.Select("p.id").From("patients p").
//		Where(sq.Eq{"p.tenant_id": query.TenantArg(), "p.ward": query.Arg("ward")}))
//
// Placeholders may be ? or $n. Values become constants of the statement, Arg its named arguments. Squirrel drops
// empty conditions and parentheses without a word, so much of what it renders is refused; the catalog's own builders
// have none of that. The error is a *Refusal.
func FromSquirrel(c *Catalog, b sq.Sqlizer) (*Statement, error) {
	sql, args, refusal := render(b)
	if refusal != nil {
		return nil, refusal
	}
	return rewritten(c, sql, "?", func(tokens []sqltext.Token) ([]edit, []param, *Refusal) {
		a := adoption{sql: sql, args: args, used: make([]bool, len(args)), params: make([]param, 1, len(args)+1)}
		a.params[0] = param{Argument: Argument{tenant: true}}
		return a.read(tokens)
	})
}

// render asks squirrel once.
func render(b sq.Sqlizer) (sql string, args []any, refusal *Refusal) {
	defer func() {
		if recover() != nil {
			refusal = ruleSqlizer.refuse("", "the squirrel builder panicked when it was rendered")
		}
	}()
	if b == nil {
		return "", nil, ruleSqlizer.refuse("", "the squirrel builder is nil")
	}
	if _, ours := b.(Expression); ours {
		return "", nil, ruleSqlizer.refuse("", "an expression is not a statement")
	}
	sql, args, err := b.ToSql()
	if err != nil {
		return "", nil, ruleSqlizer.refuse("", "squirrel gave an error when the statement was rendered")
	}
	return sql, freezeAll(args), nil
}

// adoption gives squirrel's placeholders the numbers and arguments of a statement.
type adoption struct {
	sql     string
	args    []any
	used    []bool
	params  []param
	numbers []int // of the param that stands for each argument; 0 before its first use
	edits   []edit
	which   []int
	next    int  // argument of the next ?
	marks   bool // there was a ?
	dollars bool // there was a $n
	tenant  bool
}

func (a *adoption) read(tokens []sqltext.Token) ([]edit, []param, *Refusal) {
	a.numbers = make([]int, len(a.args))
	for i := range a.numbers {
		a.numbers[i] = -1
	}
	for i, t := range tokens {
		if r := a.token(tokens, i, t); r != nil {
			if r.Line == 0 {
				r.Line, r.Column = sqltext.Position(a.sql, t.Start)
			}
			return nil, nil, r
		}
	}
	switch {
	case a.marks && a.dollars:
		return nil, nil, ruleSquirrelText.refuse("", "the statement mixes ? and $n, so builders of two placeholder formats were nested")
	case !allTrue(a.used):
		return nil, nil, rulePlaceholders.refuse("", "the statement has more arguments than placeholders")
	case !a.tenant:
		return nil, nil, ruleSquirrelTenant.refuse("", "TenantArg stands nowhere in the statement")
	}
	if r := onlyTenant(a.sql, tokens); r != nil {
		return nil, nil, r
	}
	for i := range a.edits {
		if a.which[i] >= 0 {
			a.edits[i].text = "$" + strconv.Itoa(a.which[i]+1)
		}
	}
	return a.edits, a.params, nil
}

func (a *adoption) token(tokens []sqltext.Token, i int, t sqltext.Token) *Refusal {
	word := a.sql[t.Start:t.End]
	switch t.Kind {
	case sqltext.Comment:
		return ruleSquirrelText.refuse("", "the statement holds a comment")
	case sqltext.Named:
		return ruleSquirrelText.refuse("", "the statement holds the name "+shorten(word)+"; squirrel has placeholders only")
	case sqltext.Param:
		a.dollars = true
		n, err := strconv.Atoi(word[1:])
		if err != nil {
			n = 0
		}
		return a.argument(t.Start, t.End, n-1)
	case sqltext.Question:
		return a.mark(t.Start, t.End)
	case sqltext.Op:
		return a.operator(t, word)
	case sqltext.Number:
		if alwaysTrue(a.sql, tokens, i) {
			return ruleAlwaysTrue.refuse("", "the statement has the condition (1=1)")
		}
	}
	return nil
}

func (a *adoption) mark(start, end int) *Refusal {
	a.marks = true
	a.next++
	return a.argument(start, end, a.next-1)
}

// operator finds the placeholders in "=?" and the escaped operator in "??", as squirrel's formats do.
func (a *adoption) operator(t sqltext.Token, word string) *Refusal {
	if questionOperators[word] || strings.IndexByte(word, '?') < 0 {
		return nil
	}
	for i := 0; i < len(word); i++ {
		at := t.Start + i
		switch {
		case word[i] != '?':
		case i+1 < len(word) && word[i+1] == '?':
			a.edits = append(a.edits, edit{start: at, end: at + 2, text: "?"})
			a.which = append(a.which, -1)
			i++
		case a.dollars:
			return nil // the format replaced its placeholders; this one is an operator
		default:
			if r := a.mark(at, at+1); r != nil {
				return r
			}
		}
	}
	return nil
}

// argument puts the parameter of argument i at a place of the text.
func (a *adoption) argument(start, end, i int) *Refusal {
	if i < 0 || i >= len(a.args) {
		return rulePlaceholders.refuse("", "the statement has more placeholders than arguments")
	}
	a.used[i] = true
	if a.numbers[i] < 0 {
		n, r := a.add(a.args[i])
		if r != nil {
			return r
		}
		a.numbers[i] = n
	}
	a.edits = append(a.edits, edit{start: start, end: end})
	a.which = append(a.which, a.numbers[i])
	return nil
}

func (a *adoption) add(v any) (int, *Refusal) {
	arg, ok := v.(Argument)
	switch {
	case ok && arg.tenant:
		a.tenant = true
		return 0, nil
	case ok && !validArgName(arg.name):
		return 0, ruleArgName.refuse("", "the argument @"+shorten(arg.name)+" can't have that name")
	case ok:
		for i := range a.params {
			if a.params[i].name == arg.name {
				return i, nil
			}
		}
		a.params = append(a.params, param{Argument: arg})
		return len(a.params) - 1, nil
	}
	if why := checkValue(v); why != "" {
		return 0, ruleValue.refuse("", "a value "+why)
	}
	a.params = append(a.params, param{constant: true, value: v})
	return len(a.params) - 1, nil
}

func allTrue(values []bool) bool {
	for _, v := range values {
		if !v {
			return false
		}
	}
	return true
}

// alwaysTrue finds squirrel's (1=1) at its first number.
func alwaysTrue(sql string, tokens []sqltext.Token, i int) bool {
	if i < 1 || i+3 >= len(tokens) {
		return false
	}
	text := func(k int) string { return sql[tokens[k].Start:tokens[k].End] }
	return text(i-1) == "(" && text(i+1) == "=" && text(i+3) == ")" && text(i) == text(i+2)
}

// onlyTenant refuses an UPDATE or DELETE whose WHERE has the tenant's predicate and nothing else: a nil or empty
// condition that squirrel dropped looks the same.
func onlyTenant(sql string, tokens []sqltext.Token) *Refusal {
	text := func(k int) string { return strings.ToLower(sql[tokens[k].Start:tokens[k].End]) }
	if len(tokens) == 0 || text(0) != "update" && text(0) != "delete" {
		return nil
	}
	where, depth := -1, 0
	for k := range tokens {
		switch text(k) {
		case "(":
			depth++
		case ")":
			depth--
		case "where":
			if depth == 0 {
				where = k
			}
		}
	}
	if where < 0 {
		return nil // the prover refuses it
	}
	for k := where + 1; k < len(tokens); k++ {
		switch word := text(k); {
		case word == "returning":
			k = len(tokens)
		case word == "and", word == "or", word == "in", word == "exists", word == "not":
			return nil
		}
	}
	return ruleAlwaysTrue.refuse("", "the tenant's predicate is the only condition")
}
