package tenant_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"testing"

	"github.com/stretchr/testify/require"
)

// Wall 1 is the compiler. Each source is what a developer in a hurry may write; the compiler must say no to all but the first.
func TestWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	std := importer.ForCompiler(fset, "source", nil)
	const head = `package p
		import ("context"; "github.com/septum-go/septum/tenant")
		func read(tc tenant.Context) {}
		func f(ctx context.Context, tc tenant.Context, op tenant.Operator, id tenant.ID) { _, _, _, _ = ctx, tc, op, id; `
	for name, test := range map[string]struct{ body, wants string }{
		"a tenant's context is one":                    {"read(tc); var c context.Context = tc; _ = c", ""},
		"context.Background is no tenant's":            {"read(context.Background())", "cannot use"},
		"nor a request's context":                      {"read(ctx)", "cannot use"},
		"nor a derived one, before From":               {"c, _ := context.WithCancel(tc); read(c)", "cannot use"},
		"nil":                                          {"read(nil)", "cannot use nil"},
		"an operator is no tenant":                     {"read(op)", "cannot use"},
		"nor a context":                                {"var c context.Context = op; _ = c", "cannot use"},
		"nor does its context have one":                {"read(op.Context())", "cannot use"},
		"a conversion":                                 {"read(tenant.Context(ctx))", "cannot convert"},
		"a literal":                                    {"read(tenant.Context{ctx, nil})", "unexported field"},
		"a literal with names":                         {"read(tenant.Context{ctx: ctx})", "unexported field"},
		"a struct that embeds it":                      {"read(struct{tenant.Context}{tc})", "cannot use"},
		"an assertion on a context of another type":    {"read(ctx.Value(1).(tenant.Operator))", "cannot use"},
		"a bare string is no id":                       {`op.Enter("st-mary")`, "cannot use"},
		"nor is a converted one":                       {`op.Enter(tenant.ID("st-mary"))`, "cannot convert"},
		"nor is a literal":                             {`op.Enter(tenant.ID{"st-mary"})`, "unexported field"},
		"an operator is not made without a function":   {"_ = tenant.Operator{nil}", "unexported field"},
		"ids have no order in which to leave some out": {"_ = id < id", "not defined"},
	} {
		file, err := parser.ParseFile(fset, "p.go", head+test.body+" }", 0)
		require.NoError(t, err, name)
		_, err = (&types.Config{Importer: std}).Check("p", fset, []*ast.File{file}, nil)
		if test.wants == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, test.wants, name)
	}
}
