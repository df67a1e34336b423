//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// downloadVersion is the server that is fetched when the machine has none.
const downloadVersion = embedded.V18

func startDownload(ctx context.Context, o Options) (*Server, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	bin, err := fetchBinaries(cache, o)
	if err != nil {
		return nil, err
	}
	return startBinaries(ctx, Download, bin, o)
}

// fetchBinaries downloads and unpacks the server once and gives its bin directory. The library checks the archive's
// SHA-256. It can't be told to stop, so ctx does not reach it.
func fetchBinaries(cache string, o Options) (string, error) {
	final := filepath.Join(cache, "postgres-"+string(downloadVersion))
	bin := filepath.Join(final, "bin")
	if executable(filepath.Join(bin, "postgres")) {
		return bin, nil
	}
	o.Log("downloading PostgreSQL " + string(downloadVersion) + " (once)")
	temp, err := os.MkdirTemp(cache, "new-") // unpacked here and renamed, so that no other process sees half of it
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	unpacked := filepath.Join(temp, "postgres")
	// The library knows one call that fetches, unpacks, initialises and starts; as root, and without our guardian, the
	// latter two won't do. A data directory that can't be made ends the call after the unpacking.
	config := embedded.DefaultConfig()
	if o.Mirror != "" {
		config = config.BinaryRepositoryURL(strings.TrimSuffix(o.Mirror, "/"))
	}
	err = embedded.NewDatabase(config.
		Version(downloadVersion).
		Port(uint32(port)).
		CachePath(filepath.Join(temp, "archive")).
		RuntimePath(filepath.Join(temp, "runtime")).
		BinariesPath(unpacked).
		DataPath(filepath.Join(os.DevNull, "data")).
		Logger(io.Discard)).Start()
	if !executable(filepath.Join(unpacked, "bin", "postgres")) {
		return "", fmt.Errorf("download PostgreSQL %s: %w", downloadVersion, errors.Join(err, errors.New("the server binaries did not arrive")))
	}
	if err := os.Rename(unpacked, final); err != nil && !executable(filepath.Join(bin, "postgres")) {
		return "", err
	}
	return bin, nil
}
