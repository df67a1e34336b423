package query_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

var updateDocs = flag.Bool("update-refusals", false, "write the builders' examples of docs/refusals.md anew")

// docExample has what a rule refuses and what to write instead; docs/refusals.md shows the source of both.
type docExample struct{ refused, accepted func(c *query.Catalog) any }

var docExamples = map[string]docExample{
	"SEP-B01": {
		func(c *query.Catalog) any { return c.Select("id").From("patients").Where(sq.Eq{}) },
		func(c *query.Catalog) any { return c.Select("id").From("patients").Where(sq.Eq{"status": "in"}) },
	},
	"SEP-B02": {
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(sq.Eq{"id": make([]int, 100_000)})
		},
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(query.Expr("id = any(?)", make([]int, 100_000)))
		},
	},
	"SEP-B03": {
		func(c *query.Catalog) any { return c.Select("id").From("patients").Where(query.Expr("1=1) OR (1=1")) },
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(query.Expr("status = 'in' OR ward = 'icu'"))
		},
	},
	"SEP-B04": {
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(query.Expr("data ? 'allergies'"))
		},
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(query.Expr("data ?? 'allergies' AND name = ?", "Zoe"))
		},
	},
	"SEP-B05": {
		func(c *query.Catalog) any {
			return c.Select("id").From("patients p").Where(query.Expr("EXISTS (SELECT 1 FROM encounters e WHERE e.patient_id = p.id)"))
		},
		func(c *query.Catalog) any {
			return c.Select("id").From("patients p").Where(query.Exists(c.Select("e.id").From("encounters e").Where(query.Expr("e.patient_id = p.id"))))
		},
	},
	"SEP-B06": {
		func(c *query.Catalog) any { return c.Select("id").From("patients").Where(sq.Select()) },
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(sq.ConcatExpr("status = ", sq.Expr("?", "in")))
		},
	},
	"SEP-B07": {
		func(c *query.Catalog) any { return c.Select("id").From("pg_authid") },
		func(c *query.Catalog) any { return c.Select("p.id").From("patients p") },
	},
	"SEP-B08": {
		func(c *query.Catalog) any { return c.Select("p.salary").From("patients p") },
		func(c *query.Catalog) any { return c.Select("p.name").From("patients p") },
	},
	"SEP-B09": {
		func(c *query.Catalog) any { return c.Select("lower(name)").From("patients -- ") },
		func(c *query.Catalog) any {
			return c.Select().Columns(query.Expr("lower(name)").As("n")).From("patients")
		},
	},
	"SEP-B10": {
		func(c *query.Catalog) any { return c.Insert("patients").Set("tenant_id", 2).Set("name", "Zoe") },
		func(c *query.Catalog) any { return c.Insert("patients").Set("name", "Zoe") },
	},
	"SEP-B11": {
		func(c *query.Catalog) any { return c.Delete("charges") },
		func(c *query.Catalog) any { return c.Delete("charges").All() },
	},
	"SEP-B12": {
		func(c *query.Catalog) any { return c.Delete("codes").All() },
		func(c *query.Catalog) any { return c.Delete("notices").All() },
	},
	"SEP-B13": {
		func(c *query.Catalog) any {
			return c.Select("id").With("patients", c.Select("id").From("encounters")).From("patients")
		},
		func(c *query.Catalog) any {
			return c.Select("id").With("seen", c.Select("id").From("encounters")).From("seen")
		},
	},
	"SEP-B14": {
		func(c *query.Catalog) any { return c.Select("id").From("patients").Without("tenant") },
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Filter("consent", sq.Eq{"status": "in"}).Without("consent")
		},
	},
	"SEP-B15": {
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(sq.Eq{"ward": query.Arg("tenant")})
		},
		func(c *query.Catalog) any {
			return c.Select("id").From("patients").Where(sq.Eq{"ward": query.Arg("ward")})
		},
	},
	"SEP-B16": {
		func(c *query.Catalog) any { return c.Select("id").From("charges").Where(sq.Lt{"amount": math.NaN()}) },
		func(c *query.Catalog) any { return c.Select("id").From("charges").Where(sq.Lt{"amount": 100}) },
	},
	"SEP-B17": {
		func(c *query.Catalog) any { return c.Select("id").From("patients").Where(many(100_000)) },
		func(c *query.Catalog) any { return c.Select("id").From("patients").Where(many(10)) },
	},
	"SEP-B18": {
		func(c *query.Catalog) any { return c.Select("id").From("patients").From("encounters") },
		func(c *query.Catalog) any { return c.Select("p.id").From("patients p").CrossJoin("encounters e") },
	},
	"SEP-B19": {
		func(c *query.Catalog) any { return static(c, "SELECT id FROM patients WHERE tenant_id = $1") },
		func(c *query.Catalog) any { return static(c, "SELECT id FROM patients WHERE tenant_id = @tenant") },
	},
	"SEP-B20": {
		func(c *query.Catalog) any {
			return fromSquirrel(c, sq.Select("id").From("patients").Where("ward = ? --", "icu").Where(sq.Eq{"tenant_id": query.TenantArg()}))
		},
		func(c *query.Catalog) any {
			return fromSquirrel(c, sq.Select("id").From("patients").Where("ward = ?", "icu").Where(sq.Eq{"tenant_id": query.TenantArg()}))
		},
	},
	"SEP-B21": {
		func(c *query.Catalog) any {
			return fromSquirrel(c, sq.Select("id").From("patients").Where(sq.Eq{"tenant_id": 7}))
		},
		func(c *query.Catalog) any {
			return fromSquirrel(c, sq.Select("id").From("patients").Where(sq.Eq{"tenant_id": query.TenantArg()}))
		},
	},
	"SEP-B22": {
		func(c *query.Catalog) any {
			return fromSquirrel(c, sq.Delete("charges").Where(sq.Eq{"tenant_id": query.TenantArg()}).Where(sq.Eq{}))
		},
		func(c *query.Catalog) any {
			return fromSquirrel(c, sq.Delete("charges").Where(sq.Eq{"tenant_id": query.TenantArg()}).Where(sq.Eq{"id": 7}))
		},
	},
}

