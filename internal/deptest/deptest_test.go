package deptest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func repository(t *testing.T) (string, Graph) {
	t.Helper()
	root, err := Root()
	require.NoError(t, err)
	g, err := Load(root)
	require.NoError(t, err)
	require.Greater(t, len(g), 200, "the standard library alone is more")
	return root, g
}

func TestWhoMayImportWhom(t *testing.T) {
	t.Parallel()
	_, g := repository(t)
	require.Empty(t, CheckLayers(g, Layers()))
}

func TestWhatMustNotBeLinked(t *testing.T) {
	t.Parallel()
	_, g := repository(t)
	require.Empty(t, CheckBans(g, Bans()))
}

func TestDocumentsNameEveryPackage(t *testing.T) {
	t.Parallel()
	root, g := repository(t)
	for _, document := range []string{"README.md", "doc.go"} {
		text, err := os.ReadFile(filepath.Join(root, document))
		require.NoError(t, err)
		require.Empty(t, CheckNamed(g, document, string(text)))
	}
}

func TestFilesKeepTheHouseRules(t *testing.T) {
	t.Parallel()
	root, err := Root()
	require.NoError(t, err)
	files, err := Files(root)
	require.NoError(t, err)
	require.Contains(t, files, "go.mod")
	library := regexp.MustCompile(`^(tenant|query|rls|cache|blob|internal)/`)
	kit := regexp.MustCompile(`^internal/(pgtest|deptest)/|/[a-z]+test/|/testdata/|^internal/sqlproof/oracle/`)
	var all []string
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		require.NoError(t, err)
		all = append(all, CheckWorkplace(name, string(text))...)
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && library.MatchString(name) && !kit.MatchString(name) {
			broken, err := CheckPanics(name, text)
			require.NoError(t, err)
			all = append(all, broken...)
		}
	}
	require.Empty(t, all)
}
