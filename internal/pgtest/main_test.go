package pgtest

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// childEnv makes the test binary a process that starts a server, says what it has, and waits to be killed.
const childEnv = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// report is what a child says.
type report struct {
	URL, Database string
	Err           string
}

func child() {
	if os.Getenv(childEnv) == "deaf" {
		signal.Ignore(os.Interrupt)
	}
	ctx := context.Background()
	var r report
	s, err := Start(ctx, Options{})
	if err == nil {
		r.URL = s.URL()
		var d *Database
		if d, err = s.Database(ctx, Template{}); err == nil {
			r.Database = d.Name
		}
	}
	if err != nil {
		r.Err = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	time.Sleep(time.Minute) // killed long before
}

// spawn starts a child in a process group of its own, as a shell does.
func spawn(t *testing.T, env ...string) (*exec.Cmd, report) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal([]byte(line), &r))
	require.Empty(t, r.Err)
	return cmd, r
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// own starts a server from binaries of this machine, or from a download where there are none.
func own(t *testing.T, settings map[string]string) *Server {
	t.Helper()
	s, err := start(limit(t), Options{Settings: settings, Log: func(line string) { t.Log(line) }}, []way{{Local, startLocal}, {Download, startDownload}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// durable starts a server as somebody would run for good, so that the package must clean up on it.
func durable(t *testing.T) *Server {
	t.Helper()
	return own(t, map[string]string{disposableSetting: "off"})
}

// names lists the databases and roles of a server.
func names(t *testing.T, s *Server) []string {
	t.Helper()
	conn, err := connect(limit(t), s.URL())
	require.NoError(t, err)
	defer conn.Close(limit(t))
	rows, err := conn.Query(limit(t), "select 'database '||datname from pg_database union all select 'role '||rolname from pg_roles order by 1")
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

func mustExec(t *testing.T, connString string, commands ...string) {
	t.Helper()
	conn, err := connect(limit(t), connString)
	require.NoError(t, err)
	defer conn.Close(limit(t))
	for _, command := range commands {
		_, err := conn.Exec(limit(t), command)
		require.NoError(t, err, command)
	}
}

func scalar[T any](t *testing.T, connString, query string, args ...any) T {
	t.Helper()
	conn, err := connect(limit(t), connString)
	require.NoError(t, err)
	defer conn.Close(limit(t))
	var v T
	require.NoError(t, conn.QueryRow(limit(t), query, args...).Scan(&v))
	return v
}

func refuses(t *testing.T, connString string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := probe(limit(t), connString)
		return err != nil
	}, 20*time.Second, 20*time.Millisecond, "the server still takes connections")
}

func countPrefix(names []string, prefix string) (n int) {
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}
