package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// connectTimeout bounds each attempt to connect.
const connectTimeout = 10 * time.Second

func startURL(ctx context.Context, o Options) (*Server, error) {
	if o.URL == "" {
		return nil, fmt.Errorf("%s is not set", EnvURL)
	}
	version, err := probe(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	return &Server{url: o.URL, source: URL, version: version}, nil
}

// connect opens a connection; the caller closes it.
func connect(ctx context.Context, connString string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(connString)
	if err != nil {
		return nil, err
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return pgx.ConnectConfig(ctx, config)
}

// probe connects once and gives the server's version.
func probe(ctx context.Context, connString string) (string, error) {
	conn, err := connect(ctx, connString)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	version, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), " ") // "15.20 (Debian …)"
	return version, nil
}

// rebase points a connection string at another database, and at another login unless user is empty. It keeps what else
// the string says (TLS settings, socket directory, timeouts).
func rebase(connString, database, user, password string) (string, error) {
	if !strings.HasPrefix(connString, "postgres://") && !strings.HasPrefix(connString, "postgresql://") {
		return rebaseKeywords(connString, database, user, password), nil
	}
	u, err := url.Parse(connString)
	if err != nil {
		return "", fmt.Errorf("pgtest: %s is no URL that can be read", EnvURL) // the text may hold a password
	}
	u.Path = "/" + database
	q := u.Query()
	for _, name := range []string{"dbname", "database"} { // both win over the path
		q.Del(name)
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
		q.Del("user")
		q.Del("password")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// rebaseKeywords is rebase for the form "host=… port=…", in which the last setting of a name wins.
func rebaseKeywords(connString, database, user, password string) string {
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	connString += " dbname=" + quote(database)
	if user != "" {
		connString += " user=" + quote(user) + " password=" + quote(password)
	}
	return strings.TrimSpace(connString)
}
