package query

import (
	"context"
	"testing"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/internal/sqlproof"
	"github.com/septum-go/septum/tenant"
)

// The statement of the comparisons: three joins, predicates on all four relations, a list of columns, conditions.
func benchCatalog() *Catalog {
	return MustCatalog(TenantColumn("tenant_id", UUID), Tenant("patients", "encounters", "observations", "charges"))
}

func benchBuilder(c *Catalog, ward string) SelectBuilder {
	return c.Select("p.id", "p.name", "e.admitted_at", "o.value", "c.amount").
		From("patients p").
		Join("encounters e", On("e.patient_id = p.id")).
		LeftJoin("observations o", On("o.encounter_id = e.id")).
		LeftJoin("charges c", On("c.encounter_id = e.id")).
		Where(sq.Eq{"e.ward": ward}, sq.Gt{"o.value": 10}).
		OrderBy("p.name", "e.admitted_at desc").
		Limit(50)
}

func benchSquirrel(id, ward string) (string, []any, error) {
	return sq.Select("p.id", "p.name", "e.admitted_at", "o.value", "c.amount").
		From("patients p").
		Join("encounters e ON e.patient_id = p.id AND e.tenant_id = p.tenant_id").
		LeftJoin("observations o ON o.encounter_id = e.id AND o.tenant_id = p.tenant_id").
		LeftJoin("charges c ON c.encounter_id = e.id AND c.tenant_id = p.tenant_id").
		Where(sq.Eq{"p.tenant_id": id}).
		Where(sq.Eq{"e.ward": ward}).
		Where(sq.Gt{"o.value": 10}).
		OrderBy("p.name", "e.admitted_at desc").
		Limit(50).
		PlaceholderFormat(sq.Dollar).
		ToSql()
}

func benchTenant(b testing.TB) tenant.Context {
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("11111111-1111-1111-1111-111111111111"), Subject: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return tc
}

// BenchmarkSquirrelBuild is what the others are measured against.
func BenchmarkSquirrelBuild(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := benchSquirrel("11111111-1111-1111-1111-111111111111", "w"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDynamicBuild builds the statement anew and binds it.
func BenchmarkDynamicBuild(b *testing.B) {
	c := benchCatalog()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := benchBuilder(c, "w").Build(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStaticRun is what a run of a statement costs before it is sent.
func BenchmarkStaticRun(b *testing.B) {
	s, err := Static(benchCatalog(), `select p.id, p.name, e.admitted_at, o.value, c.amount from patients p
		join encounters e on e.patient_id = p.id and e.tenant_id = p.tenant_id
		left join observations o on o.encounter_id = e.id and o.tenant_id = p.tenant_id
		left join charges c on c.encounter_id = e.id and c.tenant_id = p.tenant_id
		where p.tenant_id = @tenant and e.ward = @ward and o.value > @value order by p.name limit 50`)
	if err != nil {
		b.Fatal(err)
	}
	tc := benchTenant(b)
	args := Args{"ward": "w", "value": 10}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Bind(tc, args); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBindStruct is a run with a struct.
func BenchmarkBindStruct(b *testing.B) {
	s, err := Static(benchCatalog(), `insert into charges (tenant_id, id, code, amount) values (@tenant, @id, @code, @amount)`)
	if err != nil {
		b.Fatal(err)
	}
	tc := benchTenant(b)
	arg := struct {
		ID, Amount int64
		Code       string
	}{1, 2, "x"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Bind(tc, &arg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProveCached looks a proof up.
func BenchmarkProveCached(b *testing.B) {
	c := benchCatalog()
	s, err := benchBuilder(c, "w").Build()
	if err != nil {
		b.Fatal(err)
	}
	text := []byte(s.SQL())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.prove(text, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProveNew proves without a cache.
func BenchmarkProveNew(b *testing.B) {
	c := benchCatalog()
	s, err := benchBuilder(c, "w").Build()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sqlproof.Prove(s.SQL(), c.prover, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCachedProofAllocatesNothing holds what BenchmarkProveCached measures.
func TestCachedProofAllocatesNothing(t *testing.T) {
	c := benchCatalog()
	s, err := benchBuilder(c, "w").Build()
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(s.SQL())
	if n := testing.AllocsPerRun(100, func() { _, _ = c.prove(text, 1) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
