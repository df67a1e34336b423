package sqltext

import (
	"errors"
	"strings"
	"testing"
)

var fuzzSeeds = []string{
	"select 'a''b', E'\\'', $$x$$, $t$ $1 $t$ from \"t\" where a = $1 -- c\n and b <@ @n /* /* x */ */ ; select 1",
	"U&\"a\" ?| ? ?? @? @@ a=-1 1..2 1e5 0x1f", "'a'\n'b'", "$", "@", "'", "\"", "/*", "--", "\xff", "\x00",
}

// FuzzScan: tokens lie in order inside the text, only white space lies between them, and scanning a token's own text
// gives that token again.
func FuzzScan(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		tokens, err := Scan(sql)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(sql) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		at := 0
		for _, tok := range tokens {
			if tok.Start < at || tok.End <= tok.Start || tok.End > len(sql) {
				t.Fatalf("token %v out of order", tok)
			}
			if strings.Trim(sql[at:tok.Start], " \t\n\v\f\r") != "" {
				t.Fatalf("text between tokens at %d", at)
			}
			at = tok.End
			again, err := Scan(sql[tok.Start:tok.End])
			if err != nil || len(again) != 1 || again[0].Kind != tok.Kind {
				t.Fatalf("%v %q alone is %v, %v", tok.Kind, sql[tok.Start:tok.End], again, err)
			}
		}
		if strings.Trim(sql[at:], " \t\n\v\f\r") != "" {
			t.Fatal("text after the last token")
		}
	})
}

// FuzzSplit: pieces lie in order, hold tokens, and splitting a piece gives that piece.
func FuzzSplit(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add(s)
		f.Add(s + ";" + s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		pieces, err := Split(sql)
		if err != nil {
			return
		}
		at := 0
		for _, p := range pieces {
			if p.Start < at || p.End <= p.Start || p.End > len(sql) {
				t.Fatalf("piece %v out of order", p)
			}
			at = p.End
			again, err := Split(sql[p.Start:p.End])
			if err != nil || len(again) != 1 || again[0].Start != 0 || again[0].End != p.End-p.Start {
				t.Fatalf("piece %q splits into %v, %v", sql[p.Start:p.End], again, err)
			}
		}
	})
}
