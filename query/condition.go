package query

import (
	"database/sql/driver"
	"reflect"
	"slices"

	sq "github.com/Masterminds/squirrel"
)

const (
	maxList      = 1000 // elements of a list in a condition; each is a parameter
	maxCondition = 64   // levels of sq.And and sq.Or
)

// snapshot renders a condition, once and now: a map that is changed or a Sqlizer that answers otherwise the next time
// must not change a statement. Whatever squirrel would turn into "every row" is refused.
func snapshot(c Condition) (f frag) {
	defer func() {
		if recover() != nil {
			f = refusedFrag(ruleSqlizer.refuse("", "a condition panicked when it was rendered"))
		}
	}()
	if e, ok := c.(Expression); ok {
		return frag{first: e.piece()}
	}
	s := snapshotter{}
	s.add(c, 0)
	if s.err != nil {
		return refusedFrag(s.err)
	}
	f.first = s.first
	if len(s.rest) > 0 {
		f.more = &fragMore{rest: s.rest}
	}
	return f
}

type snapshotter struct {
	first piece
	rest  []piece
	err   *Refusal
}

func (s *snapshotter) put(p piece) {
	if s.first.kind == pieceNone {
		s.first = p
		return
	}
	s.rest = append(s.rest, p)
}

func (e *Expression) piece() piece {
	p := piece{kind: pieceRaw, text: e.text}
	if len(e.args) > 0 {
		p.value = e.args
	}
	return p
}

func (s *snapshotter) fail(r *Refusal) {
	if s.err == nil {
		s.err = r
	}
}

func (s *snapshotter) sql(text string) {
	s.put(piece{kind: pieceSQL, text: text})
}

func (s *snapshotter) add(c Condition, depth int) {
	if depth > maxCondition || len(s.rest) > maxText {
		s.fail(ruleSize.refuse("", "conditions are nested deeper than 64 levels, or there are too many"))
		return
	}
	switch c := c.(type) {
	case nil:
		s.fail(ruleEmpty.refuse("", "a condition is nil"))
	case Expression:
		s.put(c.piece())
	case sq.Eq:
		s.each(c, func(column string, v any) { s.equal(column, v, false) })
	case sq.NotEq:
		s.each(c, func(column string, v any) { s.equal(column, v, true) })
	case sq.Lt:
		s.compareEach(c, less)
	case sq.LtOrEq:
		s.compareEach(c, lessOrEqual)
	case sq.Gt:
		s.compareEach(c, greater)
	case sq.GtOrEq:
		s.compareEach(c, greaterOrEqual)
	case sq.Like:
		s.compareEach(c, like)
	case sq.NotLike:
		s.compareEach(c, notLike)
	case sq.ILike:
		s.compareEach(c, ilike)
	case sq.NotILike:
		s.compareEach(c, notILike)
	case sq.And:
		s.list(c, " and ", depth)
	case sq.Or:
		s.list(c, " or ", depth)
	default:
		s.sqlizer(c)
	}
}

// sqlizer takes the text of a condition that is not one of squirrel's maps and lists.
func (s *snapshotter) sqlizer(c Condition) {
	text, args, err := c.ToSql()
	if err != nil {
		s.fail(ruleSqlizer.refuse("", "a condition gave an error when it was rendered"))
		return
	}
	if text == "" {
		s.fail(ruleEmpty.refuse("", "a condition renders as nothing"))
		return
	}
	e := Expression{text: text, args: freezeAll(args)}
	s.put(e.piece())
}

func (s *snapshotter) list(conditions []Condition, between string, depth int) {
	if len(conditions) == 0 {
		s.fail(ruleEmpty.refuse("", "an sq.And or sq.Or is empty"))
		return
	}
	for i, c := range conditions {
		s.sql([]string{"(", between + "("}[min(i, 1)])
		s.add(c, depth+1)
		s.sql(")")
		if s.err != nil {
			return
		}
	}
}

