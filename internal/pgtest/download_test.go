package pgtest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository serves, as a Maven repository does, an archive of three shell scripts named postgres, initdb and pg_ctl.
func repository(t *testing.T, sum func([]byte) string) (url string, served *atomic.Int64) {
	t.Helper()
	binaries, err := os.ReadFile("testdata/binaries.txz")
	require.NoError(t, err)
	var jar bytes.Buffer
	archive := zip.NewWriter(&jar)
	file, err := archive.Create("postgres.txz")
	require.NoError(t, err)
	_, err = file.Write(binaries)
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	served = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // the library keeps http.DefaultClient's connections
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			_, _ = w.Write([]byte(sum(jar.Bytes())))
			return
		}
		served.Add(1)
		_, _ = w.Write(jar.Bytes())
	}))
	t.Cleanup(server.Close)
	return server.URL, served
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func quiet(mirror string) Options { return Options{Mirror: mirror, Log: func(string) {}} }

func TestDownloadHappensOnce(t *testing.T) {
	t.Parallel()
	mirror, served := repository(t, sha)
	cache := t.TempDir()
	for range 2 {
		bin, err := fetchBinaries(cache, quiet(mirror))
		require.NoError(t, err)
		require.Equal(t, filepath.Join(cache, "postgres-"+string(downloadVersion), "bin"), bin)
		found, err := newest(limit(t), []string{bin})
		require.NoError(t, err)
		require.Equal(t, bin, found)
	}
	require.EqualValues(t, 1, served.Load())
	left, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing but the binaries is kept")
}

func TestDownloadThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	wrong, _ := repository(t, func([]byte) string { return sha(nil) })
	for name, c := range map[string]struct{ mirror, want string }{
		"another checksum": {wrong, "downloaded checksums do not match"},
		"nobody there":     {"http://127.0.0.1:1", "unable to connect to http://127.0.0.1:1"},
		"not found":        {wrong + "/%zz", "download PostgreSQL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			_, err := fetchBinaries(cache, quiet(c.mirror))
			require.ErrorContains(t, err, c.want)
			left, err := os.ReadDir(cache)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
