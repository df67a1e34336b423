package septum_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each threat has one line, and each claim that one is stopped names tests that exist.
func TestThreatsAreShownByTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/threats.md")
	require.NoError(t, err)
	tests := testNames(t)
	row := regexp.MustCompile(`(?m)^\| ([A-Z]\d\d) \| .+ \| \*\*(stopped|partly|open)\*\*[^|]* \| ([^|]*?) ?\|$`)
	name := regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w+$`)
	var ids []string
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		id, state, shown := match[1], match[2], strings.TrimSpace(match[3])
		ids = append(ids, id)
		if state == "open" {
			require.Empty(t, shown, "%s is open, so no test shows that it is stopped", id)
			continue
		}
		for _, test := range strings.Split(shown, ", ") {
			require.Regexp(t, name, test, id)
			require.True(t, tests[test], "%s is said to be shown by %s, which does not exist", id, test)
		}
	}
	var want []string
	for _, group := range []struct {
		letter string
		last   int
	}{{"Q", 15}, {"J", 9}, {"W", 8}, {"X", 10}, {"R", 21}, {"C", 6}, {"B", 7}, {"L", 5}} {
		for number := range group.last {
			want = append(want, fmt.Sprintf("%s%02d", group.letter, number+1))
		}
	}
	require.Equal(t, want, ids, "each threat stands once, in order, in a row of the form that this test reads")
}

// testNames lists the test functions of all packages, also of nested modules.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range declaration.FindAllSubmatch(text, -1) {
			names[string(match[1])] = true
		}
		return err
	})
	require.NoError(t, err)
	return names
}
