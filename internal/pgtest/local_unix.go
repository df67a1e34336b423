//go:build unix

package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tempPattern names the directories of our servers under os.TempDir.
const tempPattern = "septum-postgres-"

func startLocal(ctx context.Context, o Options) (*Server, error) {
	bin, err := newest(ctx, searchPath())
	if err != nil {
		return nil, err
	}
	return startBinaries(ctx, Local, bin, o)
}

// startBinaries runs a server of its own from the binaries in bin.
func startBinaries(ctx context.Context, source Source, bin string, o Options) (*Server, error) {
	user, err := unprivileged()
	if err != nil {
		return nil, err
	}
	base := tempDir(user)
	sweepTemp(base)
	// Between our look for a free port and the server's bind another process may take it.
	for attempt := 1; ; attempt++ {
		dir, err := os.MkdirTemp(base, tempPattern)
		if err != nil {
			return nil, err
		}
		s, err := startIn(ctx, dir, bin, user, o)
		if err == nil {
			s.source = source
			return s, nil
		}
		err = errors.Join(err, os.RemoveAll(dir))
		if attempt == 5 || !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
}

func startIn(ctx context.Context, dir, bin string, user *account, o Options) (*Server, error) {
	if err := user.own(dir); err != nil {
		return nil, err
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails, see crypto/rand
	password := hex.EncodeToString(secret[:])
	if err := makeCluster(ctx, dir, bin, user, password); err != nil {
		return nil, err
	}
	return launch(ctx, dir, bin, user, password, o)
}

var errPortTaken = errors.New("the port was taken by another process")

func launch(ctx context.Context, dir, bin string, user *account, password string, o Options) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-k", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(port)}
	for _, set := range []map[string]string{settings(), o.Settings} { // the last -c of a name wins
		for name, value := range set {
			args = append(args, "-c", name+"="+value)
		}
	}
	g, err := guard(dir, args, user)
	if err != nil {
		return nil, err
	}
	if err := awaitReady(ctx, dir); err != nil {
		return nil, errors.Join(err, g.end())
	}
	s := &Server{
		url:  fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", password, port),
		stop: func() error { return errors.Join(g.end(), os.RemoveAll(dir)) },
	}
	if s.version, err = probe(ctx, s.url); err != nil {
		return nil, errors.Join(err, g.end())
	}
	return s, nil
}

// awaitReady waits until postmaster.pid says that the server takes connections, as pg_ctl does.
func awaitReady(ctx context.Context, dir string) error {
	for {
		status, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
		if err == nil {
			lines := strings.Split(string(status), "\n")
			if len(lines) > 7 && strings.HasPrefix(lines[7], "ready") {
				return nil
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "exit")); err == nil {
			return serverFailed(dir)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func serverFailed(dir string) error {
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return fmt.Errorf("the server ended at once and left no log: %w", err)
	}
	if bytes.Contains(log, []byte("could not bind")) {
		return errPortTaken
	}
	return fmt.Errorf("the server ended at once: %s", tail(log))
}

// tail is the end of a program's output, as much as an error can bear.
func tail(output []byte) string {
	const most = 600
	s := strings.TrimSpace(string(output))
	if len(s) > most {
		s = "… " + s[len(s)-most:]
	}
	return s
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// tempDir is memoryDir where there is room, unless TMPDIR says where; else os.TempDir, unless the account can't get into it (a private
// TMPDIR of root), or the path is too long for a socket (107 bytes on Linux, 103 on macOS).
func tempDir(user *account) string {
	if os.Getenv("TMPDIR") == "" && hasRoom(memoryDir) && user.reaches(memoryDir) {
		return memoryDir
	}
	dir := os.TempDir()
	if len(dir) > 60 || !user.reaches(dir) {
		return "/tmp"
	}
	return dir
}

// account is the unprivileged user that a server runs as: PostgreSQL refuses root. Nil means the user of this process.
type account struct{ uid, gid uint32 }

// unprivileged finds whom a server started by root runs as.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root, and no other user was found: %w", err)
	}
	for _, name := range []string{"postgres", "nobody"} {
		for line := range strings.Lines(string(passwd)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) < 4 || f[0] != name {
				continue
			}
			uid, errU := strconv.ParseUint(f[2], 10, 32)
			gid, errG := strconv.ParseUint(f[3], 10, 32)
			if errU == nil && errG == nil && uid != 0 {
				return &account{uint32(uid), uint32(gid)}, nil
			}
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody")
}

// own gives a file to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// reaches tells whether others may write in dir (the guardian removes its directory from it) and pass through all above.
func (a *account) reaches(dir string) bool {
	if a == nil {
		return true
	}
	need := os.FileMode(0o003)
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&need != need {
			return false
		}
		need = 0o001
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// command runs a program of PostgreSQL as the account, away from a working directory that it may not enter.
func (a *account) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGOPTIONS=", "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}
