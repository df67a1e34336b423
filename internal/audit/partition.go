package audit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// boundValues are the values that stand in a partition's bound as the server prints it, as SQL has them: those of a list, or
// those at which a range begins.
func boundValues(bound string) []string {
	rest, found := strings.CutPrefix(bound, "FOR VALUES IN (")
	if !found {
		if rest, found = strings.CutPrefix(bound, "FOR VALUES FROM ("); !found {
			return nil
		}
	}
	var out []string
	quoted, start := false, 0
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == ',' || c == ')':
			out = append(out, strings.TrimSpace(rest[start:i]))
			start = i + 1
			if c == ')' {
				return out
			}
		}
	}
	return nil
}

// lowest are values that stand below all others of a type, for ranges that begin at MINVALUE.
var lowest = map[string]string{
	"smallint": "'-32768'", "integer": "'-2147483648'", "bigint": "'-9223372036854775808'", "numeric": "'-Infinity'", "real": "'-Infinity'",
	"double precision": "'-Infinity'", "date": "'-infinity'", "timestamp without time zone": "'-infinity'", "timestamp with time zone": "'-infinity'",
	"uuid": "'00000000-0000-0000-0000-000000000000'", "text": "''", "character varying": "''", "boolean": "false",
}

// maxFits is how many partitions are tried for one that takes a row.
const maxFits = 3

// fits finds values of columns, by name, with which a row finds a partition: PostgreSQL looks for that before it asks the
// policies, so a row of NULLs would be refused for lack of one. Relations that are not partitioned need none.
func (r *relation) fits() []map[string]string {
	var out []map[string]string
	var walk func(at *relation, have map[string]string)
	walk = func(at *relation, have map[string]string) {
		if at.kind != "p" {
			if at.kind == "r" {
				out = append(out, have)
			}
			return
		}
		parts := slices.Clone(at.children)
		slices.SortStableFunc(parts, func(a, b *relation) int { return isDefault(b) - isDefault(a) })
		for _, part := range parts {
			if len(out) >= maxFits || !part.partition {
				return
			}
			if more, can := at.into(part, have); can {
				walk(part, more)
			}
		}
	}
	walk(r, map[string]string{})
	return out
}

func isDefault(part *relation) int {
	if part.bound == "DEFAULT" {
		return 1
	}
	return 0
}

// into adds the values that take a row from a partitioned relation into one of its partitions. NULLs go into the default one,
// and by hash anywhere, which is then a try.
func (r *relation) into(part *relation, have map[string]string) (map[string]string, bool) {
	if part.bound == "DEFAULT" || r.split == "h" {
		return have, true
	}
	values := boundValues(part.bound)
	if len(values) == 0 || len(r.splitBy) == 0 || r.split == "r" && len(values) != len(r.splitBy) {
		return nil, false
	}
	more := maps.Clone(have)
	for i, number := range r.splitBy {
		c := r.columns[number]
		if c == nil { // an expression
			return nil, false
		}
		value := values[min(i, len(values)-1)]
		if value == "MINVALUE" {
			if have[c.name] != "" {
				continue
			}
			typ, rest, _ := strings.Cut(c.typ, "(") // as in timestamp(3) without time zone
			_, rest, _ = strings.Cut(rest, ")")
			if value = lowest[typ+rest]; value == "" {
				return nil, false
			}
		}
		more[c.name] = value
	}
	return more, true
}

// homeless reports whether a row found no partition: no constraint is named then.
func homeless(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23514" && pg.ConstraintName == ""
}

// inserts are tries of one tenant's row in another's session. The row is given by the names of its columns as SQL has them and
// their values: as it is or, where the relation is partitioned, with values that find a partition. That may be one of the
// session's own tenant; then the two change places. The outcome is told of the first that found one, or of the last.
func (r *relation) inserts(mine, theirs string, columns, values []string, outcome func(error)) []try {
	fits := []map[string]string{nil}
	if r.kind == "p" {
		if found := r.fits(); len(found) > 0 {
			fits = found
		}
	}
	var tries []try
	decided := false
	for i, fit := range fits {
		row, session := slices.Clone(values), mine
		if fit[r.tenant.name] == text(mine) {
			session = theirs
		}
		for name, value := range fit {
			if at := slices.Index(columns, quote(name)); at >= 0 {
				row[at] = value
			}
		}
		sql := fmt.Sprintf("insert into %s (%s) overriding system value values (%s)", r.name, strings.Join(columns, ", "), strings.Join(row, ", "))
		tries = append(tries, try{session, sql, func(err error) {
			if decided || homeless(err) && i < len(fits)-1 {
				return
			}
			decided = true
			outcome(err)
		}})
	}
	return tries
}
