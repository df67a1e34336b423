package sqlproof

import (
	"testing"
)

// benchStatements are the shapes of an HMS backend: a point read, a three-way join, and a report.
var benchStatements = map[string]string{
	"point": `SELECT id, name FROM patients WHERE tenant_id = $1 AND id = $2`,
	"join": `SELECT p.id, p.name, v.code, i.total FROM patients p JOIN visits v ON v.tenant_id = p.tenant_id AND v.patient_id = p.id
		LEFT JOIN invoices i ON i.tenant_id = v.tenant_id AND i.visit_id = v.id WHERE p.tenant_id = $1 AND v.code = $2 ORDER BY p.name LIMIT 50`,
	"report": `WITH recent AS (SELECT tenant_id, id, patient_id, code FROM visits WHERE tenant_id = $1 AND created_at > now() - interval '30 days')
		SELECT r.code, count(*) AS n, count(*) FILTER (WHERE p.status = 'a') AS active, (SELECT max(i.total) FROM invoices i WHERE i.tenant_id = $1) AS top
		FROM recent r JOIN patients p ON p.tenant_id = r.tenant_id AND p.id = r.patient_id
		WHERE EXISTS (SELECT 1 FROM invoices i WHERE i.tenant_id = p.tenant_id AND i.patient_id = p.id AND i.status IN ('open', 'due'))
		GROUP BY r.code HAVING count(*) > 1 ORDER BY n DESC, r.code LIMIT 20 OFFSET $2`,
}

func BenchmarkProve(b *testing.B) {
	c := corpusCatalog(b)
	for name, sql := range benchStatements {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Prove(sql, c, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParse is the parser alone, for comparison: a proof of a new shape should cost less than four of it.
func BenchmarkParse(b *testing.B) {
	for name, sql := range benchStatements {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseTree(sql); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
