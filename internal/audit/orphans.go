package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxSlow is how many statements may take too long before the audit stops asking about rows.
const maxSlow = 3

// orphans looks for rows that refer to nothing, or to another tenant's row, as the audit's own login.
func (r *runner) orphans() error {
	var asked []question
	for _, child := range r.sorted {
		for _, c := range child.constraints {
			if c.kind == "f" && !c.parent && c.to != nil && (child.isTenant() || c.to.isTenant()) {
				asked = append(asked, questionsAbout(c)...)
			}
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if !r.readsAll {
		r.gap("rows that refer to nothing or to another tenant's row", "", "policies hold for the audit's login, so it does not see all rows",
			"run the audit as a superuser or a login with BYPASSRLS")
		return nil
	}
	for batch := range slices.Chunk(asked, batchSize/2) {
		if err := r.ask(batch); err != nil {
			return err
		}
	}
	return nil
}

// question is whether a foreign key has rows that are wrong.
type question struct {
	rule      string
	key       *constraint
	what, sql string // sql is the FROM and WHERE of the wrong rows
}

func questionsAbout(c *constraint) []question {
	child, parent := "only "+c.relation.name, "only "+c.to.name
	if c.relation.kind == "p" {
		child = c.relation.name
	}
	if c.to.kind == "p" {
		parent = c.to.name
	}
	var present, match []string
	covered := ""
	for i, number := range c.columns {
		a, b := c.relation.columns[number], c.to.columns[c.toColumns[i]]
		if a == nil || b == nil {
			return nil
		}
		if c.period && i == len(c.columns)-1 { // several rows together may cover the period
			present = append(present, "c."+a.sql+" is not null")
			covered = fmt.Sprintf("coalesce(c.%s <@ (select pg_catalog.range_agg(p.%s) from %s p where %s), false)", a.sql, b.sql, parent, strings.Join(match, " and "))
			continue
		}
		present = append(present, "c."+a.sql+" is not null")
		equals := "="
		if i < len(c.equals) { // that of citext and its kind stands in another schema
			equals = c.equals[i]
		}
		match = append(match, "p."+b.sql+" "+equals+" c."+a.sql)
	}
	var out []question
	if covered == "" {
		covered = fmt.Sprintf("exists (select from %s p where %s)", parent, strings.Join(match, " and "))
	}
	if c.validated {
		out = append(out, question{"SEP063", c, "rows of %s refer by %s to rows of %s that don't exist",
			fmt.Sprintf("%s c where %s and not %s", child, strings.Join(present, " and "), covered)})
	}
	if c.relation.whose() != nil && c.to.whose() != nil && !c.comparesTenants() {
		out = append(out, question{"SEP064", c, "rows of %s refer by %s to rows of %s that are another tenant's",
			fmt.Sprintf("%s c where exists (select from %s p where %s and p.%s is distinct from c.%s)", child, parent, strings.Join(match, " and "),
				c.to.whose().sql, c.relation.whose().sql)})
	}
	return out
}

// ask puts questions in one statement; when that fails, each alone.
func (r *runner) ask(batch []question) error {
	if r.slow >= maxSlow {
		for _, q := range batch {
			r.gap("rows that refer to nothing or to another tenant's row", q.key.object(), "earlier ones took longer than the audit may wait", "raise the timeouts")
		}
		return nil
	}
	var parts []string
	for i, q := range batch {
		parts = append(parts, fmt.Sprintf("select %d, exists (select from %s)", i, q.sql))
	}
	var wrong []int
	err := r.input.inTx(r.ctx, r.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(r.ctx, strings.Join(parts, " union all "))
		if err != nil {
			return err
		}
		var i int
		var found bool
		_, err = pgx.ForEachRow(rows, []any{&i, &found}, func() error {
			if found {
				wrong = append(wrong, i)
			}
			return nil
		})
		return err
	})
	switch code := sqlState(err); {
	case err == nil:
		slices.Sort(wrong)
		for _, i := range wrong {
			r.answered(batch[i])
		}
	case code == "":
		return err
	case len(batch) > 1:
		for i := range batch {
			if err := r.ask(batch[i : i+1]); err != nil {
				return err
			}
		}
	case !r.gone(batch[0].key.relation, code):
		r.gap("rows that refer to nothing or to another tenant's row", batch[0].key.object(), "it can't be asked (SQLSTATE "+code+")", "look at its rows yourself")
	case code == "57014":
		r.slow++
	}
	return nil
}

// answered reports a foreign key with wrong rows. Where the reference may be empty it is emptied; rows that can't do
// without are deleted.
func (r *runner) answered(q question) {
	c := q.key
	f := Finding{Object: c.object(), Relation: c.relation.name, What: fmt.Sprintf(q.what, c.relation.name, quote(c.name), c.to.name), Show: "select c.* from " + q.sql}
	var empty []string
	for _, number := range c.columns {
		column := c.relation.columns[number]
		if column != c.relation.whose() && !column.notNull {
			empty = append(empty, column.sql+" = null")
		}
	}
	target, condition, _ := strings.Cut(q.sql, " where ")
	if len(empty) > 0 {
		f.Mend = []string{"update " + target + " set " + strings.Join(empty, ", ") + " where " + condition}
	} else {
		f.Mend = []string{"delete from " + target + " where " + condition}
	}
	r.found(q.rule, f)
}
