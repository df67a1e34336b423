package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// ended requires that the audit ended early with a typed error, and kept what it had.
func ended(t *testing.T, report *rls.Report, err, kind error) {
	t.Helper()
	var typed *rls.Error
	require.ErrorAs(t, err, &typed)
	require.ErrorIs(t, err, kind)
	require.NotNil(t, report)
	require.False(t, report.Complete())
	require.Equal(t, err.Error(), report.Error)
	require.NotEmpty(t, report.Rules)
}

func TestTheApplicationAuditsItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	report, err := rls.Audit(t.Context(), connect(t, h.url), catalog, rls.AuditOptions{})
	require.NoError(t, err)
	require.Empty(t, findings(report))
	require.Equal(t, h.login, report.Login)
	require.Len(t, report.Incomplete, 1, report.Incomplete)
	require.Contains(t, report.Incomplete[0].What, "rows that refer")
	for _, p := range report.Relations {
		if p.Kind == "tenant" {
			require.NotNil(t, p.Active)
			require.True(t, *p.Active)
		}
	}
	h.sql(t, `drop policy septum_floor on patients; create policy more on patients using (true)`)
	report, err = rls.Audit(t.Context(), connect(t, h.url), catalog, rls.AuditOptions{})
	require.NoError(t, err)
	require.NotNil(t, find(report, "SEP101", "public.patients"))
}

func TestALoginWithoutRightsSaysWhatItDidNotSee(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, url := h.Login(t, "")
	h.sql(t, `grant truncate on patients to {login}`)
	report, err := rls.Audit(t.Context(), connect(t, url), catalog, rls.AuditOptions{Login: h.login})
	require.NoError(t, err)
	require.NotNil(t, find(report, "SEP070", "public.patients"))
	var gaps []string
	for _, g := range report.Incomplete {
		gaps = append(gaps, g.What)
	}
	require.Contains(t, gaps, "impersonation")
	require.Nil(t, report.Relations[0].Active)
}

func TestCatalogOnlyTriesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	report := h.audit(t, rls.AuditOptions{CatalogOnly: true})
	require.Empty(t, findings(report))
	require.Len(t, report.Incomplete, 1)
	require.Nil(t, report.Relations[0].Active)
}

func TestAWrongCatalogIsAnError(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("elsewhere"))
	report, err := rls.Audit(t.Context(), h.admin, other, rls.AuditOptions{Login: h.login})
	ended(t, report, err, rls.ErrAudit)
	require.NotNil(t, find(report, "SEP014", "public.elsewhere"))
	report, err = rls.Audit(t.Context(), h.admin, nil, rls.AuditOptions{})
	ended(t, report, err, rls.ErrAudit)
	report, err = rls.Audit(t.Context(), h.admin, catalog, rls.AuditOptions{Login: "nobody at all"})
	ended(t, report, err, rls.ErrAudit)
	tx, err := h.admin.Begin(t.Context())
	require.NoError(t, err)
	report, err = rls.Audit(t.Context(), h.admin, catalog, rls.AuditOptions{Login: h.login})
	ended(t, report, err, rls.ErrAudit)
	require.NoError(t, tx.Rollback(t.Context()))
}

// What the catalog knows of a relation that is missing is made of it, by our SQL: a table with its columns, a tenant column.
func TestMissingRelationsAreMade(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID),
		query.WithRelation(query.Relation{Name: "patients", Kind: query.TenantKind, Key: []string{"id"}, Columns: []query.Column{{Name: "tenant_id"}, {Name: "id", Type: "bigint"}, {Name: "name", Type: "text"}}}),
		query.WithRelation(query.Relation{Name: `"Ward 7".beds`, Kind: query.TenantKind, Columns: []query.Column{{Name: "tenant_id"}, {Name: `"Size (cm)"`, Type: "numeric(5,1)"}}}),
		query.WithRelation(query.Relation{Name: "units", Kind: query.GlobalKind, Key: []string{"unit"}, Columns: []query.Column{{Name: "unit", Type: "character varying(10)"}, {Name: "si", Type: "boolean[]"}}}),
		query.WithRelation(query.Relation{Name: "unknown", Kind: query.TenantKind, Columns: []query.Column{{Name: "tenant_id"}, {Name: "id"}}}),
		query.WithRelation(query.Relation{Name: "strange", Kind: query.GlobalKind, Columns: []query.Column{{Name: "id", Type: "int); drop table codes; --"}}}),
		query.Tenant("hospitals_of", "lab.results", "encounters"), query.Global("codes"), query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))
	h.sql(t, `drop table encounters, patients; truncate lab.results; alter table lab.results drop column tenant_id cascade; drop table hospitals; create view encounters as select 1 as id`)
	mended := func() (none []string) {
		for _, f := range findings(h.audit(t, rls.AuditOptions{})) {
			if len(f.Mend) == 0 {
				none = append(none, f.Rule+" "+f.Object)
			}
			for _, sql := range f.Mend {
				h.sql(t, sql)
			}
		}
		return none
	}
	want := []string{"SEP014 public.encounters", "SEP014 public.hospitals_of", "SEP014 public.strange", "SEP014 public.unknown"}
	require.Equal(t, want, mended())
	mended() // the new column may be NULL and has no index, which other rules find
	left := findings(h.audit(t, rls.AuditOptions{}))
	require.Len(t, left, len(want), left)
	h.sql(t, `insert into "Ward 7".beds values ('11111111-1111-1111-1111-111111111111', 200.5); insert into units values ('m', '{t}'); select from codes`)
}

