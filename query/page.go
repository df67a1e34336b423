package query

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/septum-go/septum/tenant"
)

// Pages are two statements that read a list page by page: the first page, and the page after a row. They seek by key,
// so a late page costs what the first one costs, and rows that come and go meanwhile move no others.
//
//	var list = query.MustPaged(catalog.Select("p.id", "p.name").From("patients p").Limit(50), "p.name", "p.id")
//	…
//	stmt, args, err := list.Page(tc, sealer, r.FormValue("page"), query.Args{"ward": ward})
//	patients, err := rls.All[Patient](tc, db, stmt, args)
//	token, err := list.Next(tc, sealer, patients[len(patients)-1], query.Args{"ward": ward})
//
// The token that a client gets is sealed to the tenant, the statement and the arguments: with any other it is ErrPage.
// Pages never change and are safe for concurrent use.
type Pages struct {
	first, next *Statement
	keys        []string // names of the sort columns, as Next finds them in a row
}

// pageArg is the prefix of the arguments that hold the row before the page.
const pageArg = "page_"

// Paged makes Pages of a SELECT with a Limit. Order names the columns to sort by; together they must be unique and not
// null, so the last one is usually the key: "p.name", "p.id desc". The error is a *Refusal.
func Paged(b SelectBuilder, order ...string) (*Pages, error) {
	var space [partSpace]*part
	limited := false
	for _, p := range b.last.parts(space[:]) {
		switch p.op {
		case opOrderBy, opOrderExprs, opOffset:
			return nil, misuse("Paged sorts by its own columns and skips by key; leave OrderBy and Offset out")
		case opLimit:
			limited = true
		}
	}
	if !limited || len(order) == 0 {
		return nil, misuse("Paged needs a Limit and at least one column to sort by")
	}
	p := &Pages{}
	columns, desc, err := p.sort(order)
	if err != nil {
		return nil, err
	}
	b = b.OrderBy(order...)
	if p.first, err = b.Build(); err != nil {
		return nil, err
	}
	for _, name := range p.first.Params() {
		if strings.HasPrefix(name, pageArg) {
			return nil, ruleArgName.refuse("", "the argument @"+name+" has the prefix of page tokens")
		}
	}
	if p.next, err = b.Where(after(columns, desc)).Build(); err != nil {
		return nil, err
	}
	return p, nil
}

// MustPaged is Paged for package-level variables: it panics when the statement is refused.
func MustPaged(b SelectBuilder, order ...string) *Pages {
	p, err := Paged(b, order...)
	if err != nil {
		panic(err)
	}
	return p
}

// sort reads the columns and directions.
func (p *Pages) sort(order []string) (columns []string, desc []bool, err error) {
	for _, term := range order {
		column, rest, _ := strings.Cut(term, " ")
		parts, nameErr := parseName(column)
		o, ok := parseOrder(rest)
		if nameErr != nil || !ok || o.nulls != nullsDefault {
			return nil, nil, ruleIdentifier.refuse(shorten(term), "is not a column to page by; write \"p.name\" or \"p.name desc\"")
		}
		key := parts[len(parts)-1]
		if slices.Contains(p.keys, key) {
			return nil, nil, misuse("two columns to page by have the name " + shorten(key))
		}
		p.keys = append(p.keys, key)
		columns, desc = append(columns, column), append(desc, o.desc)
	}
	return columns, desc, nil
}

// after is the condition for rows behind the given one. One direction compares rows, which an index answers; mixed
// directions need the long form.
func after(columns []string, desc []bool) Expression {
	args := make([]string, len(columns))
	for i := range columns {
		args[i] = "@" + pageArg + strconv.Itoa(i+1)
	}
	operator := map[bool]string{false: " > ", true: " < "}
	if !slices.Contains(desc, !desc[0]) {
		return Expr("(" + strings.Join(columns, ", ") + ")" + operator[desc[0]] + "(" + strings.Join(args, ", ") + ")")
	}
	var arms []string
	for i := range columns {
		var arm []string
		for j := range i {
			arm = append(arm, columns[j]+" = "+args[j])
		}
		arm = append(arm, columns[i]+operator[desc[i]]+args[i])
		arms = append(arms, "("+strings.Join(arm, " and ")+")")
	}
	return Expr(strings.Join(arms, " or "))
}

// First is the statement of the first page.
func (p *Pages) First() *Statement { return p.first }

// Page gives the statement and the arguments of the page that the token leads to; the token "" is the first page. Args
// are those of the SELECT. Errors: ErrPage for a token that was not made by Next for this tenant, these Pages and these
// arguments; *ArgError.
func (p *Pages) Page(tc tenant.Context, s *Sealer, token string, args ...any) (*Statement, Args, error) {
	bound, named, err := p.bound(tc, s, args)
	if err != nil {
		return nil, nil, err
	}
	if token == "" {
		return p.first, named, nil
	}
	data, err := s.open(token, bound)
	if err != nil {
		return nil, nil, err
	}
	values, err := decodeKeys(data)
	if err != nil || len(values) != len(p.keys) {
		return nil, nil, ErrPage
	}
	for i, v := range values {
		named[pageArg+strconv.Itoa(i+1)] = v
	}
	return p.next, named, nil
}

// Next gives the token for the page after row last: a struct or Args with the columns of the order, by their names
// without relation. Args are the same as in Page. Errors: *ArgError.
func (p *Pages) Next(tc tenant.Context, s *Sealer, last any, args ...any) (string, error) {
	bound, _, err := p.bound(tc, s, args)
	if err != nil {
		return "", err
	}
	row, err := rowValues(last)
	if err != nil {
		return "", p.first.argError("", err.Error())
	}
	values := make([]any, len(p.keys))
	for i, key := range p.keys {
		v, ok := row[key]
		if !ok {
			return "", p.first.argError(key, "is missing in the last row; its value is part of the page token")
		}
		values[i] = v
	}
	data, err := encodeKeys(values)
	if err != nil {
		return "", p.first.argError("", err.Error())
	}
	return s.seal(data, bound), nil
}

// bound is what a token is sealed to: tenant, statement, arguments, and the constants of the statement.
func (p *Pages) bound(tc tenant.Context, s *Sealer, args []any) ([]byte, Args, error) {
	if s == nil || len(s.aeads) == 0 {
		return nil, nil, p.first.argError("", "needs a Sealer from NewSealer")
	}
	values, err := p.first.Bind(tc, args...)
	if err != nil {
		return nil, nil, err
	}
	parts := [][]byte{[]byte(tc.Tenant().String()), []byte(p.next.ID())}
	named := Args{}
	for i := range p.first.params {
		param := &p.first.params[i]
		if param.name != "" {
			named[param.name] = values[i]
		}
		text, err := json.Marshal(values[i])
		if err != nil {
			return nil, nil, p.first.argError(param.name, "has no JSON form, which page tokens need")
		}
		parts = append(parts, []byte(fmt.Sprintf("%T", values[i])), text)
	}
	sum := sha256.Sum256(lengthPrefixed(parts...))
	return sum[:], named, nil
}
