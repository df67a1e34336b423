package audit_test

import "testing"

// R02: row-level security stands on every relation that needs it.
func TestStateFaults(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{rule: "SEP010", name: "disabled", fault: `alter table patients disable row level security`, object: "public.patients",
			nearMiss: `alter table codes disable row level security`, others: true},
		{rule: "SEP011", name: "not forced", fault: `alter table lab.results no force row level security`, object: "lab.results",
			nearMiss: `alter table codes no force row level security`},
		{rule: "SEP012", name: "no policy", fault: `drop policy septum_app on patients; drop policy septum_floor on patients`, object: "public.patients", others: true,
			nearMiss: `alter policy septum_app on patients to public`},
		{rule: "SEP013", name: "a forgotten table", fault: `create table notes (tenant_id uuid not null, note text); grant select on notes to {login}`,
			object: "public.notes", nearMiss: `create table notes (tenant_id uuid not null, note text)`, others: true},
		{rule: "SEP013", name: "one column of one without a tenant, to everybody", fault: `create table lab.machines (id int, note text); grant update (note) on lab.machines to public`,
			object: "lab.machines", others: true},
	})
}