// A relation of the catalog is not there, is something else, or lacks its column.
func TestMissingRelations(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `drop table lab.results; drop table encounters; create view encounters as select 1 as id; alter table patients rename tenant_id to hospital`)
	report := h.audit(t, rls.AuditOptions{})
	for object, what := range map[string]string{"lab.results": "does not have it", "public.encounters": "is a view", "public.patients": "no column tenant_id"} {
		found := find(report, "SEP014", object)
		require.NotNil(t, found, object)
		require.Contains(t, found.What, what)
		_, err := h.admin.Exec(t.Context(), found.Show)
		require.NoError(t, err)
	}
}

func TestADatabaseThatGoesAwayLeavesWhatWasSeen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `grant truncate on patients to {login}`)
	conn := connect(t, h.AdminURL)
	pid := conn.PgConn().PID()
	report, err := rls.Audit(t.Context(), conn, catalog, rls.AuditOptions{Login: h.login, Progress: func(what string, done, total int) {
		if what == "checking rules" && done == total {
			h.sql(t, fmt.Sprintf(`select pg_terminate_backend(%d, 10000)`, pid))
		}
	}})
	ended(t, report, err, rls.ErrUnavailable)
	require.NotNil(t, find(report, "SEP070", "public.patients"))
	require.Len(t, report.Relations, 6)

	require.NoError(t, conn.Close(t.Context()))
	report, err = rls.Audit(t.Context(), conn, catalog, rls.AuditOptions{Login: h.login})
	ended(t, report, err, rls.ErrUnavailable)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err = rls.Audit(ctx, h.admin, catalog, rls.AuditOptions{Login: h.login})
	ended(t, report, err, context.Canceled)
}

func TestARelationThatIsDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `grant truncate on patients to {login}`)
	conn := connect(t, h.AdminURL)
	report, err := rls.Audit(t.Context(), conn, catalog, rls.AuditOptions{Login: h.login, Progress: func(what string, done, total int) {
		if what == "checking rules" && done == total {
			h.sql(t, `drop table lab.results`)
		}
	}})
	ended(t, report, err, rls.ErrAudit)
	require.Contains(t, report.Error, "lab.results")
	require.NotNil(t, find(report, "SEP070", "public.patients"))
	require.Nil(t, find(report, "SEP106", ""))
}

