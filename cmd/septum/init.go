package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
)

const initUsage = `usage: septum init [--url URL] [--out FILE] [flags]

Reads the tables, columns and foreign keys of a database, and proposes a catalog: which relations hold tenants' rows,
which hold everybody's, and why. It guesses nothing silently: what nothing speaks for stays undecided, is listed with what
is known about it, and stays out of the catalog, where no statement can reach it.

Read the proposal, decide, and run it again: an existing --out FILE is read first, and what it declares counts as decided.
Without --url the environment decides: DATABASE_URL, else PGHOST and its kind. No row of a table is read.

  septum init --url postgres://owner@db/clinic --out catalog.json
  septum init --out catalog.json --tenant referrals,notes --global countries --skip 'audit.*,schema_migrations'
  septum init --tenant-column practice_id:uuid > catalog.json
  septum init --format json | jq '.relations[] | select(.kind == "undecided")'

Exit status: 0 every relation is decided, 1 some are not, 2 could not run.

flags:
`

type initFlags struct {
	url, out, format, column string
	tenants, globals, skips  string
	timeout                  time.Duration
}

func initCatalog(args []string, stdout, stderr io.Writer) int {
	f := initFlags{}
	flags := newFlags("init", initUsage, stderr)
	flags.StringVar(&f.url, "url", "", "the database, as a PostgreSQL `URL` or keyword string; default: DATABASE_URL, PGHOST …")
	flags.StringVar(&f.out, "out", "", "write the catalog to this `file`, whose decisions are kept; default: print it")
	flags.StringVar(&f.column, "tenant-column", "", "the tenant column, as `name` or name:type (bigint, \"enum app.site\" …); default: the candidate that stands out")
	flags.StringVar(&f.tenants, "tenant", "", "relations that are tenants': `names` with commas, * stands for anything")
	flags.StringVar(&f.globals, "global", "", "relations that are everybody's: `names` with commas")
	flags.StringVar(&f.skips, "skip", "", "relations that the application must not reach: `names` with commas")
	flags.StringVar(&f.format, "format", "text", "output `format`: text (the catalog, and reasons beside it) or json (the whole proposal)")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long it may take")
	if code, done := parseFlags(flags, args, stdout); done {
		return code
	}
	if err := checkFormat("init", f.format, asText, asJSON); err != nil {
		return failed(stderr, err)
	}
	if flags.NArg() > 0 {
		return failed(stderr, fmt.Errorf("init takes flags only; what is %q?", flags.Arg(0)))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	proposal, err := f.propose(ctx, progress(stderr))
	if err != nil {
		return failed(stderr, err)
	}
	if err := f.write(proposal, stdout, stderr); err != nil {
		return failed(stderr, err)
	}
	if len(proposal.Undecided()) > 0 {
		return exitFindings
	}
	return exitClean
}

func (f *initFlags) propose(ctx context.Context, told func(string, int, int)) (*query.Proposal, error) {
	known, err := f.known()
	if err != nil {
		return nil, err
	}
	if told != nil {
		told("reading the schema", 0, 1)
		defer told("reading the schema", 1, 1)
	}
	conn, err := connect(ctx, f.url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	schema, err := rls.ReadSchema(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, list := range []struct {
		names string
		kind  query.Kind
	}{{f.tenants, query.TenantKind}, {f.globals, query.GlobalKind}, {f.skips, query.Skip}} {
		if err := decide(schema, known.Kinds, list.names, list.kind); err != nil {
			return nil, err
		}
	}
	return query.Inspect(schema, known), nil
}

// known is what was decided before, and on the command line.
func (f *initFlags) known() (query.Inspection, error) {
	known := query.Inspection{Kinds: map[string]query.Kind{}}
	if f.column != "" {
		name, typ, _ := strings.Cut(f.column, ":")
		known.Column = name
		if typ != "" {
			var err error
			if known.Type, err = query.ParseType(typ); err != nil {
				return known, err
			}
		}
	}
	if f.out == "" {
		return known, nil
	}
	data, err := os.ReadFile(f.out)
	if errors.Is(err, os.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return known, err
	}
	if known.Catalog, err = query.ParseCatalog(data); err != nil {
		return known, fmt.Errorf("%s: %w", f.out, err)
	}
	return known, nil
}

// decide sets the kind of the relations that the names match. A name that matches none is a mistake.
func decide(schema query.Schema, kinds map[string]query.Kind, names string, kind query.Kind) error {
	for _, pattern := range strings.Split(names, ",") {
		if pattern = strings.TrimSpace(pattern); pattern == "" {
			continue
		}
		found := false
		for _, r := range schema.Relations {
			matches := r.Name == strings.TrimPrefix(pattern, "public.")
			if strings.Contains(pattern, "*") {
				qualified := r.Name
				if !strings.Contains(qualified, ".") {
					qualified = "public." + qualified
				}
				a, err := filepath.Match(pattern, r.Name)
				b, _ := filepath.Match(pattern, qualified)
				if err != nil {
					return fmt.Errorf("%q is no pattern", pattern)
				}
				matches = a || b
			}
			if !matches {
				continue
			}
			found = true
			if was := kinds[r.Name]; was != "" && was != kind {
				return fmt.Errorf("%s is said to be %s and %s; it is one of them", r.Name, was, kind)
			}
			kinds[r.Name] = kind
		}
		if !found {
			return fmt.Errorf("the database has no relation %q", pattern)
		}
	}
	return nil
}

// write puts the catalog where it belongs and tells what remains to be done.
func (f *initFlags) write(p *query.Proposal, stdout, stderr io.Writer) error {
	if f.format == "json" {
		return writeJSON(stdout, p)
	}
	data, err := p.CatalogJSON()
	if err != nil {
		explainProposal(stderr, p)
		return fmt.Errorf("there is no catalog to write yet: %w", err)
	}
	if f.out == "" {
		explainProposal(stderr, p)
		_, err = stdout.Write(data)
		return err
	}
	if err := replaceFile(f.out, data); err != nil {
		return err
	}
	explainProposal(stdout, p)
	fmt.Fprintf(stdout, "wrote %s; read it before anything relies on it\n", f.out)
	return nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(name string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Chmod(temporary.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}

// explainProposal writes the reasons for a person: what is undecided last, where it is read.
func explainProposal(w io.Writer, p *query.Proposal) {
	if p.Column != "" {
		fmt.Fprintf(w, "tenant column: %s %s\n", clean(p.Column), p.Type)
	} else {
		fmt.Fprintln(w, "tenant column: none stands out; name one with --tenant-column")
	}
	for _, c := range p.Candidates {
		fmt.Fprintf(w, "  candidate %s %s: %s\n", clean(c.Column), c.Type, clean(strings.Join(c.Reasons, "; ")))
	}
	section := func(title string, list []query.ProposedRelation, which func(query.ProposedRelation) bool) {
		first := true
		for _, r := range list {
			if !which(r) {
				continue
			}
			if first {
				fmt.Fprintf(w, "\n%s:\n", title)
				first = false
			}
			folded := ""
			if n := len(r.Folded); n > 0 {
				folded = fmt.Sprintf(" (and its %d partitions)", n)
			}
			fmt.Fprintf(w, "  %s%s: %s\n", clean(r.Name), folded, clean(strings.Join(r.Reasons, "; ")))
		}
	}
	section("tenants'", p.Relations, func(r query.ProposedRelation) bool { return r.Kind == query.TenantKind && !r.NeedsColumn })
	section("tenants', without their column yet (septum plan adds it)", p.Relations, func(r query.ProposedRelation) bool { return r.Kind == query.TenantKind && r.NeedsColumn })
	section("everybody's", p.Relations, func(r query.ProposedRelation) bool { return r.Kind == query.GlobalKind && !r.Review })
	section("everybody's, it seems: LOOK AT EACH, since a wrong one shows its rows to all tenants", p.Relations,
		func(r query.ProposedRelation) bool { return r.Kind == query.GlobalKind && r.Review })
	section("left out", p.Relations, func(r query.ProposedRelation) bool { return r.Kind == query.Skip })
	section("views", p.Views, func(query.ProposedRelation) bool { return true })
	section("UNDECIDED: say --tenant, --global or --skip", p.Relations, func(r query.ProposedRelation) bool { return r.Kind == query.Undecided })
	fmt.Fprintf(w, "\n%d relations, %d undecided\n", len(p.Relations), len(p.Undecided()))
}
