package query

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGraphPathsAreNamesWithDots(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]graphStep{
		"encounters":                   {{"encounters", 1}},
		"encounters.observations":      {{"encounters", 1}, {"observations", 1}},
		"children*5.staff":             {{"children", 5}, {"staff", 1}},
		"Über":                         nil,
		"":                             nil,
		".":                            nil,
		"a.":                           nil,
		".a":                           nil,
		"a..b":                         nil,
		"a b":                          nil,
		"a;drop":                       nil,
		`"a"`:                          nil,
		"1a":                           nil,
		"a*":                           nil,
		"a*0":                          nil,
		"a*-1":                         nil,
		"a*+1":                         nil,
		"a*01":                         nil,
		"a*65":                         nil,
		"a*2*3":                        nil,
		"a*99999999999999999999":       nil,
		"a--":                          nil,
		"a\x00":                        nil,
		strings.Repeat("a", 64):        nil,
		strings.Repeat("a.", 16) + "a": nil,
		strings.Repeat("a", 1<<20):     nil,
	} {
		got, err := parseGraphPath(path)
		if want == nil {
			require.Error(t, err, "%.80q", path)
			require.Less(t, len(err.Error()), 400)
			continue
		}
		require.NoError(t, err, path)
		require.Equal(t, want, got, path)
	}
}

// Q02, Q04: whatever a path holds, what comes out of it are names and small numbers.
func FuzzGraphPath(f *testing.F) {
	for _, seed := range []string{"encounters.observations", "children*5.staff", "a*64", "a or 1=1", "a.b--", "a\"b", "t -- ", "a.(select 1)", "x*1e3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		steps, err := parseGraphPath(path)
		if err != nil {
			return
		}
		if len(steps) == 0 || len(steps) > graphMaxDepth {
			t.Fatalf("%d steps", len(steps))
		}
		for _, s := range steps {
			if quoteIfNeeded(strings.ToLower(s.name)) != strings.ToLower(s.name) || len(s.name) > maxNameLength {
				t.Fatalf("%q is not a plain name", s.name)
			}
			if s.repeat < 1 || s.repeat > graphMaxRepeat {
				t.Fatalf("depth %d", s.repeat)
			}
		}
	})
}
