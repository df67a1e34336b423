-- name: GetPatient :one
SELECT * FROM patients WHERE tenant_id = $1 AND id = $2;

-- name: PatientsInWard :many
SELECT p.id, p.name, e.status
FROM patients p
LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND e.patient_id = p.id
WHERE p.ward = @ward AND p.tenant_id = @tenant_id AND e.status = ANY(@statuses::text[]);

-- name: AddPatient :one
INSERT INTO patients (tenant_id, id, name, ward) VALUES ($1, $2, $3, $4) RETURNING id;

-- name: Discharge :execrows
UPDATE encounters SET status = 'out' WHERE tenant_id = $1 AND id = $2;

-- name: FindByName :many
SELECT id, name FROM patients WHERE name = $1;
