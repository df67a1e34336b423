package audit_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// R07: what stands before pg_catalog on the auditor's search_path does not answer for the catalogs, and a session in which
// policies are off sees what the application sees.
func TestConductNothingAnswersForTheCatalogs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `create schema evil; grant usage on schema evil to public;
		create view evil.pg_class as select * from pg_catalog.pg_class where false;
		create view evil.pg_roles as select * from pg_catalog.pg_roles where false;
		create view evil.pg_policy as select * from pg_catalog.pg_policy where false;
		create function evil.row_security_active(oid) returns boolean language sql as 'select true';
		create function evil.pg_is_in_recovery() returns boolean language sql as 'select true';
		create function evil.never(oid, oid) returns boolean language sql as 'select false';
		create operator evil.= (function = evil.never, leftarg = oid, rightarg = oid);
		create domain evil.uuid as text;
		create function evil.random() returns float8 language sql as 'select 1.0::float8'`)
	conn := connect(t, h.AdminURL)
	_, err := conn.Exec(t.Context(), `set search_path = evil, pg_catalog; set row_security = off`)
	require.NoError(t, err)
	audit := func() *rls.Report {
		report, err := rls.Audit(t.Context(), conn, catalog, rls.AuditOptions{Login: h.login, ProbeRows: true})
		require.NoError(t, err)
		return report
	}
	report := audit()
	require.Empty(t, findings(report))
	require.Empty(t, report.Incomplete)
	h.sql(t, `alter table patients disable row level security`)
	report = audit()
	for _, rule := range []string{"SEP010", "SEP017", "SEP100", "SEP101", "SEP102", "SEP103", "SEP104"} {
		require.NotNil(t, find(report, rule, "public.patients"), rule)
	}
	var path, security string
	require.NoError(t, conn.QueryRow(t.Context(), `select pg_catalog.current_setting('search_path'), pg_catalog.current_setting('row_security')`).Scan(&path, &security))
	require.Equal(t, []string{"evil, pg_catalog", "off"}, []string{path, security}, "the session's own settings are its own again")
}

// Where everything is open, what is tried on rows succeeds: it is rolled back all the same.
func TestConductRowsStayAsTheyWere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `drop policy septum_floor on patients; create policy more on patients using (true) with check (true); drop policy septum_floor on lab.results;
		create policy more on lab.results using (true) with check (true); alter table encounters drop constraint encounters_tenant_id_patient_id_fkey`)
	sum := func() (sum string) {
		require.NoError(t, h.admin.QueryRow(t.Context(), `select (select jsonb_agg(to_jsonb(p) order by p) from patients p)::text || (select jsonb_agg(to_jsonb(r) order by r) from lab.results r)::text`).Scan(&sum))
		return sum
	}
	before := sum()
	report := h.audit(t, rls.AuditOptions{ProbeRows: true})
	require.NotNil(t, find(report, "SEP107", "public.patients"))
	require.NotNil(t, find(report, "SEP103", "lab.results"))
	require.Equal(t, before, sum())
	require.EqualValues(t, 'I', h.admin.PgConn().TxStatus())
}

// A view that the catalog declares was looked at, with what it shows.
func TestADeclaredViewIsItsAuthorsWord(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `create table wards (name text); create view ward_names as select name from wards; grant select on ward_names to {login}`)
	require.NotNil(t, find(h.audit(t, rls.AuditOptions{CatalogOnly: true}), "SEP013", "public.wards"))
	declared := query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients"), query.Global("codes", "ward_names"))
	report, err := rls.Audit(t.Context(), h.admin, declared, rls.AuditOptions{Login: h.login, CatalogOnly: true})
	require.NoError(t, err)
	require.Nil(t, find(report, "SEP013", "public.wards"))
}

// The audit takes the locks that reading and writing rows take, and none that these wait for.
func TestConductLocks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	conn, watcher := connect(t, h.AdminURL), connect(t, h.AdminURL)
	modes, stop, done := map[string]bool{}, make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(200 * time.Microsecond):
			}
			var seen []string
			err := watcher.QueryRow(context.Background(), `select coalesce(array_agg(distinct mode), '{}') from pg_locks where pid = $1 and locktype not in ('virtualxid', 'transactionid')`,
				int(conn.PgConn().PID())).Scan(&seen)
			if err != nil {
				done <- err
				return
			}
			for _, mode := range seen {
				modes[mode] = true
			}
		}
	}()
	for range 3 {
		_, err := rls.Audit(t.Context(), conn, catalog, rls.AuditOptions{Login: h.login})
		require.NoError(t, err)
	}
	close(stop)
	require.NoError(t, <-done)
	require.NotEmpty(t, modes)
	for mode := range modes {
		require.True(t, slices.Contains([]string{"AccessShareLock", "RowExclusiveLock"}, mode), mode)
	}
}

