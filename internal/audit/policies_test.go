package audit_test

import "testing"

const (
	right   = `tenant_id = (select nullif(current_setting('septum.tenant', true), '')::uuid)`
	setting = `nullif(current_setting('septum.tenant', true), '')`
)

// R03 to R06, R08, R21: what policies say.
func TestPolicyFaults(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{rule: "SEP020", name: "no floor", fault: `drop policy septum_floor on patients`, object: "public.patients",
			nearMiss: `alter policy septum_floor on patients rename to house_floor`},
		{rule: "SEP021", name: "R03 a floor for the login alone", fault: `alter policy septum_floor on patients to {login}`, object: "public.patients",
			nearMiss: `alter policy septum_app on patients to public`},
		{rule: "SEP021", name: "R04 a floor for reading alone", object: "public.patients",
			fault:    `drop policy septum_floor on patients; create policy septum_floor on patients as restrictive for select to public using (` + right + `)`,
			nearMiss: `create policy day on patients as restrictive using (extract(hour from now()) < 25)`},
		{rule: "SEP021", name: "R05 a floor that fails open", object: "public.patients", others: true,
			fault: `alter policy septum_floor on patients using (current_setting('septum.tenant', true) is null or ` + right + `)`},
		{rule: "SEP022", name: "R03 everybody", fault: `create policy everybody on patients using (true)`, object: "policy everybody on public.patients", others: true,
			nearMiss: `create policy everybody on patients to {owner} using (true)`},
		{rule: "SEP022", name: "R03 for a role that the login inherits", object: "policy support on public.patients", others: true,
			fault: `create role sup_{login}; grant sup_{login} to {login}; create policy support on patients to sup_{login} using (name is not null)`,
			undo:  `drop policy if exists support on patients; drop role sup_{login}`},
		{rule: "SEP022", name: "R04 a bare delete", fault: `create policy cleaner on patients for delete using (true)`, object: "policy cleaner on public.patients", others: true,
			nearMiss: `create policy cleaner on patients for delete using (` + right + `)`},
		{rule: "SEP022", name: "one tenant for all", fault: `create policy shared on patients using (tenant_id = '11111111-1111-1111-1111-111111111111')`,
			object: "policy shared on public.patients", others: true},
		{rule: "SEP023", name: "R05 no tenant is all", object: "policy septum_app on public.patients", others: true,
			fault: `alter policy septum_app on patients using (current_setting('septum.tenant', true) is null or ` + right + `)`},
		{rule: "SEP023", name: "R05 IS NOT DISTINCT FROM", object: "policy septum_app on public.patients", others: true,
			fault: `alter policy septum_app on patients using (tenant_id is not distinct from (select ` + setting + `::uuid))`},
		{rule: "SEP023", name: "R05 coalesce", object: "policy more on public.patients", others: true,
			fault: `create policy more on patients using (tenant_id = coalesce((select ` + setting + `::uuid), tenant_id))`},
		{rule: "SEP024", name: "R06 text", object: "policy septum_app on public.patients", others: true,
			fault:    `alter policy septum_app on patients using (tenant_id::text = (select ` + setting + `))`,
			nearMiss: `alter policy septum_app on patients using (` + right + `)`},
		{rule: "SEP025", name: "another setting", object: "policy septum_app on public.patients", others: true,
			fault:    `alter policy septum_app on patients using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid))`,
			nearMiss: `alter policy septum_app on patients using (` + right + `) with check (` + right + `)`},
		{rule: "SEP025", name: "a function of the house", object: "policy septum_app on public.patients", others: true,
			fault: `create function tenant() returns uuid stable set search_path = pg_catalog, pg_temp language sql as $$select ` + setting + `::uuid$$;
				alter policy septum_app on patients using (tenant_id = (select tenant())) with check (tenant_id = (select tenant()))`},
		{rule: "SEP026", name: "R04 WITH CHECK", object: "policy septum_app on public.patients", others: true,
			fault:    `alter policy septum_app on patients with check (true)`,
			nearMiss: `alter policy septum_app on patients using (tenant_id = '11111111-1111-1111-1111-111111111111')`},
		{rule: "SEP027", name: "R08 per row", object: "policy septum_app on public.patients", others: true,
			fault:    `alter policy septum_app on patients using (tenant_id = ` + setting + `::uuid) with check (` + right + `)`,
			nearMiss: `alter policy septum_app on patients using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid))`},
		{rule: "SEP028", name: "R21 memberships", object: "policy septum_app on public.patients", others: true,
			fault: `create table members (login name primary key, tenant_id uuid not null);
				alter policy septum_app on patients using (tenant_id in (select m.tenant_id from members m where m.login = session_user))`,
			nearMiss: `alter policy septum_app on patients using (tenant_id = (select ` + setting + `::uuid) and true)`},
	})
}

