package rls

import (
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
)

// columnType is what the type of a column can look like. It comes from a catalog and goes into SQL.
var columnType = regexp.MustCompile(`^[\pL_"][\pL\pN_ .,()"\[\]]*$`)

// missingRelation is the SQL that makes a relation which the database does not have, as far as the catalog knows it: none
// when a column is declared without its type, or no columns are.
func missingRelation(r query.Relation, schema string) []string {
	var parts []string
	key := r.Key
	if r.Kind == query.TenantKind && len(key) > 0 && !slices.Contains(key, r.Column) {
		key = append([]string{r.Column}, key...)
	}
	for _, c := range r.Columns {
		typ := c.Type
		switch {
		case c.Name == r.Column && r.Kind == query.TenantKind:
			typ = r.Type.SQL()
		case !columnType.MatchString(typ):
			return nil
		}
		part := pgx.Identifier{c.Name}.Sanitize() + " " + typ
		if c.Name == r.Column || slices.Contains(key, c.Name) {
			part += " not null"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return nil
	}
	if len(key) > 0 {
		names := make([]string, len(key))
		for i, name := range key {
			names[i] = pgx.Identifier{name}.Sanitize()
		}
		parts = append(parts, "primary key ("+strings.Join(names, ", ")+")")
	}
	name := pgx.Identifier{schema, r.Table()}.Sanitize()
	return []string{"create schema if not exists " + pgx.Identifier{schema}.Sanitize(), "create table if not exists " + name + " (" + strings.Join(parts, ", ") + ")"}
}

// missingColumn is the SQL that adds the tenant column, which is empty then: septum plan fills it.
func missingColumn(r query.Relation, schema string) string {
	return "alter table " + pgx.Identifier{schema, r.Table()}.Sanitize() + " add column if not exists " + pgx.Identifier{r.Column}.Sanitize() + " " + r.Type.SQL()
}
