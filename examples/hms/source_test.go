package main

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
)

func TestTestdata(t *testing.T) {
	t.Parallel()
	list, skipped, err := sources(nil)
	require.NoError(t, err)
	require.Empty(t, skipped)
	require.Len(t, list, 3)
	kinds, ids, total := map[string]bool{}, map[string]map[tenant.ID]bool{}, 0
	for _, s := range list {
		for _, f := range s.files {
			total += len(f.Resources)
			for _, r := range f.Resources {
				kinds[r.Kind] = true
				key := r.Kind + "/" + r.ID
				if ids[key] == nil {
					ids[key] = map[tenant.ID]bool{}
				}
				ids[key][s.hospital] = true
			}
		}
	}
	require.GreaterOrEqual(t, total, 200)
	require.GreaterOrEqual(t, len(kinds), 8)
	require.Len(t, ids["Patient/example"], 3, "one FHIR id in three hospitals")
}

// No text of a licensed code system, and no more than a megabyte.
func TestTestdataIsFree(t *testing.T) {
	t.Parallel()
	size := 0
	require.NoError(t, fs.WalkDir(testdata, ".", func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() {
			return nil
		}
		text, err := testdata.ReadFile(path)
		require.NoError(t, err)
		size += len(text)
		for _, system := range []string{"loinc", "snomed", "ihtsdo", "ama-assn", "icd-10", "<div"} {
			require.False(t, strings.Contains(strings.ToLower(string(text)), system), "%s holds %s", path, system) // not NotContains, which prints it all
		}
		return nil
	}))
	require.Less(t, size, 1<<20)
}
