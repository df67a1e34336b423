package blob

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of this package's schema, from the version before to its own.
type Migration struct {
	Version int
	Name    string
	SQL     string // several statements, without transaction control
}

// Options says for whom Apply makes the schema.
type Options struct {
	// AppRole is the role that the application's login is, or belongs to; the one of rls.Options. Required.
	AppRole string
	// LockTimeout bounds how long Apply waits for each lock. Default: 5 seconds.
	LockTimeout time.Duration
}

// Migrations gives the schema as steps, for a catalog that has Relations: the tenant column is of the catalog's type.
// The error is ErrConfig.
func Migrations(catalog *query.Catalog) ([]Migration, error) {
	r, err := declared(catalog)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted, and their numbers have four digits
	if err != nil {
		return nil, fail("Migrations", nil, err)
	}
	// Columns are declared as the catalog says; what is compared with them has the type to which a setting is cast.
	types := strings.NewReplacer("{{tenant}}", r.Type.SQL(), "{{setting}}", r.Type.Setting())
	list := make([]Migration, len(names))
	for i, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, fail("Migrations", nil, err)
		}
		number, title, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fail("Migrations", nil, err)
		}
		list[i] = Migration{Version: version, Name: title, SQL: types.Replace(string(text))}
	}
	return list, nil
}

func declared(catalog *query.Catalog) (query.Relation, error) {
	if catalog != nil {
		if r, ok := catalog.Relation(relation); ok {
			return r, nil
		}
	}
	return query.Relation{}, refuse("catalog", ErrConfig, "make the catalog with blob.Relations() among its options")
}

// Pending gives what Apply would do to the owner's database, in its order, and changes nothing: the migrations that are not
// recorded yet, and the grants that the application's role lacks. It is empty when all is done.
func Pending(ctx context.Context, owner *pgx.Conn, catalog *query.Catalog, o Options) ([]rls.Step, error) {
	if o.AppRole == "" || strings.EqualFold(o.AppRole, "public") {
		return nil, refuse("Apply", ErrConfig, "name the application's role in AppRole")
	}
	list, err := Migrations(catalog)
	if err != nil {
		return nil, err
	}
	version, err := versionOf(ctx, owner)
	if err != nil {
		return nil, fail("Apply", nil, err)
	}
	var steps []rls.Step
	for _, m := range list {
		if m.Version > version {
			steps = append(steps,
				rls.Step{Relation: relation, Purpose: fmt.Sprintf("migration %d, %s", m.Version, m.Name), SQL: m.SQL},
				rls.Step{Relation: relation, Purpose: "record it", SQL: fmt.Sprintf("insert into septum_blob.versions (version) values (%d)", m.Version)})
		}
	}
	grants := append([]rls.Step{{Purpose: "reach the schema", SQL: "grant usage on schema septum_blob to "}}, functionGrants()...)
	if len(steps) == 0 {
		if grants, err = missing(ctx, owner, o.AppRole, grants); err != nil {
			return nil, fail("Apply", nil, err)
		}
	}
	for _, grant := range grants {
		steps = append(steps, rls.Step{Relation: relation, Purpose: grant.Purpose, SQL: grant.SQL + pgx.Identifier{o.AppRole}.Sanitize()})
	}
	return steps, nil
}

func functionGrants() (grants []rls.Step) {
	for _, name := range slices.Concat(qualified(readers[:]), qualified(writers[:])) {
		grants = append(grants, rls.Step{Relation: name, Purpose: "let the application call " + name, SQL: "grant execute on function " + name + " to "})
	}
	return grants
}

// missing leaves the grants out that the role has already.
func missing(ctx context.Context, owner *pgx.Conn, role string, grants []rls.Step) (lacks []rls.Step, err error) {
	for _, grant := range grants {
		var has bool
		if grant.Relation == "" {
			err = owner.QueryRow(ctx, "select pg_catalog.has_schema_privilege($1::text, 'septum_blob', 'usage')", role).Scan(&has)
		} else {
			err = owner.QueryRow(ctx, "select pg_catalog.has_function_privilege($1::text, $2::text::regproc::oid, 'execute')", role, grant.Relation).Scan(&has)
		}
		if err != nil {
			return nil, err
		}
		if !has {
			lacks = append(lacks, grant)
		}
	}
	return lacks, nil
}

func versionOf(ctx context.Context, owner *pgx.Conn) (version int, err error) {
	var there bool
	if err := owner.QueryRow(ctx, "select pg_catalog.to_regclass('septum_blob.versions') is not null").Scan(&there); err != nil || !there {
		return 0, err
	}
	err = owner.QueryRow(ctx, "select coalesce(max(version), 0) from septum_blob.versions").Scan(&version)
	return version, err
}

// Apply brings the database to this package's version of its schema, all or nothing, and gives the application's role
// what it needs. It is safe to run at every start, also by several processes at once. The owner must not be the
// application's login, and rls.Apply with the same catalog comes after it, for the policies.
func Apply(ctx context.Context, owner *pgx.Conn, catalog *query.Catalog, o Options) error {
	if o.LockTimeout <= 0 {
		o.LockTimeout = 5 * time.Second
	}
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		for _, sql := range []string{
			fmt.Sprintf("set local lock_timeout = %d", max(1, o.LockTimeout.Milliseconds())),
			"set local search_path = pg_catalog, pg_temp", // names mean what PostgreSQL ships (threat R07)
			"select pg_advisory_xact_lock(7881699200734371)",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fail("Apply", nil, err)
			}
		}
		steps, err := Pending(ctx, tx.Conn(), catalog, o)
		if err != nil {
			return err
		}
		for _, step := range steps {
			if _, err := tx.Exec(ctx, step.SQL); err != nil {
				return fail("Apply", nil, fmt.Errorf("%s: %w", step.Purpose, err))
			}
		}
		return nil
	})
}

// WriteSQL writes all of Migrations as a file for migration tools, without the grants to the application's role, which
// Apply makes.
func WriteSQL(out io.Writer, catalog *query.Catalog) error {
	list, err := Migrations(catalog)
	if err != nil {
		return err
	}
	for _, m := range list {
		if _, err := fmt.Fprintf(out, "%s\ninsert into septum_blob.versions (version) values (%d);\n", m.SQL, m.Version); err != nil {
			return err
		}
	}
	return nil
}
