package audit_test

import "testing"

// R10, R12: what reads for others.
func TestViewFaults(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{rule: "SEP040", name: "R10 a superuser's view", fault: `create view v as select * from patients; grant select on v to {login}`, object: "public.v",
			nearMiss: `create view v with (security_invoker) as select * from patients; grant select on v to {login}`},
		{rule: "SEP040", name: "R10 the owner's view", fault: `owner:create view v as select * from patients; grant select on v to {login}`, object: "public.v",
			nearMiss: `create view v as select * from patients`},
		{rule: "SEP040", name: "R10 at a depth", object: "lab.inner_view",
			fault: `create view lab.inner_view as select * from patients; create view middle as select * from lab.inner_view;
				create view outer_view as select * from middle; grant select on outer_view to {login}`,
			nearMiss: `create view inner_view with (security_invoker = on) as select * from patients; create view outer_view as select * from inner_view;
				grant select on outer_view to {login}`},
		{rule: "SEP040", name: "R10 in a sub-select, to everybody", object: "public.v",
			fault:    `create view v as select code, (select count(*) from encounters) from codes; grant select on v to public`,
			nearMiss: `create view v as select * from codes; grant select on v to public`},
		{rule: "SEP041", name: "R10 a copy", fault: `create materialized view m as select * from patients; grant select on m to {login}`, object: "public.m",
			nearMiss: `create materialized view m as select * from codes; grant select on m to {login}`},
		{rule: "SEP041", name: "R10 a copy of a view, behind a view", object: "public.m",
			fault: `create view v with (security_invoker) as select * from patients; create materialized view m as select * from v;
				create view w as select * from m; grant select on w to {login}`,
			nearMiss: `create materialized view m as select * from patients`, others: true},
		{rule: "SEP042", name: "R10 elsewhere", object: "public.far",
			fault: `create foreign data wrapper fdw; create server far foreign data wrapper fdw; create foreign table far (tenant_id uuid) server far;
				grant select on far to {login}`,
			nearMiss: `create foreign data wrapper fdw; create server far foreign data wrapper fdw; create foreign table far (tenant_id uuid) server far`},
		{rule: "SEP043", name: "R12 a child", fault: `create table old_patients () inherits (patients); grant select on old_patients to {login}`, object: "public.old_patients",
			nearMiss: `create table old_patients () inherits (patients)`},
		{rule: "SEP043", name: "R12 a child's child, one column", object: "lab.older",
			fault: `create table old_patients () inherits (patients); create table lab.older () inherits (old_patients); grant select (name) on lab.older to public`},
		{rule: "SEP044", name: "R12 a parent", object: "public.items", others: true,
			fault:    `create table items (tenant_id uuid, id bigint); alter table patients inherit items; grant select on items to {login}`,
			nearMiss: `create table other_items (tenant_id uuid, id bigint); alter table patients inherit other_items`},
	})
}

// R11: code with other rights than the caller's.
func TestDefinerFaults(t *testing.T) {
	t.Parallel()
	const pinned = ` set search_path = pg_catalog, public, pg_temp`
	const body = ` language sql as 'select count(*) from public.patients'`
	testFaults(t, []fault{
		{rule: "SEP050", name: "R11 a superuser's", fault: `create function f() returns bigint security definer` + pinned + body, object: "function public.f()",
			nearMiss: `create function f() returns bigint` + body + `; create function g() returns bigint security definer` + pinned + body + `; revoke execute on function g() from public`},
		{rule: "SEP050", name: "R11 the owner's, where nothing is forced", object: "function public.f()", others: true,
			fault:    `alter table patients no force row level security; create function f() returns bigint security definer` + pinned + body + `; alter function f() owner to {owner}`,
			nearMiss: `create function f() returns bigint security definer` + pinned + body + `; alter function f() owner to {owner}`},
		{rule: "SEP050", name: "R11 by a trigger", object: "function public.t()",
			fault: `create function t() returns trigger security definer` + pinned + ` language plpgsql as 'begin insert into public.settings values (new.name, new.id); return new; end';
				revoke execute on function t() from public; create trigger copy before insert on patients for each row execute function t()`,
			nearMiss: `create function t() returns trigger language plpgsql as 'begin return new; end'; create trigger copy before insert on patients for each row execute function t()`},
		{rule: "SEP050", name: "R11 by INSTEAD OF", object: "function public.t()",
			fault: `create view v with (security_invoker) as select * from patients; grant insert on v to {login};
				create function t() returns trigger security definer` + pinned + ` language plpgsql as 'begin return new; end'; revoke execute on function t() from public;
				create trigger t instead of insert on v for each row execute function t()`,
			nearMiss: `create view v with (security_invoker) as select * from codes;
				create function t() returns trigger security definer` + pinned + ` language plpgsql as 'begin return new; end'; revoke execute on function t() from public;
				create trigger t instead of insert on v for each row execute function t()`},
		{rule: "SEP050", name: "R11 by an aggregate", object: "function public.step(bigint, bigint)",
			fault: `create function step(bigint, bigint) returns bigint security definer` + pinned + ` language sql as 'select count(*) from public.patients';
				revoke execute on function step from public; create aggregate total(bigint) (sfunc = step, stype = bigint)`,
			nearMiss: `create function step(bigint, bigint) returns bigint security definer` + pinned + ` language sql as 'select count(*) from public.patients';
				revoke execute on function step from public; create aggregate total(bigint) (sfunc = step, stype = bigint); revoke execute on function total(bigint) from public`},
		{rule: "SEP050", name: "R11 by an operator", object: "function public.eq(text, text)",
			fault: `create function eq(text, text) returns boolean security definer` + pinned + ` language sql as 'select exists (select from public.patients where name = $1)';
				create operator === (function = eq, leftarg = text, rightarg = text)`},
		{rule: "SEP050", name: "R11 out of another definer", object: "function public.deep()", others: true,
			fault: `create function deep() returns bigint security definer` + pinned + body + `; revoke execute on function deep() from public;
				create function shallow() returns bigint security definer` + pinned + ` language plpgsql as 'begin return public.deep(); end'`,
			nearMiss: `create function deep() returns bigint security definer` + pinned + body + `; revoke execute on function deep() from public;
				create function shallow() returns bigint language plpgsql as 'begin return public.deep(); end'`},
		{rule: "SEP051", name: "R11 no search_path", object: "function public.f()",
			fault:    `create function f() returns bigint security definer` + body + `; alter function f() owner to {owner}`,
			nearMiss: `create function f() returns bigint` + body},
		{rule: "SEP051", name: "R11 without pg_temp", object: "function public.p()",
			fault:    `create procedure p() security definer set search_path = pg_catalog, public language sql as 'select 1'; alter procedure p() owner to {owner}`,
			nearMiss: `create procedure p() security definer set search_path = pg_catalog, pg_temp language sql as 'select 1'; alter procedure p() owner to {owner}`},
		{rule: "SEP052", name: "R11 a rule that copies", object: "rule copy on public.patients",
			fault:    `create rule copy as on insert to patients do also insert into settings values (new.name, new.id)`,
			nearMiss: `create rule never as on delete to patients do instead nothing; create rule copy as on insert to codes do also insert into settings values (new.code, new.title)`},
	})
}
