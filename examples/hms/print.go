package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/septum-go/septum/examples/hms/web"
)

func printLoad(out io.Writer, r web.Report) {
	fmt.Fprintln(out, "FHIR R4 imported, one transaction a file")
	for _, h := range r.Hospitals {
		fmt.Fprintf(out, "  %-12s %s\n", h.ID, h.Summary)
	}
	for _, name := range r.Skipped {
		fmt.Fprintf(out, "  not read, no FHIR by its name: %s\n", name)
	}
}

func printStory(out io.Writer, r web.Report) {
	for _, step := range r.Story {
		fmt.Fprintf(out, "\n%s\n", step.Title)
		table(out, step.Columns, step.Rows)
	}
}

func printAttacks(out io.Writer, r web.Report) {
	fmt.Fprintf(out, "\nAttacks by a user of %s on the other hospitals\n", attackerHospital)
	var rows [][]string
	for _, a := range r.Attacks {
		saw := a.Saw
		if a.Leak != "" {
			saw = "LEAKED: " + a.Leak
		}
		if a.Failed != "" {
			saw = "NOT TRIED: " + a.Failed
		}
		rows = append(rows, []string{a.ID, a.Threats, a.Name, string(a.Way), string(a.Wall), saw})
	}
	table(out, []string{"id", "threats", "attack", "through", "stopped by", "the attacker saw"}, rows)
}

// table prints columns as wide as what stands in them; the last one is not padded.
func table(out io.Writer, columns []string, rows [][]string) {
	widths := make([]int, len(columns))
	for _, row := range append([][]string{columns}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString("  " + cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
			}
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
	line(columns)
	var rule []string
	for _, w := range widths {
		rule = append(rule, strings.Repeat("─", w))
	}
	line(rule)
	for _, row := range rows {
		line(row)
	}
}
