//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// searchPath lists the directories that may hold a PostgreSQL server: SEPTUM_POSTGRES_BIN alone where it is set, else PATH
// and where packagers put it without PATH.
func searchPath() []string {
	if dir := os.Getenv(EnvBin); dir != "" {
		return []string{dir}
	}
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/libexec/postgresql*",  // Alpine
		"/usr/pgsql-*/bin",          // the PostgreSQL project's RPMs
		"/usr/local/pgsql/bin",      // built from source
		"/opt/homebrew/opt/*/bin",   // Homebrew on Apple silicon
		"/usr/local/opt/*/bin",      // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/opt/local/lib/postgresql*/bin", // MacPorts
	} {
		found, _ := filepath.Glob(pattern) // errs on a bad pattern only
		dirs = append(dirs, found...)
	}
	return dirs
}

// newest finds the directory with the newest server that the library supports.
func newest(ctx context.Context, dirs []string) (string, error) {
	best, bestVersion, old := "", [2]int{}, ""
	seen := map[string]bool{}
	for _, dir := range dirs {
		if dir == "" || seen[dir] {
			continue
		}
		seen[dir] = true
		if !executable(filepath.Join(dir, "postgres")) || !executable(filepath.Join(dir, "initdb")) {
			continue
		}
		text, version, err := serverVersion(ctx, dir)
		switch {
		case err != nil || version[0] < oldest:
			old = fmt.Sprintf("; %s has %q, and the oldest supported is %d", dir, text, oldest)
		case version[0] > bestVersion[0] || version[0] == bestVersion[0] && version[1] > bestVersion[1]:
			best, bestVersion = dir, version
		}
	}
	if best == "" {
		return "", errors.New("no postgres and initdb in PATH or where packages put them" + old)
	}
	return best, nil
}

// oldest is the oldest major version that Septum supports.
const oldest = 15

var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)(?:\.(\d+))?`)

// serverVersion asks the binary itself: "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)".
func serverVersion(ctx context.Context, dir string) (string, [2]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, [2]int{}, err
	}
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return text, [2]int{}, errors.New("no version in " + text)
	}
	major, _ := strconv.Atoi(m[1]) // digits by the pattern; too many of them give a version nobody has
	minor, _ := strconv.Atoi(m[2]) // empty for a beta: 0
	return text, [2]int{major, minor}, nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
