package attack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// Wall is what stops an attack.
type Wall string

// The walls, as docs/architecture.md names them; the border is the first part of the first.
const (
	Border    Wall = "border"    // the token
	Types     Wall = "types"     // tenant.Context
	Statement Wall = "statement" // the proof of the final text, and the predicates of the builder
	Database  Wall = "database"  // row-level security, grants, keys
)

// Way is how the attacker reaches the system.
type Way string

// The ways.
const (
	HTTP     Way = "HTTP"
	Library  Way = "library"
	Squirrel Way = "squirrel"
	Plain    Way = "plain pgx" // the application's login, beside the library: the database stands alone
)

// Attack is one attempt.
type Attack struct {
	Threats string // ids of docs/threats.md: "Q01, W03"
	Name    string // what is tried, in a few words
	Way     Way

	// NeedsProof is set for SQL that only the statement wall can stop: it changes the setting that the policies read, so the pool
	// tier does not hold against it. It says why.
	NeedsProof string

	run func(a *attacker) error
}

// Result is what came of an attack.
type Result struct {
	ID      string // "A01", in the order of All
	Threats string
	Name    string
	Way     Way
	Wall    Wall
	Saw     string // what the attacker saw, in a few words
	Leak    string // what leaked; empty when nothing did
	Failed  string // why the attack could not be tried
}

// Refused reports whether the attack was tried and got nothing.
func (r Result) Refused() bool { return r.Leak == "" && r.Failed == "" }

// All lists the attacks.
func All() []Attack {
	var all []Attack
	for _, group := range [][]Attack{borderAttacks, contextAttacks, squirrelAttacks, staticAttacks, writeAttacks, builderAttacks, poolAttacks, readAttacks, rowAttacks, escapeAttacks} {
		all = append(all, group...)
	}
	return all
}

// Run tries every attack and puts back what it changed.
func Run(ctx context.Context, f *Field) ([]Result, error) {
	if err := f.check(ctx); err != nil {
		return nil, err
	}
	var results []Result
	for i, a := range All() {
		r, err := f.try(ctx, a)
		if err != nil {
			return results, fmt.Errorf("attack %q: %w", a.Name, err)
		}
		r.ID = fmt.Sprintf("A%02d", i+1)
		results = append(results, r)
	}
	return results, nil
}

// try runs one attack in both worlds and judges it.
func (f *Field) try(ctx context.Context, a Attack) (Result, error) {
	r := Result{Threats: a.Threats, Name: a.Name, Way: a.Way}
	var logs [2]string
	for i, w := range f.worlds() {
		me := &attacker{ctx: ctx, field: f, world: w, way: a.Way}
		attempt := a.run(me)
		me.close()
		after, err := w.fingerprint(ctx)
		if err != nil {
			return r, err
		}
		me.note("ended", attempt)
		logs[i] = me.log.String()
		if i == 0 {
			r.Wall, r.Saw = me.verdict(attempt)
		}
		if why := malfunction(attempt); why != "" {
			r.Failed = why
		}
		if changed := w.kept.othersChanged(after, w.Attacker.Tenant()); changed != "" {
			r.Leak = "changed rows of " + changed
		}
		if mark := w.foreignMark(logs[i]); mark != "" {
			r.Leak = "read rows of " + mark
		}
		if !w.kept.equal(after) {
			if err := w.restore(ctx); err != nil {
				return r, err
			}
		}
	}
	if logs[0] != logs[1] && r.Leak == "" {
		r.Leak = "saw a difference that other hospitals' rows make: " + difference(logs[0], logs[1])
	}
	if r.Leak != "" {
		r.Wall, r.Saw = "none", r.Leak
	}
	return r, nil
}

// verdict says which wall an ended attack ran into, and what the attacker saw.
func (a *attacker) verdict(err error) (Wall, string) {
	var refusal *query.Refusal
	var args *query.ArgError
	var context *tenant.Error
	var server *pgconn.PgError
	switch {
	case a.wall != "":
		return a.wall, a.saw(err)
	case errors.As(err, &refusal):
		return Statement, brief(refusal.Rule + " " + strings.TrimSpace(refusal.Relation+" "+refusal.What))
	case errors.As(err, &args):
		return Statement, brief(args.Error())
	case errors.As(err, &context):
		return Types, brief(context.Error())
	case errors.As(err, &server):
		return Database, brief(server.Code + " " + server.Message)
	case a.way == Plain:
		return Database, a.saw(err)
	}
	return Statement, a.saw(err)
}

func (a *attacker) saw(err error) string {
	if err != nil {
		return brief(err.Error())
	}
	if a.seen != "" {
		return brief(a.seen)
	}
	switch {
	case a.rows == 1:
		return "1 row, the attacker's own"
	case a.rows > 0:
		return fmt.Sprintf("%d rows, all the attacker's own", a.rows)
	}
	return "no row"
}

// malfunction says why an error is none of a wall: then the attack proves nothing.
func malfunction(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		class := server.Code[:2]
		if class == "42" && server.Code != "42501" || class == "08" || class == "57" || class == "53" || class == "58" || class == "XX" {
			return server.Code + " " + server.Message
		}
		return ""
	}
	var refusal *query.Refusal
	var args *query.ArgError
	var context *tenant.Error
	if err == nil || errors.As(err, &refusal) || errors.As(err, &args) || errors.As(err, &context) || errors.Is(err, query.ErrNotFound) {
		return ""
	}
	return err.Error() // its own failure, or one that no wall makes
}

// brokenError is an attack's own failure: it could not be tried.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return "could not be tried: " + e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

func broken(err error) error {
	if err == nil {
		return nil
	}
	return &brokenError{err}
}

// brief keeps the first line, and not too much of it.
func brief(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if r := []rune(line); len(r) > 96 {
		line = string(r[:95]) + "…"
	}
	return line
}

func difference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range la {
		if i >= len(lb) || la[i] != lb[i] {
			return brief(la[i])
		}
	}
	return brief(lb[len(la)])
}
