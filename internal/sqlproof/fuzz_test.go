package sqlproof

import (
	"context"
	"errors"
	"strings"
	"testing"

	pg "github.com/sqlc-dev/oliphant"

	"github.com/septum-go/septum/internal/sqltext"
)

func addCorpus(f *testing.F) {
	f.Helper()
	for _, file := range corpusFiles {
		for i, tc := range readCorpus(f, file) {
			if i%12 == 0 { // the fuzzer runs all seeds before it begins
				f.Add(tc.sql)
			}
		}
	}
}

// FuzzProve: any text gives a proof or a refusal by a known rule, never a panic, in bounded steps, and the same twice.
func FuzzProve(f *testing.F) {
	addCorpus(f)
	c := corpusCatalog(f)
	f.Fuzz(func(t *testing.T, sql string) {
		p := newProver(sql, c, 1, nil)
		if stmt := p.gate(); p.refusal == nil {
			_, _ = p.prove(stmt) // without recovered: a panic is a finding
		}
		if p.steps > maxSteps+maxText {
			t.Fatalf("%d steps", p.steps)
		}
		proof, err := Prove(sql, c, 1)
		var r *Refusal
		switch {
		case err == nil && (p.refusal != nil || proof == nil):
			t.Fatal("two answers")
		case err != nil && (!errors.As(err, &r) || ruleByID(r.Rule).Title == "" || p.refusal == nil || r.Rule != p.refusal.Rule):
			t.Fatalf("refusal %v, %v", err, p.refusal)
		case err != nil && (r.Line < 1 || r.Column < 1):
			t.Fatalf("position %d:%d", r.Line, r.Column)
		}
		if err == nil && !proof.UsesTenant {
			for _, rel := range proof.Relations {
				if rel.Kind == Tenant {
					t.Fatalf("%s is bound without the tenant parameter", rel.Name)
				}
			}
		}
	})
}

// FuzzParseExpr: a fragment that is accepted stays inside its parentheses: whatever stands around it is parsed the same.
func FuzzParseExpr(f *testing.F) {
	for _, s := range []string{"a = $1", "a OR b", "1=1) OR (1=1", "a -- b", "(select 1)", "exists (select 1)", "'x' || $2", "a, b", "a; b", "case when a then b end", "a::int[]", "x IN (1,2)", "count(*) filter (where a)", "$$a$$ = U&\"b\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		expr, err := ParseExpr(text)
		if err != nil {
			var r *Refusal
			if !errors.As(err, &r) || ruleByID(r.Rule).Title == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		tree, perr := parseTree("SELECT 1 FROM t WHERE a = $9 AND (" + text + ") AND b = $9")
		if perr != nil {
			t.Fatalf("%q does not stand in a condition: %v", text, perr)
		}
		where := tree.Stmts[0].GetStmt().GetSelectStmt().GetWhereClause().GetBoolExpr()
		if len(tree.Stmts) != 1 || where == nil || len(where.Args) < 3 || len(expr.Params) > len(text) {
			t.Fatalf("%q left its place", text)
		}
	})
}

// FuzzTokens: the lexer and the parser's own scanner see the same comments, strings and parameters.
func FuzzTokens(f *testing.F) {
	addCorpus(f)
	for _, s := range []string{"'a'\n'b'", "$a$ x $a$", "U&'\\0061' UESCAPE '!'", "E'\\''", "a/*/* */*/b", "x'1f' b'01' n'a'", "1e5+1", "a-- c\r b", "\"a\"\"b\"", "$1", "a<--b", "a*/**/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		ours, err := sqltext.Scan(sql)
		theirs, perr := pg.Scan(sql)
		if err != nil || perr != nil || strings.ContainsAny(sql, "?@") { // marks of ours
			return
		}
		marks := map[[2]int]bool{}
		for _, tok := range ours {
			switch tok.Kind {
			case sqltext.Comment, sqltext.String, sqltext.Param, sqltext.QuotedIdent:
				marks[[2]int{tok.Start, tok.End}] = true
			}
			if text := sql[tok.Start:tok.End]; tok.Kind == sqltext.String && (text[0] == 'n' || text[0] == 'N') {
				marks[[2]int{tok.Start + 1, tok.End}] = true // n'a' is two tokens there: the type nchar, and the string
			}
		}
		for _, tok := range theirs.Tokens {
			switch tok.Token {
			case pg.Token_SCONST, pg.Token_USCONST, pg.Token_BCONST, pg.Token_XCONST, pg.Token_PARAM, pg.Token_SQL_COMMENT, pg.Token_C_COMMENT, pg.Token_UIDENT:
				if !marks[[2]int{int(tok.Start), int(tok.End)}] {
					t.Fatalf("%v %q at %d is not a token of ours in %q: %v", tok.Token, sql[tok.Start:tok.End], tok.Start, sql, ours)
				}
			}
		}
	})
}

// FuzzMutants is TestMutantsDoNotInterfere without an end.
func FuzzMutants(f *testing.F) {
	var seeds []string
	for _, file := range corpusFiles {
		for _, tc := range readCorpus(f, file) {
			seeds = append(seeds, tc.sql)
		}
	}
	catalogs := []*Catalog{corpusCatalog(f), closedCatalog(f)}
	w := newWorlds(f)
	m := newMutator(1, seeds)
	for i := range uint64(8) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m.reseed(seed)
		for range 20 {
			sql := m.next()
			if sql == "" || len(sql) > 4000 || volatile.MatchString(sql) {
				continue
			}
			proof, err := Prove(sql, catalogs[seed%2], 1, AllowMerge)
			if err != nil {
				continue
			}
			if how, _ := w.differ(context.Background(), sql, writing.MatchString(sql)); how != "" {
				t.Fatalf("interferes: %s\n%s\n%s", sql, proof, how)
			}
		}
	})
}