// PostgreSQL 16 and newer: a membership that gives nothing is none, and one that can be turned into more is one.
func TestMembershipsThatGiveNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var version int
	require.NoError(t, h.admin.QueryRow(t.Context(), `select current_setting('server_version_num')::int`).Scan(&version))
	grant := func(options string) *rls.Finding {
		if version < 160000 {
			options = map[bool]string{true: "", false: "with admin option"}[options == "with set true, inherit false"]
			h.sql(t, `grant {owner} to {login} `+options)
		} else {
			h.sql(t, `grant {owner} to {login} `+options)
		}
		defer h.sql(t, `revoke {owner} from {login}`)
		return find(h.audit(t, rls.AuditOptions{CatalogOnly: true}), "SEP006", "public.patients")
	}
	if version >= 160000 {
		require.Nil(t, grant("with set false, inherit false"))
	}
	for role, since := range map[string]int{"pg_write_server_files": 150000, "pg_create_subscription": 160000, "pg_maintain": 170000} { // SEP005
		if version >= since {
			h.sql(t, `grant `+role+` to {login}`)
			require.NotNil(t, find(h.audit(t, rls.AuditOptions{CatalogOnly: true}), "SEP005", "role "+role), role)
			h.sql(t, `revoke `+role+` from {login}`)
		}
	}
	require.NotNil(t, grant("with set true, inherit false"))
	require.NotNil(t, grant("with set false, inherit true"))
	require.NotNil(t, grant("with set false, inherit false, admin true"))
}

// A design that uses what PostgreSQL has, and uses it rightly, has no finding: not one of advice either.
func TestARichDesignWithoutAFault(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `create role staff_{login} nologin; create role reporting_{login} login; grant staff_{login} to reporting_{login};
		create extension btree_gist;
		create table "Beds & co" (tenant_id uuid not null, id bigint generated always as identity, patient_id bigint not null, during tstzrange not null,
			day date generated always as ((lower(during) at time zone 'UTC')::date) stored, name text default 'x', primary key (tenant_id, id),
			foreign key (tenant_id, patient_id) references patients (tenant_id, id) on delete cascade deferrable initially deferred,
			exclude using gist (tenant_id with =, patient_id with =, during with &&), check (name <> ''));
		create table events (tenant_id uuid not null, id bigint not null, at date not null, primary key (tenant_id, id, at)) partition by range (at);
		create table events_old partition of events for values from ('2000-01-01') to ('2026-01-01') partition by hash (tenant_id);
		create table events_old_0 partition of events_old for values with (modulus 2, remainder 0);
		create table events_old_1 partition of events_old for values with (modulus 2, remainder 1);
		create table events_new partition of events for values from ('2026-01-01') to (maxvalue);
		create table touched (tenant_id uuid not null, id bigint not null, at timestamptz, primary key (tenant_id, id));
		create domain mrn as text check (value ~ '^[0-9]+$');
		create function touch() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as 'begin new.at := now(); return new; end';
		create trigger touch before insert on touched for each row execute function touch();
		create function fold(t text) returns text immutable parallel safe set search_path = pg_catalog, pg_temp language sql as 'select lower(t)';
		create view names with (security_invoker, security_barrier) as select tenant_id, name, fold(name) as folded from patients;
		create view of_names with (security_invoker) as select * from names;
		create materialized view totals as select count(*) from patients;
		create view hidden as select * from patients;
		create table internal_log (at timestamptz, what text);
		create rule quiet as on delete to internal_log do instead nothing;
		create publication outward for table codes, touched where (tenant_id = '11111111-1111-1111-1111-111111111111');
		alter default privileges for role {owner} grant select on tables to staff_{login};
		grant select on names, of_names to {login}; grant select on totals, internal_log to reporting_{login}; grant set on parameter log_statement to {login}`)
	t.Cleanup(func() {
		h.cleanUp(t, `drop owned by staff_{login}, reporting_{login}; alter default privileges for role {owner} revoke all on tables from staff_{login};
			drop role reporting_{login}; drop role staff_{login}; revoke all on parameter log_statement from {login}`)
	})
	rich := query.MustCatalog(query.TenantColumn("tenant_id", query.UUID),
		query.Tenant("patients", "encounters", "lab.results", `"Beds & co"`, "events", "touched"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}),
		query.Global("codes"), query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))
	require.NoError(t, rls.Apply(t.Context(), h.admin, rich, rls.Options{AppRole: h.login}))
	report, err := rls.Audit(t.Context(), h.admin, rich, rls.AuditOptions{Login: h.login, ProbeRows: true})
	require.NoError(t, err)
	require.Empty(t, findings(report))
	require.Empty(t, report.Incomplete)
}
