package audit_test

import "testing"

// Holes in databases that nobody here made: each is one step beside what the other tests build.
func TestHolesBesideTheBeatenTrack(t *testing.T) {
	t.Parallel()
	const pinned = ` set search_path = pg_catalog, pg_temp`
	testFaults(t, []fault{
		// Q10, R17: the server's own functions, and its settings.
		{rule: "SEP053", name: "Q10 the server's files", object: "function pg_catalog.pg_read_file(text)", fault: `grant execute on function pg_read_file(text) to {login}`,
			nearMiss: `grant execute on function pg_sleep(double precision) to {login}`},
		{rule: "SEP053", name: "Q10 to everybody", object: "function pg_catalog.lo_import(text)", fault: `grant execute on function lo_import(text) to public`},
		{rule: "SEP075", name: "R15 triggers and foreign keys off", object: "parameter session_replication_role set", fault: `grant set on parameter session_replication_role to {login}`,
			nearMiss: `grant set on parameter log_min_duration_statement to {login}`, undo: `revoke all on parameter session_replication_role from {login}; revoke all on parameter log_min_duration_statement from {login}`},
		{rule: "SEP075", name: "R16 the server's configuration", object: "parameter work_mem alter system", fault: `grant alter system on parameter work_mem to {login}`,
			undo: `revoke all on parameter work_mem from {login}`},
		{rule: "SEP083", name: "R01 one column of the statistics", object: "pg_catalog.pg_statistic", fault: `grant select (stavalues1) on pg_statistic to {login}`,
			nearMiss: `grant select (subname) on pg_subscription to {login}`},
		// R01: what the login owns it reads, whatever rights it has been given.
		{rule: "SEP013", name: "R01 its own copy of a table", object: "public.patients_old", others: true,
			fault:    `create table patients_old as select * from patients; alter table patients_old owner to {login}`,
			nearMiss: `create table patients_older as select * from patients; alter table patients_older owner to {owner}`},
		{rule: "SEP041", name: "R10 its own copy", object: "public.m", others: true,
			fault:    `create materialized view m as select * from patients; alter materialized view m owner to {login}`,
			nearMiss: `create materialized view m as select * from patients; alter materialized view m owner to {owner}`},
		{rule: "SEP043", name: "R12 its own child", object: "public.old_patients", fault: `create table old_patients () inherits (patients); alter table old_patients owner to {login}`},
		// R10: what stands behind a view is not always a tenant's relation itself.
		{rule: "SEP040", name: "R10, R12 a view of a parent", object: "public.v", others: true,
			fault: `create table items (tenant_id uuid, id bigint); alter table patients inherit items; create view v as select * from items; grant select on v to {login}`},
		{rule: "SEP013", name: "R10 a forgotten table behind a view", object: "public.notes",
			fault:    `create table notes (tenant_id uuid, note text); create view v as select note from notes; create view w as select * from v; grant select on w to {login}`,
			nearMiss: `create table notes (tenant_id uuid, note text); create view v with (security_invoker) as select note from notes; grant select on v to {login}`},
		{rule: "SEP013", name: "R10 a forgotten table's copy", object: "public.notes",
			fault:    `create table notes (tenant_id uuid, note text); create materialized view m as select note from notes; grant select on m to {login}`,
			nearMiss: `create materialized view m as select code from codes; grant select on m to {login}`},
		// R11: rules are run with the rights of the relation's owner wherever they stand.
		{rule: "SEP052", name: "R11 a rule on what is everybody's", object: "rule shred on public.settings", fault: `create rule shred as on insert to settings do also delete from patients`,
			nearMiss: `create rule fold as on insert to settings do also insert into codes values (new.key, new.value)`, others: true},
		{rule: "SEP052", name: "R11 a rule on an invoker's view", object: "rule redirect on public.v", others: true,
			fault: `create view v with (security_invoker) as select * from patients; grant insert on v to {login};
				create rule redirect as on insert to v do instead insert into patients values (new.*)`,
			nearMiss: `create table aside (id int); create rule shred as on insert to aside do also delete from patients`},
		{rule: "SEP026", name: "R04 a check of its own", object: "policy more on public.patients", others: true, fault: `create policy more on patients using (` + right + `) with check (name <> '')`,
			nearMiss: `create policy more on patients using (` + right + `) with check (` + right + ` and name <> ''); create policy reading on patients for select using (` + right + ` and name <> '')`},
		{rule: "SEP028", name: "R21 memberships", object: "policy more on public.patients", others: true,
			fault:    `create policy more on patients using (tenant_id = (select ` + setting + `::uuid) and exists (select from codes where code = name))`,
			nearMiss: `create policy more on patients using (tenant_id = (select x::uuid from (values (` + setting + `)) as v(x)))`},
		// R07: what is printed like the right predicate, and is another one.
		{rule: "SEP025", name: "R07 a cast that calls a function", object: "policy septum_app on public.patients", others: true,
			fault: `create function evil(text) returns uuid immutable` + pinned + ` language sql as $$select '11111111-1111-1111-1111-111111111111'::uuid$$;
				create cast (text as uuid) with function evil(text); drop policy septum_app on patients; create policy septum_app on patients to {login} using (` + right + `)`},
		// R08: the name of the setting, written otherwise.
		{rule: "SEP034", name: "R08 in dollar quotes", object: "function public.become(text)", others: true,
			fault:    `create function become(t text) returns text language sql as 'select pg_catalog.set_config /* so */ ($n$septum.tenant$n$, t, true)'`,
			nearMiss: `create function tidy() returns text language sql as $$select set_config('work_mem', '1MB', true)$$`},
		// R17: a filter that lets all tenants through.
		{rule: "SEP086", name: "R17 a filter beside the tenant", object: "publication outward of public.patients", fault: `create publication outward for table patients where (id > 0)`},
		// R11: what a superuser put where the server's own things are.
		{rule: "SEP050", name: "R11 in pg_catalog", object: "function pg_catalog.peek()",
			fault: `create function pg_catalog.peek() returns bigint security definer` + pinned + ` language sql as 'select count(*) from public.patients'`},
		{rule: "SEP040", name: "R10 in information_schema", object: "information_schema.peek",
			fault: `create view information_schema.peek as select * from public.patients; grant select on information_schema.peek to {login}`},
		{rule: "SEP072", name: "R15 in pg_catalog", object: "schema pg_catalog", fault: `grant create on schema pg_catalog to {login}`},
		// R01: memberships as PostgreSQL 15 has them; R05: true beside the predicate.
		{rule: "SEP023", name: "R05 or true", object: "policy septum_app on public.patients", others: true, fault: `alter policy septum_app on patients using (` + right + ` or true)`},
		{rule: "SEP025", name: "R05 an order instead of an equality", object: "policy septum_app on public.patients", others: true,
			fault: `alter policy septum_app on patients using (tenant_id >= (select ` + setting + `::uuid))`},
		{rule: "SEP106", name: "X06 a setting that must be there", object: "public.patients", others: true,
			fault: `alter policy septum_floor on patients using (tenant_id = (select current_setting('septum.tenant')::uuid))`},
	})
}
