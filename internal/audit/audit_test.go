package audit_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A hospital in which everything is right.
const schema = `
create table hospitals (id uuid primary key, name text not null);
create table patients (tenant_id uuid not null references hospitals, id bigint not null, name text, primary key (tenant_id, id));
create index patients_by_name on patients (tenant_id, name);
create table encounters (tenant_id uuid not null, id bigint not null, patient_id bigint not null, ward text,
	primary key (tenant_id, id), foreign key (tenant_id, patient_id) references patients (tenant_id, id));
create table codes (code text primary key, title text);
create table settings (key text primary key, value text);
create schema lab;
create table lab.results (tenant_id uuid not null, id bigint generated always as identity, value numeric, primary key (tenant_id, id));
`

const seed = `
insert into hospitals values ('11111111-1111-1111-1111-111111111111', 'Mary'), ('22222222-2222-2222-2222-222222222222', 'Paul');
insert into patients select id, n, name || n from hospitals, generate_series(1, 3) n;
insert into encounters select tenant_id, id, id, 'west' from patients;
insert into lab.results (tenant_id, value) select tenant_id, id from patients;
insert into codes values ('A01', 'Typhoid fever');
`

var catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID),
	query.Tenant("patients", "encounters", "lab.results"),
	query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}),
	query.Global("codes"),
	query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))

// house is a database of one test, and a login of its own that the test may spoil.
type house struct {
	*rlstest.Database
	login, url   string
	owner, admin *pgx.Conn
	catalog      *query.Catalog
}

func newHouse(t *testing.T) *house { return newHouseOf(t, schema, catalog) }

// texts is the same where a tenant's id is a text.
var texts = query.MustCatalog(query.TenantColumn("tenant_id", query.Text),
	query.Tenant("patients", "encounters", "lab.results"),
	query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}),
	query.Global("codes"),
	query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))

func newHouseOf(t *testing.T, schema string, catalog *query.Catalog) *house {
	t.Helper()
	h := &house{Database: rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(seed)), catalog: catalog}
	h.owner, h.admin = h.Owner(t), h.Admin(t)
	h.login, h.url = h.Login(t, "")
	require.NoError(t, rls.Apply(t.Context(), h.owner, catalog, rls.Options{AppRole: h.login}))
	return h
}

// sql runs statements as the server's administrator; a line that starts with "owner:" as the owner.
func (h *house) sql(t *testing.T, text string) {
	t.Helper()
	conn := h.admin
	if rest, ok := strings.CutPrefix(text, "owner:"); ok {
		conn, text = h.owner, rest
	}
	_, err := conn.Exec(context.Background(), h.names(text))
	require.NoError(t, err, text)
}

// sweep drops what is not the hospital's, so that the near miss can make objects of the same names.
const sweep = `do $$ declare sql text; begin
	foreach sql in array array(
		select format('drop event trigger %I', evtname) from pg_event_trigger
		union all select format('drop publication %I', pubname) from pg_publication
		union all select format('drop foreign data wrapper %I cascade', fdwname) from pg_foreign_data_wrapper
		union all select format('drop extension %I cascade', extname) from pg_extension where extname <> 'plpgsql'
		union all select format('select lo_unlink(%s)', oid) from pg_largeobject_metadata
		union all select format('drop %s if exists %s cascade', case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end, oid::regclass)
			from pg_class where relnamespace in ('public'::regnamespace, 'lab'::regnamespace) and relkind in ('v', 'm', 'r', 'S')
				and relname not in ('hospitals', 'patients', 'encounters', 'codes', 'settings', 'results') and relname not like all ('{%\\_seq,visits%}')
				and not exists (select from pg_inherits where inhparent = pg_class.oid)
		union all select format('drop routine if exists %s cascade', oid::regprocedure) from pg_proc where pronamespace in ('public'::regnamespace, 'lab'::regnamespace)
			and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e'))
	loop execute sql; end loop;
end $$`

