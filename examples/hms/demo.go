package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/septum-go/septum/examples/hms/attack"
	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/examples/hms/story"
	"github.com/septum-go/septum/examples/hms/web"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/tenant"
)

// demo is one run: the server, two worlds on it, and what came out.
type demo struct {
	options options
	out     io.Writer
	server  *pgtest.Server
	main    *world // three hospitals, and those of -fhir
	other   *world // the attacker's hospital alone: what the attacker sees must be the same in both
	report  web.Report
}

// run does all of it and gives the exit code.
func run(ctx context.Context, o options, out io.Writer) (code int, err error) {
	d := &demo{options: o, out: out}
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	defer d.shut()
	for _, step := range []func(context.Context) error{d.start, d.load, d.tell, d.attack} {
		if err := step(limited); err != nil {
			return 2, err
		}
	}
	fmt.Fprintf(out, "\n%s\n", d.report.Last())
	if o.serve {
		if err := d.serve(ctx); err != nil {
			return 2, err
		}
	}
	if !d.report.OK() {
		return 1, nil
	}
	return 0, nil
}

func (d *demo) start(ctx context.Context) (err error) {
	if d.server, err = pgtest.Start(ctx, pgtest.Options{}); err != nil {
		return err
	}
	d.report.Server = fmt.Sprintf("PostgreSQL %s (%s)", d.server.Version(), d.server.Source())
	fmt.Fprintf(d.out, "%s\n\n", d.report.Server)
	issuer, err := web.NewIssuer()
	if err != nil {
		return err
	}
	if d.main, err = newWorld(ctx, d.server, issuer); err != nil {
		return err
	}
	d.other, err = newWorld(ctx, d.server, issuer)
	return err
}

func (d *demo) shut() {
	for _, w := range []*world{d.main, d.other} {
		if w != nil {
			w.shut()
		}
	}
	if d.server != nil {
		_ = d.server.Close() // its guardian removes what is left
	}
}

// load stores the FHIR files. The other world gets the attacker's hospital with the same mark, and knows the others by name only.
func (d *demo) load(ctx context.Context) error {
	list, skipped, err := sources(d.options.fhir)
	if err != nil {
		return err
	}
	for _, s := range list {
		mark := newMark()
		if err := d.main.open(ctx, s.hospital, mark); err != nil {
			return err
		}
		sum, err := d.main.load(s)
		if err != nil {
			return err
		}
		d.report.Hospitals = append(d.report.Hospitals, web.Hospital{ID: s.hospital.String(), Files: len(s.files), Summary: sum})
		if s.hospital.String() != attackerHospital {
			mark = newMark()
		}
		if err := d.other.open(ctx, s.hospital, mark); err != nil {
			return err
		}
		if s.hospital.String() == attackerHospital {
			if _, err := d.other.load(s); err != nil {
				return err
			}
		}
	}
	d.report.Skipped = skipped
	printLoad(d.out, d.report)
	return nil
}

// tell runs the story and counts the rows.
func (d *demo) tell(context.Context) error {
	var everybody []tenant.Context
	for _, h := range d.report.Hospitals {
		id, err := tenant.ParseID(h.ID)
		if err != nil {
			return err
		}
		everybody = append(everybody, d.main.users[id])
	}
	search, err := story.Search(d.main.db, "chalmers", everybody)
	if err != nil {
		return err
	}
	day, err := story.Day(everybody[0], d.main.db, "chalmers")
	if err != nil {
		return err
	}
	d.report.Story = append([]story.Step{search}, day...)
	for _, tc := range everybody {
		counts, err := hospital.Counts(tc, d.main.db)
		if err != nil {
			return err
		}
		for _, c := range counts {
			d.report.Rows += c.Rows
		}
	}
	printStory(d.out, d.report)
	return nil
}

// attack runs the attacks.
func (d *demo) attack(ctx context.Context) error {
	attacker, victim := tenant.MustParseID(attackerHospital), tenant.MustParseID(victimHospital)
	field := &attack.Field{Walls: attack.Walls{Statement: !d.options.control, Database: !d.options.control}}
	var err error
	if field.World, err = d.main.forAttack(attacker, victim); err != nil {
		return err
	}
	if field.Other, err = d.other.forAttack(attacker, victim); err != nil {
		return err
	}
	if d.options.control {
		if err := errors.Join(d.main.disarm(ctx), d.other.disarm(ctx)); err != nil {
			return err
		}
		fmt.Fprintln(d.out, "-control: row-level security is off, and SQL runs without proof")
	}
	d.report.Attacks, err = attack.Run(ctx, field)
	printAttacks(d.out, d.report)
	return err
}
