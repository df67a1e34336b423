package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

const auditUsage = `usage: septum audit --catalog FILE [--url URL] [flags]

Looks in a live database for every known way in which its isolation can fail, and prints for each what is wrong, why it
matters, a query that shows it and SQL that mends it. It changes nothing: what it tries, it tries in transactions that
are rolled back. docs/audit.md explains each rule.

The URL's login sees most when it is a superuser, or has BYPASSRLS and belongs to the application's role; what another one
can't see is listed. Without --url the environment decides: DATABASE_URL, else PGHOST and its kind.

  septum audit --catalog catalog.json --url postgres://auditor@db/clinic --login clinic_app
  septum audit --catalog catalog.json --login clinic_app --format sarif > septum.sarif
  septum audit --catalog catalog.json --login clinic_app --format json > today.json
  septum audit --catalog catalog.json --login clinic_app --baseline yesterday.json --waivers waivers.json
  septum audit --catalog catalog.json --login clinic_app --format html > report.html
  septum audit --list-rules

Exit status: 0 nothing found, 1 findings that no waiver covers, an expired waiver, or what got worse since the baseline,
2 could not run or not to the end.

flags:
`

// auditFlags are what was asked for.
type auditFlags struct {
	url, catalog, format, baseline, waivers, failOn string
	listRules                                       bool
	timeout                                         time.Duration
	options                                         rls.AuditOptions
}

// audited is what "audit --format json" prints: the report, and with a baseline what changed since.
type audited struct {
	*rls.Report
	Drift *rls.Drift `json:"drift,omitempty"`
}

func audit(args []string, stdout, stderr io.Writer) int {
	f, code := parseAudit(args, stdout, stderr)
	if f == nil {
		return code
	}
	if f.listRules {
		return listRules(stdout, stderr, f.format)
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, "septum:", err)
		return exitFailed
	}
	catalog, waivers, baseline, err := f.files()
	if err != nil {
		return fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	conn, err := connect(ctx, f.url)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	f.options.Progress = progress(stderr)
	report, failed := rls.Audit(ctx, conn, catalog, f.options)
	report.Waive(waivers, time.Now())
	result := audited{Report: report}
	if baseline != nil {
		drift := report.Since(baseline)
		result.Drift = &drift
	}
	if err := result.write(stdout, f); err != nil {
		return fail(err)
	}
	switch {
	case failed != nil:
		return fail(failed)
	case len(report.Open(rls.Severity(f.failOn))) > 0, len(report.Expired) > 0, result.Drift != nil && result.Drift.Worse():
		return exitFindings
	}
	return exitClean
}

