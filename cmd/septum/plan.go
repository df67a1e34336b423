package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

const planUsage = `usage: septum plan --catalog FILE --login ROLE [--url URL] [flags]

Compares the catalog with a live database and prints the SQL between them, in steps: the schema of package blob where the
catalog names septum_blob.blobs, tenant columns that fill themselves, the rows of before in batches, keys and foreign keys
beside the old ones, and then policies and rights. Until the stage "enforce" the application of today goes on working. Each step says what it locks, how long it takes and how it is undone, and
may be run twice. It changes nothing itself: run the SQL with psql, step by step or whole, and plan again until nothing is left.
docs/plan.md explains the stages.

  septum plan --catalog catalog.json --url postgres://owner@db/clinic --login clinic_app > plan.sql
  septum plan --catalog catalog.json --login clinic_app --existing-tenant 7 --stage stamp
  septum plan --catalog catalog.json --login clinic_app --format html > plan.html
  septum plan --catalog catalog.json --login clinic_app --format json | jq '.steps[] | [.id, .lock, .time]'

Exit status: 0 nothing to do, 1 there are steps or obstacles, 2 could not run.

flags:
`

func plan(args []string, stdout, stderr io.Writer) int {
	var url, catalogFile, format, existing, from, stage string
	var timeout time.Duration
	o := rls.PlanOptions{}
	flags := newFlags("plan", planUsage, stderr)
	flags.StringVar(&url, "url", "", "the database, as a PostgreSQL `URL` or keyword string; default: DATABASE_URL, PGHOST …")
	flags.StringVar(&catalogFile, "catalog", "", "JSON `file` that declares each relation (required)")
	flags.StringVar(&o.Login, "login", "", "the application's login `role`; default: --role")
	flags.StringVar(&o.AppRole, "role", "", "the `role` that the policies are for; default: --login")
	flags.StringVar(&o.Schema, "schema", "", "`schema` of the relations that the catalog names without one; default: public")
	flags.StringVar(&from, "tenant-from", "setting", "where policies read the tenant: `setting` or login")
	flags.StringVar(&existing, "existing-tenant", "", "`id` of the tenant to which rows belong where no foreign key says")
	flags.IntVar(&o.BatchPages, "batch-pages", 100, "`pages` of 8 kB that the backfill writes before each commit")
	flags.DurationVar(&o.LockTimeout, "lock-timeout", 2*time.Second, "how long a step waits for a lock")
	flags.StringVar(&stage, "stage", "", "print the steps of one `stage`: roles, library, stamp, backfill, tighten, keys or enforce")
	flags.StringVar(&format, "format", "text", "output `format`: text (a script for psql), json or html (a page for those who approve changes)")
	flags.DurationVar(&timeout, "timeout", 5*time.Minute, "how long it may take")
	if code, done := parseFlags(flags, args, stdout); done {
		return code
	}
	if o.AppRole == "" {
		o.AppRole = o.Login
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("plan takes flags only; what is %q?", flags.Arg(0))
	case catalogFile == "":
		err = errors.New("which relations belong to a tenant? Give --catalog FILE")
	case o.AppRole == "":
		err = errors.New("for whom are the policies? Give --login ROLE")
	case checkFormat("plan", format, asText, asJSON, asHTML) != nil:
		err = checkFormat("plan", format, asText, asJSON, asHTML)
	case from != "setting" && from != string(rls.FromLogin):
		err = errors.New("take setting or login for --tenant-from")
	case stage != "" && !strings.Contains(" roles library stamp backfill tighten keys enforce ", " "+stage+" "):
		err = fmt.Errorf("there is no stage %q; take roles, library, stamp, backfill, tighten, keys or enforce", stage)
	case existing != "":
		o.ExistingTenant, err = tenant.ParseID(existing)
	}
	if err != nil {
		return failed(stderr, err)
	}
	o.TenantFrom = rls.TenantSource(strings.TrimPrefix(from, "setting"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	roadmap, err := makePlan(ctx, url, catalogFile, o, progress(stderr))
	if err != nil {
		return failed(stderr, err)
	}
	all := len(roadmap.Steps) + len(roadmap.Obstacles)
	if stage != "" {
		var kept []rls.PlanStep
		for _, s := range roadmap.Steps {
			if string(s.Stage) == stage {
				kept = append(kept, s)
			}
		}
		roadmap.Steps = append([]rls.PlanStep{}, kept...)
	}
	switch format {
	case asJSON:
		err = writeJSON(stdout, roadmap)
	case asHTML:
		err = writePage(stdout, pageData{Plan: roadmap, By: whoRuns(), Made: time.Now().UTC().Truncate(time.Second)})
	default:
		err = roadmap.WriteScript(stdout)
	}
	switch {
	case err != nil:
		return failed(stderr, err)
	case all > 0:
		return exitFindings
	}
	return exitClean
}

func makePlan(ctx context.Context, url, catalogFile string, o rls.PlanOptions, told func(string, int, int)) (*rls.Roadmap, error) {
	data, err := os.ReadFile(catalogFile)
	if err != nil {
		return nil, err
	}
	catalog, err := query.ParseCatalog(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", catalogFile, err)
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if told != nil {
		told("reading the database", 0, 1)
		defer told("reading the database", 1, 1)
	}
	roadmap, err := rls.Plan(ctx, conn, catalog, o)
	if err != nil {
		return roadmap, err
	}
	return roadmap, addBlob(ctx, conn, catalog, o, roadmap)
}
