// Command graph measures loading three levels of entities, 1,000 patients with their encounters and observations,
// against ent's eager loading of the same, with its tenant predicates by hand. Both run in one process on one server, in turn.
package main

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"os"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/septum-go/septum/benchmarks/graph/ent"
	"github.com/septum-go/septum/benchmarks/graph/ent/encounter"
	"github.com/septum-go/septum/benchmarks/graph/ent/observation"
	"github.com/septum-go/septum/benchmarks/graph/ent/patient"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/internal/ratio"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

var (
	//go:embed clinic.sql
	schema string
	//go:embed catalog.json
	catalogJSON []byte
)

const (
	theTenant = 3
	roots     = 1000
	leaves    = roots * 3 * 3 // each load must find exactly these
)

// Patient is what Septum loads; ent has its own type.
type Patient struct {
	ID         int64
	Name, Ward string
	Born       time.Time
	Encounters []Encounter
}

// Encounter is the second level.
type Encounter struct {
	ID, PatientID int64
	Ward, Note    string
	AdmittedAt    time.Time
	Observations  []Observation
}

// Observation is the third level.
type Observation struct {
	ID, EncounterID int64
	Code            string
	Value           float64
	TakenAt         time.Time
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "graph:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	catalog, err := query.ParseCatalog(catalogJSON)
	if err != nil {
		return err
	}
	server, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	d, err := database(ctx, server, catalog)
	if err != nil {
		return err
	}
	db, err := rls.Open(ctx, rls.Config{URL: d.AppURL}, catalog)
	if err != nil {
		return err
	}
	defer db.Close()
	ours, err := septumSide(ctx, db, catalog)
	if err != nil {
		return err
	}
	bare, err := sql.Open("pgx", d.AdminURL)
	if err != nil {
		return err
	}
	defer bare.Close()
	theirs := entSide(ctx, ent.NewClient(ent.Driver(entsql.OpenDB(dialect.Postgres, bare))))
	value, err := ratio.Compare(ours, theirs, ratio.Settings{})
	if err != nil {
		return err
	}
	ratio.Print(os.Stdout, "graph.depth3.vs_ent", value, "≤ 0.7 of ent's eager loading")
	return nil
}

func database(ctx context.Context, server *pgtest.Server, catalog *query.Catalog) (*pgtest.Database, error) {
	d, err := server.Database(ctx, pgtest.Template{Key: schema, Prepare: func(ctx context.Context, d *pgtest.Database) error {
		conn, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, schema); err != nil {
			return err
		}
		return rls.Apply(ctx, conn, catalog, rls.Options{AppRole: d.AppRole})
	}})
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "vacuum analyze")
	return d, err
}

func septumSide(ctx context.Context, db *rls.DB, catalog *query.Catalog) (ratio.Side, error) {
	g, err := catalog.Graph("patients", "encounters.observations").
		Root(query.Level{OrderBy: []string{"id"}, Limit: roots}).Build()
	if err != nil {
		return nil, err
	}
	tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID(fmt.Sprint(theTenant)), Subject: "bench"})
	if err != nil {
		return nil, err
	}
	return func(n int) error {
		for range n {
			patients, err := rls.Graph[Patient](tc, db, g)
			if err != nil {
				return err
			}
			found := 0
			for _, p := range patients {
				for _, e := range p.Encounters {
					found += len(e.Observations)
				}
			}
			if found != leaves {
				return fmt.Errorf("septum found %d observations", found)
			}
		}
		return nil
	}, nil
}

func entSide(ctx context.Context, client *ent.Client) ratio.Side {
	return func(n int) error {
		for range n {
			patients, err := client.Patient.Query().Where(patient.TenantID(theTenant)).Order(ent.Asc(patient.FieldID)).Limit(roots).
				WithEncounters(func(q *ent.EncounterQuery) {
					q.Where(encounter.TenantID(theTenant)).WithObservations(func(q *ent.ObservationQuery) {
						q.Where(observation.TenantID(theTenant))
					})
				}).All(ctx)
			if err != nil {
				return err
			}
			found := 0
			for _, p := range patients {
				for _, e := range p.Edges.Encounters {
					found += len(e.Edges.Observations)
				}
			}
			if found != leaves {
				return fmt.Errorf("ent found %d observations", found)
			}
		}
		return nil
	}
}
