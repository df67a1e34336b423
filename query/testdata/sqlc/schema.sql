CREATE TABLE patients (
  tenant_id bigint NOT NULL,
  id bigint NOT NULL,
  name text NOT NULL,
  ward text,
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE encounters (
  tenant_id bigint NOT NULL,
  id bigint NOT NULL,
  patient_id bigint NOT NULL,
  status text NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
