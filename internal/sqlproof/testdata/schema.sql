-- The relations of the corpus files. tenant_id may be NULL here, so that rows of nobody are tried too.
CREATE TABLE tenants (id bigint, name text, plan text);
CREATE UNIQUE INDEX ON tenants (id);
CREATE TABLE patients (tenant_id bigint, id bigint, name text, mrn text, status text, note text, parent_id bigint,
	created_at timestamptz, deleted_at timestamptz);
CREATE UNIQUE INDEX ON patients (tenant_id, id);
CREATE UNIQUE INDEX ON patients (tenant_id, mrn);
CREATE TABLE visits (tenant_id bigint, id bigint, patient_id bigint, code text, note text, created_at timestamptz);
CREATE UNIQUE INDEX ON visits (tenant_id, id);
CREATE TABLE invoices (tenant_id bigint, id bigint, visit_id bigint, patient_id bigint, total numeric, status text);
CREATE UNIQUE INDEX ON invoices (tenant_id, id);
CREATE TABLE icd10_codes (code text PRIMARY KEY, title text);

-- The tenant that both worlds agree on comes first, so that its rows lie in the same places.
INSERT INTO tenants VALUES (1, 'one', 'a');
INSERT INTO patients SELECT 1, n, 'name' || n % 4, 'm' || n, (ARRAY['a', 'b', 'z'])[1 + n % 3], CASE WHEN n % 3 > 0 THEN 'note' || n END,
	NULLIF(n / 2, 0), '2024-01-01'::timestamptz + n * interval '1 day', CASE WHEN n % 4 = 0 THEN '2024-06-01'::timestamptz END
	FROM generate_series(1, 8) n;
INSERT INTO visits SELECT 1, n, 1 + n % 6, (ARRAY['x', 'y', 'A00'])[1 + n % 3], 'v' || n % 3, '2024-02-01'::timestamptz + n * interval '1 day'
	FROM generate_series(1, 8) n;
INSERT INTO invoices SELECT 1, n, 1 + n % 7, 1 + n % 5, n * 10, (ARRAY['open', 'void', 'paid'])[1 + n % 3]
	FROM generate_series(1, 7) n;
INSERT INTO icd10_codes VALUES ('A00', 'cholera'), ('B01', 'varicella'), ('x', 'ex');
