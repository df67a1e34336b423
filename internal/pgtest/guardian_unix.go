//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// guardianScript runs the server ($2 …) and outlives us by the time it takes to remove it and its directory ($1).
//
// Its standard input is a pipe whose other end only our process has, so read returns when our process is gone, however
// it went. SIGQUIT is PostgreSQL's immediate shutdown, after which SIGTERM changes nothing; before version 1.23 it is
// SIGTERM that PgBouncer ends at once for. The file exit is there as soon as the server ended by itself.
// The file stop says that it is to end, for what starts it again.
// Descriptor 3 holds a lock: while it is held, a sweep by another process lets the directory be.
const guardianScript = `
dir=$1; shift
trap '' INT TERM HUP
( "$@" </dev/null >"$dir/log" 2>&1; : >"$dir/exit" ) 3>&- &
read -r _
: >"$dir/stop"
tries=0
until [ -f "$dir/exit" ] || [ "$tries" -gt 600 ]; do
	if read -r pid 2>/dev/null <"$dir/data/postmaster.pid"; then kill -QUIT "$pid" 2>/dev/null; kill -TERM "$pid" 2>/dev/null; fi
	tries=$((tries + 1))
	sleep 0.02
done
rm -rf "$dir"
`

// guardian is the process that ends a server when ours is gone. It is in a session of its own, where Ctrl-C at the
// terminal does not reach it.
type guardian struct {
	cmd  *exec.Cmd
	pipe *os.File // closing it, or the end of this process, ends the server
}

func guard(dir string, server []string, user *account) (*guardian, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the guardian has it now
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	// Not bound to the caller's context: the server lives until Close.
	cmd := user.command(context.Background(), dir, "/bin/sh", append([]string{"-c", guardianScript, "septum-postgres-guardian", dir}, server...)...)
	cmd.SysProcAttr.Setsid = true
	cmd.Stdin = read
	cmd.ExtraFiles = []*os.File{lock}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the guardian: %w", err), write.Close())
	}
	return &guardian{cmd: cmd, pipe: write}, nil
}

// end stops the server and returns when it and its directory are gone.
func (g *guardian) end() error {
	return errors.Join(g.pipe.Close(), g.cmd.Wait())
}

// lockDir takes the lock that says that somebody looks after dir.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweepTemp removes servers whose guardian is gone as well: both were killed, or the machine went down. Directories
// that can't be opened are another user's.
func sweepTemp(base string) {
	found, _ := filepath.Glob(filepath.Join(base, tempPattern+"*")) // errs on a bad pattern only
	for _, dir := range found {
		_, err := os.Stat(filepath.Join(dir, "log"))
		if info, e := os.Stat(dir); err != nil && (e != nil || time.Since(info.ModTime()) < 10*time.Minute) {
			continue // being made right now: the guardian comes last
		}
		lock, err := lockDir(dir)
		if err != nil {
			continue
		}
		stopOrphan(dir)
		_ = os.RemoveAll(dir)
		_ = lock.Close()
	}
}

// stopOrphan ends a server that lost its guardian. The process id counts only while the server's own lock file, which
// a dead server of an earlier boot leaves too, names a process that works in that data directory.
func stopOrphan(dir string) {
	status, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return
	}
	first, _, _ := strings.Cut(string(status), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid <= 1 {
		return
	}
	args, err := exec.Command("ps", "-o", "args=", "-p", first).Output()
	if err != nil || !strings.Contains(string(args), dir) {
		return
	}
	// A server that is ending still writes, so its directory can't be removed yet.
	for tries := 0; tries < 200 && syscall.Kill(pid, syscall.SIGQUIT) == nil; tries++ {
		_ = syscall.Kill(pid, syscall.SIGTERM)
		time.Sleep(20 * time.Millisecond)
	}
}
