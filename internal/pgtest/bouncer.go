package pgtest

import (
	"errors"
	"net/url"
	"os"
)

// EnvBouncer names the PgBouncer to use, in place of the one in PATH or where packages put it.
const EnvBouncer = "SEPTUM_PGBOUNCER_BIN"

// BouncerOptions says which PgBouncer to start, and in front of what.
type BouncerOptions struct {
	// URLs are the logins that it serves, with their passwords, as [Database] has them; all on one server. Required.
	URLs []string
	// Bin is the program. Default: SEPTUM_PGBOUNCER_BIN, else the first that is found.
	Bin string
	// User is the login that it uses at the server, whoever came, with the database's user= . Default: each client's own.
	User string
	// Settings are of its configuration file. Default: pool_mode transaction, default_pool_size 5.
	Settings map[string]string
}

// Bouncer is a running PgBouncer.
type Bouncer struct {
	Version string // such as "1.18.0"

	address string
	log     string // the file of it
	stop    func() error
}

// URL leads a connection string through the pooler.
func (b *Bouncer) URL(connString string) (string, error) {
	u, err := url.Parse(connString)
	if err != nil || u.Host == "" {
		return "", errors.New("pgtest: not a URL that can be led through a pooler") // the text may hold a password
	}
	u.Host = b.address
	return u.String(), nil
}

// Log is the end of what it has logged, until it is closed.
func (b *Bouncer) Log() string {
	log, err := os.ReadFile(b.log)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4000):])
}

// Close ends it, with the connections through it.
func (b *Bouncer) Close() error { return b.stop() }
