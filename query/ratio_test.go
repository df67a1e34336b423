package query

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
	ratio.Print(os.Stdout, "report.worst", worstReport(b), "≤ 50 times the median of ordinary specifications, up to 64 KiB")
}

// worstReport is the time of the most expensive specification we know to make, against the median of ordinary ones,
// each read for the first time: nothing of its shape is known yet.
func worstReport(b *testing.B) float64 {
	var ordinary []time.Duration
	for _, example := range reportExamples(b, "report_accept.json") {
		ordinary = append(ordinary, firstParse(b, example.Spec))
	}
	slices.Sort(ordinary)
	var worst time.Duration
	for name, spec := range worstReports() {
		if len(spec) > 64<<10 {
			b.Fatalf("%s has %d bytes", name, len(spec))
		}
		took := firstParse(b, []byte(spec))
		b.Logf("%-14s %v", name, took)
		worst = max(worst, took)
	}
	b.Logf("median of %d ordinary ones %v", len(ordinary), ordinary[len(ordinary)/2])
	return float64(worst) / float64(ordinary[len(ordinary)/2])
}

// firstParse is the best of five, since everything that disturbs a measurement makes it longer.
func firstParse(b *testing.B, spec []byte) time.Duration {
	best := time.Hour
	for range 5 {
		report := encountersReport(b)
		start := time.Now()
		_, _ = report.Parse(spec) // a refusal costs too
		best = min(best, time.Since(start))
	}
	return best
}

// worstReports are specifications of up to 64 KiB that have the most of something that they may have.
func worstReports() map[string]string {
	list := func(n int, item func(i int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return strings.Join(items, ",")
	}
	columns := []string{"status", "admitted_at", "recorded", "urgent", "ref", "days", "patients.born", "patients.balance", "wards.name", "attending"}
	column := func(i int) string { return columns[i%len(columns)] }
	filters := func(n int) string {
		return list(n, func(i int) string { return fmt.Sprintf(`{"column":%q,"op":"is_null"}`, column(i)) })
	}
	arms := func(depth, n int) string {
		return strings.Repeat(`{"any":[`, depth) + filters(n) + strings.Repeat(`]}`, depth)
	}
	count := `"measures":[{"fn":"count"}]`
	fill := func(head, part, tail string) string {
		return head + strings.Repeat(part, (64<<10-len(head)-len(tail))/len(part)) + tail
	}
	return map[string]string{
		"all of it": `{"dimensions":[` + list(8, func(i int) string { return fmt.Sprintf(`{"column":%q,"name":"d%d"}`, column(i), i) }) +
			`],"measures":[` + list(16, func(i int) string {
			return fmt.Sprintf(`{"fn":"count_distinct","column":%q,"name":"m%d"}`, column(i), i)
		}) +
			`],"filters":[` + list(8, func(int) string { return arms(3, 9) }) + `],"totals":"levels"}`,
		"all lists": `{` + count + `,"filters":[` + list(8, func(int) string {
			return `{"column":"days","op":"in","value":[` + list(1000, strconv.Itoa) + `]}`
		}) + `]}`,
		"filters":       `{` + count + `,"filters":[` + filters(50) + `]}`,
		"many filters":  `{` + count + `,"filters":[` + filters(1000) + `]}`,
		"values":        `{` + count + `,"filters":[{"column":"days","op":"in","value":[` + list(1000, strconv.Itoa) + `]}]}`,
		"many values":   `{` + count + `,"filters":[{"column":"days","op":"in","value":[` + list(9000, strconv.Itoa) + `]}]}`,
		"one text":      fill(`{`+count+`,"filters":[{"column":"status","op":"eq","value":"`, "x", `"}]}`),
		"escapes":       fill(`{`+count+`,"filters":[{"column":"status","op":"eq","value":"`, `\u00e9`, `"}]}`),
		"one number":    fill(`{`+count+`,"limit":`, "9", `}`),
		"white space":   fill(`{`, " ", count+`}`),
		"open brackets": fill(`{"filters":`, "[", ""),
		"nested any":    fill(`{`+count+`,"filters":[`, `{"any":[`, ""),
		"unknown keys":  fill(`{`, `"x":1,`, count+`}`),
		"same key":      fill(`{`, count+`,`, count+`}`),
	}
}
