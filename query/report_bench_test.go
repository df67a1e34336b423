package query

import (
	"testing"

	sq "github.com/Masterminds/squirrel"
)

const benchSpec = `{"dimensions": [{"column": "admitted_at", "bucket": "month", "name": "month"}, {"column": "wards.name", "name": "ward"}],
	"measures": [{"fn": "count", "name": "stays"}, {"fn": "avg", "column": "days", "name": "days"}, {"fn": "count_distinct", "column": "patients.name", "name": "patients"}],
	"filters": [{"column": "status", "op": "in", "value": ["finished", "planned"]}, {"column": "admitted_at", "op": "ge", "value": "2026-01-01"}, {"any": [{"column": "urgent", "op": "eq", "value": true}, {"column": "days", "op": "gt", "value": 3}]}],
	"having": [{"item": "stays", "op": "ge", "value": 5}], "sort": [{"item": "stays", "order": "desc"}], "limit": 20, "time_zone": "Europe/Berlin"}`

// BenchmarkReport is everything that a request costs before the statement is
// sent: reading the JSON, checking it, finding or building the statement, and
// the arguments. BenchmarkReportSquirrel is the same statement by squirrel,
// which has nothing to read or check.
func BenchmarkReport(b *testing.B) {
	r := encountersReport(b)
	body := []byte(benchSpec)
	b.ReportAllocs()
	for b.Loop() {
		q, err := r.Parse(body)
		if err != nil {
			b.Fatal(err)
		}
		_ = q.Args()
	}
}

// BenchmarkReportNewShape has no statement of this shape yet; the catalog has
// seen the text.
func BenchmarkReportNewShape(b *testing.B) {
	r := encountersReport(b)
	body := []byte(benchSpec)
	b.ReportAllocs()
	for b.Loop() {
		r.shapes.m = nil
		if _, err := r.Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReportSquirrel(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := buildReportBySquirrel(); err != nil {
			b.Fatal(err)
		}
	}
}

func buildReportBySquirrel() error {
	rows := sq.Select("date_trunc('month', r.admitted_at at time zone 'Europe/Berlin')::date as d1", "w.name as d2", "r.days as m2", "p.name as m3").
		From("encounters r").
		LeftJoin("wards w on w.id = r.ward_id and w.tenant_id = ?", 1).
		LeftJoin("patients p on p.id = r.patient_id and p.tenant_id = ?", 1).
		Where(sq.Eq{"r.tenant_id": 1}).
		Where(sq.Eq{"r.status": []string{"finished", "planned"}}).
		Where(sq.GtOrEq{"r.admitted_at": "2025-12-31T23:00:00Z"}).
		Where(sq.Or{sq.Eq{"r.urgent": true}, sq.Gt{"r.days": 3}})
	_, _, err := sq.Select("q.d1", "q.d2", "count(*) as m1", "avg(q.m2) as m2", "count(distinct q.m3) as m3").
		FromSelect(rows, "q").GroupBy("q.d1", "q.d2").Having(sq.GtOrEq{"count(*)": 5}).OrderBy("m1 desc nulls last", "d1", "d2").Limit(20).
		PlaceholderFormat(sq.Dollar).ToSql()
	return err
}
