package attack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// built tries a statement of the builder; bare is what a program without the library would have run.
func built(build func(a *attacker) query.Builder, bare string, args query.Args) func(*attacker) error {
	return func(a *attacker) error {
		return a.prove(func() (*query.Statement, error) { return build(a).Build() }, bare, args)
	}
}

// builderAttacks use the builder against its purpose.
var builderAttacks = []Attack{
	{Threats: "Q02", Name: "an expression that closes its parenthesis: 1=1) or (1=1", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Select("p.record_no").From("patients p").Where(query.Expr("1=1) or (1=1"))
	}, `select record_no from patients where (1=1) or (1=1) and tenant_id = @tenant`, nil)},
	{Threats: "Q04", Name: "an expression with a sub-select in it", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Select("p.id").From("patients p").Where(query.Expr("p.id > (select count(*) - 1000 from patients)")).
			Columns(query.Expr("(select string_agg(x.record_no, ' ' order by x.record_no) from patients x)").As("all"))
	}, `select (select string_agg(x.record_no, ' ' order by x.record_no) from patients x) from patients p where p.tenant_id = @tenant`, nil)},
	{Threats: "Q06", Name: "DELETE with a condition that says nothing", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Delete("appointments").Where(sq.Eq{})
	}, `delete from appointments where (1=1)`, nil)},
	{Threats: "Q07", Name: "Set(\"tenant_id\", …) in an UPDATE", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Update("conditions").Set("tenant_id", a.victim()).Where(sq.Eq{"id": 1})
	}, `update conditions set tenant_id = 'mercy', id = 999, fhir_id = 'gift', patient_id = 1, encounter_id = null where tenant_id = @tenant and id = 1`, nil)},
	{Threats: "W06", Name: "an object read in one hospital, written with its tenant in another", Way: Library, run: func(a *attacker) error {
		patient := struct {
			TenantID string `db:"tenant_id"`
			ID       int64  `db:"id"`
			Phone    string `db:"phone"`
		}{a.victim(), 1, "000"}
		if !a.field.Walls.Statement {
			return a.bare(`update patients set phone = @phone where tenant_id = @of and id = @id`,
				query.Args{"of": patient.TenantID, "id": patient.ID, "phone": patient.Phone})
		}
		stmt, err := hospital.Catalog.Update("patients p").Set("phone", query.Arg("phone")).Where(sq.Eq{"p.id": query.Arg("id")}).Build()
		if err != nil {
			return err
		}
		_, err = a.world.DB.Affected(a.world.Attacker, stmt, patient)
		return err
	}},
	{Threats: "J03", Name: "find by number a patient that only another hospital has", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Select("p.record_no", "p.name").From("patients p").Where(sq.Eq{"p.id": query.Arg("id")})
	}, `select record_no, name from patients where id = @id`, query.Args{"id": int64(9)})},
	{Threats: "J03", Name: "prefetch by a list of numbers", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Select("o.record_no").From("observations o").Where(sq.Eq{"o.patient_id": []int64{4, 6, 7, 8, 9}}).OrderBy("o.id")
	}, `select record_no from observations where patient_id in (4, 6, 7, 8, 9) order by id`, nil)},
	{Threats: "J03", Name: "count, to learn how many patients another hospital has", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Select().Columns(query.Count("*").As("n")).From("patients p")
	}, `select count(*) from patients`, nil)},
	{Threats: "W01", Name: "update by number a patient that only another hospital has", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Update("patients p").Set("phone", "000").Where(sq.Eq{"p.id": query.Arg("id")})
	}, `update patients set phone = '000' where id = @id`, query.Args{"id": int64(9)})},
	{Threats: "Q10", Name: "a relation of the system: pg_authid, pg_stat_activity", Way: Library, run: built(func(a *attacker) query.Builder {
		return hospital.Catalog.Select("s.usename", "s.query").From("pg_stat_activity s")
	}, `select count(*) filter (where query like '%') * 0 from pg_stat_activity`, nil)},
}

// poolAttacks are many requests at once: what one hospital's request leaves behind on a connection, another's must not find.
var poolAttacks = []Attack{
	{Threats: "X05, X10, Q15", Name: "400 requests of two hospitals on the same few connections, one statement", Way: Library, run: func(a *attacker) error {
		return a.crowd(func(int) (context.Context, context.CancelFunc) { return context.WithCancel(a.ctx) })
	}},
	{Threats: "X09, X05", Name: "the same, and every third request is cancelled on its way", Way: Library, run: func(a *attacker) error {
		return a.crowd(func(n int) (context.Context, context.CancelFunc) {
			if n%3 == 0 {
				return context.WithTimeout(a.ctx, time.Duration(n%7)*100*time.Microsecond)
			}
			return context.WithCancel(a.ctx)
		})
	}},
}

// crowd lets the attacker and the victim search at the same time, and logs the distinct things that the attacker received.
func (a *attacker) crowd(request func(n int) (context.Context, context.CancelFunc)) error {
	const clients, requests = 8, 50
	var mu sync.Mutex
	seen := map[string]bool{}
	var wrong, served int
	work := func(client int) {
		who, mine := a.world.Victim, client%2 == 0
		if mine {
			who = a.world.Attacker
		}
		for n := range requests {
			ctx, cancel := request(client*requests + n + 1)
			tc, err := tenant.Bind(ctx, who.Principal())
			if err == nil {
				var patients []hospital.Patient
				patients, err = hospital.Search(tc, a.world.DB, "")
				mu.Lock()
				for _, p := range patients {
					if mine {
						seen[fmt.Sprint(p)] = true
					}
				}
				if err == nil {
					served++
				} else if ctx.Err() == nil {
					wrong++
				}
				mu.Unlock()
			}
			cancel()
		}
	}
	var group sync.WaitGroup
	for client := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			work(client)
		}()
	}
	group.Wait()
	if wrong > 0 || served == 0 {
		return broken(errors.New("requests failed that nobody cancelled"))
	}
	a.rows = len(seen)
	for _, line := range sortedKeys(seen) {
		a.note("patient", line)
	}
	a.seen = fmt.Sprintf("%d distinct rows, all the attacker's own", a.rows)
	return nil
}
