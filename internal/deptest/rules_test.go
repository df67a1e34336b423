package deptest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// graph makes a graph of lines "package: import import"; a path without a dot is the module's when it is declared, and
// the standard library's otherwise.
func graph(lines ...string) Graph {
	full := func(path string) string {
		if strings.Contains(path, ".") && path != "." {
			return path
		}
		if declared := slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, path+":") }); !declared {
			return path
		}
		if path == "." {
			return Module
		}
		return Module + "/" + path
	}
	g := Graph{}
	for _, line := range lines {
		path, imports, _ := strings.Cut(line, ":")
		p := Package{Path: full(path)}
		for _, i := range strings.Fields(imports) {
			p.Imports = append(p.Imports, full(i))
			if _, ok := g[full(i)]; !ok {
				g[full(i)] = Package{Path: full(i), Standard: !strings.Contains(i, ".") && full(i) == i}
			}
		}
		g[p.Path] = p
	}
	return g
}

func TestEachLayerCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, importing, want string }{
		{"tenant takes a library", "tenant: context github.com/jackc/pgx/v5", "tenant must not import github.com/jackc/pgx/v5: everything stands on it"},
		{"a border takes a second library", "tenant/tenanthttp: tenant github.com/lestrrat-go/jwx/v3/jwt", "tenant/tenanthttp must not import github.com/lestrrat-go/jwx/v3/jwt"},
		{"a border takes the database", "tenant/tenantjwt: tenant rls", "tenant/tenantjwt must not import rls"},
		{"query takes a sibling", "query: tenant rls", "query must not import rls"},
		{"query takes a driver", "query: github.com/jackc/pgx/v5/pgtype", "query must not import github.com/jackc/pgx/v5/pgtype"},
		{"rls takes the cache", "rls: query cache", "rls must not import cache"},
		{"rls takes blobs", "rls: blob", "rls must not import blob"},
		{"rls takes the prover", "rls: internal/sqlproof", "rls must not import internal/sqlproof"},
		{"cache takes query", "cache: query", "cache must not import query"},
		{"the prover takes the builder", "internal/sqlproof: query", "internal/sqlproof must not import query"},
		{"the lexer takes the prover", "internal/sqltext: internal/sqlproof", "internal/sqltext must not import internal/sqlproof"},
		{"the test server takes what it serves", "internal/pgtest: rls", "internal/pgtest must not import rls"},
		{"the root takes code", ".: tenant", ". must not import tenant"},
		{"a library outside the table", "rls: github.com/lib/pq", "rls must not import github.com/lib/pq"},
		{"a name that only begins alike", "rls: github.com/jackc/pgx/v55", "rls must not import github.com/jackc/pgx/v55"},
		{"a command takes a library of its own", "cmd/septum: query github.com/spf13/cobra", "cmd/septum must not import github.com/spf13/cobra"},
		{"a package nobody spoke of", "manager: fmt", "manager has no rule"},
		{"a package below one that has a rule", "rls/util: fmt", "rls/util has no rule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			others := []string{"tenant:", "query: tenant", "rls: tenant query", "cache: tenant", "blob: tenant", "internal/sqlproof:", "internal/sqltext:"}
			path, _, _ := strings.Cut(c.importing, ":")
			others = slices.DeleteFunc(others, func(l string) bool { return strings.HasPrefix(l, path+":") })
			require.Empty(t, CheckLayers(graph(others...), Layers()))
			broken := CheckLayers(graph(append(others, c.importing)...), Layers())
			require.Len(t, broken, 1)
			require.Contains(t, broken[0], c.want)
		})
	}
}

