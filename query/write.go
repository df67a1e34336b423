package query

import (
	"strconv"
	"sync"

	"github.com/septum-go/septum/internal/sqlproof"
)

// writer turns a builder into text. It is the only code that writes SQL: identifiers in quotes, values as parameters,
// expressions in parentheses, and the tenant's predicates.
type writer struct {
	c      *Catalog
	buf    []byte
	params []param // params[0] is the tenant
	base   int     // number of params[0]: 1, or 0 in a statement that does without the tenant
	tenant bool    // the tenant was written
	scope  *scope
	root   scope // of the outermost query, so that most statements need no other

	rootTaken bool
	depth     int
	err       *Refusal // the first one

	injected int // predicates written so far
	drop     int // for the removal test: this one is left out, 0 for none
}

const (
	maxText    = 64 << 10 // the prover's limit; a longer text is not worth writing
	maxNesting = 32       // of builders in builders
	maxParams  = 65535    // PostgreSQL's protocol has 16 bits for it
)

var writers = sync.Pool{New: func() any { return &writer{} }}

func newWriter(c *Catalog) *writer {
	w := writers.Get().(*writer)
	w.reset(c, 1, 0)
	return w
}

// reset begins a text; base is the number of the tenant's parameter.
func (w *writer) reset(c *Catalog, base, drop int) {
	w.c, w.base, w.drop = c, base, drop
	w.buf, w.params = w.buf[:0], append(w.params[:0], param{Argument: Argument{tenant: true}})
	w.tenant, w.scope, w.rootTaken, w.depth, w.err, w.injected = false, nil, false, 0, nil, 0
}

// release forgets the values, which must not live on in the pool.
func (w *writer) release() {
	if cap(w.params) > 64 {
		w.params = nil
	}
	clear(w.params[:cap(w.params)])
	w.root = scope{}
	w.c, w.scope, w.err = nil, nil, nil
	if cap(w.buf) <= maxText {
		writers.Put(w)
	}
}

// build writes a statement and has it proved.
func build(c *Catalog, b Builder) (*Statement, error) { return buildDropping(c, b, 0) }

// buildDropping leaves the predicate number drop out: the removal test's door, closed from outside.
func buildDropping(c *Catalog, b Builder, drop int) (*Statement, error) {
	if c == nil {
		return nil, misuse("the builder has no catalog; begin with catalog.Select, Insert, Update or Delete")
	}
	w := newWriter(c)
	defer w.release()
	w.drop = drop
	b.write(w)
	if w.err == nil && !w.tenant && len(w.params) > 1 {
		// Nothing names the tenant, so $1 must be free for the first argument: PostgreSQL refuses a gap.
		w.reset(c, 0, drop)
		b.write(w)
	}
	if w.err != nil {
		return nil, w.err
	}
	proof, err := c.prove(w.buf, w.tenantIndex(), sqlproof.AllowMerge)
	if err != nil {
		return nil, err
	}
	return newStatement(c, proof, w.takeParams(), w.tenant), nil
}

func (w *writer) tenantIndex() int {
	if w.tenant {
		return 1
	}
	return len(w.params) + 1
}

func (w *writer) takeParams() []param {
	params := w.params
	if !w.tenant {
		params = params[1:]
	}
	return append(make([]param, 0, len(params)), params...)
}

func (w *writer) fail(r *Refusal) {
	if w.err == nil {
		w.err = r
	}
}

func (w *writer) text(s string) { w.buf = append(w.buf, s...) }

func (w *writer) ident(name string) { w.buf = appendQuoted(w.buf, name) }

// tenantParam writes $1.
func (w *writer) tenantParam() {
	w.tenant = true
	w.text("$1")
}

// param writes the number of a new parameter, or of an earlier one of the same name.
func (w *writer) param(p param) {
	n := -1
	if p.name != "" {
		for i := range w.params {
			if w.params[i].name == p.name {
				n = i
				if w.params[i].typ == nil {
					w.params[i].typ = p.typ
				} else if p.typ != nil && p.typ != w.params[i].typ {
					w.fail(misuse("argument @" + p.name + " has two types"))
				}
			}
		}
	}
	if n < 0 {
		n = len(w.params)
		w.params = append(w.params, p)
		if n > maxParams {
			w.fail(ruleSize.refuse("", "has more than 65,535 parameters"))
		}
	}
	w.buf = append(w.buf, '$')
	w.buf = strconv.AppendInt(w.buf, int64(n+w.base), 10)
}

// value writes what stands for one value: a parameter, an expression or a sub-select.
func (w *writer) value(v any) {
	switch v := v.(type) {
	case Argument:
		w.argument(v)
	case Expression:
		w.expression(v)
	case Query:
		w.subselect(v)
	default:
		if why := checkValue(v); why != "" {
			w.fail(ruleValue.refuse("", "a value "+why))
			return
		}
		w.param(param{constant: true, value: v})
	}
}

func (w *writer) argument(a Argument) {
	switch {
	case a.tenant:
		w.fail(misuse("TenantArg is for FromSquirrel; builders bind the tenant themselves"))
	case !validArgName(a.name):
		w.fail(ruleArgName.refuse("", "the argument @"+shorten(a.name)+" can't have that name"))
	default:
		w.param(param{Argument: a})
	}
}

// validArgName keeps "tenant" for the tenant.
func validArgName(name string) bool {
	if name == "" || name == tenantArgName || len(name) > maxNameLength || !isNameStart(name[0]) {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !isNamePart(c) || c == '$' {
			return false
		}
	}
	return true
}

const tenantArgName = "tenant"

// subselect writes a query in parentheses, in a scope inside the present one.
func (w *writer) subselect(q Builder) {
	w.nested(q, w.scope)
}

// nested writes a builder in parentheses; parent is what its columns may refer to outside of it.
func (w *writer) nested(q Builder, parent *scope) {
	if isNilBuilder(q) {
		w.fail(misuse("a query is nil"))
		return
	}
	if q.catalogOf() != w.c {
		w.fail(misuse("a query inside this one was made with another catalog"))
		return
	}
	if w.depth >= maxNesting || len(w.buf) > maxText {
		w.fail(ruleSize.refuse("", "queries are nested deeper than 32 levels, or the text is longer than 64 KiB"))
		return
	}
	outer := w.scope
	w.scope = parent
	w.depth++
	w.text("(")
	q.write(w)
	w.text(")")
	w.depth--
	w.scope = outer
}

func isNilBuilder(q Builder) bool { return q == nil || q.catalogOf() == nil }

// predicate reports whether the next tenant predicate is to be written. It always is, but in the removal test.
func (w *writer) predicate() bool {
	w.injected++
	return w.injected != w.drop
}
