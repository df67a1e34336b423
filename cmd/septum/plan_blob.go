package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

// blobRelation is what a catalog names when its program uses package blob.
const blobRelation = "septum_blob.blobs"

// addBlob puts package blob's own migrations into the plan, where the catalog names its relation: after the role, since they
// grant to it, and before everything else. A database that has the package's schema and a catalog that does not name it is
// an obstacle, since the rest of the plan would take its rights away.
func addBlob(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog, o rls.PlanOptions, r *rls.Roadmap) error {
	if _, uses := catalog.Relation(blobRelation); !uses {
		return forgottenBlob(ctx, conn, r)
	}
	var steps []rls.PlanStep
	err := inCatalogs(ctx, conn, func(tx pgx.Tx) error {
		pending, err := blob.Pending(ctx, tx.Conn(), catalog, blob.Options{AppRole: o.AppRole})
		if err != nil {
			return err
		}
		steps, err = blobSteps(ctx, tx, o.AppRole, pending)
		return err
	})
	if err != nil {
		return err
	}
	made := slices.ContainsFunc(steps, func(s rls.PlanStep) bool { return s.ID == firstMigration })
	if made { // what the plan could not see yet
		r.Obstacles = slices.DeleteFunc(r.Obstacles, func(o rls.Obstacle) bool { return o.Object == `"septum_blob"."blobs"` })
		wall, err := blobWall(catalog, o)
		if err != nil {
			return err
		}
		r.Steps = append(r.Steps, wall)
	}
	at := slices.IndexFunc(r.Steps, func(s rls.PlanStep) bool { return s.Stage != rls.StageRoles })
	if at < 0 {
		at = len(r.Steps)
	}
	r.Steps = slices.Insert(r.Steps, at, steps...)
	return nil
}

// inCatalogs reads in a transaction in which names mean PostgreSQL's own (threat R07).
func inCatalogs(ctx context.Context, conn *pgx.Conn, f func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = pg_catalog, pg_temp; set local lock_timeout = 1000; set local statement_timeout = 60000"); err != nil {
			return err
		}
		return f(tx)
	})
}

// firstMigration is the step that makes the schema.
const firstMigration = "blob migration 1"

// blobSteps writes what package blob would do as steps that may be run twice.
func blobSteps(ctx context.Context, tx pgx.Tx, role string, pending []rls.Step) ([]rls.PlanStep, error) {
	var steps []rls.PlanStep
	var grants []string
	for i := 0; i < len(pending); i++ {
		p := pending[i]
		if strings.HasPrefix(p.SQL, "grant ") {
			grants = append(grants, p.SQL)
			continue
		}
		rest, isMigration := strings.CutPrefix(p.Purpose, "migration ")
		version, _, named := strings.Cut(rest, ",")
		if !isMigration || !named || i+1 == len(pending) {
			return nil, errors.New("package blob has a step that this command does not know: use commands and library of one version")
		}
		i++ // the step that records it
		steps = append(steps, migrationStep(version, p, pending[i]))
	}
	missing := grants
	if len(steps) == 0 {
		var err error
		if missing, err = missingGrants(ctx, tx, role, grants); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		step := rls.PlanStep{ID: "blob grants", Stage: rls.StageLibrary, Purpose: "let the application reach package blob's functions",
			SQL: missing, Undo: []string{}, Lock: "none", Time: "instant"}
		for _, sql := range missing {
			step.Undo = append(step.Undo, strings.Replace(strings.Replace(sql, "grant ", "revoke ", 1), " to ", " from ", 1))
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// migrationStep carries a migration out unless it is recorded. Its text becomes a string, so that the server asks first.
func migrationStep(version string, migration, record rls.Step) rls.PlanStep {
	text := strings.TrimRight(migration.SQL, " \t\r\n;") + ";\n" + record.SQL
	step := rls.PlanStep{ID: "blob migration " + version, Stage: rls.StageLibrary, Purpose: "package blob: " + migration.Purpose, Undo: []string{},
		Lock: "ACCESS EXCLUSIVE", Time: "instant", Note: "the lock is on package blob's own tables; blob.Apply does the same; there is no undoing but DROP SCHEMA septum_blob, which loses what it holds"}
	if step.ID != firstMigration && strings.Contains(strings.ToLower(text), "create index") {
		step.Time = "blocks"
	}
	step.SQL = []string{"do " + dollars("blob", `
begin
  if to_regclass('septum_blob.versions') is not null then
    if exists (select from septum_blob.versions where version >= `+version+`) then return; end if;
  end if;
  execute `+dollars("migration", text)+`;
end `)}
	return step
}

// dollars quotes a text with a mark that it does not hold.
func dollars(mark, text string) string {
	for strings.Contains(text, "$"+mark+"$") {
		mark += "_"
	}
	return "$" + mark + "$" + text + "$" + mark + "$"
}

// missingGrants leaves out the rights that the role has already.
func missingGrants(ctx context.Context, tx pgx.Tx, role string, grants []string) ([]string, error) {
	var missing []string
	for _, sql := range grants {
		ask, object := "pg_catalog.has_schema_privilege(r.oid, $2, 'USAGE')", "septum_blob"
		if rest, isFunction := strings.CutPrefix(sql, "grant execute on function "); isFunction {
			ask = "coalesce(pg_catalog.has_function_privilege(r.oid, (select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'septum_blob' and p.proname = $2), 'EXECUTE'), false)"
			object, _, _ = strings.Cut(strings.TrimPrefix(rest, "septum_blob."), " to ")
		}
		var has bool
		if err := tx.QueryRow(ctx, "select exists (select from pg_roles r where r.rolname = $1 and "+ask+")", role, object).Scan(&has); err != nil {
			return nil, err
		}
		if !has {
			missing = append(missing, sql)
		}
	}
	return missing, nil
}

// blobWall is the policies of the relation that the migrations make.
func blobWall(catalog *query.Catalog, o rls.PlanOptions) (rls.PlanStep, error) {
	step := rls.PlanStep{ID: `wall "septum_blob"."blobs"`, Stage: rls.StageEnforce, Relation: `"septum_blob"."blobs"`, Purpose: "policies and rights",
		Undo: []string{}, Lock: "ACCESS EXCLUSIVE", Time: "instant", Note: "the undoing is that of the schema"}
	policies, err := rls.Policies(catalog, rls.Options{AppRole: o.AppRole, TenantFrom: o.TenantFrom, Schema: o.Schema})
	for _, p := range policies {
		if p.Relation == blobRelation {
			step.SQL = append(step.SQL, p.SQL)
		}
	}
	return step, err
}

// forgottenBlob names the line that the catalog lacks.
func forgottenBlob(ctx context.Context, conn *pgx.Conn, r *rls.Roadmap) error {
	var there bool
	err := inCatalogs(ctx, conn, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select to_regclass('septum_blob.versions') is not null").Scan(&there)
	})
	if err != nil || !there {
		return err
	}
	r.Steps = slices.DeleteFunc(r.Steps, func(s rls.PlanStep) bool { return strings.Contains(s.ID, " septum_blob.") })
	r.Obstacles = append(r.Obstacles, rls.Obstacle{Object: blobRelation, What: "the database has the schema of package blob, and the catalog does not name it",
		Do: `write "septum_blob.blobs": {"kind": "tenant", "column": "tenant_id"} into the catalog's relations, and plan again`})
	return nil
}
