package rlstest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/query"
)

// timeout bounds each thing that is done to a server on behalf of a test.
const timeout = time.Minute

// Database is a database of one test. It is dropped when the test is over.
type Database struct {
	Name string

	// AdminURL is the login that the server was reached with, on a server of our own a superuser, which no policy binds.
	AdminURL string

	// OwnerURL is the login of OwnerRole: no superuser; owns the database and all that [Schema] made.
	OwnerURL  string
	OwnerRole string

	// AppURL is the login of AppRole: NOSUPERUSER, NOBYPASSRLS, NOINHERIT, a member of nothing, owner of nothing. It may
	// connect, and what the policies' SQL grants it.
	AppURL  string
	AppRole string

	inner   *pgtest.Database
	catalog *query.Catalog
}

// Option says what stands in the database. Options apply in the order schema, seed, policies, whatever their order here.
type Option func(*config)

type config struct {
	schema, seed []string
	catalog      *query.Catalog
}

// Schema is SQL that the owner role runs: tables, types, functions, and extensions that PostgreSQL calls trusted.
// Several add up.
func Schema(sql string) Option { return func(c *config) { c.schema = append(c.schema, sql) } }

// Seed is SQL that the owner role runs after the schema and before the policies, so rows of any tenant can be put in.
// It runs once for all tests that ask for the same database. Several add up.
func Seed(sql string) Option { return func(c *config) { c.seed = append(c.seed, sql) } }

// New gives the test a database. It fails the test when there is no server, and says what each way to one met.
func New(t testing.TB, opts ...Option) *Database {
	t.Helper()
	var c config
	for _, o := range opts {
		o(&c)
	}
	key, err := c.key()
	if err != nil {
		t.Fatal(err)
	}
	server, err := pgtest.Shared()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	inner, err := server.Database(ctx, pgtest.Template{Key: key, Prepare: c.prepare})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := inner.Drop(ctx); err != nil {
			t.Error(err)
		}
	})
	return &Database{
		Name: inner.Name, AdminURL: inner.AdminURL,
		OwnerURL: inner.OwnerURL, OwnerRole: inner.OwnerRole,
		AppURL: inner.AppURL, AppRole: inner.AppRole,
		inner: inner, catalog: c.catalog,
	}
}

// key tells two templates apart. Lengths keep ("ab", "c") and ("a", "bc") apart.
func (c *config) key() (string, error) {
	policies, err := policiesKey(c.catalog)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, part := range [][]string{c.schema, c.seed, {policies}} {
		fmt.Fprintf(&b, "%d;", len(part))
		for _, text := range part {
			fmt.Fprintf(&b, "%d:%s", len(text), text)
		}
	}
	return b.String(), nil
}

func (c *config) prepare(ctx context.Context, d *pgtest.Database) error {
	conn, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, step := range []struct {
		name  string
		texts []string
	}{{"schema", c.schema}, {"seed", c.seed}} {
		for _, sql := range step.texts {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("rlstest: %s: %w", step.name, err)
			}
		}
	}
	return applyPolicies(ctx, conn, c.catalog, d.AppRole)
}

// Admin connects with AdminURL; the connection is closed when the test is over.
func (d *Database) Admin(t testing.TB) *pgx.Conn { t.Helper(); return connect(t, d.AdminURL) }

// Owner connects with OwnerURL; the connection is closed when the test is over.
func (d *Database) Owner(t testing.TB) *pgx.Conn { t.Helper(); return connect(t, d.OwnerURL) }

// App connects with AppURL, beside the library: what an attacker who has the application's password can do. The
// connection is closed when the test is over.
func (d *Database) App(t testing.TB) *pgx.Conn { t.Helper(); return connect(t, d.AppURL) }

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		_ = conn.Close(ctx) // the test may have closed or broken it
	})
	return conn
}

// Login makes one more login to this database and gives its role and URL. The attributes are those of CREATE ROLE, such
// as "BYPASSRLS" or "INHERIT IN ROLE x"; default is a login like AppRole but with INHERIT, and with no rights but
// CONNECT. A role belongs to the whole server, so a test that wants to spoil one must spoil one of its own: OwnerRole
// and AppRole are those of every test in the process.
func (d *Database) Login(t testing.TB, attributes string) (role, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	role, url, err := d.inner.Login(ctx, attributes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		// Its rights are in the database, which goes first: a role that something depends on can't be dropped.
		if err := d.inner.Drop(ctx); err != nil {
			t.Error(err)
		}
		if err := d.inner.DropLogin(ctx, role); err != nil {
			t.Error(err)
		}
	})
	return role, url
}
