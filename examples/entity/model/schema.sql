create table types (
	tenant_id text not null, id bigint not null, name text not null,
	primary key (tenant_id, id), unique (tenant_id, name));
create table fields (
	tenant_id text not null, id bigint not null, type_id bigint not null, name text not null,
	kind text not null check (kind in ('text', 'int', 'decimal', 'datetime', 'bool')),
	primary key (tenant_id, id), unique (tenant_id, type_id, name),
	foreign key (tenant_id, type_id) references types);
create table relation_types (
	tenant_id text not null, id bigint not null, from_type_id bigint not null, name text not null,
	to_type_id bigint not null, inverse text not null,
	primary key (tenant_id, id), unique (tenant_id, from_type_id, name), unique (tenant_id, to_type_id, inverse),
	foreign key (tenant_id, from_type_id) references types, foreign key (tenant_id, to_type_id) references types);
create table entities (
	tenant_id text not null, id bigint not null, type_id bigint not null,
	primary key (tenant_id, id), foreign key (tenant_id, type_id) references types);
create index on entities (tenant_id, type_id);
create table relationships (
	tenant_id text not null, relation_type_id bigint not null, from_id bigint not null, to_id bigint not null,
	primary key (tenant_id, relation_type_id, from_id, to_id),
	foreign key (tenant_id, relation_type_id) references relation_types,
	foreign key (tenant_id, from_id) references entities, foreign key (tenant_id, to_id) references entities);
create index on relationships (tenant_id, relation_type_id, to_id);
create table field_text (
	tenant_id text not null, entity_id bigint not null, field_id bigint not null, value text not null,
	primary key (tenant_id, entity_id, field_id),
	foreign key (tenant_id, entity_id) references entities, foreign key (tenant_id, field_id) references fields);
create index on field_text (tenant_id, field_id, value);
create table field_int (
	tenant_id text not null, entity_id bigint not null, field_id bigint not null, value bigint not null,
	primary key (tenant_id, entity_id, field_id),
	foreign key (tenant_id, entity_id) references entities, foreign key (tenant_id, field_id) references fields);
create index on field_int (tenant_id, field_id, value);
create table field_decimal (
	tenant_id text not null, entity_id bigint not null, field_id bigint not null, value numeric not null,
	primary key (tenant_id, entity_id, field_id),
	foreign key (tenant_id, entity_id) references entities, foreign key (tenant_id, field_id) references fields);
create index on field_decimal (tenant_id, field_id, value);
create table field_datetime (
	tenant_id text not null, entity_id bigint not null, field_id bigint not null, value timestamptz not null,
	primary key (tenant_id, entity_id, field_id),
	foreign key (tenant_id, entity_id) references entities, foreign key (tenant_id, field_id) references fields);
create index on field_datetime (tenant_id, field_id, value);
create table field_bool (
	tenant_id text not null, entity_id bigint not null, field_id bigint not null, value boolean not null,
	primary key (tenant_id, entity_id, field_id),
	foreign key (tenant_id, entity_id) references entities, foreign key (tenant_id, field_id) references fields);
create index on field_bool (tenant_id, field_id, value);
-- Ids count for each tenant on its own: a sequence that all share would tell one tenant how busy the others are.
create table counters (
	tenant_id text not null, name text not null, last bigint not null, primary key (tenant_id, name));
