// Command entity shows a general entity model: two hospitals define types of the same names at run time, store entities,
// and load them with what is related to them.
//
//	go run ./examples/entity
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/examples/entity/model"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "entity:", err)
		os.Exit(1)
	}
}

// run starts a server, or finds one, and puts it away again.
func run(ctx context.Context, out io.Writer) (err error) {
	server, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	d, err := server.Database(ctx, pgtest.Template{})
	if err != nil {
		return err
	}
	db, err := open(ctx, d.OwnerURL, d.AppURL, d.AppRole)
	if err != nil {
		return err
	}
	defer db.Close()
	return story(ctx, db, out)
}

func open(ctx context.Context, ownerURL, appURL, appRole string) (*rls.DB, error) {
	catalog, err := model.Catalog()
	if err != nil {
		return nil, err
	}
	owner, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return nil, err
	}
	_, err = owner.Exec(ctx, model.Schema)
	if err == nil {
		err = rls.Apply(ctx, owner, catalog, rls.Options{AppRole: appRole})
	}
	if err = errors.Join(err, owner.Close(ctx)); err != nil {
		return nil, err
	}
	return rls.Open(ctx, rls.Config{URL: appURL}, catalog)
}

// story is what the hospitals do.
func story(ctx context.Context, db *rls.DB, out io.Writer) error {
	store, err := model.New(db)
	if err != nil {
		return err
	}
	for _, hospital := range []struct {
		name  string
		types []model.Type
		ward  model.Values
		ann   model.Values
	}{
		{"mercy", []model.Type{
			{Name: "Ward", Fields: []model.Field{{Name: "Name", Kind: model.Text}}},
			{Name: "Patient", Fields: []model.Field{{Name: "Name", Kind: model.Text}, {Name: "Balance", Kind: model.Decimal}}, Relations: []model.Relation{{Name: "lies in", To: "Ward", Inverse: "patients"}}},
		}, model.Values{"Name": "Surgery"}, model.Values{"Name": "Ann of Mercy", "Balance": "120.50"}},
		{"lakeside", []model.Type{
			{Name: "Ward", Fields: []model.Field{{Name: "Beds", Kind: model.Int}}},
			{Name: "Patient", Fields: []model.Field{{Name: "Name", Kind: model.Text}, {Name: "Consent", Kind: model.Bool}}, Relations: []model.Relation{{Name: "lies in", To: "Ward", Inverse: "patients"}}},
		}, model.Values{"Beds": 12}, model.Values{"Name": "Ann of Lakeside", "Consent": true}},
	} {
		id, err := tenant.ParseID(hospital.name)
		if err != nil {
			return err
		}
		tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: id, Subject: "dr.grey"})
		if err != nil {
			return err
		}
		for _, t := range hospital.types {
			if err := store.Define(tc, t); err != nil {
				return err
			}
		}
		ward, err := store.Create(tc, "Ward", hospital.ward)
		if err != nil {
			return err
		}
		ann, err := store.Create(tc, "Patient", hospital.ann)
		if err != nil {
			return err
		}
		if err := store.Relate(tc, "Patient", ann, "lies in", ward); err != nil {
			return err
		}
		found, err := store.Find(tc, "Patient", "Name", hospital.ann["Name"])
		if err != nil {
			return err
		}
		patients, err := store.Load(tc, "Patient", model.Options{IDs: found, Paths: []string{"lies in"}})
		if err != nil {
			return err
		}
		text, err := json.Marshal(patients)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", hospital.name, text)
	}
	return nil
}
