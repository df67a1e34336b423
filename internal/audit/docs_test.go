package audit

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the rules into docs/audit.md")

// docs/audit.md says of each rule what the program says.
func TestDocsListTheRules(t *testing.T) {
	t.Parallel()
	const file, marker = "../../docs/audit.md", "-update\" -->\n"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(text), marker)
	require.True(t, found)
	var b strings.Builder
	for _, r := range Rules() {
		fmt.Fprintf(&b, "\n### %s\n\n**%s** (%s, %s): %s.\n%s\n*Mend:* %s\n*Threats:* %s.", r.ID, r.Name, r.Severity, r.Evidence, r.Title, r.Why, r.Mend,
			strings.Join(r.Threats, ", "))
		if len(r.References) > 0 {
			fmt.Fprintf(&b, " *Serves:* %s.", strings.Join(r.References, "; "))
		}
		b.WriteString("\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(head+marker+b.String()), 0o644))
		return
	}
	require.Equal(t, b.String(), rest, "run: go test ./internal/audit -run TestDocs -update")
}
