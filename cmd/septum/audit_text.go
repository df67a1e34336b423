package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/septum-go/septum/rls"
)

// text writes the report for a person.
func (a audited) text(w io.Writer, colours bool) error {
	p := &printer{colours: colours}
	p.line("%s on PostgreSQL %s, audited by %s for the login %s", a.Database, a.Server, a.Auditor, a.Login)
	p.line("%s", a.summary())
	for _, f := range a.Findings {
		if f.Waiver == nil {
			p.finding(a.Report, f)
		}
	}
	for _, f := range a.Findings {
		if f.Waiver != nil {
			p.line("\nwaived until %s by %s: %s %s: %s", f.Waiver.Expires, f.Waiver.Owner, f.Rule, f.Object, oneLine(f.Waiver.Reason))
		}
	}
	for _, waiver := range a.Expired {
		p.line("\nexpired on %s: the waiver of %s %s (%s); mend it, or have it reviewed again", waiver.Expires, waiver.Rule, waiver.Object, waiver.Owner)
	}
	for _, waiver := range a.Unused {
		p.line("\nunused: the waiver of %s %s matches nothing; take it out", waiver.Rule, waiver.Object)
	}
	if a.Drift != nil {
		p.drift(*a.Drift)
	}
	if len(a.Incomplete) > 0 {
		p.line("\nnot seen:")
		for _, g := range a.Incomplete {
			p.line("  %s: %s; %s", strings.TrimSpace(g.What+" "+g.Object), g.Why, g.Do)
		}
	}
	if a.Error != "" {
		p.line("\nINCOMPLETE: %s", a.Error)
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

// summary counts the findings.
func (a audited) summary() string {
	counts, waived := map[rls.Severity]int{}, 0
	for _, f := range a.Findings {
		if f.Waiver != nil {
			waived++
			continue
		}
		counts[f.Severity]++
	}
	var parts []string
	for _, s := range []rls.Severity{rls.Critical, rls.High, rls.Medium, rls.Low, rls.Info} {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	out := "nothing found"
	if len(parts) > 0 {
		out = "found: " + strings.Join(parts, ", ")
	}
	if waived > 0 {
		out += fmt.Sprintf("; %d waived", waived)
	}
	return fmt.Sprintf("%s; %d relations, %d rules", out, len(a.Relations), len(a.Rules))
}

// printer collects lines.
type printer struct {
	out     strings.Builder
	colours bool
}

// line writes a line. Texts in it come from the database or its reviewers: each is kept in its line.
func (p *printer) line(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = clean(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " "))
		}
	}
	fmt.Fprintf(&p.out, format+"\n", args...)
}

// own is text of this program's: colours, and SQL that was cleaned and may have lines.
type own string

// colour is the escape sequence of a severity.
var colour = map[rls.Severity]string{rls.Critical: "1;31", rls.High: "31", rls.Medium: "33", rls.Low: "36", rls.Info: "2"}

func (p *printer) paint(s rls.Severity) own {
	if !p.colours || colour[s] == "" {
		return own(clean(string(s)))
	}
	return own("\x1b[" + colour[s] + "m" + string(s) + "\x1b[0m")
}

func (p *printer) finding(report *rls.Report, f rls.Finding) {
	rule, _ := report.Rule(f.Rule)
	p.line("\n%s %s %s", p.paint(f.Severity), f.Rule, f.Object)
	p.line("  %s", f.What)
	p.line("  why: %s (%s)", rule.Why, strings.Join(append([]string{strings.Join(rule.Threats, " ")}, rule.References...), "; "))
	if f.Show != "" {
		p.line("  see: %s", oneLine(f.Show))
	}
	if len(f.Mend) == 0 {
		p.line("  mend: %s", rule.Mend)
		return
	}
	p.line("  mend:")
	for _, sql := range f.Mend {
		p.line("    %s;", own(strings.ReplaceAll(clean(sql), "\n", "\n    ")))
	}
}

// clean keeps names of the database from speaking to the terminal, and from turning the direction of what is read.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r) {
			return '\ufffd'
		}
		return r
	}, text)
}

func (p *printer) drift(d rls.Drift) {
	p.line("\nsince the baseline (%s for the login %s, %s): %d new or worse, %d gone", clean(d.Database), clean(d.Login), d.Started.UTC().Format(time.DateOnly),
		len(d.New), len(d.Gone))
	for _, f := range d.New {
		p.line("  worse: %s %s %s", p.paint(f.Severity), f.Rule, f.Object)
	}
	for _, lost := range d.Lost {
		p.line("  worse: %s", lost)
	}
	for _, f := range d.Gone {
		p.line("  gone: %s %s", f.Rule, f.Object)
	}
	for _, c := range d.Policies {
		p.line("  changed: policy %s on %s", c.Policy, c.Relation)
	}
}

// isTerminal reports whether somebody looks at the output who can see colours.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress draws how far the audit is on a terminal; nil elsewhere.
func progress(w io.Writer) func(string, int, int) {
	if !isTerminal(w) {
		return nil
	}
	return func(what string, done, total int) {
		fmt.Fprintf(w, "\r\x1b[K%s %d/%d", what, done, total)
		if done >= total {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
