package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/septum-go/septum/rls"
)

//go:embed *.html.tmpl
var pageTexts embed.FS

// pageData is all that a page is made of. Its JSON form stands in the page, so that what a person reads can be checked.
// A page is about a proof or a plan where it has one, and about an audit otherwise.
type pageData struct {
	Audit      audited      `json:"audit"`
	By         string       `json:"by"`
	Made       time.Time    `json:"made,omitzero"` // of a proof or a plan; an audit knows its own
	Statements []verdict    `json:"statements,omitempty"`
	Proof      *proofAbout  `json:"proof,omitempty"`
	Plan       *rls.Roadmap `json:"plan,omitempty"`
}

// proofAbout says by what statements were proved.
type proofAbout struct {
	Catalog       string   `json:"catalog"` // file
	CatalogSHA256 string   `json:"catalog_sha256"`
	Files         []string `json:"files"`
	Septum        string   `json:"septum"`
}

// The element that holds the data. It is no script: browsers run none of that type.
const (
	dataOpen  = `<script type="application/json" id="septum-data">`
	dataClose = `</script>`
)

// page is what the template sees.
type page struct {
	pageData
	SHA256, When, Took, Class, Verdict, Explained string
	Counts                                        []severityCount
	Open, Waived                                  []rls.Finding
	Accepted                                      int
	Stages                                        []stageSteps
}

type stageSteps struct {
	Stage rls.Stage
	Steps []rls.PlanStep
}

type severityCount struct {
	Severity rls.Severity
	N        int
}

// writePage writes one self-contained page: no script, no network. html/template escapes every text of it, the names of
// the database's objects above all.
func writePage(w io.Writer, data pageData) error {
	encoded, err := json.Marshal(data) // which writes < as an escape, so that no text can end the element
	if err != nil {
		return err
	}
	p := page{pageData: data, SHA256: hashOf(encoded)}
	name, made := "report.html.tmpl", data.Made
	for _, s := range p.Statements {
		if s.Verdict == "accept" {
			p.Accepted++
		}
	}
	switch {
	case data.Proof != nil:
		name = "proof.html.tmpl"
		p.judgeProof()
	case data.Plan != nil:
		name = "plan.html.tmpl"
		p.judgePlan()
	case data.Audit.Report == nil:
		return errors.New("a page needs an audit, a proof or a plan")
	default:
		made = data.Audit.Started
		p.Took = data.Audit.Took.Round(10 * time.Millisecond).String()
		p.count()
		p.judge()
	}
	p.When = made.UTC().Format("2 January 2006, 15:04 MST")
	parsed, err := template.New("page").Funcs(template.FuncMap{
		"rule":  func(id string) rls.Rule { r, _ := data.Audit.Rule(id); return r },
		"join":  func(list []string) string { return strings.Join(list, ", ") },
		"lower": func(list []string) string { return strings.ToLower(strings.Join(list, ", ")) },
		"short": func(hash string) string { return hash[:min(len(hash), 12)] },
		"found": func(id string) int {
			n := 0
			for _, f := range data.Audit.Findings {
				if f.Rule == id {
					n++
				}
			}
			return n
		},
	}).ParseFS(pageTexts, "*.html.tmpl")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := parsed.ExecuteTemplate(&out, name, p); err != nil {
		return err
	}
	whole := strings.Replace(out.String(), "</body>", dataOpen+string(encoded)+dataClose+"\n</body>", 1)
	_, err = io.WriteString(w, whole)
	return err
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (p *page) count() {
	n := map[rls.Severity]int{}
	for _, f := range p.Audit.Findings {
		if f.Waiver != nil {
			p.Waived = append(p.Waived, f)
			continue
		}
		p.Open = append(p.Open, f)
		n[f.Severity]++
	}
	for _, s := range []rls.Severity{rls.Critical, rls.High, rls.Medium, rls.Low, rls.Info} {
		p.Counts = append(p.Counts, severityCount{s, n[s]})
	}
}

// judgeProof says of a proof in one line what a reader has to know.
func (p *page) judgeProof() {
	refused := len(p.Statements) - p.Accepted
	p.Verdict, p.Explained = "Every statement is proved", "None of them can read or write another tenant's rows."
	if refused > 0 {
		p.Class, p.Verdict = "found", "Not every statement is proved"
		p.Explained = fmt.Sprintf("%d of %d were refused; each says why, and what to write instead.", refused, len(p.Statements))
	}
}

// judgePlan does so for a plan, and groups its steps.
func (p *page) judgePlan() {
	for _, s := range p.Plan.Steps {
		if n := len(p.Stages); n == 0 || p.Stages[n-1].Stage != s.Stage {
			p.Stages = append(p.Stages, stageSteps{Stage: s.Stage})
		}
		last := &p.Stages[len(p.Stages)-1]
		last.Steps = append(last.Steps, s)
	}
	p.Verdict, p.Explained = "Nothing to do", "The database is as its catalog says."
	if steps, obstacles := len(p.Plan.Steps), len(p.Plan.Obstacles); steps+obstacles > 0 {
		p.Class, p.Verdict = "found", "There is something to do"
		p.Explained = fmt.Sprintf("%d steps and %d obstacles. Until the stage enforce the application of today goes on working.", steps, obstacles)
	}
}

// judge says in one line what a reader has to know.
func (p *page) judge() {
	worst := p.Audit.Open(rls.High)
	open := p.Audit.Open(rls.Low)
	switch {
	case p.Audit.Error != "":
		p.Class, p.Verdict, p.Explained = "broken", "The audit came to no end", "It says nothing about what it did not reach."
	case len(worst) > 0:
		p.Class, p.Verdict = "worst", "Isolation can fail"
		p.Explained = fmt.Sprintf("%d findings by which rows of other tenants can be read or written are open.", len(worst))
		if len(worst) == 1 {
			p.Explained = "One finding by which rows of other tenants can be read or written is open."
		}
	case len(open) > 0:
		p.Class, p.Verdict, p.Explained = "found", "Faults were found", "What is open below weakens the isolation, or tells tenants about each other."
	case p.Accepted < len(p.Statements):
		p.Class, p.Verdict, p.Explained = "found", "Not every statement is proved", "The audit has no open findings; the statements that were refused stand below."
	default:
		p.Verdict, p.Explained = "No open findings", "Nothing was found by which the isolation of tenants can fail, beside what is waived."
		if len(p.Audit.Incomplete) > 0 {
			p.Explained += " Some of it could not be seen; the list is below."
		}
	}
	if len(p.Audit.Expired) > 0 {
		p.Explained += " A waiver has expired."
	}
}

// whoRuns names the person and the machine, as far as the system knows them.
func whoRuns() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// readPage takes the data out of a page, and checks them against the hash that the page shows.
func readPage(text []byte) (pageData, error) {
	var data pageData
	_, rest, ok := strings.Cut(string(text), dataOpen)
	encoded, rest, closed := strings.Cut(rest, dataClose)
	if !ok || !closed || strings.Contains(rest, dataOpen) {
		return data, errors.New("it is no page of septum's: it holds no data")
	}
	if err := json.Unmarshal([]byte(encoded), &data); err != nil {
		return data, errors.New("its data can't be read")
	}
	// What a person reads must be what the data say: the page is made again and compared.
	var again bytes.Buffer
	if err := writePage(&again, data); err != nil {
		return data, err
	}
	if !bytes.Equal(again.Bytes(), text) {
		return data, errors.New("the page is not the one that its data make: it was changed, or made by another version of septum")
	}
	return data, nil
}
