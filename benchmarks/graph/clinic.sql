create table patients (
  tenant_id bigint not null, id bigint not null, name text not null, born timestamptz not null, ward text not null,
  primary key (tenant_id, id));
create table encounters (
  tenant_id bigint not null, id bigint not null, patient_id bigint not null, ward text not null,
  admitted_at timestamptz not null, note text not null,
  primary key (tenant_id, id), foreign key (tenant_id, patient_id) references patients (tenant_id, id));
create index on encounters (tenant_id, patient_id);
create index on encounters (patient_id); -- for ent, whose eager loading looks for the key alone
create table observations (
  tenant_id bigint not null, id bigint not null, encounter_id bigint not null, code text not null,
  value double precision not null, taken_at timestamptz not null,
  primary key (tenant_id, id), foreign key (tenant_id, encounter_id) references encounters (tenant_id, id));
create index on observations (tenant_id, encounter_id);
create index on observations (encounter_id);

-- 5 tenants × 2,000 patients × 3 encounters × 3 observations. Ids differ between tenants, since ent joins by id alone.
insert into patients select t, t * 1000000 + i, 'patient ' || i, '1950-01-01'::timestamptz + i * interval '1 day', 'ward ' || i % 10
  from generate_series(1, 5) t, generate_series(1, 2000) i;
insert into encounters select tenant_id, id * 10 + n, id, ward, '2026-01-01'::timestamptz + n * interval '1 day', 'a note of some length'
  from patients, generate_series(1, 3) n;
insert into observations select tenant_id, id * 10 + n, id, 'code ' || n, n * 1.5, admitted_at + n * interval '1 hour'
  from encounters, generate_series(1, 3) n;
