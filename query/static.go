package query

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/septum-go/septum/internal/sqltext"
)

// Static takes SQL that a person wrote: one statement with @tenant where the tenant stands and @name for each
// argument. Its text is proved and never rewritten, but for the arguments' names, which become numbers. The error is a
// *Refusal, whose position is that in the given text.
//
//	query.Static(catalog, `
//		select o.code, o.value from observations o
//		where o.tenant_id = @tenant and o.patient_id = @patient`)
func Static(c *Catalog, sql string) (*Statement, error) {
	return rewritten(c, sql, "@"+tenantArgName, func(tokens []sqltext.Token) ([]edit, []param, *Refusal) {
		n := numbering{params: []param{{Argument: Argument{tenant: true}}}}
		for _, t := range tokens {
			switch t.Kind {
			case sqltext.Param:
				r := rulePositional.refuse("", "the statement has the numbered parameter "+sql[t.Start:t.End])
				r.Line, r.Column = sqltext.Position(sql, t.Start)
				return nil, nil, r
			case sqltext.Named:
				name := sql[t.Start+1 : t.End]
				if name != tenantArgName && !validArgName(name) {
					return nil, nil, ruleArgName.refuse("", "the argument @"+shorten(name)+" can't have that name")
				}
				n.named(t, name)
			}
		}
		return n.finish()
	})
}

// MustStatic is Static for package-level variables: it panics when the statement is refused.
func MustStatic(c *Catalog, sql string) *Statement {
	s, err := Static(c, sql)
	if err != nil {
		panic(err)
	}
	return s
}

// Positional takes generated SQL with $1, $2 …, such as sqlc's, and a name for each number: "tenant" for the tenant,
// any other name for an argument. The parameters may be renumbered, so that the tenant is $1; else the text stays.
//
//	query.Positional(catalog, getPatient, "tenant", "id")
func Positional(c *Catalog, sql string, names ...string) (*Statement, error) {
	written := slices.Index(names, tenantArgName) + 1
	if written == 0 {
		written = len(names) + 1
	}
	return rewritten(c, sql, "$"+strconv.Itoa(written), func(tokens []sqltext.Token) ([]edit, []param, *Refusal) {
		n := numbering{params: []param{{Argument: Argument{tenant: true}}}}
		used := make([]bool, len(names))
		for _, t := range tokens {
			if t.Kind == sqltext.Named {
				return nil, nil, rulePositional.refuse("", "the statement has the named argument "+sql[t.Start:t.End])
			}
			if t.Kind != sqltext.Param {
				continue
			}
			i, err := strconv.Atoi(sql[t.Start+1 : t.End])
			if err != nil || i < 1 || i > len(names) {
				return nil, nil, rulePositional.refuse("", "no name is given for "+sql[t.Start:t.End])
			}
			name := names[i-1]
			if name != tenantArgName && !validArgName(name) {
				return nil, nil, ruleArgName.refuse("", "the argument @"+shorten(name)+" can't have that name")
			}
			used[i-1] = true
			n.named(t, name)
		}
		for i, u := range used {
			if !u {
				return nil, nil, rulePositional.refuse("", "a name is given for $"+strconv.Itoa(i+1)+", which the statement has not")
			}
		}
		return n.finish()
	})
}

// MustPositional is Positional for package-level variables: it panics when the statement is refused.
func MustPositional(c *Catalog, sql string, names ...string) *Statement {
	s, err := Positional(c, sql, names...)
	if err != nil {
		panic(err)
	}
	return s
}

// numbering collects the edits that turn names into numbers.
type numbering struct {
	params []param
	edits  []edit
	which  []int // param of each edit
	tenant bool
}

func (n *numbering) named(t sqltext.Token, name string) {
	if name == tenantArgName {
		n.tenant = true
		n.edit(t, 0)
		return
	}
	for i := range n.params {
		if n.params[i].name == name {
			n.edit(t, i)
			return
		}
	}
	n.params = append(n.params, param{Argument: Argument{name: name}})
	n.edit(t, len(n.params)-1)
}

func (n *numbering) edit(t sqltext.Token, i int) {
	n.edits = append(n.edits, edit{start: t.Start, end: t.End})
	n.which = append(n.which, i)
}

// finish numbers the parameters: the tenant is $1, and without the tenant the first argument is.
func (n *numbering) finish() ([]edit, []param, *Refusal) {
	if !n.tenant {
		n.params = n.params[1:]
		for i := range n.which {
			n.which[i]--
		}
	}
	for i := range n.edits {
		n.edits[i].text = "$" + strconv.Itoa(n.which[i]+1)
	}
	return n.edits, n.params, nil
}

// rewritten makes a statement of a text after its arguments were numbered. Refusals show the tenant as it is written.
func rewritten(c *Catalog, sql, written string, number func([]sqltext.Token) ([]edit, []param, *Refusal)) (*Statement, error) {
	if c == nil {
		return nil, misuse("the catalog is nil")
	}
	if len(sql) > maxText {
		return nil, ruleSize.refuse("", "the text is longer than 64 KiB")
	}
	tokens, err := sqltext.Scan(sql)
	if err != nil {
		return nil, scanRefusal(sql, err)
	}
	edits, params, refusal := number(tokens)
	if refusal != nil {
		return nil, refusal
	}
	if len(params) > maxParams {
		return nil, ruleSize.refuse("", "has more than 65,535 parameters")
	}
	tenant := len(params) > 0 && params[0].tenant
	index := 1
	if !tenant {
		index = len(params) + 2 // a parameter that the text does not have, and never $1
	}
	final := apply(sql, edits)
	proof, err := c.prove([]byte(final), index)
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) {
			unmap(r, sql, final, edits)
			r.Write = strings.ReplaceAll(r.Write, "$"+strconv.Itoa(index), written)
		}
		return nil, err
	}
	return newStatement(c, proof, params, tenant), nil
}

// scanRefusal says where a text stops being SQL.
func scanRefusal(sql string, err error) *Refusal {
	r := ruleExpression.refuse("", "the text can't be read: "+scanProblem(err))
	var e *sqltext.Error
	if errors.As(err, &e) {
		r.Line, r.Column = sqltext.Position(sql, e.Offset)
	}
	return r
}
