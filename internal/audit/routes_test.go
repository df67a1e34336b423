package audit_test

import (
	"strings"
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// route is a fault that is reached by a way which nobody takes on purpose.
type route struct{ name, rule, object, fault string }

// testRoutes builds all faults in one database: each is found, and all are mended by our SQL. Then what comes close to them
// stands there, and is not reported. The rules that the faults themselves break besides may be found as well.
func testRoutes(t *testing.T, o rls.AuditOptions, routes []route, undo, nearMisses string) {
	t.Helper()
	h := newHouse(t)
	h.sql(t, `owner:create table visits (tenant_id uuid not null, id bigint not null, at date not null, primary key (tenant_id, id, at)) partition by range (at);
		create table visits_old partition of visits for values from (minvalue) to ('2026-01-01') partition by list (tenant_id);
		create table visits_old_1 partition of visits_old for values in ('11111111-1111-1111-1111-111111111111');
		create table visits_old_2 partition of visits_old for values in ('22222222-2222-2222-2222-222222222222', '33333333-3333-3333-3333-333333333333');
		create table visits_new partition of visits for values from ('2026-01-01') to ('2027-01-01')`)
	h.catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients", "encounters", "lab.results", "visits"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}), query.Global("codes"),
		query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))
	require.NoError(t, rls.Apply(t.Context(), h.owner, h.catalog, rls.Options{AppRole: h.login}))
	if undo != "" {
		t.Cleanup(func() { h.cleanUp(t, undo) })
	}
	for _, r := range routes {
		h.sql(t, r.fault)
	}
	report := h.audit(t, o)
	for _, r := range routes {
		found := find(report, r.rule, h.names(r.object))
		if found == nil {
			t.Errorf("%s: not found: %s %s", r.name, r.rule, h.names(r.object))
			for _, f := range findings(report) {
				t.Logf("%s %s: %s", f.Rule, f.Object, f.What)
			}
			continue
		}
		require.NotEmpty(t, found.Mend, r.name)
	}
	for range 6 { // one mend may bring the next fault to light
		for _, f := range findings(report) {
			if f.Show != "" {
				_, err := h.admin.Exec(t.Context(), f.Show)
				require.NoError(t, err, "%s", f.Show)
			}
			for _, sql := range f.Mend {
				if _, err := h.admin.Exec(t.Context(), sql); err != nil && !strings.Contains(err.Error(), "does not exist") { // two faults may have one mend
					require.NoError(t, err, "%s %s: %s", f.Rule, f.Object, sql)
				}
			}
		}
		if report = h.audit(t, o); len(findings(report)) == 0 {
			break
		}
	}
	require.Empty(t, findings(report), "not mended")
	if nearMisses == "" {
		return
	}
	h.cleanUp(t, undo)
	h.sql(t, sweep)
	h.sql(t, nearMisses)
	require.Empty(t, findings(h.audit(t, o)), "near misses were reported")
}

const safePath = ` set search_path = pg_catalog, pg_temp`

