// Package querytest is the test kit for applications that use package query: it shows in CI, without a database, that
// an application's statements are proved, that what should be refused is refused, and that the SQL files of an
// application can be proved too.
//
//	func TestStatements(t *testing.T) {
//		querytest.Proved(t, catalog, os.DirFS("sql"), "*.sql")
//		querytest.Refused(t, catalog, "select id from patients", "SEP-T01")
//		querytest.Isolated(t, catalog.Select("id").From("patients"))
//	}
//
// Its functions report through the testing.TB that they are given and never stop the test, so that one run lists
// everything. They are safe for concurrent use by parallel tests.
package querytest

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/septum-go/septum/internal/sqltext"
	"github.com/septum-go/septum/query"
)

// TB is the part of testing.TB that the kit uses.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Refused checks that hand-written SQL (with @tenant) is refused; with a rule, by that rule. It gives the refusal, nil
// when there is none.
func Refused(t TB, c *query.Catalog, sql, rule string) *query.Refusal {
	t.Helper()
	_, err := query.Static(c, sql)
	var r *query.Refusal
	switch {
	case err == nil:
		t.Errorf("querytest: accepted, and should be refused: %s", oneLine(sql))
		return nil
	case !errors.As(err, &r):
		t.Errorf("querytest: %v, which is not a refusal: %s", err, oneLine(sql))
		return nil
	case rule != "" && r.Rule != rule:
		t.Errorf("querytest: refused by %s and not by %s: %s\n%v", r.Rule, rule, oneLine(sql), r)
	}
	return r
}

// Accepted checks that hand-written SQL (with @tenant) is proved, and gives the statement, nil when it is refused.
func Accepted(t TB, c *query.Catalog, sql string) *query.Statement {
	t.Helper()
	s, err := query.Static(c, sql)
	if err != nil {
		t.Errorf("querytest: %s\n%v", oneLine(sql), err)
		return nil
	}
	return s
}

// Isolated checks that a builder's statement is proved and that its text has no constants of a tenant: it must bind
// the tenant, unless it reads global relations alone.
func Isolated(t TB, b query.Builder) *query.Statement {
	t.Helper()
	s, err := b.Build()
	if err != nil {
		t.Errorf("querytest: %v", err)
		return nil
	}
	for _, name := range s.Relations() {
		if r, ok := s.Catalog().Relation(name); ok && r.Kind == query.TenantKind && !s.UsesTenant() {
			t.Errorf("querytest: %s reads %s without the tenant", s, name)
		}
	}
	return s
}

// Proved proves every statement of the SQL files that match the patterns ("*.sql" when there is none). Statements end
// with ';' and name the tenant @tenant, or $1. It gives the number of statements; no file, or a file without statements,
// is an error of the test.
func Proved(t TB, c *query.Catalog, files fs.FS, patterns ...string) int {
	t.Helper()
	if len(patterns) == 0 {
		patterns = []string{"*.sql"}
	}
	n := 0
	for _, pattern := range patterns {
		names, err := fs.Glob(files, pattern)
		if err != nil || len(names) == 0 {
			t.Errorf("querytest: no file matches %s", pattern)
		}
		for _, name := range names {
			n += provedFile(t, c, files, name)
		}
	}
	return n
}

func provedFile(t TB, c *query.Catalog, files fs.FS, name string) int {
	t.Helper()
	text, err := fs.ReadFile(files, name)
	if err != nil {
		t.Errorf("querytest: %s: %v", name, err)
		return 0
	}
	sql := string(text)
	pieces, err := sqltext.Split(sql)
	if err != nil {
		t.Errorf("querytest: %s: %v", name, err)
		return 0
	}
	if len(pieces) == 0 {
		t.Errorf("querytest: %s holds no statement", name)
	}
	for _, piece := range pieces {
		if err := prove(c, sql[piece.Start:piece.End]); err != nil {
			line, column := sqltext.Position(sql, piece.Start)
			t.Errorf("querytest: the statement at %s:%d:%d\n%v", name, line, column, err)
		}
	}
	return len(pieces)
}

// prove takes both ways to name the tenant.
func prove(c *query.Catalog, sql string) error {
	tokens, err := sqltext.Scan(sql)
	if err != nil {
		return err
	}
	highest := 0
	for _, token := range tokens {
		if token.Kind == sqltext.Param {
			highest = max(highest, number(sql[token.Start+1:token.End]))
		}
	}
	if highest == 0 {
		_, err = query.Static(c, sql)
		return err
	}
	names := make([]string, highest)
	for i := range names {
		names[i] = "arg_" + strconv.Itoa(i)
	}
	names[0] = "tenant"
	_, err = query.Positional(c, sql, names...)
	return err
}

// number reads a parameter's number; a huge one is 1, which Positional then refuses.
func number(digits string) int {
	if len(digits) > 4 {
		return 1
	}
	n := 0
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}

func oneLine(sql string) string {
	text := strings.Join(strings.Fields(sql), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
