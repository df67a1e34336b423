//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// StartBouncer starts a PgBouncer in front of a server. It ends with this process, as servers of this package do, or by
// [Bouncer.Close].
func StartBouncer(ctx context.Context, o BouncerOptions) (*Bouncer, error) {
	bin, err := findBouncer(o.Bin)
	if err != nil {
		return nil, err
	}
	user, err := unprivileged() // PgBouncer refuses to run as root, as PostgreSQL does
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ { // somebody else may take the port
		b, err := startBouncer(ctx, bin, user, o)
		if err == nil || attempt == 5 || !errors.Is(err, errPortTaken) {
			return b, err
		}
	}
}

func findBouncer(bin string) (string, error) {
	if bin == "" {
		bin = os.Getenv(EnvBouncer)
	}
	if bin != "" {
		if !executable(bin) {
			return "", fmt.Errorf("pgtest: %s: no PgBouncer at %s", EnvBouncer, bin)
		}
		return bin, nil
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", ownBin()) {
		if path := filepath.Join(dir, "pgbouncer"); executable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("pgtest: PgBouncer is missing: run \"scripts/setup.sh pgbouncer\", install your system's package, or name one in %s", EnvBouncer)
}

// ownBin is where scripts/setup.sh unpacks what it may not install: .bin beside the module's go.mod.
func ownBin() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, found := os.Stat(filepath.Join(dir, "go.mod")); found == nil {
			return filepath.Join(dir, ".bin")
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

func startBouncer(ctx context.Context, bin string, user *account, o BouncerOptions) (*Bouncer, error) {
	base := tempDir(user)
	sweepTemp(base)
	dir, err := os.MkdirTemp(base, tempPattern)
	if err != nil {
		return nil, err
	}
	b, err := startBouncerIn(ctx, dir, bin, user, o)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

// bouncerScript starts PgBouncer ($2) again when it ended by itself after it was ready, as the service managers do under which it
// runs elsewhere: version 1.18 gives up now and then when a busy server's queries are cancelled (its issues 801 and 822).
const bouncerScript = `
dir=$1
while :; do
	"$2" "$dir/pgbouncer.ini"
	status=$?
	if [ -f "$dir/stop" ] || [ ! -f "$dir/ready" ]; then exit "$status"; fi
	echo "PgBouncer ended by itself with status $status, and is started again"
	rm -f "$dir/data/postmaster.pid"
	sleep 0.05
done
`

func startBouncerIn(ctx context.Context, dir, bin string, user *account, o BouncerOptions) (*Bouncer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config, users, err := o.files(dir, port)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data") // where the guardian looks for the process id
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	for path, text := range map[string]string{"pgbouncer.ini": config, "users": users} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	for _, path := range []string{"", "data", "pgbouncer.ini", "users"} {
		if err := user.own(filepath.Join(dir, path)); err != nil {
			return nil, err
		}
	}
	g, err := guard(dir, []string{"/bin/sh", "-c", bouncerScript, "septum-pgbouncer", dir, bin}, user)
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := awaitPort(ctx, dir, address); err != nil {
		return nil, errors.Join(err, g.end())
	}
	out, err := exec.CommandContext(ctx, bin, "--version").Output()
	if err != nil {
		return nil, errors.Join(err, g.end())
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(string(out), "PgBouncer "), "\n")
	if err := os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600); err != nil {
		return nil, errors.Join(err, g.end())
	}
	return &Bouncer{Version: version, address: address, log: filepath.Join(dir, "log"), stop: func() error { return errors.Join(g.end(), os.RemoveAll(dir)) }}, nil
}

// awaitPort waits until something takes connections at the address.
func awaitPort(ctx context.Context, dir, address string) error {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if _, err := os.Stat(filepath.Join(dir, "exit")); err == nil {
			return bouncerFailed(dir)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pgtest: PgBouncer did not become ready: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func bouncerFailed(dir string) error {
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return fmt.Errorf("pgtest: PgBouncer ended at once and left no log: %w", err)
	}
	if strings.Contains(string(log), "ddress already in use") {
		return errPortTaken
	}
	return fmt.Errorf("pgtest: PgBouncer ended at once: %s", tail(log))
}

// files writes PgBouncer's configuration, and the passwords that it takes from clients and gives to the server.
func (o BouncerOptions) files(dir string, port int) (config, users string, err error) {
	if len(o.URLs) == 0 {
		return "", "", errors.New("pgtest: BouncerOptions.URLs is empty")
	}
	var host string
	for _, text := range o.URLs {
		u, err := url.Parse(text)
		if err != nil || u.User == nil {
			return "", "", errors.New("pgtest: BouncerOptions.URLs: not a URL with a login")
		}
		password, _ := u.User.Password()
		users += fmt.Sprintf("%q %q\n", u.User.Username(), password)
		host = fmt.Sprintf("host=%s port=%s", u.Hostname(), u.Port())
	}
	if o.User != "" {
		host += " user=" + o.User
	}
	settings := map[string]string{
		"listen_addr": "127.0.0.1", "listen_port": strconv.Itoa(port), "unix_socket_dir": "",
		"auth_type": "scram-sha-256", "auth_file": filepath.Join(dir, "users"), "pidfile": filepath.Join(dir, "data", "postmaster.pid"),
		"pool_mode": "transaction", "default_pool_size": "5", "max_client_conn": "500", "server_login_retry": "0",
		"log_connections": "0", "log_disconnections": "0",
	}
	for name, value := range o.Settings {
		settings[name] = value
	}
	var b strings.Builder
	b.WriteString("[databases]\n* = " + host + "\n[pgbouncer]\n")
	for name, value := range settings {
		b.WriteString(name + " = " + value + "\n")
	}
	return b.String(), users, nil
}