func TestEachBanCanFail(t *testing.T) {
	t.Parallel()
	clean := []string{
		"tenant: context", "tenant/tenanthttp: tenant net/http", "query: tenant internal/sqlproof", "rls: query",
		"internal/sqlproof: strings", "internal/sqltext:",
	}
	require.Empty(t, CheckBans(graph(clean...), Bans()))
	for _, c := range []struct{ name, line, want string }{
		{"tenant by a library's library", "tenant: golang.org/x/text", "tenant → golang.org/x/text: a program that imports only tenant"},
		{"the border by a library", "tenant/tenanthttp: golang.org/x/net", "tenant/tenanthttp → golang.org/x/net: the HTTP border"},
		{"testify two steps away", "query: internal/sqlproof github.com/x/y|github.com/x/y: github.com/stretchr/testify/assert", "query → github.com/x/y → github.com/stretchr/testify/assert: what tests need"},
		{"testing in a binary", "rls: testing", "rls → testing: what tests need"},
		{"rapid", "rls: pgregory.net/rapid", "rls → pgregory.net/rapid: what tests need"},
		{"goleak", "rls: go.uber.org/goleak", "rls → go.uber.org/goleak: what tests need"},
		{"the test server", "rls: internal/pgtest|internal/pgtest: fmt", "rls → internal/pgtest: a test server"},
		{"dockertest", "rls: github.com/ory/dockertest/v3/docker", "rls → github.com/ory/dockertest/v3/docker: a test server"},
		{"embedded-postgres", "rls: github.com/fergusstrange/embedded-postgres", "a test server must never"},
		{"a statement that connects", "query: github.com/x/y|github.com/x/y: net/http", "query → github.com/x/y → net/http: a statement is a value"},
		{"a prover that asks the network", "internal/sqlproof: net", "internal/sqlproof → net: a proof depends"},
		{"cgo", "internal/sqltext: C", "internal/sqltext → C: the library is pure Go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			added := strings.Split(c.line, "|")
			path, _, _ := strings.Cut(added[0], ":")
			lines := slices.DeleteFunc(slices.Clone(clean), func(l string) bool { return strings.HasPrefix(l, path+":") })
			broken := CheckBans(graph(append(lines, added...)...), Bans())
			require.NotEmpty(t, broken)
			require.True(t, slices.ContainsFunc(broken, func(b string) bool { return strings.Contains(b, c.want) }), "%q", broken)
		})
	}
	require.Contains(t, strings.Join(CheckBans(graph("query:"), Bans()), "\n"), "no package is tenant", "a rule over nothing is a mistake")
}

func TestSourceRulesCanFail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"see /wo" + "rk/main/x":     `a.go:1 names "/wo` + `rk/main"`,
		"a\nas iss" + "ue 12 asks":  `a.go:2 names "iss` + `ue 12"`,
		"/wo" + "rk/shared/a.md":    `names "/wo` + `rk/shared"`,
		"network/main, issue 1234":  "",
		"issues of 2 kinds, /works": "",
	} {
		got := strings.Join(CheckWorkplace("a.go", text), "\n")
		require.Contains(t, got, want)
		require.Equal(t, want == "", got == "", text)
	}

	for source, want := range map[string]string{
		`func f() { panic("x") }`:                              "a.go:2:12 panics",
		`func f() { func() { panic("x") }() }`:                 "panics",
		`func init() {}`:                                       "registers by init",
		`func MustParse() { panic("x") }`:                      "",
		`func f() { panic(http.ErrAbortHandler) }`:             "",
		`type s struct{}; func (s) init() {}; func panics(){}`: "",
	} {
		broken, err := CheckPanics("a.go", "package a\n"+source)
		require.NoError(t, err)
		got := strings.Join(broken, "\n")
		require.Contains(t, got, want)
		require.Equal(t, want == "", got == "", source)
	}

	g := graph("tenant:", "tenant/tenanthttp:", "rls:", "internal/sqltext:", "cmd/septum:", "examples/hms/web:")
	require.Empty(t, CheckNamed(g, "README.md", "`tenant`, `tenant/tenanthttp` and github.com/septum-go/septum/rls."))
	require.Equal(t, []string{"README.md does not name rls", "README.md does not name tenant"},
		CheckNamed(g, "README.md", "tenant/tenanthttp, rls/rlstest, tenants"))
}
