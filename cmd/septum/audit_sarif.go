package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/septum-go/septum/rls"
)

// The parts of SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/) that a report needs.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string          `json:"id"`
		Name                 string          `json:"name"`
		ShortDescription     sarifText       `json:"shortDescription"`
		FullDescription      sarifText       `json:"fullDescription"`
		Help                 sarifText       `json:"help"`
		HelpURI              string          `json:"helpUri"`
		DefaultConfiguration sarifLevel      `json:"defaultConfiguration"`
		Properties           sarifProperties `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifProperties struct {
		Tags             []string `json:"tags"`
		SecuritySeverity string   `json:"security-severity"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		StartTimeUTC        string              `json:"startTimeUtc,omitempty"`
		EndTimeUTC          string              `json:"endTimeUtc,omitempty"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID              string             `json:"ruleId"`
		RuleIndex           *int               `json:"ruleIndex,omitempty"`
		Level               string             `json:"level"`
		Message             sarifText          `json:"message"`
		Locations           []sarifLocation    `json:"locations"`
		PartialFingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
		BaselineState       string             `json:"baselineState,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
)

// levels are what SARIF calls severities, and the score by which GitHub sorts them.
var levels = map[rls.Severity]struct{ level, score string }{
	rls.Critical: {"error", "9.5"}, rls.High: {"error", "8.0"}, rls.Medium: {"warning", "5.5"}, rls.Low: {"note", "3.0"}, rls.Info: {"note", "0.1"},
}

const sarifSchema = "https://json.schemastore.org/sarif-2.1.0.json"

// sarifOf writes the report as SARIF. A database has no files, so findings stand at the catalog, which every viewer can
// open, and name their object as a logical location.
func sarifOf(a audited, catalogFile string) sarifLog {
	const doc = "https://github.com/septum-go/septum/blob/main/docs/audit.md"
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "septum audit", Version: a.Septum, InformationURI: doc, Rules: []sarifRule{}}
	index := map[string]int{}
	for i, r := range a.Rules {
		index[r.ID] = i
		tags := append([]string{"security", "tenant-isolation"}, r.Threats...)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: r.ID, Name: r.Name, ShortDescription: sarifText{r.Title},
			FullDescription: sarifText{r.Why}, Help: sarifText{r.Mend}, HelpURI: doc + "#" + strings.ToLower(r.ID),
			DefaultConfiguration: sarifLevel{levels[r.Severity].level},
			Properties:           sarifProperties{Tags: append(tags, r.References...), SecuritySeverity: levels[r.Severity].score}})
	}
	isNew := map[[2]string]bool{}
	if a.Drift != nil {
		for _, f := range a.Drift.New {
			isNew[[2]string{f.Rule, f.Object}] = true
		}
	}
	for _, f := range a.Findings {
		sum := sha256.Sum256([]byte(f.Rule + "\x00" + f.Object))
		message := f.What
		if len(f.Mend) > 0 {
			message += "\nMend: " + strings.Join(f.Mend, "; ")
		} else if rule, known := a.Rule(f.Rule); known {
			message += "\nMend: " + rule.Mend
		}
		result := sarifResult{RuleID: f.Rule, Level: levels[f.Severity].level, Message: sarifText{message},
			Locations: []sarifLocation{{Physical: sarifPhysical{sarifArtifact{sarifURI(catalogFile)}, sarifRegion{StartLine: 1}},
				Logical: []sarifLogical{{f.Object}}}},
			PartialFingerprints: map[string]string{"septumFinding/v1": hex.EncodeToString(sum[:])}}
		if i, known := index[f.Rule]; known {
			result.RuleIndex = &i
		}
		if f.Waiver != nil {
			result.Suppressions = []sarifSuppression{{"external", "accepted", f.Waiver.Reason + " (" + f.Waiver.Owner + ", until " + f.Waiver.Expires + ")"}}
		}
		if a.Drift != nil {
			result.BaselineState = "unchanged"
			if isNew[[2]string{f.Rule, f.Object}] {
				result.BaselineState = "new"
			}
		}
		run.Results = append(run.Results, result)
	}
	run.Invocations = []sarifInvocation{{ExecutionSuccessful: a.Complete(), StartTimeUTC: a.Started.Format(time.RFC3339),
		EndTimeUTC: a.Started.Add(a.Took).Format(time.RFC3339), Notifications: notifications(a)}}
	return sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}
}

// notifications say what the run was short of.
func notifications(a audited) []sarifNotification {
	var out []sarifNotification
	if a.Error != "" {
		out = append(out, sarifNotification{"error", sarifText{a.Error}})
	}
	for _, w := range a.Expired {
		out = append(out, sarifNotification{"error", sarifText{"the waiver of " + w.Rule + " " + w.Object + " expired on " + w.Expires}})
	}
	for _, w := range a.Unused {
		out = append(out, sarifNotification{"warning", sarifText{"the waiver of " + w.Rule + " " + w.Object + " matches nothing"}})
	}
	for _, g := range a.Incomplete {
		out = append(out, sarifNotification{"note", sarifText{"not seen: " + strings.TrimSpace(g.What+" "+g.Object) + ": " + g.Why + "; " + g.Do}})
	}
	return out
}
