package main

import (
	"net/url"
	"path/filepath"
	"strings"

	"github.com/septum-go/septum/query"
)

// sarifOfVerdicts writes the refusals as SARIF, each at its place in its file.
func sarifOfVerdicts(verdicts []verdict) sarifLog {
	const doc = "https://github.com/septum-go/septum/blob/main/docs/refusals.md"
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}, Invocations: []sarifInvocation{{ExecutionSuccessful: true}}}
	run.Tool.Driver = sarifDriver{Name: "septum verify", Version: version(), InformationURI: doc, Rules: []sarifRule{}}
	index := map[string]int{}
	for i, r := range query.Rules() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: r.ID, Name: r.ID, ShortDescription: sarifText{r.Title},
			FullDescription: sarifText{r.Why}, Help: sarifText{"Write: " + r.Write}, HelpURI: doc + "#" + strings.ToLower(r.ID),
			DefaultConfiguration: sarifLevel{"error"},
			Properties:           sarifProperties{Tags: append([]string{"security", "tenant-isolation"}, r.Threats...), SecuritySeverity: "8.0"}})
	}
	for _, v := range verdicts {
		if v.Verdict == "accept" {
			continue
		}
		message := strings.TrimSpace(v.Relation + ": " + v.What)
		if v.Relation == "" {
			message = v.What
		}
		for _, more := range []string{v.Why, v.Write} {
			if more != "" {
				message += "\n" + more
			}
		}
		result := sarifResult{RuleID: v.Rule, Level: "error", Message: sarifText{message},
			Locations:           []sarifLocation{{Physical: sarifPhysical{sarifArtifact{sarifURI(v.File)}, sarifRegion{v.Line, v.Column}}}},
			PartialFingerprints: map[string]string{"septumStatement/v1": hashOf([]byte(v.Rule + "\x00" + v.File + "\x00" + v.Name + "\x00" + v.Relation))}}
		if i, known := index[v.Rule]; known {
			result.RuleIndex = &i
		}
		run.Results = append(run.Results, result)
	}
	return sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}
}

// sarifURI writes a file's name as a reference that every viewer resolves: relative ones against the root of its checkout.
func sarifURI(file string) string {
	if file == "-" {
		return "stdin"
	}
	return (&url.URL{Path: filepath.ToSlash(file)}).String()
}