// R10 to R12: views on views on functions, and code behind triggers, cascades, rules, events and operator classes.
func TestRoutesOfCode(t *testing.T) {
	t.Parallel()
	const quietly = ` returns trigger security definer` + safePath + ` language plpgsql as 'begin return new; end'; revoke execute on function `
	testRoutes(t, rls.AuditOptions{CatalogOnly: true}, []route{
		{"a trigger of a partition", "SEP050", "function public.on_part()",
			`create function on_part()` + quietly + `on_part from public; create trigger t after insert on visits_new for each row execute function on_part()`},
		{"a trigger where a cascade deletes", "SEP050", "function public.on_cascade()",
			`create table notes (tenant_id uuid, patient_id bigint, foreign key (tenant_id, patient_id) references patients on delete cascade);
			create function on_cascade()` + quietly + `on_cascade from public; create trigger t after delete on notes for each row execute function on_cascade()`},
		{"a trigger where a trigger writes", "SEP050", "function public.on_log()",
			`create table log (what text); create function on_log()` + quietly + `on_log from public; create trigger t after insert on log for each row execute function on_log();
			create function to_log() returns trigger security definer` + safePath + ` language plpgsql as 'begin insert into public.log values (new.ward); return new; end';
			alter function to_log() owner to {owner}; revoke execute on function to_log from public; create trigger t after insert on encounters for each row execute function to_log()`},
		{"an event", "SEP050", "function public.on_event()",
			`create function on_event() returns event_trigger security definer` + safePath + ` language plpgsql as 'begin end'; revoke execute on function on_event from public;
			create event trigger watch on ddl_command_end execute function on_event()`},
		{"an operator class", "SEP050", "function public.compare(text, text)",
			`create function compare(text, text) returns int immutable security definer` + safePath + ` language sql as 'select bttextcmp($1, $2)'; revoke execute on function compare from public;
			create operator class own for type text using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 compare(text, text)`},
		{"SQL that the caller writes, with the rights of who may drop policies", "SEP050", "function public.run(text)",
			`create function run(q text) returns void security definer` + safePath + ` language plpgsql as 'begin execute q; end'; alter function run(text) owner to {owner}`},
		{"the server's files by another name", "SEP053", "function public.slurp(text)", `create function slurp(text) returns text language internal as 'pg_read_file_all'`},
		{"what an extension keeps to itself", "SEP053", "function public.pg_buffercache_pages()", `create extension pg_buffercache; grant execute on function pg_buffercache_pages() to {login}`},
		{"a copy of what a function reads", "SEP041", "public.copied",
			`create function everybody() returns setof patients language sql as 'select * from public.patients'; create materialized view copied as select * from everybody(); grant select on copied to {login}`},
		{"a foreign table behind two views", "SEP042", "public.far",
			`create foreign data wrapper fdw; create server far foreign data wrapper fdw; create foreign table far (tenant_id uuid) server far;
			create view near as select * from far; create view nearer as select * from near; grant select on nearer to {login}`},
		{"a foreign table of its own", "SEP042", "public.mine", `create foreign table mine (tenant_id uuid) server far; alter foreign table mine owner to {login}`},
		{"a partition of a forgotten table", "SEP013", "public.leaf", `create table forest (tenant_id uuid, n int) partition by list (n); create table leaf partition of forest for values in (1); grant select on leaf to {login}`},
		{"a rule that notifies", "SEP084", "rule shout on public.patients", `create rule shout as on insert to patients do also notify patients`},
		{"a channel behind a function behind a trigger", "SEP084", "trigger tell on public.visits_new",
			`create function say(t text) returns void language sql as $$select pg_notify('visits', t)$$;
			create function tell() returns trigger language plpgsql` + safePath + ` as 'begin perform public.say(new.id::text); return new; end';
			create trigger tell after insert on visits_new for each row execute function tell()`},
		{"the tenant set behind a definer", "SEP034", "function public.set_it(text)",
			`create function set_it(t text) returns text begin atomic select set_config('septum.tenant', t, true); end; revoke execute on function set_it from public;
			create function outside(t text) returns text security definer` + safePath + ` language plpgsql as 'begin return public.set_it(t); end'; alter function set_it owner to {owner}; alter function outside owner to {owner}`},
	}, `drop event trigger if exists watch; drop operator family if exists own using btree cascade`, `
		create function on_part()`+quietly+`on_part from public; create trigger t after insert on visits_new for each row execute function on_part(); alter function on_part() owner to {owner};
		create table aside (what text); create function on_aside()`+quietly+`on_aside from public; create trigger t after insert on aside for each row execute function on_aside();
		create function reads() returns bigint security definer`+safePath+` language plpgsql as 'begin return (select count(*) from public.aside); end'; alter function reads() owner to {owner};
		create function tidy() returns void security definer`+safePath+` language plpgsql as 'begin execute ''analyze public.patients''; end'; alter function tidy() owner to {owner};
		create function lower_all(text) returns text language internal as 'lower';
		create materialized view copied as select * from codes; grant select on copied to {login};
		create view own as select * from codes; grant select on own to {login};
		create function set_it(t text) returns text begin atomic select set_config('work_mem', t, true); end`)
}

