package query

import (
	"errors"
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRemoval: with every predicate in its place a random program is proved; with any one left out it is refused. So the
// builder writes no predicate for nothing, and the prover does not take the builder's word for any.
func TestRemoval(t *testing.T) {
	t.Parallel()
	c := randomCatalog()
	perRound := 12 // of a hundred rounds
	if testing.Short() {
		perRound = 1
	}
	programs, removals := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		for range perRound {
			p := &program{t: t, c: c}
			b := p.statement()
			s, err := b.Build()
			if tooLarge(err) {
				continue // more text than a statement may have
			}
			if err != nil {
				t.Fatalf("refused: %v\n%s", err, render1(c, b, 0))
			}
			n := predicates(c, b)
			if n == 0 {
				t.Fatalf("no predicate in %s", s.SQL())
			}
			programs++
			for drop := 1; drop <= n; drop++ {
				removals++
				if s, err := buildDropping(c, b, drop); err == nil {
					t.Fatalf("predicate %d of %d is left out, and it is still proved:\n%s\n%s", drop, n, s.SQL(), s.Explain())
				} else if !errors.Is(err, ErrRefused) {
					t.Fatalf("not a refusal: %v", err)
				}
			}
		}
	})
	t.Logf("%d programs proved, %d removals refused", programs, removals)
	require.Greater(t, programs, 80*perRound)
}

func tooLarge(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && (r.Rule == ruleSize.ID || r.Rule == "SEP-G01" || r.Rule == "SEP-G02")
}

// render1 is the text of a builder, proved or not.
func render1(c *Catalog, b Builder, drop int) string {
	w := newWriter(c)
	defer w.release()
	w.drop = drop
	b.write(w)
	return string(w.buf)
}

func predicates(c *Catalog, b Builder) int {
	w := newWriter(c)
	defer w.release()
	b.write(w)
	return w.injected
}

// TestBuildersAreValues: what is derived from a builder changes neither it nor what else was derived from it.
func TestBuildersAreValues(t *testing.T) {
	t.Parallel()
	c := randomCatalog()
	rapid.Check(t, func(t *rapid.T) {
		p := &program{t: t, c: c}
		base := p.selectOf(1, 2)
		before := render1(c, base, 0)
		left := p.extend(base, "left")
		leftText := render1(c, left, 0)
		right := p.extend(base, "right")
		if again := render1(c, left, 0); again != leftText {
			t.Fatalf("the left one changed:\n%s\n%s", leftText, again)
		}
		if again := render1(c, base, 0); again != before {
			t.Fatalf("the base changed:\n%s\n%s", before, again)
		}
		if rightText := render1(c, right, 0); rightText == leftText {
			t.Fatalf("left and right are the same: %s", rightText)
		}
	})
}

func (p *program) extend(b SelectBuilder, mark string) SelectBuilder {
	for range rapid.IntRange(0, 3).Draw(p.t, "calls") {
		switch p.pick("call", "where", "column", "order", "limit", "join", "filter") {
		case "where":
			b = b.Where(Expr("? = ?", mark, mark))
		case "column":
			b = b.Columns(Expr("1").As(mark))
		case "order":
			b = b.OrderByExpr(Expr("1"))
		case "limit":
			b = b.Limit(7)
		case "join":
			b = b.CrossJoin("a " + mark + p.alias())
		case "filter":
			b = b.Filter(mark, sq.Expr("true"))
		}
	}
	return b.Columns(Expr("1").As(mark))
}

// FuzzExpr: a fragment, however it is written, stays inside its parentheses. The text around it is a statement that is
// proved with "true" in its place, so what is proved with the fragment must have the same frame.
func FuzzExpr(f *testing.F) {
	for _, seed := range []string{
		"x = 1", "x = ? or y = ?", "1=1) or (1=1", "true --", "true /*", "x = '?'", "x ?? 'a'", "x ?| array['a']", "x=?", "@p", "@tenant = 1",
		"exists (select 1 from a)", "$1", "$$a$$ = x", "E'\\'' = x", "U&\"\\0061\" = 1", "x = 1; delete from a", "((((", "x is null and", "\x00", "\xff",
		"case when true then 1 end = 1", "row(1,2) = row(x,y)", "x = any(array[1,2])", "count(*) filter (where x > 1) > 1", "x::text", "x order by y", "x collate \"C\" = 'a'",
	} {
		f.Add(seed, 0)
		f.Add(seed, 1)
	}
	c := randomCatalog()
	frame := render1(c, c.Select("id").From("a").Where(Expr("true")), 0)
	before := frame[:len(frame)-len("(true)")]
	f.Fuzz(func(t *testing.T, text string, n int) {
		if n < 0 || n > 4 {
			return
		}
		args := make([]any, n)
		s, err := c.Select("id").From("a").Where(Expr(text, args...)).Build()
		if err != nil {
			require.ErrorIs(t, err, ErrRefused)
			return
		}
		sql := s.SQL()
		require.Equal(t, before+"(", sql[:len(before)+1], "the frame stands")
		require.Equal(t, ")", sql[len(sql)-1:])
		// With the predicate left out nothing in the fragment may stand in for it, unless it is the predicate itself.
		if _, err := buildDropping(c, c.Select("id").From("a").Where(Expr(text, args...)), 1); err == nil {
			require.Contains(t, sql[len(before):], "$1")
		}
	})
}
