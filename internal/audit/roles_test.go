package audit_test

import "testing"

// R01: what the login is, and what it can become.
func TestRoleFaults(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{rule: "SEP001", name: "superuser", fault: `alter role {login} superuser`, object: "role {login}", nearMiss: `alter role {login} createdb`},
		{rule: "SEP001", name: "can become a superuser", fault: `create role su_{login} superuser; grant su_{login} to {login}`,
			object: "role su_{login}", nearMiss: `create role su_{login} superuser; grant {login} to su_{login}`, undo: `drop role su_{login}`},
		{rule: "SEP002", name: "bypassrls", fault: `alter role {login} bypassrls`, object: "role {login}"},
		{rule: "SEP002", name: "can become a role with it at a distance", object: "role by_{login}",
			fault:    `create role mid_{login} noinherit; create role by_{login} bypassrls; grant by_{login} to mid_{login}; grant mid_{login} to {login}`,
			nearMiss: `create role mid_{login} noinherit; create role by_{login} bypassrls; grant mid_{login} to {login}`,
			undo:     `drop role mid_{login}, by_{login}`},
		{rule: "SEP003", name: "createrole", fault: `alter role {login} createrole`, object: "role {login}", nearMiss: `alter role {login} createdb`},
		{rule: "SEP004", name: "replication", fault: `alter role {login} replication`, object: "role {login}"},
		{rule: "SEP005", name: "reads all data", fault: `grant pg_read_all_data to {login}`, object: "role pg_read_all_data",
			nearMiss: `grant pg_read_all_settings to {login}`},
		{rule: "SEP005", name: "runs programs, by way of a group", fault: `create role ops_{login}; grant pg_execute_server_program to ops_{login}; grant ops_{login} to {login}`,
			object: "role pg_execute_server_program", undo: `drop role ops_{login}`},
		{rule: "SEP006", name: "owns a table", fault: `alter table patients owner to {login}`, object: "public.patients",
			nearMiss: `create schema other; create table other.patients (id int); alter table other.patients owner to {login}`, others: true},
		{rule: "SEP006", name: "owns a schema", fault: `alter schema lab owner to {login}`, object: "schema lab", others: true,
			nearMiss: `create schema mine authorization {login}`},
		{rule: "SEP006", name: "owns the database", fault: `alter database {database} owner to {login}`, object: "database {database}", others: true},
		{rule: "SEP006", name: "is a member of the owner", fault: `grant {owner} to {login}`, object: "public.patients",
			nearMiss: `grant {login} to {owner}`, undo: `revoke {owner} from {login}; revoke {login} from {owner}`, others: true},
	})
}