// R01, R09, R15, R16, R17: rights that come by an owner, a part, an option, a default or an extension.
func TestRoutesOfRights(t *testing.T) {
	t.Parallel()
	testRoutes(t, rls.AuditOptions{CatalogOnly: true}, []route{
		{"TRIGGER on a partition alone", "SEP070", "public.visits_new", `grant trigger, references on visits_new to {login}`},
		{"a schema of its own, which comes before all others", "SEP072", `schema {login}`, `create schema "{login}" authorization {login}`},
		{"the next sequence", "SEP074", "default privileges of {owner} on sequences to {login}", `alter default privileges for role {owner} grant select on sequences to {login}`},
		{"the next schema", "SEP074", "default privileges of {owner} on schemas to public", `alter default privileges for role {owner} grant create, usage on schemas to public`},
		{"tables of one schema", "SEP074", "default privileges of {owner} in schema lab to {login}", `alter default privileges for role {owner} in schema lab grant references on tables to {login}`},
		{"its own sequence", "SEP080", "public.counter", `create sequence counter; alter sequence counter owner to {login}`},
		{"large objects open to one login", "SEP036", "role {login}", `alter role {login} set lo_compat_privileges = on`},
		{"a role by default in this database", "SEP036", "role {login} in database {database}", `alter role {login} in database {database} set role = '{owner}'`},
		{"ADMIN of a role that bypasses", "SEP002", "role by_{login}", `create role by_{login} bypassrls nologin; grant by_{login} to {login} with admin option`},
		{"a role with a quote that may replicate", "SEP004", `role re"p{login}`, `create role "re""p{login}" replication nologin; create role "mid dle{login}" noinherit; grant "re""p{login}" to "mid dle{login}"; grant "mid dle{login}" to {login}`},
		{"the server's own function that somebody marked", "SEP085", "function pg_catalog.textlike(text, text)", `alter function pg_catalog.textlike(text, text) leakproof`},
		{"a filter that lets all through", "SEP086", "publication loose of public.patients", `create publication loose for table patients where (tenant_id is not null)`},
		{"a filter that leaves one out", "SEP086", "publication others of public.encounters", `create publication others for table encounters where (tenant_id <> '11111111-1111-1111-1111-111111111111')`},
		{"a partition", "SEP086", "publication part of public.visits_new", `create publication part for table visits_new`},
		{"a schema beside a filter", "SEP086", "publication mixed of schema lab", `create publication mixed for table patients where (tenant_id = '11111111-1111-1111-1111-111111111111'), tables in schema lab`},
		{"an opened part of the catalogs", "SEP083", "pg_catalog.pg_statistic_ext_data", `grant select on pg_statistic_ext_data to public`},
	}, `alter default privileges for role {owner} revoke all on sequences from {login}; alter default privileges for role {owner} revoke all on schemas from public;
		drop owned by "mid dle{login}", "re""p{login}", by_{login}; drop role "mid dle{login}"; drop role "re""p{login}"; drop role by_{login};
		alter role {login} reset all; alter role {login} in database {database} reset all; drop schema if exists "{login}"; drop schema if exists aside cascade`, `
		create schema aside authorization {owner}; create sequence aside.counter; grant usage on aside.counter to {login};
		alter default privileges for role {owner} grant usage on sequences to {login};
		alter role {login} set lo_compat_privileges = off; alter role {login} in database {database} set role = 'none'; alter role {login} set work_mem = '8MB';
		create role by_{login} bypassrls nologin; grant {login} to by_{login};
		create publication chosen for table patients where (tenant_id in ('11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222') and id > 0),
			visits_new where ('11111111-1111-1111-1111-111111111111' = tenant_id), codes`)
}

