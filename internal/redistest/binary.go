package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// EnvURL names a server to use for [Shared]: redis://[user[:password]@]host:port. Tests write keys of random tenants to it,
// all with a time to live, and never flush it.
const EnvURL = "SEPTUM_REDIS_URL"

// EnvBinary names the server's binary, in place of the one found.
const EnvBinary = "SEPTUM_REDIS_BIN"

// errNone says what to install.
var errNone = errors.New("redistest: no redis-server or valkey-server on this machine (6.0 or newer): run scripts/setup.sh redis as root, " +
	"or install the package redis-server (Debian, Ubuntu), redis or valkey (Fedora, Alpine, Homebrew), or name a binary in " + EnvBinary +
	"; tests that need no server of their own also take one from " + EnvURL)

// binary finds the server's program.
func binary() (string, error) {
	if path := os.Getenv(EnvBinary); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("redistest: %s: %w", EnvBinary, err)
		}
		return found, nil
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		for _, dir := range []string{"/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin"} {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", errNone
}
