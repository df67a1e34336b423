create table patients (tenant_id bigint not null, id bigint not null, name text, born date, sex text, balance numeric(12,2), height double precision, primary key (tenant_id, id));
create table practitioners (tenant_id bigint not null, id bigint not null, name text, specialty text, primary key (tenant_id, id));
create table wards (tenant_id bigint not null, id bigint not null, name text, beds smallint, primary key (tenant_id, id));
create table encounters (tenant_id bigint not null, id bigint not null, patient_id bigint, ward_id bigint, attending_id bigint, referring_id bigint, status text, admitted_at timestamptz,
  recorded timestamp, urgent boolean, ref uuid, days integer, notes jsonb, primary key (tenant_id, id), foreign key (tenant_id, patient_id) references patients, foreign key (tenant_id, ward_id) references wards,
  foreign key (tenant_id, attending_id) references practitioners, foreign key (tenant_id, referring_id) references practitioners);
create table codes (code text primary key, title text);
create table observations (tenant_id bigint not null, id bigint not null, encounter_id bigint, code text references codes, value double precision, taken_at timestamptz, primary key (tenant_id, id),
  foreign key (tenant_id, encounter_id) references encounters);
create table charges (tenant_id bigint not null, id bigint not null, encounter_id bigint, code text references codes, amount numeric(12,2), units integer, billed_on date, primary key (tenant_id, id),
  foreign key (tenant_id, encounter_id) references encounters);
insert into codes values ('LAB1', 'Blood count'), ('LAB2', 'Blood gas'), ('IMG1', 'X-ray');

-- hospital fills one tenant; stretch makes its values other values. Ids are the same in every hospital.
create procedure hospital(t bigint, n int, stretch int) language sql as $$
  insert into patients select t, i, 'Patient ' || i * stretch, date '1950-01-01' + i * 577, (array['f', 'm', null])[1 + i % 3], i * 10.25 * stretch, 150 + i % 40 * 0.5 from generate_series(1, n) i;
  insert into practitioners select t, i, 'Dr. ' || i * stretch, 'surgery' from generate_series(1, 4) i;
  insert into wards select t, i, 'Ward ' || i * stretch, 10 from generate_series(1, 3) i;
  insert into encounters select t, i, nullif(i % (n + 1), 0), nullif(i % 4, 0), nullif(i % 5, 0), 1 + i % 3, (array['planned', 'finished', 'cancelled', null])[1 + i * stretch % 4],
    timestamptz '2025-01-01 22:30+00' + i * interval '7 days 5 hours', nullif(timestamp '2026-01-01' + i * interval '13 hours', timestamp '2026-01-01 13:00'), (array[true, false, null])[1 + i % 3],
    ('00000000-0000-4000-8000-' || lpad((i % 7)::text, 12, '0'))::uuid, i % 11 * stretch from generate_series(1, 5 * n) i;
  insert into charges select t, i, nullif(i * 7 % (4 * n), 0), (array['LAB1', 'LAB2', 'IMG1', null])[1 + i % 4], i % 17 * 12.5 * stretch, i % 4, date '2025-12-20' + i % 40 from generate_series(1, 9 * n) i;
  insert into observations select t, i, nullif(i * 3 % (4 * n), 0), (array['LAB1', 'LAB2'])[1 + i % 2], (30 + i % 25) * 0.5 * stretch, timestamptz '2026-01-01' + i * interval '1 hour' from generate_series(1, 6 * n) i;
$$;
