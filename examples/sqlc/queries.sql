-- name: ListWard :many
SELECT id, name FROM patients
WHERE tenant_id = $1 AND ward = $2
ORDER BY name;

-- name: AddVisit :exec
INSERT INTO visits (tenant_id, id, patient_id, note)
VALUES ($1, $2, $3, $4);

-- name: Chart :many
SELECT p.name, v.note
FROM patients p
JOIN visits v ON v.tenant_id = p.tenant_id AND v.patient_id = p.id
WHERE p.tenant_id = $1 AND p.id = $2
ORDER BY v.id;

-- name: Title :one
SELECT title FROM codes WHERE code = $1;