// R03 to R07: what a policy stands on.
func TestRoutesOfPolicies(t *testing.T) {
	t.Parallel()
	const own = ` owner to {login};`
	testRoutes(t, rls.AuditOptions{}, []route{
		{"an operator's function", "SEP031", "function public.same(uuid, uuid)",
			`create function same(uuid, uuid) returns boolean immutable` + safePath + ` language sql as 'select $1 = $2'; create operator === (function = same, leftarg = uuid, rightarg = uuid);
			alter function same` + own + `create policy by_operator on patients as restrictive using (tenant_id === tenant_id)`},
		{"an operator of its own", "SEP031", "operator public.=!=(uuid,uuid)",
			`create operator =!= (function = uuid_eq, leftarg = uuid, rightarg = uuid); alter operator =!= (uuid, uuid)` + own + `create policy by_own_operator on encounters as restrictive using (tenant_id =!= tenant_id)`},
		{"a domain of its own", "SEP031", "domain public.word", `create domain word as text; alter domain word` + own + `create policy by_domain on encounters as restrictive using (ward::word <> 'x')`},
		{"a table of its own", "SEP033", "public.members", `create table members (login name); alter table members` + own + `
			create policy by_table on patients as restrictive using (exists (select from members where login = session_user) or true)`},
		{"an immutable body that the server keeps parsed", "SEP030", "function public.is_ours(uuid)",
			`create function is_ours(t uuid) returns boolean immutable return t = nullif(current_setting('septum.tenant', true), '')::uuid; create policy by_body on lab.results as restrictive using (is_ours(tenant_id))`},
		{"an immutable function of an argument, behind which another reads", "SEP030", "function public.is_mine(uuid)",
			`create function who() returns uuid stable` + safePath + ` language sql as $$select nullif(current_setting('septum.tenant', true), '')::uuid$$;
			create function is_mine(t uuid) returns boolean immutable` + safePath + ` language plpgsql as 'begin return t = public.who(); end'; create policy by_two on lab.results as restrictive using (is_mine(tenant_id))`},
		{"a floor of three commands", "SEP021", "public.visits", `drop policy septum_floor on visits; create policy a on visits as restrictive for select using (` + right + `);
			create policy b on visits as restrictive for insert with check (` + right + `); create policy c on visits as restrictive for update using (` + right + `)`},
		{"a row planted in a partition", "SEP103", "public.visits", `alter policy septum_app on visits with check (true); drop policy b on visits`},
		{"an update that checks nothing", "SEP021", "public.hospitals", `drop policy septum_floor on hospitals; create policy b on hospitals as restrictive for all using (id = (select ` + setting + `::uuid)) with check (true)`},
		{"nothing but restrictive ones", "SEP012", "lab.results", `drop policy septum_app on lab.results`},
		{"a name that ends names", "SEP022", "policy \"a\"\"b.c\n$$'\" on public.patients", "create policy \"a\"\"b.c\n$$'\" on patients to public using (id > 0)"},
	}, ``, `
		create function same(uuid, uuid) returns boolean immutable`+safePath+` language sql as 'select $1 = $2'; create operator === (function = same, leftarg = uuid, rightarg = uuid);
		create policy by_operator on patients as restrictive using (tenant_id === tenant_id); create domain phrase as text; create policy by_phrase on encounters as restrictive using (ward::phrase <> 'x');
		create function fold(t text) returns text immutable return lower(t); create policy by_body on lab.results as restrictive using (fold(value::text) <> '')`)
}

// R12 to R14, R20: keys of parts, and keys that only look as if they had the tenant.
func TestRoutesOfKeys(t *testing.T) {
	t.Parallel()
	testRoutes(t, rls.AuditOptions{}, []route{
		{"a partition's own key", "SEP060", "index visits_new_id on public.visits_new", `create unique index visits_new_id on visits_new (id)`},
		{"a key of a partition of two tenants", "SEP060", "index visits_old_2_id_key on public.visits_old_2", `alter table visits_old_2 add unique (id)`},
		{"a child's key", "SEP060", "index old_patients_id_key on public.old_patients", `create table old_patients (unique (id)) inherits (patients)`},
		{"an exclusion between tenants", "SEP060", "index one_at_a_time on public.encounters",
			`create extension btree_gist; alter table encounters add constraint one_at_a_time exclude using gist (ward with =, tenant_id with <>) where (ward <> 'west')`},
		{"the tenant behind the key", "SEP060", "index covered on public.patients", `create unique index covered on patients (id, name) include (tenant_id)`},
		{"a partition's own reference", "SEP061", "constraint to_patient on public.visits_new",
			`alter table patients add column number bigint unique; alter table visits_new add constraint to_patient foreign key (id) references patients (number)`},
		{"a reference to a child", "SEP061", "constraint to_child on public.encounters", `alter table encounters add column old bigint; alter table encounters add constraint to_child foreign key (old) references old_patients (id)`},
	}, ``, `
		alter table visits_old_1 add unique (id); create unique index on patients (id, name, tenant_id); create unique index nulls on encounters (ward, tenant_id, id) nulls not distinct`)
}

// R18: a foreign key is asked by its own operator, which may find equal what others don't.
func TestOrphansByTheKeysOwnOperator(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `create extension citext; create table words (tenant_id uuid not null, word citext not null, primary key (tenant_id, word));
		create table uses (tenant_id uuid not null, id bigint not null, word citext not null, primary key (tenant_id, id), foreign key (tenant_id, word) references words);
		insert into words values ('11111111-1111-1111-1111-111111111111', 'Ward'); insert into uses values ('11111111-1111-1111-1111-111111111111', 1, 'WARD');
		alter table words owner to {owner}; alter table uses owner to {owner}`)
	h.catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients", "encounters", "lab.results", "words", "uses"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}), query.Global("codes"),
		query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))
	require.NoError(t, rls.Apply(t.Context(), h.owner, h.catalog, rls.Options{AppRole: h.login}))
	require.Empty(t, findings(h.audit(t, rls.AuditOptions{})))
}
