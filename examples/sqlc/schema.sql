create table patients (
  tenant_id bigint not null,
  id        bigint not null,
  name      text   not null,
  ward      text   not null,
  primary key (tenant_id, id)
);

create table visits (
  tenant_id  bigint not null,
  id         bigint not null,
  patient_id bigint not null,
  note       text   not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, patient_id) references patients (tenant_id, id)
);

create table codes (
  code  text primary key,
  title text not null
);
