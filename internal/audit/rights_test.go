package audit_test

import "testing"

// R15, R01: rights, and other logins.
func TestRightFaults(t *testing.T) {
	t.Parallel()
	const loader = `create role load_{login} login bypassrls; grant connect on database {database} to load_{login};
		alter table patients alter tenant_id set default nullif(current_setting('septum.tenant', true), '')::uuid;`
	testFaults(t, []fault{
		{rule: "SEP007", name: "R01 a login that reads all", object: "role load_{login}", fault: loader + `grant select on patients to load_{login}`,
			nearMiss: loader + `grant insert (id, name) on patients to load_{login}`,
			undo:     `drop owned by load_{login}; drop role load_{login}`},
		{rule: "SEP007", name: "R01 a loader that names the tenant", object: "role load_{login}", fault: loader + `grant insert (id, name, tenant_id) on patients to load_{login}`,
			undo: `drop owned by load_{login}; drop role load_{login}`},
		{rule: "SEP007", name: "R01 a loader that reads a column", object: "role load_{login}", fault: loader + `grant insert (id, name), select (id) on patients to load_{login}`,
			undo: `drop owned by load_{login}; drop role load_{login}`},
		{rule: "SEP007", name: "R01 a loader whose tenant has a default", object: "role load_{login}",
			fault: loader + `grant insert (id, name) on patients to load_{login}; alter table patients alter tenant_id set default '11111111-1111-1111-1111-111111111111'`,
			undo:  `drop owned by load_{login}; drop role load_{login}`},
		{rule: "SEP007", name: "R01 a loader that belongs to a role", object: "role load_{login}",
			fault:    loader + `grant insert (id, name) on patients to load_{login}; grant pg_read_all_data to load_{login}`,
			nearMiss: `create role load_{login} login bypassrls; grant pg_read_all_data to load_{login}`,
			undo:     `drop owned by load_{login}; drop role load_{login}`},
		{rule: "SEP070", name: "R15 TRUNCATE", object: "public.patients", fault: `grant truncate on patients to {login}`, nearMiss: `grant truncate on patients to {owner}`},
		{rule: "SEP070", name: "R15 TRIGGER to everybody", object: "public.codes", fault: `grant trigger on codes to public`},
		{rule: "SEP070", name: "R15 REFERENCES on a column", object: "public.patients", fault: `grant references (id) on patients to {login}`,
			nearMiss: `grant select (id) on patients to {login}`},
		{rule: "SEP071", name: "R15 writes what is everybody's", object: "public.codes", fault: `grant update (title), insert on codes to {login}`,
			nearMiss: `grant delete on settings to {login}`},
		{rule: "SEP072", name: "R15 CREATE", object: "schema lab", fault: `grant create on schema lab to public`, nearMiss: `grant create on schema lab to {owner}`},
		{rule: "SEP073", name: "R15 TEMP", object: "database {database} temporary", fault: `grant temporary on database {database} to public`,
			nearMiss: `grant connect on database {database} to public`},
		{rule: "SEP073", name: "R15 CREATE", object: "database {database} create", fault: `grant create on database {database} to {login}`},
		{rule: "SEP074", name: "R15 the next table", object: "default privileges of {owner} in schema public to {login}",
			fault:    `alter default privileges for role {owner} in schema public grant select on tables to {login}`,
			nearMiss: `alter default privileges for role {owner} in schema public grant execute on functions to {login}`},
		{rule: "SEP074", name: "R15 the next table to everybody", object: "default privileges of {owner} to public",
			fault: `alter default privileges for role {owner} grant all on tables to public`},
	})
}

// R16, R17: what all share, and ways out.
func TestSharedFaults(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{rule: "SEP080", name: "R16 a sequence", object: "public.counter", fault: `create sequence counter; grant all on sequence counter to {login}`,
			nearMiss: `create sequence counter; grant usage on sequence counter to {login}`},
		{rule: "SEP081", name: "R16 large objects", object: "large objects",
			fault:    `select lo_create(4711); alter large object 4711 owner to {login}; select lo_create(4712); grant select on large object 4712 to public`,
			nearMiss: `select lo_create(4711)`},
		{rule: "SEP082", name: "R16 other sessions", object: "role pg_monitor", fault: `grant pg_monitor to {login}`, nearMiss: `grant pg_read_all_settings to {login}`},
		{rule: "SEP083", name: "R01 statistics", object: "pg_catalog.pg_statistic", fault: `grant select on pg_statistic to {login}`, nearMiss: `grant select on pg_stats to {login}`},
		{rule: "SEP084", name: "R16 a channel", object: "trigger tell on public.patients",
			fault: `create function tell() returns trigger language plpgsql as 'begin perform pg_notify(''patients'', new.name); return new; end';
				create trigger tell after insert on patients for each row execute function tell()`,
			nearMiss: `create function tell() returns trigger language plpgsql as 'begin perform pg_notify(''codes'', new.code); return new; end';
				create trigger tell after insert on codes for each row execute function tell()`},
		{rule: "SEP085", name: "R17 leakproof", object: "function public.same(text, text)",
			fault:    `create function same(text, text) returns boolean leakproof language sql as 'select $1 = $2'`,
			nearMiss: `create function same(text, text) returns boolean language sql as 'select $1 = $2'`},
		{rule: "SEP086", name: "R17 a table", object: "publication outward of public.patients", fault: `create publication outward for table patients, codes`,
			nearMiss: `create publication outward for table codes, patients where (tenant_id = '11111111-1111-1111-1111-111111111111')`},
		{rule: "SEP086", name: "R17 a schema", object: "publication outward of schema lab", fault: `create publication outward for tables in schema lab`},
		{rule: "SEP086", name: "R17 everything", object: "publication outward", fault: `create publication outward for all tables`},
		{rule: "SEP087", name: "R17 an event trigger", object: "event trigger watch",
			fault: `create function watch() returns event_trigger language plpgsql as 'begin end'; create event trigger watch on ddl_command_end execute function watch()`,
			nearMiss: `create function watch() returns event_trigger language plpgsql as 'begin end'; create event trigger watch on ddl_command_end execute function watch();
				alter event trigger watch disable`},
	})
}
