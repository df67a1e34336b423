package audit

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
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

// A row finds a partition by its bound, as the server prints it.
func TestBoundValues(t *testing.T) {
	t.Parallel()
	for bound, want := range map[string][]string{
		"FOR VALUES IN ('a', NULL)":                                     {"'a'", "NULL"},
		"FOR VALUES IN ('it''s, (here)', '-5')":                         {"'it''s, (here)'", "'-5'"},
		"FOR VALUES FROM ('2000-01-01', MINVALUE) TO ('2026-01-01', 5)": {"'2000-01-01'", "MINVALUE"},
		"FOR VALUES FROM (1) TO (MAXVALUE)":                             {"1"},
		"FOR VALUES WITH (modulus 4, remainder 0)":                      nil,
		"DEFAULT":           nil,
		"FOR VALUES IN ('a": nil,
	} {
		require.Equal(t, want, boundValues(bound), bound)
	}
	part := func(kind, bound, split string, by []int16, children ...*relation) *relation {
		return &relation{kind: kind, bound: bound, split: split, splitBy: by, partition: true, children: children,
			columns: map[int16]*column{1: {name: "t", typ: "uuid"}, 2: {name: "at", typ: "timestamp(3) without time zone"}, 3: {name: "kind", typ: "text"}}}
	}
	const minimum, list = "FOR VALUES FROM (MINVALUE) TO ('2026-01-01')", "FOR VALUES IN ('x', 'y')"
	for _, of := range []struct {
		root *relation
		want []map[string]string
	}{
		{part("p", "", "r", []int16{2}, part("r", minimum, "", nil)), []map[string]string{{"at": "'-infinity'"}}},
		{part("p", "", "r", []int16{2}, part("p", minimum, "l", []int16{3}, part("r", list, "", nil))), []map[string]string{{"at": "'-infinity'", "kind": "'x'"}}},
		{part("p", "", "l", []int16{3}, part("f", list, "", nil), part("r", "DEFAULT", "", nil)), []map[string]string{{}}},
		{part("p", "", "l", []int16{0}, part("r", list, "", nil)), nil},
		{part("p", "", "h", []int16{1}, part("r", "FOR VALUES WITH (modulus 1, remainder 0)", "", nil)), []map[string]string{{}}},
		{part("p", "", "r", []int16{3, 2}, part("r", "FOR VALUES FROM ('a', MINVALUE) TO ('b', MINVALUE)", "", nil)), []map[string]string{{"kind": "'a'", "at": "'-infinity'"}}},
		{part("p", "", "l", []int16{3}), nil},
	} {
		require.Equal(t, of.want, of.root.fits())
	}
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

// A tree that is deeper than anybody writes, which a view over views can give, is one that nobody takes for a right predicate.
func TestParseTreeHasABottom(t *testing.T) {
	t.Parallel()
	nested := func(depth int) *node {
		text := strings.Repeat("(", depth) + strings.Repeat(")", depth)
		return parseTree(&text)
	}
	require.NotNil(t, nested(maxTreeDepth))
	require.Nil(t, nested(maxTreeDepth+1))
	require.Nil(t, nested(5_000_000))
}

// What another look may not meet is looked at again; what stays is told at once.
func TestPassing(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"55P03": true, "40001": true, "42P01": true, "42883": true, "42704": true, "42501": false, "57014": false, "57P01": false} {
		require.Equal(t, want, passing(&pgconn.PgError{Code: code}), code)
	}
	require.True(t, passing(&pgconn.PgError{Code: "XX000", Message: "cache lookup failed for relation 4711"}))
	require.False(t, passing(&pgconn.PgError{Code: "XX000", Message: "invalid page in block 7"}))
	require.True(t, passing(&ChangedError{}))
	require.False(t, passing(nil))
}

// A body of code is quoted by a mark that it does not hold, and a name stays one that PostgreSQL does not cut.
func TestDollarsAndSuffixes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "a", "$$", "$$ $septum0$ $septum1$"} {
		quoted := dollars(body)
		mark := quoted[:strings.Index(quoted[1:], "$")+2]
		require.Equal(t, mark+body+mark, quoted)
		require.NotContains(t, body, mark)
	}
	require.Equal(t, "a_tenant", widened("a"))
	long := strings.Repeat("ä", 31)
	require.LessOrEqual(t, len(widened(long)), 63)
	require.True(t, utf8.ValidString(widened(long)))
	require.NotEqual(t, widened(long), widened(long[2:]+"ö"))
}
