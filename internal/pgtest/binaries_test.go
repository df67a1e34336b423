package pgtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func fakeBinaries(t *testing.T, versions ...string) []string {
	t.Helper()
	var dirs []string
	for _, version := range versions {
		dir := t.TempDir()
		for _, name := range []string{"postgres", "initdb"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho \"postgres (PostgreSQL) "+version+"\"\n"), 0o755))
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

func TestNewestBinariesWin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		versions []string
		want     int
	}{
		{"by number, not by text", []string{"15.9", "15.10 (Debian 15.10-0+deb12u1)"}, 1},
		{"major before minor", []string{"15.20", "18.0", "17.12"}, 1},
		{"a beta", []string{"17.12", "18beta1"}, 1},
		{"the first of equals", []string{"16.2", "16.2"}, 0},
		{"too old ones don't count", []string{"14.25", "15.1"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dirs := fakeBinaries(t, c.versions...)
			got, err := newest(limit(t), append([]string{"", "/nowhere", t.TempDir()}, dirs...))
			require.NoError(t, err)
			require.Equal(t, dirs[c.want], got)
		})
	}
}

func TestNoBinariesSaysWhatWasFound(t *testing.T) {
	t.Parallel()
	_, err := newest(limit(t), nil)
	require.EqualError(t, err, "no postgres and initdb in PATH or where packages put them")
	_, err = newest(limit(t), fakeBinaries(t, "9.6.24"))
	require.ErrorContains(t, err, "the oldest supported is 15")
	require.ErrorContains(t, err, "9.6.24")
}
