package main

import (
	"context"
	"fmt"

	sq "github.com/Masterminds/squirrel"
	pg "github.com/sqlc-dev/oliphant"

	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/internal/sqlproof"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// The statement of the comparisons: three joins over four tenant relations, conditions, order and limit.
var clinic = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID),
	query.Tenant("patients", "encounters", "observations", "charges"))

func dynamic(ward string) query.SelectBuilder {
	return clinic.Select("p.id", "p.name", "e.admitted_at", "o.value", "c.amount").
		From("patients p").
		Join("encounters e", query.On("e.patient_id = p.id")).
		LeftJoin("observations o", query.On("o.encounter_id = e.id")).
		LeftJoin("charges c", query.On("c.encounter_id = e.id")).
		Where(sq.Eq{"e.ward": ward}, sq.Gt{"o.value": 10}).
		OrderBy("p.name", "e.admitted_at desc").
		Limit(50)
}

// squirrel is what one writes without Septum: the same statement, its predicates by hand.
func squirrel(tenantID, ward string) (string, []any, error) {
	return sq.Select("p.id", "p.name", "e.admitted_at", "o.value", "c.amount").
		From("patients p").
		Join("encounters e ON e.patient_id = p.id AND e.tenant_id = p.tenant_id").
		LeftJoin("observations o ON o.encounter_id = e.id AND o.tenant_id = p.tenant_id").
		LeftJoin("charges c ON c.encounter_id = e.id AND c.tenant_id = p.tenant_id").
		Where(sq.Eq{"p.tenant_id": tenantID}).
		Where(sq.Eq{"e.ward": ward}).
		Where(sq.Gt{"o.value": 10}).
		OrderBy("p.name", "e.admitted_at desc").
		Limit(50).
		PlaceholderFormat(sq.Dollar).
		ToSql()
}

const clinicTenant = "11111111-1111-1111-1111-111111111111"

func squirrelSide(n int) error {
	for range n {
		if _, _, err := squirrel(clinicTenant, "w"); err != nil {
			return err
		}
	}
	return nil
}

func queryBenchmarks() []benchmark {
	vsSquirrel := func(side func() (ratio.Side, error)) func(context.Context) (float64, error) {
		return func(context.Context) (float64, error) {
			ours, err := side()
			if err != nil {
				return 0, err
			}
			return ratio.Compare(ours, squirrelSide, ratio.Settings{})
		}
	}
	return []benchmark{
		{"query.static.build", "≤ 0.05 of squirrel's build of the same statement", vsSquirrel(staticRun)},
		{"query.static.run_overhead", "≤ 0.02 of squirrel's build of the same statement", vsSquirrel(staticRun)},
		{"query.dynamic.build_vs_squirrel", "≤ 0.15, predicates on all relations included", vsSquirrel(dynamicBuild)},
		{"query.prove.new_shape", "≤ 4 times the parse alone", newShape},
	}
}

// staticRun is all that a package-level statement costs per call before it is sent: binding tenant and arguments.
func staticRun() (ratio.Side, error) {
	stmt, err := dynamicArg().Build()
	if err != nil {
		return nil, err
	}
	id, err := tenant.ParseID(clinicTenant)
	if err != nil {
		return nil, err
	}
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: id, Subject: "bench"})
	if err != nil {
		return nil, err
	}
	return func(n int) error {
		for range n {
			if _, err := stmt.Bind(tc, query.Args{"ward": "w"}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func dynamicArg() query.SelectBuilder {
	return clinic.Select("p.id", "p.name", "e.admitted_at", "o.value", "c.amount").
		From("patients p").
		Join("encounters e", query.On("e.patient_id = p.id")).
		LeftJoin("observations o", query.On("o.encounter_id = e.id")).
		LeftJoin("charges c", query.On("c.encounter_id = e.id")).
		Where(sq.Eq{"e.ward": query.Arg("ward")}, sq.Gt{"o.value": 10}).
		OrderBy("p.name", "e.admitted_at desc").
		Limit(50)
}

// dynamicBuild writes and proves the statement anew each time, as code does whose conditions come from a screen.
func dynamicBuild() (ratio.Side, error) {
	return func(n int) error {
		for range n {
			if _, err := dynamic("w").Build(); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// newShape is the proof of a text that was never seen before, against the parse that every such tool needs.
func newShape(context.Context) (float64, error) {
	stmt, err := dynamic("w").Build()
	if err != nil {
		return 0, err
	}
	text := stmt.SQL()
	var relations []sqlproof.Relation
	for _, r := range clinic.Relations() {
		relations = append(relations, sqlproof.Relation{Name: r.Name, Kind: sqlproof.Tenant, Column: r.Column, Type: string(r.Type)})
	}
	catalog, err := sqlproof.NewCatalog(relations, nil)
	if err != nil {
		return 0, err
	}
	prove := func(n int) error {
		for range n {
			if _, err := sqlproof.Prove(text, catalog, 1); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		return nil
	}
	parse := func(n int) error {
		for range n {
			if _, err := pg.Parse(text); err != nil {
				return err
			}
		}
		return nil
	}
	return ratio.Compare(prove, parse, ratio.Settings{})
}
