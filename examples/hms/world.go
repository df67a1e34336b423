package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/examples/hms/attack"
	"github.com/septum-go/septum/examples/hms/fhir"
	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/examples/hms/web"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

// The attacker works in mercy-north, and is after mercy, whose name begins like that of its own.
const (
	attackerHospital = "mercy-north"
	victimHospital   = "mercy"
)

// titles are the hospitals' names for people.
var titles = map[string]string{"mercy": "Mercy Hospital", "mercy-north": "Mercy North Clinic", "lakeside": "Lakeside Hospital"}

// world is one database with a backend on it.
type world struct {
	database *pgtest.Database
	owner    *pgx.Conn
	db       *rls.DB
	auth     *tenanthttp.Auth
	issuer   *web.Issuer
	server   *http.Server
	url      string
	served   chan error

	users map[tenant.ID]tenant.Context // a physician of each hospital
	marks map[string]string
	close []func()
}

// schema makes the database: tables by the owner, policies and grants from the catalog, and the list of codes.
func schema(ctx context.Context, d *pgtest.Database) error {
	owner, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		return err
	}
	defer owner.Close(context.WithoutCancel(ctx))
	if _, err := owner.Exec(ctx, hospital.Schema); err != nil {
		return err
	}
	text, err := codes()
	if err != nil {
		return err
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return err
	}
	var rows [][]any
	for _, line := range lines[1:] {
		rows = append(rows, []any{line[0], line[1]})
	}
	if _, err := owner.CopyFrom(ctx, pgx.Identifier{"codes"}, []string{"code", "title"}, pgx.CopyFromRows(rows)); err != nil {
		return err
	}
	return rls.Apply(ctx, owner, hospital.Catalog, rls.Options{AppRole: d.AppRole})
}

// newWorld makes a database, opens it as the backend does, and listens on a port of its own.
func newWorld(ctx context.Context, server *pgtest.Server, issuer *web.Issuer) (w *world, err error) {
	w = &world{issuer: issuer, users: map[tenant.ID]tenant.Context{}, marks: map[string]string{}}
	defer func() {
		if err != nil {
			w.shut()
		}
	}()
	if w.database, err = server.Database(ctx, pgtest.Template{Key: "hms " + hospital.Schema, Prepare: schema}); err != nil {
		return w, err
	}
	w.close = append(w.close, func() { _ = w.database.Drop(context.WithoutCancel(ctx)) })
	if w.owner, err = pgx.Connect(ctx, w.database.OwnerURL); err != nil {
		return w, err
	}
	w.close = append(w.close, func() { _ = w.owner.Close(context.WithoutCancel(ctx)) })
	if w.db, err = rls.Open(ctx, rls.Config{URL: w.database.AppURL, MaxConns: 4}, hospital.Catalog); err != nil {
		return w, err
	}
	w.close = append(w.close, w.db.Close)
	verifier, err := issuer.Verifier()
	if err != nil {
		return w, err
	}
	w.close = append(w.close, func() { _ = verifier.Close() })
	if w.auth, err = tenanthttp.New(verifier, tenanthttp.Config{Realm: "hms"}); err != nil {
		return w, err
	}
	return w, w.listen()
}

// listen serves the API on a free port of this machine.
func (w *world) listen() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.url = "http://" + listener.Addr().String()
	w.server = &http.Server{Handler: web.API(w.auth, w.db), ReadHeaderTimeout: 5 * time.Second}
	w.served = make(chan error, 1)
	go func() { w.served <- w.server.Serve(listener) }()
	w.close = append(w.close, func() {
		_ = w.server.Close()
		<-w.served //nolint:errcheck // it has ended: http.ErrServerClosed
	})
	return nil
}

// shut ends everything, last things first.
func (w *world) shut() {
	for i := len(w.close) - 1; i >= 0; i-- {
		w.close[i]()
	}
	w.close = nil
}

// open makes a hospital known, and a physician of it.
func (w *world) open(ctx context.Context, id tenant.ID, mark string) error {
	tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: id, Subject: "dr.grey@" + id.String(), Roles: []string{"physician"}})
	if err != nil {
		return err
	}
	title := titles[id.String()]
	if title == "" {
		title = "Hospital " + id.String()
	}
	w.users[id], w.marks[id.String()] = tc, mark
	return hospital.Register(tc, w.db, title, mark)
}

// load stores a hospital's files, each in a transaction of its own.
func (w *world) load(s *source) (sum fhir.Summary, err error) {
	for _, f := range s.files {
		one, err := fhir.Load(w.users[s.hospital], w.db, f)
		if err != nil {
			return sum, err
		}
		sum.Add(one)
	}
	return sum, nil
}

// forAttack gives the attacks what they may use.
func (w *world) forAttack(attacker, victim tenant.ID) (*attack.World, error) {
	token, err := w.issuer.Token(attacker.String(), "mallory")
	if err != nil {
		return nil, err
	}
	forgeries, err := w.issuer.Forgeries(attacker.String(), victim.String())
	return &attack.World{Attacker: w.users[attacker], Victim: w.users[victim], DB: w.db, AppURL: w.database.AppURL, Owner: w.owner,
		URL: w.url, Token: token, Forgeries: forgeries, Marks: w.marks,
		Names: []string{w.database.Name, w.url}}, err
}

// disarm takes row-level security off every table, for -control.
func (w *world) disarm(ctx context.Context) error {
	for _, r := range hospital.Catalog.Relations() {
		if _, err := w.owner.Exec(ctx, "alter table "+pgx.Identifier{r.Name}.Sanitize()+" disable row level security"); err != nil {
			return fmt.Errorf("disarm %s: %w", r.Name, err)
		}
	}
	return nil
}

// newMark is what a hospital's record numbers begin with: a text that nobody can guess, so that where it turns up, a row was read.
func newMark() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails (Go 1.24)
	return "R" + hex.EncodeToString(b[:])
}
