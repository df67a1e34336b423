package query

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReportJSONRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, path string
		reason           ReportReason
	}{
		{"nothing", ``, "", ReportSyntax},
		{"spaces", "  \n", "", ReportSyntax},
		{"two documents", `{} {}`, "", ReportSyntax},
		{"comment", `{/* */}`, "", ReportSyntax},
		{"trailing comma", `{"a":1,}`, "", ReportSyntax},
		{"duplicate key", `{"limit":1,"limit":2}`, "/limit", ReportSyntax},
		{"duplicate key by an escape", `{"limit":1,"l\u0069mit":2}`, "/limit", ReportSyntax},
		{"duplicate key below", `{"sort":[{"item":"a","item":"b"}]}`, "/sort/0/item", ReportSyntax},
		{"bad UTF-8", "{\"a\":\"\xff\"}", "", ReportSyntax},
		{"NUL", `{"a":"\u0000"}`, "/a", ReportSyntax},
		{"lone surrogate", `{"a":"\ud800"}`, "/a", ReportSyntax},
		{"wrong pair", `{"a":"\ud800\ud800"}`, "/a", ReportSyntax},
		{"cut escape", `{"a":"\u00`, "/a", ReportSyntax},
		{"cut surrogate", `{"a":"\ud800\`, "/a", ReportSyntax},
		{"unknown escape", `{"a":"\x41"}`, "/a", ReportSyntax},
		{"control character", "{\"a\":\"\n\"}", "/a", ReportSyntax},
		{"control character after an escape", "{\"a\":\"\\t\n\"}", "/a", ReportSyntax},
		{"open string", `{"a":"b`, "/a", ReportSyntax},
		{"NaN", `{"a":NaN}`, "/a", ReportSyntax},
		{"Infinity", `{"a":[-Infinity]}`, "/a/0", ReportSyntax},
		{"leading zero", `{"a":01}`, "", ReportSyntax},
		{"plus", `{"a":+1}`, "/a", ReportSyntax},
		{"half a number", `{"a":[0,1.]}`, "/a/1", ReportSyntax},
		{"half an exponent", `{"a":1e}`, "/a", ReportSyntax},
		{"no colon", `{"a" 1}`, "", ReportSyntax},
		{"too long", `{"a":"` + strings.Repeat("x", reportMaxBytes) + `"}`, "", ReportTooLarge},
		{"too deep", strings.Repeat(`[`, 30_000), strings.Repeat("/0", reportMaxDepth), ReportTooLarge},
		{"too many values", `[` + strings.Repeat(`1,`, reportMaxNodes) + `1]`, "", ReportTooLarge},
		{"too many fields", `{` + manyFields(30) + `}`, "", ReportTooLarge},
		{"long key", `{"` + strings.Repeat("é", 100) + `":x}`, "/" + strings.Repeat("é", 32) + "…", ReportSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readJSON([]byte(tt.body))
			var refused *ReportError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.path, refused.Path, err)
			require.Equal(t, tt.reason, refused.Reason)
		})
	}
}

func manyFields(n int) string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = `"f` + strings.Repeat("x", i) + `":1`
	}
	return strings.Join(fields, ",")
}

// plain turns a node into what encoding/json makes of it.
func (d *jsonDoc) plain(node int32) any {
	n := d.nodes[node]
	switch n.kind {
	case jsonNull:
		return nil
	case jsonBool:
		return n.text == "true"
	case jsonNumber:
		return json.Number(n.text)
	case jsonString:
		return n.text
	case jsonArray:
		out := []any{}
		for c := n.first; c != 0; c = d.nodes[c].next {
			out = append(out, d.plain(c))
		}
		return out
	}
	out := map[string]any{}
	for c := n.first; c != 0; c = d.nodes[c].next {
		out[d.nodes[c].key] = d.plain(c)
	}
	return out
}

// What is read means what encoding/json says that it means.
func TestReportJSONAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) any
		value = func(depth int) any {
			kinds := 6
			if depth == 0 {
				kinds = 4
			}
			switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
			case 0:
				return nil
			case 1:
				return rapid.Bool().Draw(t, "bool")
			case 2:
				return rapid.Float64Range(-1e300, 1e300).Draw(t, "number")
			case 3:
				return strings.ReplaceAll(rapid.String().Draw(t, "text"), "\x00", "")
			case 4:
				out := []any{}
				for range rapid.IntRange(0, 4).Draw(t, "elements") {
					out = append(out, value(depth-1))
				}
				return out
			}
			out := map[string]any{}
			for range rapid.IntRange(0, 4).Draw(t, "fields") {
				out[strings.ReplaceAll(rapid.String().Draw(t, "key"), "\x00", "")] = value(depth - 1)
			}
			return out
		}
		text, err := json.Marshal(value(4))
		require.NoError(t, err)
		d, err := readJSON(text)
		require.NoError(t, err, string(text))
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.UseNumber()
		var want any
		require.NoError(t, decoder.Decode(&want))
		require.Equal(t, want, d.plain(0))
	})
}

func FuzzReport(f *testing.F) {
	for _, file := range []string{"report_accept.json", "report_refuse.json"} {
		for _, example := range reportExamples(f, file) {
			f.Add([]byte(example.Spec))
		}
	}
	f.Add([]byte(`{"a":"\ud83d\ude00`))
	f.Add([]byte(`{"measures":[{"fn":"count"}],"limit":1e2}`))
	r := encountersReport(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := r.Parse(body)
		if err != nil {
			var refused *ReportError
			require.ErrorAs(t, err, &refused)
			require.NotEqual(t, ReportUnproved, refused.Reason, "an accepted specification is always proved: %v", err)
			return
		}
		require.True(t, json.Valid(body), "nothing but JSON is read")
		fresh, err := q.build()
		require.NoError(t, err)
		require.Equal(t, fresh.SQL(), q.Statement().SQL(), "the cached statement is this shape's")
		require.ElementsMatch(t, q.Statement().Params(), keys(q.Args()))
	})
}
