package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
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

//go:embed report.html.tmpl
var pageText string

// pageData is all that a page is made of. Its JSON form stands in the page, so that what a person reads can be checked.
type pageData struct {
	Audit      audited   `json:"audit"`
	By         string    `json:"by"`
	Statements []verdict `json:"statements,omitempty"`
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
	p := page{pageData: data, SHA256: hashOf(encoded), When: data.Audit.Started.UTC().Format("2 January 2006, 15:04 MST"),
		Took: data.Audit.Took.Round(10 * time.Millisecond).String()}
	p.count()
	p.judge()
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
	}).Parse(pageText)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, p); err != nil {
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
	for _, s := range p.Statements {
		if s.Verdict == "accept" {
			p.Accepted++
		}
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
