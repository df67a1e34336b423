package query

import "strings"

// graphOrder is a term of OrderBy.
type graphOrder struct {
	column string
	order
}

// checkOrder reads OrderBy, and turns After into a condition.
func (l *graphLevel) checkOrder() error {
	for _, term := range l.spec.OrderBy {
		column, rest, _ := strings.Cut(term, " ")
		o, ok := parseOrder(rest)
		if !ok {
			return graphError(l.path, shorten(term)+` is not a term to sort by; write "name" or "name desc nulls last"`)
		}
		names, why := l.rel.graphNames([]string{column})
		if why != "" {
			return graphError(l.path, why)
		}
		l.order = append(l.order, graphOrder{names[0], o})
	}
	after := l.spec.After
	if len(after) == 0 {
		return nil
	}
	if len(after) != len(l.order) {
		return graphError(l.path, "After needs one value for each term of OrderBy")
	}
	for _, o := range l.order {
		if o.nulls != nullsDefault {
			return graphError(l.path, "After can't stand with nulls first or nulls last, since its columns must not be NULL")
		}
	}
	condition := keysetAfter(l.order, after)
	l.after = &condition
	return nil
}

// keysetAfter is the condition for rows behind a row: a > x or a = x and (b > y or …). The first column alone bounds the
// scan of an index.
func keysetAfter(order []graphOrder, values []any) Expression {
	op := func(o graphOrder) string {
		if o.desc {
			return " < ?"
		}
		return " > ?"
	}
	last := len(order) - 1
	text, args := quote(order[last].column)+op(order[last]), []any{values[last]}
	for i := last - 1; i >= 0; i-- {
		column := quote(order[i].column)
		text = column + strings.TrimSuffix(op(order[i]), " ?") + "= ? and (" + column + op(order[i]) + " or " + text + ")"
		args = append([]any{values[i], values[i]}, args...)
	}
	return Expr(text, args...)
}