func parseAudit(args []string, stdout, stderr io.Writer) (*auditFlags, int) {
	f := &auditFlags{}
	flags := newFlags("audit", auditUsage, stderr)
	flags.StringVar(&f.url, "url", "", "the database, as a PostgreSQL `URL` or keyword string; default: DATABASE_URL, PGHOST …")
	flags.StringVar(&f.catalog, "catalog", "", "JSON `file` that declares each relation (required)")
	flags.StringVar(&f.options.Login, "login", "", "the application's login `role`; default: --role, else the URL's")
	flags.StringVar(&f.options.AppRole, "role", "", "the `role` that the policies are for; default: --login")
	flags.StringVar(&f.options.Schema, "schema", "", "`schema` of the relations that the catalog names without one; default: public")
	flags.Func("tenant", "a real tenant's `id` to try statements with; up to two; default: found where the login may", func(id string) error {
		parsed, err := tenant.ParseID(id)
		f.options.Tenants = append(f.options.Tenants, parsed)
		return err
	})
	flags.Func("tenant-from", "where policies that mend read the tenant: `setting` (default) or login", func(from string) error {
		if from != "setting" && from != string(rls.FromLogin) {
			return errors.New("take setting or login")
		}
		f.options.TenantFrom = rls.TenantSource(strings.TrimPrefix(from, "setting"))
		return nil
	})
	flags.BoolVar(&f.options.CatalogOnly, "catalog-only", false, "read PostgreSQL's catalogs and try nothing")
	flags.BoolVar(&f.options.ProbeRows, "probe-rows", false, "also try what touches rows and runs triggers, rolled back; for test databases")
	flags.StringVar(&f.format, "format", "text", "output `format`: text, json, sarif or html")
	flags.StringVar(&f.baseline, "baseline", "", "JSON `file` of an earlier audit: tell what got worse since")
	flags.StringVar(&f.waivers, "waivers", "", "JSON `file` of findings that are accepted for a while")
	flags.StringVar(&f.failOn, "fail-on", string(rls.Low), "the least `severity` that makes exit status 1: info, low, medium, high or critical")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Minute, "how long the whole audit may take")
	flags.DurationVar(&f.options.StatementTimeout, "statement-timeout", 5*time.Second, "how long each statement may take")
	flags.BoolVar(&f.listRules, "list-rules", false, "list the rules (text or json) and exit")
	if slices.ContainsFunc(args, func(arg string) bool { return arg == "-h" || arg == "--help" || arg == "-help" }) {
		flags.SetOutput(stdout)
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, exitClean
		}
		return nil, exitFailed
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = fmt.Sprintf("audit takes flags only; what is %q?", flags.Arg(0))
	case !f.listRules && checkFormat("audit", f.format, asText, asJSON, asSARIF, asHTML) != nil:
		wrong = checkFormat("audit", f.format, asText, asJSON, asSARIF, asHTML).Error()
	case f.listRules && checkFormat("audit --list-rules", f.format, asText, asJSON) != nil:
		wrong = checkFormat("audit --list-rules", f.format, asText, asJSON).Error()
	case rls.Severity(f.failOn).Rank() < 0:
		wrong = fmt.Sprintf("there is no severity %q; take info, low, medium, high or critical", f.failOn)
	case !f.listRules && f.catalog == "":
		wrong = "which relations belong to a tenant? Give --catalog FILE"
	}
	if wrong != "" {
		fmt.Fprintln(stderr, "septum:", wrong)
		return nil, exitFailed
	}
	return f, exitClean
}

// files reads what the flags name.
func (f *auditFlags) files() (*query.Catalog, []rls.Waiver, *rls.Report, error) {
	data, err := os.ReadFile(f.catalog)
	if err != nil {
		return nil, nil, nil, err
	}
	catalog, err := query.ParseCatalog(data)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", f.catalog, err)
	}
	var waivers []rls.Waiver
	if f.waivers != "" {
		if data, err = os.ReadFile(f.waivers); err == nil {
			waivers, err = rls.ParseWaivers(data)
		}
		if err != nil {
			return nil, nil, nil, fmt.Errorf("%s: %w", f.waivers, err)
		}
	}
	if f.baseline == "" {
		return catalog, waivers, nil, nil
	}
	baseline := &rls.Report{}
	if data, err = os.ReadFile(f.baseline); err == nil {
		err = json.Unmarshal(data, baseline)
	}
	if err == nil && (baseline.Format != 1 || baseline.Error != "") {
		err = errors.New("it is not the JSON of an audit that came to its end")
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", f.baseline, err)
	}
	return catalog, waivers, baseline, nil
}

// connect opens the database that the URL, or the environment, names.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	if url == "" {
		url = os.Getenv("DATABASE_URL")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the URL of the database can't be read; write postgres://user@host/database")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "septum audit"
	}
	return pgx.ConnectConfig(ctx, config)
}

func (a audited) write(w io.Writer, f *auditFlags) error {
	switch f.format {
	case "json":
		return writeJSON(w, a)
	case "sarif":
		return writeJSON(w, sarifOf(a, f.catalog))
	case "html":
		return writePage(w, pageData{Audit: a, By: whoRuns()})
	}
	return a.text(w, isTerminal(w))
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func listRules(stdout, stderr io.Writer, format string) int {
	rules := rls.AuditRules()
	if format == "json" {
		if err := writeJSON(stdout, rules); err != nil {
			fmt.Fprintln(stderr, "septum:", err)
			return exitFailed
		}
		return exitClean
	}
	for _, r := range rules {
		fmt.Fprintf(stdout, "%s %-8s %s [%s]\n  mend: %s\n", r.ID, r.Severity, r.Title, strings.Join(r.Threats, " "), r.Mend)
	}
	return exitClean
}
