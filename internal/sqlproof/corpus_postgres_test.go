package sqlproof

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each statement that the corpus files accept runs, and gives the same in both worlds.
func TestCorpusRunsOnPostgreSQL(t *testing.T) {
	t.Parallel()
	w := newWorlds(t)
	ctx := context.Background()
	ran := 0
	for _, file := range corpusFiles {
		for _, tc := range readCorpus(t, file) {
			if tc.verdict != "accept" {
				continue
			}
			for i := range 2 {
				o := w.run(ctx, i, tc.sql, true)
				if !strings.HasPrefix(o.code, "23") { // a row that is there already is no fault of the statement
					require.NoError(t, o.err, "%s:%d: %s", file, tc.line, tc.sql)
				}
			}
			if volatile.MatchString(tc.sql) {
				ran++
				continue
			}
			how, _ := w.differ(ctx, tc.sql, true)
			require.Empty(t, how, "%s:%d: %s", file, tc.line, tc.sql)
			ran++
		}
	}
	t.Logf("%d statements ran", ran)
}