// R07 to R09: the functions behind policies, and where the tenant comes from.
func TestHelperFaults(t *testing.T) {
	t.Parallel()
	const body = ` language sql as 'select ` + "nullif(current_setting(''septum.tenant'', true), '''')" + `::uuid'`
	const use = `; alter policy septum_app on patients using (tenant_id = (select tenant())) with check (tenant_id = (select tenant()))`
	const pinned = ` set search_path = pg_catalog, pg_temp`
	testFaults(t, []fault{
		{rule: "SEP030", name: "R07 immutable", fault: `create function tenant() returns uuid immutable` + pinned + body + use,
			object: "function public.tenant()", others: true, nearMiss: `create function tenant() returns uuid stable` + pinned + body + use},
		{rule: "SEP030", name: "R07 immutable behind a stable one", object: "function public.inner_tenant()", others: true,
			fault: `create function inner_tenant() returns uuid immutable` + pinned + body + `;
				create function tenant() returns uuid stable` + pinned + ` language sql as 'select public.inner_tenant()'` + use,
			nearMiss: `create function fold(t text) returns text immutable` + pinned + ` language sql as 'select lower(t)';
				create policy more on patients as restrictive using (fold(name) <> 'x')`},
		{rule: "SEP031", name: "R07 the login's own function", object: "function public.tenant()", others: true,
			fault:    `create function tenant() returns uuid stable` + pinned + body + `; alter function tenant() owner to {login}` + use,
			nearMiss: `create function tenant() returns uuid stable` + pinned + body + `; alter function tenant() owner to {login}`},
		{rule: "SEP032", name: "R07 no search_path", object: "function public.tenant()", others: true,
			fault:    `create function tenant() returns uuid stable` + body + use,
			nearMiss: `create function tenant() returns uuid stable return nullif(current_setting('septum.tenant', true), '')::uuid` + use},
		{rule: "SEP033", name: "R07 reads what the login writes", object: "public.settings", others: true,
			fault:    `create function tenant() returns uuid stable security definer` + pinned + ` language sql as 'select value::uuid from public.settings where key = session_user'` + use,
			nearMiss: `create function tenant() returns uuid stable security definer` + pinned + ` language sql as 'select title::uuid from public.codes where code = session_user'` + use},
		{rule: "SEP034", name: "R08 sets the tenant", object: "function public.become(text)", others: true,
			fault:    `create function become(t text) returns text language sql as $$select set_config('septum.tenant', t, true)$$`,
			nearMiss: `create function whoami() returns text language sql as $$select current_setting('septum.tenant', true)$$`},
		{rule: "SEP035", name: "R09 stored for the login", object: "role {login}", fault: `alter role {login} set septum.tenant = '11111111-1111-1111-1111-111111111111'`,
			nearMiss: `alter role {login} in database postgres set septum.tenant = '1'; alter role {login} set septum_x.tenant = '1'`},
		{rule: "SEP035", name: "R09 stored for the database", object: "database {database}", fault: `alter database {database} set septum.tenant = '11111111-1111-1111-1111-111111111111'`},
		{rule: "SEP035", name: "R09 stored for the login in the database", object: "role {login} in database {database}",
			fault: `alter role {login} in database {database} set septum.tenant = '1'`},
		{rule: "SEP035", name: "R09 in a function", object: "function public.f()", others: true,
			fault:    `create function f() returns int set septum.tenant = '1' language sql as 'select 1'`,
			nearMiss: `create function f() returns int set work_mem = '1MB' language sql as 'select 1'`},
		{rule: "SEP036", name: "R09 another role by default", object: "role {login}", fault: `alter role {login} set role = {owner}`,
			nearMiss: `alter role {login} set role = {login}; alter role {login} set row_security = on`},
		{rule: "SEP036", name: "R09 no policies", object: "database {database}", fault: `alter database {database} set row_security = off`},
	})
}
