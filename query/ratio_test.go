package query

import (
	"os"
	"testing"

	pg "github.com/sqlc-dev/oliphant"

	"github.com/septum-go/septum/internal/ratio"
)

// BenchmarkRatios prints the ratios of "make bench" whose sides can't be reached from outside the package.
func BenchmarkRatios(b *testing.B) {
	c := benchCatalog()
	s, err := benchBuilder(c, "w").Build()
	if err != nil {
		b.Fatal(err)
	}
	sql, text := s.SQL(), []byte(s.SQL())
	report, spec := encountersReport(b), []byte(benchSpec)
	side := func(call func() error) ratio.Side {
		return func(n int) error {
			for range n {
				if err := call(); err != nil {
					return err
				}
			}
			return nil
		}
	}
	lookUp := side(func() error { _, err := c.prove(text, 1); return err })
	parse := side(func() error { _, err := pg.Parse(sql); return err })
	parseReport := side(func() error {
		q, err := report.Parse(spec)
		if err == nil {
			_ = q.Args()
		}
		return err
	})
	squirrelReport := side(buildReportBySquirrel)
	for _, r := range []struct {
		name, goal string
		a, b       ratio.Side
	}{
		{"query.prove.cached", "≤ 0.005 of the parse", lookUp, parse},
		{"report.build", "≤ 1 of squirrel's build of the same statement", parseReport, squirrelReport},
	} {
		value, err := ratio.Compare(r.a, r.b, ratio.Settings{})
		if err != nil {
			b.Fatal(err)
		}
		ratio.Print(os.Stdout, r.name, value, r.goal)
	}
	allocs, err := ratio.Allocs(lookUp, 10_000)
	if err != nil {
		b.Fatal(err)
	}
	ratio.Print(os.Stdout, "query.prove.cached_allocs", allocs, "0 objects")
}