// each visits a map in the order of its keys, so that equal conditions have equal texts.
func (s *snapshotter) each(m map[string]any, visit func(string, any)) {
	switch len(m) {
	case 0:
		s.fail(ruleEmpty.refuse("", "an sq.Eq or a map like it is empty, which squirrel renders as (1=1)"))
		return
	case 1:
		for column, v := range m {
			visit(column, v)
		}
		return
	}
	columns := make([]string, 0, len(m))
	for column := range m {
		columns = append(columns, column)
	}
	slices.Sort(columns)
	for i, column := range columns {
		if i > 0 {
			s.sql(" and ")
		}
		visit(column, m[column])
	}
}

func (s *snapshotter) column(name string) {
	s.put(piece{kind: pieceColumn, text: name})
}

func (s *snapshotter) value(v any) {
	s.put(piece{kind: pieceValue, value: v})
}

// equal renders = and <>, IS NULL, IN lists.
func (s *snapshotter) equal(column string, v any, not bool) {
	v, ok := s.plain(v)
	if !ok {
		return
	}
	switch {
	case v == nil && not:
		s.column(column)
		s.sql(" is not null")
	case v == nil:
		s.column(column)
		s.sql(" is null")
	case isList(v):
		s.column(column)
		s.in(reflect.ValueOf(v), not)
	case not:
		s.compare(column, notEqual, v)
	default:
		s.compare(column, equal, v)
	}
}

func (s *snapshotter) compare(column string, o operator, v any) {
	s.put(piece{kind: pieceCompare, operator: o, text: column, value: v})
}

func (s *snapshotter) in(list reflect.Value, not bool) {
	n := list.Len()
	switch {
	case n > maxList:
		s.fail(ruleList.refuse("", "a list has "+plural(n, "element")))
		return
	case n == 0 && not:
		s.fail(ruleEmpty.refuse("", "sq.NotEq has an empty list, which squirrel renders as (1=1)"))
		return
	case n == 0:
		s.sql(" is null and false") // matches nothing, and still needs its column to exist
		return
	}
	s.rest = slices.Grow(s.rest, 2*n+1)
	s.sql([]string{" in (", " not in ("}[btoi(not)])
	for i := range n {
		if i > 0 {
			s.sql(", ")
		}
		s.value(freeze(list.Index(i).Interface()))
	}
	s.sql(")")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *snapshotter) compareEach(m map[string]any, o operator) {
	s.each(m, func(column string, v any) {
		v, ok := s.plain(v)
		if !ok {
			return
		}
		if v == nil || isList(v) {
			s.fail(ruleValue.refuse("", "a comparison with NULL or with a list"))
			return
		}
		s.compare(column, o, v)
	})
}

// plain resolves pointers and driver.Valuers, as squirrel does: what is NULL in the end must be rendered as IS NULL.
func (s *snapshotter) plain(v any) (any, bool) {
	switch v := v.(type) {
	case nil, string, int, int64, bool, Argument, Expression:
		return v, true
	case Query:
		return v, true
	case driver.Valuer:
		resolved, err := v.Value()
		if err != nil {
			s.fail(ruleValue.refuse("", "a value gave an error when it was asked for"))
			return nil, false
		}
		return freeze(resolved), true
	case Condition:
		s.fail(ruleValue.refuse("", "a value is a condition; use query.Expr or sq.And"))
		return nil, false
	}
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return nil, true
		}
		return s.plain(r.Elem().Interface())
	}
	if isList(v) {
		return v, true // in copies the elements
	}
	return freeze(v), true
}

// isList is squirrel's rule: slices and arrays but []byte, and here also but UUIDs as 16 bytes.
func isList(v any) bool {
	switch v.(type) {
	case []byte, [16]byte, string, int, int64, Argument:
		return false
	}
	kind := reflect.TypeOf(v).Kind()
	return kind == reflect.Slice || kind == reflect.Array
}
