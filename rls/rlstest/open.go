package rlstest

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

// Catalog puts every relation of the catalog behind the database wall ([rls.Apply] as the owner role, for AppRole), and
// is what [Database.Open] opens with. The last one counts.
func Catalog(catalog *query.Catalog) Option { return func(c *config) { c.catalog = catalog } }

// Open gives the test a database of its own, opened as the application would: New(t, opts...).Open(t).
func Open(t testing.TB, opts ...Option) *rls.DB {
	t.Helper()
	return New(t, opts...).Open(t)
}

// Open opens the database with the application's login and the catalog of the option [Catalog], and fails the test when
// [rls.Open] refuses. Each configure may change the configuration before, which has the URL set and CheckEvery 1: rows of
// every result are checked to be the tenant's, and one that is not fails the request and the test. The DB is closed when
// the test is over.
func (d *Database) Open(t testing.TB, configure ...func(*rls.Config)) *rls.DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cfg := rls.Config{URL: d.AppURL, CheckEvery: 1, OnIncident: func(i rls.Incident) {
		t.Errorf("a row of %s came back from the database for tenant %s, in %s", i.Relation, i.Tenant, i.Statement)
	}}
	for _, change := range configure {
		change(&cfg)
	}
	db, err := rls.Open(ctx, cfg, d.catalog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// policiesKey tells catalogs apart by what they do to a database.
func policiesKey(catalog *query.Catalog) (string, error) {
	if catalog == nil {
		return "", nil
	}
	var b strings.Builder
	// The role's name differs from run to run and changes nothing between two templates of one run.
	err := rls.WriteSQL(&b, catalog, rls.Options{AppRole: "app"})
	return b.String(), err
}

func applyPolicies(ctx context.Context, owner *pgx.Conn, catalog *query.Catalog, appRole string) error {
	if catalog == nil {
		return nil
	}
	return rls.Apply(ctx, owner, catalog, rls.Options{AppRole: appRole})
}
