package rls

import (
	"context"
	"slices"
	"strings"

	"github.com/septum-go/septum/query"
)

// movedType is what a tenant column's type is called where the relations stand in a schema of their own: an enum or a domain
// that the catalog names without a schema is made by the same migrations, and so moves with them.
func movedType(t query.Type, schema string) query.Type {
	name, public := strings.CutPrefix(t.SQL(), `"public".`)
	if !public || schema == "" {
		return t
	}
	name = quoteName(schema) + "." + name
	moved := query.Domain(name, t.Base())
	if t.IsEnum() {
		moved = query.Enum(name)
	}
	if parsed, err := query.ParseType(string(moved)); err == nil {
		return parsed
	}
	return t
}

func movedTypes(relations []query.Relation, schema string) []query.Relation {
	moved := slices.Clone(relations)
	for i := range moved {
		moved[i].Type = movedType(moved[i].Type, schema)
	}
	return moved
}

// typesIn is movedTypes as far as the schema has the types. The others are those in public, which all tenants share.
func typesIn(ctx context.Context, conn querier, relations []query.Relation, schema string) ([]query.Relation, error) {
	moved := movedTypes(relations, schema)
	for i := range moved {
		if moved[i].Type == relations[i].Type {
			continue
		}
		var there bool
		if err := conn.QueryRow(ctx, "select pg_catalog.to_regtype($1) is not null", moved[i].Type.SQL()).Scan(&there); err != nil {
			return nil, err
		}
		if !there {
			moved[i].Type = relations[i].Type
		}
	}
	return moved, nil
}