// While a migration holds a relation, the audit neither waits for it for long nor takes it for a fault.
func TestALockedRelationIsAGap(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tx, err := h.owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	locked := false
	report, err := rls.Audit(t.Context(), h.admin, catalog, rls.AuditOptions{Login: h.login, LockTimeout: 20 * time.Millisecond, StatementTimeout: 4 * time.Second,
		Progress: func(what string, done, total int) {
			if what == "checking rules" && done == total && !locked {
				locked = true
				_, err := tx.Exec(t.Context(), `lock table patients in access exclusive mode`)
				require.NoError(t, err)
			}
		}})
	require.NoError(t, err)
	require.True(t, locked)
	require.Empty(t, findings(report))
	var gaps []string
	for _, g := range report.Incomplete {
		gaps = append(gaps, g.Object)
		require.NotContains(t, g.Why, "57014", "it waited for the lock longer than the lock's timeout")
	}
	require.Contains(t, gaps, "public.patients")

	// Where it is held from the beginning, newer releases need it to print a policy. Everything else is looked at then.
	h.sql(t, `grant truncate on codes to {login}; drop policy septum_floor on lab.results`)
	report, err = rls.Audit(t.Context(), h.admin, catalog, rls.AuditOptions{Login: h.login, LockTimeout: 20 * time.Millisecond, StatementTimeout: 4 * time.Second})
	if err != nil {
		ended(t, report, err, rls.ErrAudit)
		require.Contains(t, err.Error(), "public.patients")
		require.NotContains(t, err.Error(), "lab.results")
	}
	require.NotNil(t, find(report, "SEP070", "public.codes"))
	require.NotNil(t, find(report, "SEP020", "lab.results"))
	require.Len(t, findings(report), 2, "what was not seen was taken for a fault")

	// And when it is let go meanwhile, nothing is missing.
	h.sql(t, `drop policy septum_app on lab.results`)
	report, err = rls.Audit(t.Context(), h.admin, catalog, rls.AuditOptions{Login: h.login, LockTimeout: 20 * time.Millisecond, StatementTimeout: 4 * time.Second,
		Progress: func(what string, done, total int) {
			if what == "checking rules" && done == total {
				_ = tx.Rollback(t.Context())
			}
		}})
	require.NoError(t, err)
	require.Empty(t, report.Incomplete)
	for _, p := range report.Relations {
		require.True(t, p.Kind != "tenant" || p.Relation == "lab.results" || len(p.Policies) == 2, "the policies of %s were not looked at again", p.Relation)
	}
}

// The policies of tenants with logins of their own are as right as the others.
func TestPoliciesThatReadTheLogin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	require.NoError(t, rls.Apply(t.Context(), h.owner, catalog, rls.Options{AppRole: h.login, TenantFrom: rls.FromLogin}))
	o := rls.AuditOptions{TenantFrom: rls.FromLogin}
	require.Empty(t, findings(h.audit(t, o)))
	h.sql(t, `grant insert on septum.logins to {login}`)
	report := h.audit(t, o)
	found := find(report, "SEP033", "septum.logins")
	require.NotNil(t, found, findings(report))
	for _, sql := range found.Mend {
		h.sql(t, sql)
	}
	require.Empty(t, findings(h.audit(t, o)))
	h.sql(t, `alter policy septum_own on septum.logins using (true)`)
	require.NotNil(t, find(h.audit(t, o), "SEP013", "septum.logins"))
}

// wide is a schema of many tables in which everything is right.
func wide(tables int) (string, *query.Catalog) {
	var schema strings.Builder
	options := []query.CatalogOption{query.TenantColumn("tenant_id", query.UUID)}
	schema.WriteString(`create table hospitals (tenant_id uuid primary key);`)
	options = append(options, query.Tenant("hospitals"))
	for i := range tables - 1 {
		key := "(tenant_id) references hospitals (tenant_id)"
		if i > 0 {
			key = fmt.Sprintf("(tenant_id, parent_id) references t%d (tenant_id, id)", i/2)
		}
		fmt.Fprintf(&schema, `create table t%[1]d (tenant_id uuid not null, id bigint not null, parent_id bigint, name text not null, at timestamptz, amount bigint,
			primary key (tenant_id, id), unique (tenant_id, name), foreign key %[2]s); create index on t%[1]d (tenant_id, at);`, i, key)
		options = append(options, query.Tenant(fmt.Sprintf("t%d", i)))
	}
	return schema.String(), query.MustCatalog(options...)
}

func TestTwoHundredTablesWithoutAFault(t *testing.T) {
	t.Parallel()
	schema, catalog := wide(200)
	d := rlstest.New(t, rlstest.Schema(schema), rlstest.Catalog(catalog))
	report, err := d.Audit(t.Context(), rls.AuditOptions{})
	require.NoError(t, err)
	require.Empty(t, findings(report))
	require.Empty(t, report.Incomplete)
	require.Len(t, report.Relations, 200)
}

// The loader of rls.Options.LoaderRole has the one shape that is accepted of a login with BYPASSRLS.
func TestTheLoaderIsAccepted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	loader, _ := h.Login(t, "BYPASSRLS NOINHERIT")
	require.NoError(t, rls.Apply(t.Context(), h.owner, catalog, rls.Options{AppRole: h.login, LoaderRole: loader}))
	require.Empty(t, findings(h.audit(t, rls.AuditOptions{})))
	h.sql(t, `grant select (id) on patients to "`+loader+`"`)
	require.NotNil(t, find(h.audit(t, rls.AuditOptions{}), "SEP007", "role "+loader))
}