// cleanUp takes roles and the like away, as far as they are there.
func (h *house) cleanUp(t *testing.T, text string) {
	t.Helper()
	for _, statement := range strings.Split(h.names(text), ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		_, err := h.admin.Exec(context.Background(), statement)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "42704" {
			continue // the last one had not made it
		}
		require.NoError(t, err, statement)
	}
}

func (h *house) names(text string) string {
	return strings.NewReplacer("{login}", h.login, "{owner}", h.OwnerRole, "{database}", h.Name).Replace(text)
}

func (h *house) audit(t *testing.T, o rls.AuditOptions) *rls.Report {
	t.Helper()
	o.Login = cmp.Or(o.Login, h.login)
	report, err := rls.Audit(t.Context(), h.admin, h.catalog, o)
	require.NoError(t, err)
	return report
}

// findings are the report's, but for the server's own version, which a test can't mend.
func findings(report *rls.Report) []rls.Finding {
	var out []rls.Finding
	for _, f := range report.Findings {
		if f.Rule != "SEP090" {
			out = append(out, f)
		}
	}
	return out
}

func find(report *rls.Report, rule, object string) *rls.Finding {
	for i, f := range report.Findings {
		if f.Rule == rule && (object == "" || f.Object == object) {
			return &report.Findings[i]
		}
	}
	return nil
}

// fault is one way in which a rule is broken.
type fault struct {
	rule, name string
	fault      string // SQL that builds it
	object     string // of the finding; the first one's when empty
	nearMiss   string // SQL that looks like it and is not it
	undo       string // SQL that takes back what reaches beyond the database
	options    rls.AuditOptions
	others     bool // other rules object as well, and are mended in the same go
	texts      bool // in a hospital whose tenants' ids are texts
}

// testFaults builds each fault on a real server: it is found, shown by our query, mended by our SQL, and then nothing is
// found any more. What comes close is not reported.
func testFaults(t *testing.T, faults []fault) {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range faults {
		if testing.Short() && seen[f.rule] { // one for each rule
			continue
		}
		seen[f.rule] = true
		t.Run(f.rule+" "+f.name, func(t *testing.T) {
			t.Parallel()
			of, declared := schema, catalog
			if f.texts {
				of, declared = strings.ReplaceAll(schema, "uuid", "text"), texts
			}
			h := newHouseOf(t, of, declared)
			if f.undo != "" {
				t.Cleanup(func() { h.cleanUp(t, f.undo) })
			}
			h.sql(t, f.fault)
			report := h.audit(t, f.options)
			found := find(report, f.rule, h.names(f.object))
			require.NotNil(t, found, "not found: %+v", findings(report))
			require.NotEmpty(t, found.What)
			require.NotEmpty(t, found.Mend, "%+v", found)
			if found.Show != "" {
				_, err := h.admin.Exec(t.Context(), found.Show)
				require.Equal(t, f.rule == "SEP106", err != nil, found.Show) // whose subject is an error
				_, err = h.admin.Exec(t.Context(), "rollback")
				require.NoError(t, err)
			}
			for range 6 { // one mend may bring the next fault to light
				first := find(report, f.rule, "") != nil
				for _, each := range findings(report) {
					if first != (each.Rule == f.rule) || !first && !f.others {
						continue
					}
					for _, sql := range each.Mend {
						_, err := h.admin.Exec(t.Context(), sql)
						require.NoError(t, err, sql)
					}
				}
				if report = h.audit(t, f.options); len(findings(report)) == 0 {
					break
				}
			}
			require.Empty(t, findings(report), "not mended by %q", found.Mend)
			if f.nearMiss == "" || testing.Short() {
				return
			}
			// In the same database, which is as it should be again: making one for each takes longer than all the rest.
			h.cleanUp(t, f.undo)
			h.sql(t, sweep)
			h.sql(t, f.nearMiss)
			require.Nil(t, find(h.audit(t, f.options), f.rule, ""), "the near miss was reported: %s", f.nearMiss)
		})
	}
}

func TestNothingIsFoundWhereAllIsRight(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	report := h.audit(t, rls.AuditOptions{})
	require.Empty(t, findings(report))
	require.True(t, report.Complete())
	require.Empty(t, report.Incomplete)
	require.Len(t, report.Relations, 6)
}
