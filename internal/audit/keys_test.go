package audit_test

import "testing"

// R13, R14, R18: constraints see all tenants' rows.
func TestKeyFaults(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{rule: "SEP060", name: "R13 a unique constraint", fault: `alter table patients add constraint by_name unique (name)`, object: "index by_name on public.patients",
			nearMiss: `alter table patients add constraint by_name_here unique (name, tenant_id); alter table codes add unique (title)`},
		{rule: "SEP060", name: "R13 a primary key that others refer to", object: "index patients_pkey on public.patients", others: true,
			fault: `alter table encounters drop constraint encounters_tenant_id_patient_id_fkey; alter table patients drop constraint patients_pkey;
				update patients set id = id + 10 where tenant_id = '22222222-2222-2222-2222-222222222222';
				update encounters set patient_id = patient_id + 10 where tenant_id = '22222222-2222-2222-2222-222222222222';
				alter table patients add primary key (id); alter table encounters add foreign key (patient_id) references patients (id) on delete cascade`},
		{rule: "SEP060", name: "R13 an index on an expression of some rows", object: "index folded on public.patients",
			fault:    `create unique index folded on patients (md5(name)) where id > 0`,
			nearMiss: `create unique index folded_here on patients (tenant_id, md5(name)) where id > 0`, others: true},
		{rule: "SEP060", name: "R13 an exclusion constraint", object: "index beds on public.encounters",
			fault:    `create extension btree_gist; alter table encounters add constraint beds exclude using gist (md5(id::text || tenant_id::text) with =, ward with =)`,
			nearMiss: `create extension btree_gist; alter table encounters add constraint beds_here exclude using gist (tenant_id with =, id with =, ward with =)`, others: true},
		{rule: "SEP061", name: "R14 by id alone", object: "constraint parent on public.encounters", others: true,
			fault: `alter table patients add column number bigint generated always as identity unique; alter table encounters add column number bigint;
				alter table encounters add constraint parent foreign key (number) references patients (number) on delete set null`},
		{rule: "SEP061", name: "R14 the columns crossed", object: "constraint parent on public.encounters",
			fault: `create table links (tenant_id uuid not null, other uuid not null, primary key (tenant_id, other)); revoke all on links from {login};
				alter table patients add column other uuid; alter table patients add unique (tenant_id, other);
				alter table encounters add column other uuid;
				alter table encounters add constraint parent foreign key (other, tenant_id) references patients (tenant_id, other)`,
			nearMiss: `alter table encounters add constraint parent_here foreign key (other, tenant_id) references patients (other, tenant_id)`},
		{rule: "SEP061", name: "R14 from what is everybody's", object: "constraint first on public.settings",
			fault:    `alter table settings add column hospital uuid; alter table settings add constraint first foreign key (hospital) references hospitals (id)`,
			nearMiss: `alter table patients add column code text references codes (code)`},
		{rule: "SEP062", name: "R18 not valid", object: "constraint later on public.encounters",
			fault:    `alter table encounters add constraint later foreign key (tenant_id) references hospitals (id) not valid`,
			nearMiss: `alter table encounters add constraint later_here foreign key (tenant_id) references hospitals (id)`},
	})
}

// R20, R06: the tenant column and its indexes.
func TestColumnFaults(t *testing.T) {
	t.Parallel()
	const open = `do $$ declare p record; begin
		for p in select * from pg_policies loop execute format('drop policy %I on %I.%I', p.policyname, p.schemaname, p.tablename); end loop; end $$;`
	const folded = `create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`
	const loose = `alter table lab.results drop constraint results_pkey; alter table lab.results add unique (tenant_id, id);`
	testFaults(t, []fault{
		{rule: "SEP015", name: "R20 nullable", object: "lab.results", fault: loose + `alter table lab.results alter tenant_id drop not null`,
			nearMiss: `alter table lab.results alter value drop not null, alter id drop identity, alter id set not null`},
		{rule: "SEP016", name: "R20 another type", object: "lab.results", others: true,
			fault:    `drop policy septum_app on lab.results; drop policy septum_floor on lab.results; alter table lab.results alter tenant_id type varchar(36)`,
			nearMiss: `alter table lab.results add column other varchar(36)`},
		{rule: "SEP016", name: "R20 another type below keys, a default and views", object: "public.patients", others: true,
			fault: open + `alter table patients drop constraint patients_tenant_id_fkey; alter table encounters drop constraint encounters_tenant_id_patient_id_fkey;
				alter table hospitals alter id type text; alter table patients alter tenant_id type text; alter table encounters alter tenant_id type text;
				alter table patients add foreign key (tenant_id) references hospitals, alter tenant_id set default current_setting('septum.tenant', true);
				alter table encounters add foreign key (tenant_id, patient_id) references patients (tenant_id, id) on delete cascade;
				create view names with (security_invoker) as select tenant_id, name from patients; create view "All names" with (security_invoker, security_barrier) as select n.name, h.name as hospital from names n join hospitals h on h.id = n.tenant_id;
				create materialized view numbers as select tenant_id, count(*) from patients group by 1; create unique index on numbers (tenant_id); alter materialized view numbers owner to {owner};
				alter view names owner to {owner}`},
		{rule: "SEP018", name: "R20 a collation", object: "public.hospitals", others: true, texts: true,
			fault: open + folded + `alter table patients drop constraint patients_tenant_id_fkey; alter table encounters drop constraint encounters_tenant_id_patient_id_fkey;
				alter table hospitals alter id type text collate folded; alter table patients alter tenant_id type text collate folded;
				alter table encounters alter tenant_id type text collate folded; alter table patients add foreign key (tenant_id) references hospitals;
				alter table encounters add foreign key (tenant_id, patient_id) references patients (tenant_id, id)`, // PostgreSQL 18 wants one collation on both sides
			nearMiss: `create collation exact (provider = icu, locale = 'de', deterministic = true); alter table patients alter name type text collate folded;
				create index on patients (tenant_id, (name collate exact))`},
		{rule: "SEP018", name: "R20 a collation and a length", object: "lab.results", others: true, texts: true,
			fault: open + folded + `alter table lab.results alter tenant_id type varchar(40) collate folded`},
		{rule: "SEP060", name: "R13 an index under another collation", object: "index folded on public.patients", texts: true,
			fault:    folded + `create unique index folded on patients (tenant_id collate folded, name)`,
			nearMiss: `create unique index here on patients (tenant_id collate "C", name)`},
		{rule: "SEP066", name: "R20 no index", object: "lab.results", fault: `alter table lab.results drop constraint results_pkey`,
			nearMiss: `drop index lab.results_tenant_id_idx; create index on lab.results (tenant_id, value)`},
		{rule: "SEP067", name: "R20 an index without it", object: "index by_ward on public.encounters", fault: `create index by_ward on encounters (ward desc, tenant_id) where id > 0`,
			nearMiss: `create index by_ward on encounters (tenant_id, ward); create index by_title on codes (title)`},
		{rule: "SEP068", name: "R06 an expression", object: "index folded on public.patients", fault: `create index folded on patients (tenant_id, lower(name))`,
			nearMiss: `create index plain on patients (tenant_id, name, id); create index on codes (lower(title))`},
		{rule: "SEP068", name: "R06 jsonb", object: "index inside on public.patients",
			fault:    `alter table patients add column more jsonb; create index inside on patients using gin (more)`,
			nearMiss: `alter table patients add column born date, add column seen timestamptz; create index inside on patients (tenant_id, born, seen)`},
		{rule: "SEP068", name: "R06 numeric", object: "index by_value on lab.results", fault: `create index by_value on lab.results (tenant_id, value)`},
	})
}