// made is a statement or its refusal.
type made struct {
	s   *query.Statement
	err error
}

func static(c *query.Catalog, sql string) any {
	s, err := query.Static(c, sql)
	return made{s, err}
}

func fromSquirrel(c *query.Catalog, b sq.Sqlizer) any {
	s, err := query.FromSquirrel(c, b)
	return made{s, err}
}

func statementOf(v any) (*query.Statement, error) {
	if m, ok := v.(made); ok {
		return m.s, m.err
	}
	return v.(query.Builder).Build()
}

func TestBuilderRulesHaveTheirExamples(t *testing.T) {
	const file = "../docs/refusals.md"
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	page := string(data)
	sources := exampleSources(t)
	for _, rule := range query.Rules() {
		if !strings.HasPrefix(rule.ID, "SEP-B") {
			continue
		}
		example, ok := docExamples[rule.ID]
		require.True(t, ok, "%s has no example", rule.ID)
		_, err := statementOf(example.refused(clinic))
		require.Equal(t, rule.ID, refusal(t, err).Rule, rule.ID)
		_, err = statementOf(example.accepted(clinic))
		require.NoError(t, err, rule.ID)

		want := "```go refused\n" + sources[rule.ID][0] + "\n```\n\n```go accepted\n" + sources[rule.ID][1] + "\n```\n"
		section := regexp.MustCompile(`(?s)## ` + rule.ID + `: ([^\n]*)\n.*?(\n#|\z)`).FindString(page)
		require.Contains(t, section, rule.Title, "%s has no section in docs/refusals.md", rule.ID)
		if *updateDocs {
			start := strings.Index(page, section)
			text, _, _ := strings.Cut(strings.TrimSuffix(section, "\n#"), "\n```go refused")
			page = page[:start] + strings.TrimRight(text, "\n") + "\n\n" + want + "\n#"[:len(section)-len(strings.TrimSuffix(section, "\n#"))] + page[start+len(section):]
			continue
		}
		require.Contains(t, section, want, "%s: run go test ./query -run TestBuilderRules -update-refusals", rule.ID)
	}
	if *updateDocs {
		require.NoError(t, os.WriteFile(file, []byte(page), 0o644))
	}
}

// exampleSources reads the examples from this file, so that the page shows what was run.
func exampleSources(t *testing.T) map[string][2]string {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "refusals_doc_test.go", nil, 0)
	require.NoError(t, err)
	out := map[string][2]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, ok := pair.Key.(*ast.BasicLit)
		if !ok || !strings.HasPrefix(key.Value, `"SEP-`) {
			return true
		}
		var both [2]string
		for i, elt := range pair.Value.(*ast.CompositeLit).Elts {
			result := elt.(*ast.FuncLit).Body.List[0].(*ast.ReturnStmt).Results[0]
			var b bytes.Buffer
			require.NoError(t, format.Node(&b, files, result))
			text := regexp.MustCompile(`\bc\.`).ReplaceAllString(b.String(), "catalog.")
			both[i] = strings.NewReplacer("fromSquirrel(c, ", "query.FromSquirrel(catalog, ", "static(c, ", "query.Static(catalog, ").Replace(text)
		}
		out[strings.Trim(key.Value, `"`)] = both
		return false
	})
	return out
}
