package redistest

import (
	"bufio"
	"context"
	"crypto/rand"
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

// Server is a Redis that listens at Address and takes Password for the user default. Its methods are for one goroutine
// at a time.
type Server struct {
	Address  string
	Username string // "" means default
	Password string

	dir  string
	args []string
	run  *guardian // nil while it is killed, and for a server of SEPTUM_REDIS_URL
}

// guardianScript runs the server ($2 …) and outlives us by the time it takes to kill it. Its standard input is a pipe
// whose other end only our process has, so read returns when our process is gone, however it went.
const guardianScript = `
dir=$1; shift
trap '' INT TERM HUP
"$@" </dev/null >>"$dir/log" 2>&1 &
echo $! >"$dir/pid.new"; mv "$dir/pid.new" "$dir/pid"
read -r keep
kill -9 $! 2>/dev/null
wait 2>/dev/null
if [ "$keep" != keep ]; then rm -rf "$dir"; fi
`

type guardian struct {
	cmd  *exec.Cmd
	pipe *os.File
	pid  int // the server's
}

// startTimeout is how long a server may take until it answers.
const startTimeout = 20 * time.Second

// Open starts a server with further configuration, such as "--appendonly", "yes". Close it. Without persistence
// configured it keeps nothing over a restart.
func Open(ctx context.Context, args ...string) (*Server, error) {
	return launch(ctx, func(s *Server, port string) ([]string, error) {
		s.Password = rand.Text()
		return append([]string{
			"--port", port, "--bind", "127.0.0.1", "--requirepass", s.Password, "--dir", s.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice",
		}, args...), nil
	})
}

// OpenSentinel starts a Sentinel that watches a server under a name. Close it.
func OpenSentinel(ctx context.Context, name string, primary *Server) (*Server, error) {
	return launch(ctx, func(s *Server, port string) ([]string, error) {
		host, at, err := net.SplitHostPort(primary.Address)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(s.dir, "sentinel.conf") // it wants one that it can write
		text := "port " + port + "\nbind 127.0.0.1\ndir " + s.dir + "\nsentinel monitor " + name + " " + host + " " + at + " 1\n" +
			"sentinel auth-pass " + name + " " + primary.Password + "\n"
		return []string{file, "--sentinel"}, os.WriteFile(file, []byte(text), 0o600)
	})
}

// launch starts the server's program with the arguments that configure gives.
func launch(ctx context.Context, configure func(s *Server, port string) ([]string, error)) (*Server, error) {
	path, err := binary()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "septum-redis-")
	if err != nil {
		return nil, err
	}
	var lost error
	for range 5 { // another process may take the port before the server does
		port, err := freePort()
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		s := &Server{Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), dir: dir}
		args, err := configure(s, strconv.Itoa(port))
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		s.args = append([]string{path}, args...)
		if lost = s.Restart(ctx); lost == nil {
			return s, nil
		}
	}
	return nil, errors.Join(lost, os.RemoveAll(dir))
}

// freePort finds a free port whose cluster bus port, 10,000 above, exists too.
func freePort() (int, error) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return 0, err
		}
		if port <= 55535 {
			return port, nil
		}
	}
}

// Restart starts the server again, on its address and with its files, after Kill.
func (s *Server) Restart(ctx context.Context) error {
	if s.run != nil {
		return errors.New("redistest: the server runs")
	}
	if s.dir == "" {
		return errors.New("redistest: a server of " + EnvURL + " is not ours to start")
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	_ = os.Remove(filepath.Join(s.dir, "pid"))
	cmd := exec.Command("/bin/sh", append([]string{"-c", guardianScript, "septum-redis-guardian", s.dir}, s.args...)...)
	cmd.Dir = s.dir
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C at the terminal does not reach it
	if err := cmd.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	s.run = &guardian{cmd: cmd, pipe: write}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.await(ctx); err != nil {
		return errors.Join(err, s.end(true))
	}
	return nil
}

// await waits until the server answers.
func (s *Server) await(ctx context.Context) error {
	for {
		if s.run.pid == 0 {
			text, _ := os.ReadFile(filepath.Join(s.dir, "pid"))
			s.run.pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		answer, err := s.Do(ctx, "PING")
		if err == nil && answer == "+PONG" && s.run.pid > 0 { // it can answer before its number is written
			return nil
		}
		dead := s.run.pid != 0 && syscall.Kill(s.run.pid, 0) != nil
		if dead || ctx.Err() != nil {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("redistest: %s does not start: %w: %s", s.args[0], errors.Join(err, ctx.Err()), tail(log))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Do sends one command on a connection of its own and gives the first line of the answer as it came ("+OK", ":1", "-ERR …").
func (s *Server) Do(ctx context.Context, command ...string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	login := []string{"AUTH", s.Password}
	if s.Username != "" {
		login = []string{"AUTH", s.Username, s.Password}
	}
	r := bufio.NewReader(conn)
	for _, c := range [][]string{login, command} {
		if len(c) == 2 && c[0] == "AUTH" && c[1] == "" {
			continue // a server without a password
		}
		text := "*" + strconv.Itoa(len(c)) + "\r\n"
		for _, word := range c {
			text += "$" + strconv.Itoa(len(word)) + "\r\n" + word + "\r\n"
		}
		if _, err := conn.Write([]byte(text)); err != nil {
			return "", err
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line = strings.TrimRight(line, "\r\n"); c[0] == command[0] || strings.HasPrefix(line, "-") {
			return line, nil
		}
	}
	return "", nil
}

// Kill ends the server at once, as a crash does. Its files stay for Restart.
func (s *Server) Kill() error {
	if s.run == nil {
		return errors.New("redistest: the server does not run, or is not ours to kill")
	}
	return s.end(true)
}

// Pause stops the server without closing its connections; Resume lets it go on.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(what syscall.Signal) error {
	if s.run == nil || s.run.pid <= 0 { // 0 would mean ourselves
		return errors.New("redistest: the server does not run, or is not ours")
	}
	return syscall.Kill(s.run.pid, what)
}

// Close ends a server that was started and removes its files. It is safe to call twice.
func (s *Server) Close() error {
	if s.run == nil {
		if s.dir == "" {
			return nil
		}
		return os.RemoveAll(s.dir)
	}
	return s.end(false)
}

func (s *Server) end(keep bool) error {
	run := s.run
	s.run = nil
	var err error
	if keep {
		_, err = run.pipe.WriteString("keep\n")
	}
	return errors.Join(err, run.pipe.Close(), run.cmd.Wait())
}

func tail(log []byte) string {
	if len(log) > 2000 {
		log = log[len(log)-2000:]
	}
	return string(log)
}
