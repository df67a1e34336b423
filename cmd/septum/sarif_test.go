package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// validSARIF holds a log against the schema of SARIF 2.1.0 (OASIS, errata 1), which the library brings along. It validates what
// it has read into its own types, so nothing may be lost on the way there: unknown fields are refused, and what it
// writes again has each of ours.
func validSARIF(t *testing.T, log []byte) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(log))
	decoder.DisallowUnknownFields()
	var report sarif.Report
	require.NoError(t, decoder.Decode(&report))
	read, err := sarif.FromBytes(log) // fills the lists that the schema wants
	require.NoError(t, err)
	for _, run := range read.Runs { // which it writes empty where they are absent, and the schema has these defaults
		run.Language, run.Tool.Driver.Language, run.NewlineSequences = "en-US", "en-US", []string{"\r\n", "\n"}
	}
	require.NoError(t, read.Validate())
	again, err := json.Marshal(read)
	require.NoError(t, err)
	var ours, theirs any
	require.NoError(t, json.Unmarshal(log, &ours))
	require.NoError(t, json.Unmarshal(again, &theirs))
	requirePart(t, "", ours, theirs)
}

// requirePart requires that one JSON value has all that another one has.
func requirePart(t *testing.T, path string, part, whole any) {
	t.Helper()
	switch part := part.(type) {
	case map[string]any:
		for key, value := range part {
			require.Contains(t, whole, key, path)
			requirePart(t, path+"/"+key, value, whole.(map[string]any)[key])
		}
	case []any:
		require.Len(t, whole, len(part), path)
		for i := range part {
			requirePart(t, path, part[i], whole.([]any)[i])
		}
	default:
		require.Equal(t, part, whole, path)
	}
}

func encoded(t *testing.T, log sarifLog) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writeJSON(&out, log))
	return out.Bytes()
}

func TestSARIFIsValid(t *testing.T) {
	t.Parallel()
	a := sample()
	log := encoded(t, sarifOf(a, `my files/catalog "1".json`))
	validSARIF(t, log)
	require.NotContains(t, string(log), "my files/", "a URI has no space")
	_, err := url.Parse(sarifURI(`a b/c%"<>.json`))
	require.NoError(t, err)
	a.Findings, a.Expired, a.Incomplete, a.Error = nil, nil, nil, "the server is not available"
	validSARIF(t, encoded(t, sarifOf(a, "catalog.json")))
	validSARIF(t, encoded(t, sarifOf(audited{Report: &rls.Report{}}, "")))

	code, out, errs := septum(t, map[string]string{"my queries.sql": "-- name: Leak :many\nselect id from visits;\nselect id from patients where tenant_id = $1;\ncopy patients to stdout"},
		"verify", "--catalog", "catalog.json", "--format", "sarif", "my queries.sql")
	require.Equal(t, exitFindings, code, errs)
	validSARIF(t, []byte(out))
	var verified sarifLog
	require.NoError(t, json.Unmarshal([]byte(out), &verified))
	require.Len(t, verified.Runs[0].Results, 2)
	for _, r := range verified.Runs[0].Results {
		require.Contains(t, r.Locations[0].Physical.Artifact.URI, "my%20queries.sql")
		require.Equal(t, r.RuleID, verified.Runs[0].Tool.Driver.Rules[*r.RuleIndex].ID)
	}
	require.Equal(t, sarifRegion{2, 16}, verified.Runs[0].Results[0].Locations[0].Physical.Region)

	// The check is one: a log that the schema refuses is refused.
	broken := &sarif.Report{}
	require.NoError(t, json.Unmarshal(bytes.Replace(log, []byte(`"level": "error"`), []byte(`"level": "worst"`), 1), broken))
	require.Error(t, broken.Validate())
}
