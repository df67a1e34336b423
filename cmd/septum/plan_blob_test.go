package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

const withBlobs = `{"tenant": {"column": "tenant_id", "type": "bigint"}, "relations": {"patients": "tenant", "septum_blob.blobs": "tenant"}}`

// steps runs the plan's steps as psql does, and gives their ids.
func steps(t *testing.T, conn *pgx.Conn, list []rls.PlanStep) []string {
	t.Helper()
	var ids []string
	for _, s := range list {
		for _, sql := range s.SQL {
			_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err, sql)
		}
		ids = append(ids, s.ID)
	}
	return ids
}

func planJSON(t *testing.T, args ...string) (code int, r rls.Roadmap) {
	t.Helper()
	code, out, errs := runAll(append([]string{"plan", "--format", "json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(out), &r), errs)
	return code, r
}

// The plan brings package blob's schema along where the catalog names it, and the audit has nothing to say of it.
func TestPlanBringsThePackagesOwnMigrations(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(`create table patients (tenant_id bigint not null, id bigint not null, primary key (tenant_id, id))`))
	_, err := d.Admin(t).Exec(t.Context(), "revoke temporary on database "+pgx.Identifier{d.Name}.Sanitize()+" from public")
	require.NoError(t, err)
	owner, file := d.Owner(t), filepath.Join(t.TempDir(), "catalog.json")
	require.NoError(t, replaceFile(file, []byte(withBlobs)))
	args := []string{"--url", d.OwnerURL, "--catalog", file, "--login", d.AppRole}

	code, r := planJSON(t, args...)
	require.Equal(t, exitFindings, code)
	require.Equal(t, firstMigration, r.Steps[0].ID)
	require.Equal(t, rls.StageLibrary, r.Steps[0].Stage)
	require.Empty(t, onlyBlob(r.Obstacles), "what the plan makes itself is no obstacle")
	code, script, errs := runAll(append([]string{"plan", "--stage", "library"}, args...)...)
	require.Equal(t, exitFindings, code, errs)
	require.Contains(t, script, "create table septum_blob.blobs")
	ids := steps(t, owner, r.Steps)
	require.Equal(t, `wall "septum_blob"."blobs"`, ids[len(ids)-1])
	require.Equal(t, ids, steps(t, owner, r.Steps), "each may be run twice")
	code, r = planJSON(t, args...)
	require.Equal(t, exitClean, code, "%+v", r)

	// It is the schema that the library makes: applying it changes nothing, and the audit is clean.
	catalog, err := query.NewCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("patients"), blob.Relations())
	require.NoError(t, err)
	pending, err := blob.Pending(t.Context(), owner, catalog, blob.Options{AppRole: d.AppRole})
	require.NoError(t, err)
	require.False(t, slices.ContainsFunc(pending, func(s rls.Step) bool { return strings.HasPrefix(s.Purpose, "migration") }))
	report, err := rls.Audit(t.Context(), d.Admin(t), catalog, rls.AuditOptions{Login: d.AppRole})
	require.NoError(t, err)
	require.Empty(t, onlyOld(report.Findings))

	// A right that went comes back; a catalog that forgets the relation is told, and takes nothing away.
	_, err = owner.Exec(t.Context(), "revoke usage on schema septum_blob from "+d.AppRole)
	require.NoError(t, err)
	_, r = planJSON(t, args...)
	require.Contains(t, r.Steps[0].SQL, `grant usage on schema septum_blob to "`+d.AppRole+`"`)
	require.NoError(t, replaceFile(file, []byte(`{"tenant": {"column": "tenant_id", "type": "bigint"}, "relations": {"patients": "tenant"}}`)))
	code, r = planJSON(t, args...)
	require.Equal(t, exitFindings, code)
	require.Empty(t, r.Steps)
	require.Len(t, onlyBlob(r.Obstacles), 1)

	// init finds what belongs into the catalog, and nothing of what the application must not reach.
	code, out, errs := runAll("init", "--url", d.OwnerURL, "--tenant-column", "tenant_id")
	require.Equal(t, exitClean, code, errs)
	require.Contains(t, out, `"septum_blob.blobs"`)
	require.NotContains(t, out, "data_keys")
	require.NotContains(t, out, "septum_blob.content")
}

func onlyBlob(list []rls.Obstacle) []rls.Obstacle {
	return slices.DeleteFunc(slices.Clone(list), func(o rls.Obstacle) bool { return !strings.Contains(o.Object, "septum_blob") })
}

// What blob.Apply makes, at the version of now, leaves the audit nothing to say, also in tenants' words of other types.
func TestTheSchemaOfPackageBlobIsClean(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t)
	admin := d.Admin(t)
	_, err := admin.Exec(t.Context(), "revoke temporary on database "+pgx.Identifier{d.Name}.Sanitize()+" from public")
	require.NoError(t, err)
	catalog := query.MustCatalog(query.TenantColumn("hospital", query.UUID), blob.Relations())
	require.NoError(t, blob.Apply(t.Context(), d.Owner(t), catalog, blob.Options{AppRole: d.AppRole}))
	require.NoError(t, rls.Apply(t.Context(), d.Owner(t), catalog, rls.Options{AppRole: d.AppRole}))
	report, err := rls.Audit(context.WithoutCancel(t.Context()), admin, catalog, rls.AuditOptions{Login: d.AppRole, ProbeRows: true})
	require.NoError(t, err)
	require.Empty(t, onlyOld(report.Findings))
}
