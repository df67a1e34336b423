-- The tables of a hospital management system in the pool tier: all hospitals share them, and each row names its own.
-- Three rules make that safe, and the demo's attacks try each of them:
--   1. every key and every unique constraint starts with tenant_id, so that no constraint tells what another hospital has;
--   2. every foreign key has tenant_id on both sides, so that no row can hang on another hospital's row;
--   3. every index starts with tenant_id, so that the policy costs nothing.
-- Row-level security and the application's grants are not here: rls.Apply writes them from the catalog.
--
-- Ids are counted in each hospital (table counters), never by a sequence, which all hospitals would share: each hospital has a
-- patient 1. fhir_id is the id in the file that the row came from; record_no is the hospital's own record number.

create table hospitals (
	id   text primary key check (id ~ '^[A-Za-z0-9_-]{1,63}$'), -- this is the tenant's id itself
	name text not null,
	mark text not null -- what the hospital's record numbers begin with
);

create table counters (
	tenant_id text   not null references hospitals (id),
	name      text   not null,
	last      bigint not null,
	primary key (tenant_id, name)
);

create table locations (
	tenant_id text   not null references hospitals (id),
	id        bigint not null,
	fhir_id   text   not null,
	record_no text   not null,
	name      text   not null,
	kind      text   not null,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id)
);

create table practitioners (
	tenant_id text   not null references hospitals (id),
	id        bigint not null,
	fhir_id   text   not null,
	record_no text   not null,
	name      text   not null,
	specialty text   not null,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id)
);

create table medications (
	tenant_id text   not null references hospitals (id),
	id        bigint not null,
	fhir_id   text   not null,
	record_no text   not null,
	code      text   not null,
	title     text   not null,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id)
);

create table patients (
	tenant_id  text   not null references hospitals (id),
	id         bigint not null,
	fhir_id    text   not null,
	record_no  text   not null,
	name       text   not null,
	gender     text   not null,
	birth_date text   not null check (birth_date ~ '^(\d{4}(-\d\d(-\d\d)?)?)?$'), -- as exact as it is known, as in FHIR
	phone      text   not null,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id)
);
create index patients_by_name on patients (tenant_id, name);

create table encounters (
	tenant_id       text   not null references hospitals (id),
	id              bigint not null,
	fhir_id         text   not null,
	record_no       text   not null,
	patient_id      bigint not null,
	practitioner_id bigint,
	ward            text   not null, -- '' for outpatients
	class           text   not null,
	status          text   not null,
	reason          text   not null,
	admitted_at     timestamptz,
	discharged_at   timestamptz,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id),
	foreign key (tenant_id, patient_id) references patients (tenant_id, id),
	foreign key (tenant_id, practitioner_id) references practitioners (tenant_id, id)
);
create index encounters_by_patient on encounters (tenant_id, patient_id);
create index encounters_by_ward on encounters (tenant_id, ward, status);

create table conditions (
	tenant_id    text   not null references hospitals (id),
	id           bigint not null,
	fhir_id      text   not null,
	record_no    text   not null,
	patient_id   bigint not null,
	encounter_id bigint,
	code         text   not null,
	title        text   not null,
	status       text   not null,
	onset_at     timestamptz,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id),
	foreign key (tenant_id, patient_id) references patients (tenant_id, id),
	foreign key (tenant_id, encounter_id) references encounters (tenant_id, id)
);
create index conditions_by_patient on conditions (tenant_id, patient_id);

create table observations (
	tenant_id    text   not null references hospitals (id),
	id           bigint not null,
	fhir_id      text   not null, -- "<id>#<n>" for the n-th component of an observation
	record_no    text   not null,
	patient_id   bigint not null,
	encounter_id bigint,
	code         text   not null,
	title        text   not null,
	value        numeric,
	unit         text   not null,
	value_text   text   not null, -- what was observed when it is not a number
	status       text   not null,
	taken_at     timestamptz,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id),
	foreign key (tenant_id, patient_id) references patients (tenant_id, id),
	foreign key (tenant_id, encounter_id) references encounters (tenant_id, id)
);
create index observations_by_patient on observations (tenant_id, patient_id, taken_at);

create table prescriptions (
	tenant_id       text   not null references hospitals (id),
	id              bigint not null,
	fhir_id         text   not null,
	record_no       text   not null,
	patient_id      bigint not null,
	encounter_id    bigint,
	practitioner_id bigint,
	medication_id   bigint,
	code            text   not null,
	title           text   not null,
	status          text   not null,
	ordered_at      timestamptz,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id),
	foreign key (tenant_id, patient_id) references patients (tenant_id, id),
	foreign key (tenant_id, encounter_id) references encounters (tenant_id, id),
	foreign key (tenant_id, practitioner_id) references practitioners (tenant_id, id),
	foreign key (tenant_id, medication_id) references medications (tenant_id, id)
);
create index prescriptions_by_patient on prescriptions (tenant_id, patient_id);

create table appointments (
	tenant_id       text   not null references hospitals (id),
	id              bigint not null,
	fhir_id         text   not null,
	record_no       text   not null,
	patient_id      bigint not null,
	practitioner_id bigint,
	status          text   not null,
	reason          text   not null,
	starts_at       timestamptz,
	ends_at         timestamptz,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id),
	foreign key (tenant_id, patient_id) references patients (tenant_id, id),
	foreign key (tenant_id, practitioner_id) references practitioners (tenant_id, id)
);
create index appointments_by_patient on appointments (tenant_id, patient_id, starts_at);

create table charges (
	tenant_id    text    not null references hospitals (id),
	id           bigint  not null,
	fhir_id      text    not null, -- "<id>#<n>" for the n-th item of a claim
	record_no    text    not null,
	patient_id   bigint  not null,
	encounter_id bigint,
	code         text    not null,
	title        text    not null,
	amount       numeric not null,
	currency     text    not null,
	status       text    not null,
	charged_at   timestamptz,
	primary key (tenant_id, id),
	unique (tenant_id, fhir_id),
	foreign key (tenant_id, patient_id) references patients (tenant_id, id),
	foreign key (tenant_id, encounter_id) references encounters (tenant_id, id)
);
create index charges_by_patient on charges (tenant_id, patient_id);

-- The one list that belongs to everybody. The application can only read it.
create table codes (
	code  text primary key,
	title text not null
);
