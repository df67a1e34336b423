package audit

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// R19: which of the published holes a server has.
func TestServerReleases(t *testing.T) {
	t.Parallel()
	for version, want := range map[int][]string{
		150002: {"CVE-2023-2455", "CVE-2023-39418", "CVE-2024-10976", "CVE-2025-8713", "CVE-2026-14666", "CVE-2026-16237", "CVE-2026-116311", "CVE-2026-116327", "CVE-2026-120154"},
		150018: {"CVE-2026-14666", "CVE-2026-16237", "CVE-2026-116311", "CVE-2026-116327", "CVE-2026-120154"},
		150019: {"CVE-2026-16237", "CVE-2026-116311", "CVE-2026-116327", "CVE-2026-120154"},
		150020: nil, 150021: nil, 160016: nil, 170012: nil, 180007: nil, 190000: nil,
		170000: {"CVE-2024-10976", "CVE-2025-8713", "CVE-2026-16237", "CVE-2026-116311", "CVE-2026-116327", "CVE-2026-120154"},
		180006: {"CVE-2026-16237", "CVE-2026-116311", "CVE-2026-116327", "CVE-2026-120154"},
	} {
		found := oldRelease(&database{version: version})
		if want == nil {
			require.Empty(t, found, version)
			continue
		}
		require.Len(t, found, 1, version)
		_, list, _ := strings.Cut(found[0].What, " fixes ")
		require.Equal(t, want, strings.Split(list, ", "), version)
	}
	branch := serverRules()[1]
	require.Len(t, branch.find(&database{version: 140025, versionText: "14.25"}), 1)
	require.Empty(t, branch.find(&database{version: 150000}))
}

func TestRulesAreWhole(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	var threats []string
	for i, r := range Rules() {
		require.Regexp(t, `^SEP\d{3}$`, r.ID)
		if i > 0 {
			require.Greater(t, r.ID, Rules()[i-1].ID)
		}
		require.False(t, names[r.Name], r.Name)
		names[r.Name] = true
		require.GreaterOrEqual(t, rank(r.Severity), 0, r.ID)
		require.Contains(t, []string{byCatalog, byImpersonation, byBehaviour}, r.Evidence)
		require.Equal(t, r.Evidence == byCatalog, r.find != nil, r.ID)
		for _, text := range []string{r.Title, r.Why, r.Mend} {
			require.NotEmpty(t, text, r.ID)
		}
		require.True(t, strings.HasSuffix(r.Why, "."), r.ID)
		require.Equal(t, slices.Contains([]string{"SEP066", "SEP067", "SEP068"}, r.ID), len(r.References) == 0, r.ID) // about time alone
		threats = append(threats, r.Threats...)
	}
	for i := range 21 {
		id := "R" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
		require.Contains(t, threats, id, "no rule looks for it")
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	require.True(t, slices.IsSorted(keywords))
	for name, want := range map[string]string{"patients": "patients", "user": `"user"`, "Patients": `"Patients"`, `a"b`: `"a""b"`, "": `""`, "1a": `"1a"`, "a1": "a1", "é": `"é"`} {
		require.Equal(t, want, quote(name))
	}
	require.Equal(t, `'it''s'`, text("it's"))
	require.Equal(t, `E'a\\''b'`, text(`a\'b`))
}

func FuzzParseTree(f *testing.F) {
	for _, seed := range []string{`{OPEXPR :opno 98 :args ({VAR :varno 1} {CONST :constvalue 4 [ 16 0 0 0 ]}) :location 1}`, `{`, `({`, `{A :b`, `\`, `"`, `{A b}`, `<>`, strings.Repeat("(", 9000)} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		tree := parseTree(&text)
		tree.walk(func(n *node) bool {
			_ = n.constant()
			return true
		})
	})
}
