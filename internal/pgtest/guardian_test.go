package pgtest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestNothingOutlivesTheProcess runs on whatever way the environment gives, so make test-docker shows it of containers.
func TestNothingOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kill func(pid int) error
	}{
		{"kill -9", func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }},
		{"Ctrl-C", func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }}, // to the whole group, as a terminal does
		{"terminate", func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := Source(os.Getenv(EnvSource))
			if source != Docker && source != Download {
				source = Local // a server of its own, also when the suite runs on a shared one
			}
			cmd, child := spawn(t, EnvSource+"="+string(source), EnvURL+"=")
			dir := dataDir(t, child.URL)
			var server int
			if source != Docker {
				server = postmaster(t, filepath.Dir(dir))
			}
			_, err := probe(limit(t), child.URL)
			require.NoError(t, err)

			require.NoError(t, c.kill(cmd.Process.Pid))
			_ = cmd.Wait() // says that it was killed
			refuses(t, child.URL)
			if source != Docker {
				requireGone(t, filepath.Dir(dir))
				requireEnded(t, server)
			}
		})
	}
}

func requireGone(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) },
		10*time.Second, 20*time.Millisecond, "the server's directory is still there")
}

func requireEnded(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, 10*time.Second, 20*time.Millisecond, "the server still runs")
}

// Ctrl-C is for the tests. They may want to end in order, with a server.
func TestCtrlCDoesNotReachTheServer(t *testing.T) {
	t.Parallel()
	cmd, child := spawn(t, childEnv+"=deaf", EnvSource+"="+string(own(t, nil).Source()), EnvURL+"=")
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
	time.Sleep(300 * time.Millisecond) // a fast shutdown takes a tenth of it
	_, err := probe(limit(t), child.URL)
	require.NoError(t, err)
}

func dataDir(t *testing.T, connString string) string {
	t.Helper()
	return scalar[string](t, connString, "select setting from pg_settings where name = 'data_directory'")
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	s := own(t, nil)
	d, err := s.Database(limit(t), Template{})
	require.NoError(t, err)
	dir := filepath.Dir(dataDir(t, s.URL()))
	require.DirExists(t, dir)
	server := postmaster(t, dir)
	require.NoError(t, s.Close())
	requireEnded(t, server)
	require.NoDirExists(t, dir)
	_, err = probe(limit(t), s.URL())
	require.Error(t, err)
	require.NoError(t, s.Close(), "twice is once")
	_, err = s.Database(limit(t), Template{})
	require.ErrorIs(t, err, errClosed)
	require.Error(t, d.Drop(limit(t)))
}

// A guardian can be killed as well. The next start finds the server without one.
func TestSweepEndsAServerWithoutItsGuardian(t *testing.T) {
	t.Parallel()
	s := own(t, nil)
	kept := filepath.Dir(dataDir(t, s.URL()))

	cmd, child := spawn(t, EnvSource+"="+string(s.Source()), EnvURL+"=")
	dir := filepath.Dir(dataDir(t, child.URL))
	guardian := parentOf(t, parentOf(t, postmaster(t, dir)))
	require.NoError(t, syscall.Kill(guardian, syscall.SIGKILL))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // says that it was killed
	_, err := probe(limit(t), child.URL)
	require.NoError(t, err, "nobody is left to stop it")

	sweepTemp(filepath.Dir(dir)) // or another test that starts a server at this moment
	refuses(t, child.URL)
	requireGone(t, dir)
	require.DirExists(t, kept, "a server with a guardian is let be")
	_, err = probe(limit(t), s.URL())
	require.NoError(t, err)
}

func postmaster(t *testing.T, dir string) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(status), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	return pid
}

func TestAPortThatWasTakenIsSaidSo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	bin := binaries(t)
	user, err := unprivileged()
	require.NoError(t, err)
	dir, err := os.MkdirTemp(tempDir(user), tempPattern) //nolint:usetesting // t.TempDir is closed to the server's user
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	_, err = startIn(limit(t), dir, bin, user, Options{Settings: map[string]string{"port": strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}})
	require.ErrorIs(t, err, errPortTaken)
}

func TestASettingThatIsWrongIsSaidSo(t *testing.T) {
	t.Parallel()
	_, err := startBinaries(limit(t), Local, binaries(t), Options{Settings: map[string]string{"shared_buffers": "a lot"}})
	require.ErrorContains(t, err, "shared_buffers")
}

// binaries are those of this machine, or a download where there are none.
func binaries(t *testing.T) string {
	t.Helper()
	bin, err := newest(limit(t), searchPath())
	if err != nil {
		cache, e := cacheDir()
		require.NoError(t, e)
		bin, err = fetchBinaries(cache, Options{Log: func(line string) { t.Log(line) }})
	}
	require.NoError(t, err)
	return bin
}

func TestServerOfOurOwnAsksForAPassword(t *testing.T) {
	t.Parallel()
	s := own(t, nil)
	config, err := pgx.ParseConfig(s.URL())
	require.NoError(t, err)
	other := own(t, nil)
	second, err := pgx.ParseConfig(other.URL())
	require.NoError(t, err)
	require.NotEqual(t, config.Password, second.Password)
	for _, host := range []string{"127.0.0.1", filepath.Dir(dataDir(t, s.URL()))} { // TCP, and the socket
		wrong := config.Copy()
		wrong.Host, wrong.Password = host, second.Password
		_, err = pgx.ConnectConfig(limit(t), wrong)
		require.ErrorContains(t, err, "password authentication failed")
	}
}
func parentOf(t *testing.T, pid int) int {
	t.Helper()
	out, err := exec.Command("ps", "-o", "ppid=", "-p", strconv.Itoa(pid)).Output()
	require.NoError(t, err)
	parent, err := strconv.Atoi(strings.TrimSpace(string(out)))
	require.NoError(t, err)
	require.Greater(t, parent, 1)
	return parent
}
