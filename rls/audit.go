package rls

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/audit"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// ErrAudit says that an audit came to no end, since the database, the catalog or the login is not what it was said to be.
var ErrAudit = errors.New("the database can't be audited like this")

// AuditOptions says whose isolation is audited and how closely. The zero value audits the connection's own login.
type AuditOptions struct {
	// Login is the application's login. Default: AppRole, else the login of the connection.
	Login string
	// AppRole is the role that the policies were written for with Options.AppRole. Default: Login.
	AppRole string
	// TenantFrom is where the policies read the tenant, for the SQL that mends. Both ways are accepted. Default: FromSetting.
	TenantFrom TenantSource
	// Schema is where the relations stand that the catalog names without a schema: a bridge tenant's own. Default: public.
	Schema string
	// Tenants are one or two real tenants with which statements are tried. Without them they are tried as nobody and as a
	// tenant that does not exist, which finds nearly everything.
	Tenants []tenant.ID
	// CatalogOnly tries no statements and takes on no role: nothing but PostgreSQL's catalogs is read.
	CatalogOnly bool
	// ProbeRows also tries what touches rows: moving one tenant's rows to another, and taking a key that another tenant has.
	// All is rolled back, but triggers run and rows are locked meanwhile. For databases of tests.
	ProbeRows bool
	// StatementTimeout bounds each statement of the audit. What takes longer is listed as Incomplete. Default: 5 seconds.
	StatementTimeout time.Duration
	// LockTimeout bounds the wait for a table that somebody changes. Default: 200 milliseconds.
	LockTimeout time.Duration
	// Progress, when set, is told how far the audit is. It is called from the goroutine that called Audit.
	Progress func(what string, done, total int)
}

// AuditRules lists all that [Audit] looks for, by id.
func AuditRules() []Rule {
	rules := audit.Rules()
	out := make([]Rule, len(rules))
	for i, r := range rules {
		out[i] = Rule{ID: r.ID, Name: r.Name, Title: r.Title, Severity: Severity(r.Severity), Evidence: Evidence(r.Evidence),
			Threats: r.Threats, References: append([]string{}, r.References...), Why: r.Why, Mend: r.Mend}
	}
	return out
}

// Audit looks in a live database for every known way in which its isolation can fail. It reads PostgreSQL's catalogs;
// where the connection may become the application's login, it also tries statements as that, in transactions that are
// rolled back. It changes nothing, and needs no superuser: what it could not see is in the report's Incomplete.
//
// The connection must be idle and in no transaction, and can be used again afterwards. The best one is that of a
// superuser or of a login with BYPASSRLS that is a member of the application's role, since it can look for rows that
// belong to nobody.
//
// The report is never nil. With an error, which is an [*Error], it holds what was seen until then and is not Complete.
func Audit(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog, o AuditOptions) (*Report, error) {
	report := &Report{Format: 1, Septum: libraryVersion(), Started: time.Now().UTC().Truncate(time.Millisecond), Rules: AuditRules(),
		Relations: []Posture{}, Findings: []Finding{}, Incomplete: []Gap{}}
	err := report.run(ctx, conn, catalog, o)
	report.Took = time.Since(report.Started)
	if err != nil {
		err = auditError(err)
		report.Error = err.Error()
	}
	return report, err
}

// Audit audits the database that the DB was opened on, over a connection of its own with the DB's login, also behind a pooler.
// It sees what that login can see; [Audit] on an administrator's connection sees more. A DB with a Directory has many
// databases and is ErrAudit: audit each of its places with [Audit].
func (db *DB) Audit(ctx context.Context, o AuditOptions) (*Report, error) {
	conn, err := db.auditor(ctx, &o)
	if err != nil {
		err = fail("Audit", nil, err)
		return &Report{Format: 1, Started: time.Now().UTC(), Rules: AuditRules(), Relations: []Posture{}, Findings: []Finding{},
			Incomplete: []Gap{}, Error: err.Error()}, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	return Audit(ctx, conn, db.catalog, o)
}

// auditor connects for an audit, and fills in what the DB knows.
func (db *DB) auditor(ctx context.Context, o *AuditOptions) (*pgx.Conn, error) {
	switch {
	case db.closed.Load():
		return nil, ErrClosed
	case db.config.Directory != nil:
		return nil, refuse("Audit", nil, ErrAudit, errors.New("with a Directory there is a database for each place; audit each with rls.Audit"))
	}
	pool, _, err := poolConfig(db.config)
	if err != nil {
		return nil, err
	}
	o.Login, o.AppRole = cmp.Or(o.Login, pool.ConnConfig.User), cmp.Or(o.AppRole, db.config.AppRole)
	o.TenantFrom = cmp.Or(o.TenantFrom, db.config.TenantFrom)
	return pgx.ConnectConfig(ctx, pool.ConnConfig)
}

func (r *Report) run(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog, o AuditOptions) error {
	if conn == nil || catalog == nil {
		return &audit.InputError{What: "the connection or the catalog is nil"}
	}
	positive(&o.StatementTimeout, 5*time.Second)
	positive(&o.LockTimeout, 200*time.Millisecond)
	r.Login = cmp.Or(o.Login, o.AppRole, conn.Config().User)
	r.AppRole = cmp.Or(o.AppRole, r.Login)
	in := audit.Input{Login: r.Login, AppRole: r.AppRole, Setting: Setting, Logins: loginsTable,
		Probe: !o.CatalogOnly, ProbeRows: o.ProbeRows && !o.CatalogOnly,
		StatementTimeout: o.StatementTimeout, LockTimeout: o.LockTimeout, Progress: o.Progress}
	for _, id := range o.Tenants {
		in.Tenants = append(in.Tenants, id.String())
	}
	var err error
	if in.Relations, err = auditRelations(ctx, conn, catalog, Options{AppRole: r.AppRole, TenantFrom: o.TenantFrom, Schema: o.Schema}); err != nil {
		return err
	}
	r.CatalogSHA256 = catalogHash(catalog)
	result, err := audit.Run(ctx, conn, in)
	r.take(result)
	return err
}

// auditRelations tells the engine what the catalog says, and what Policies would write for it.
func auditRelations(ctx context.Context, conn querier, catalog *query.Catalog, options Options) ([]audit.Relation, error) {
	if _, err := Policies(catalog, options); err != nil {
		return nil, err
	}
	relations, err := typesIn(ctx, conn, catalog.Relations(), options.Schema)
	if err != nil {
		return nil, err
	}
	wall := map[string][]string{}
	for _, step := range policySteps(relations, options, options.schemaOf) {
		if step.Relation != "" {
			wall[step.Relation] = append(wall[step.Relation], step.SQL)
		}
	}
	var out []audit.Relation
	for _, r := range relations {
		out = append(out, audit.Relation{Schema: options.schemaOf(r), Table: r.Table(), Tenant: r.Kind == query.TenantKind, Writable: r.Writable,
			Column: r.Column, Type: auditType(r.Type), Wall: wall[r.Name], Default: func(base string) string { return printedDefault(printedType{r.Type, base}) },
			Accepted: func(column, base string) []string {
				typ := printedType{r.Type, base}
				return append(printedPredicates(column, typ, FromSetting), printedPredicates(column, typ, FromLogin)...)
			}})
		last := &out[len(out)-1]
		if last.Make = missingRelation(r, last.Schema); last.Tenant {
			last.Add = missingColumn(r, last.Schema)
		}
	}
	return out, nil
}

// auditType tells the engine what a tenant column should be.
func auditType(t query.Type) audit.Type {
	base := t.Base()
	out := audit.Type{Name: string(t), SQL: t.SQL(), UUID: base == query.UUID, Enum: base.IsEnum(), Is: func(declared string) bool {
		live, err := query.ParseType(declared)
		return err == nil && live == t
	}}
	if size := idSize[base]; size > 0 {
		out.Largest = 1<<(8*size-1) - 1
	}
	return out
}

// take copies what the engine found.
func (r *Report) take(result *audit.Result) {
	r.Server, r.ServerNumber, r.Database, r.Auditor = result.VersionText, result.Version, result.Database, result.Auditor
	about := map[string]int{}
	for _, f := range result.Findings {
		about[f.Relation]++
		r.Findings = append(r.Findings, Finding{Rule: f.Rule, Severity: Severity(f.Severity), Evidence: Evidence(f.Evidence),
			Object: f.Object, What: f.What, Show: f.Show, Mend: f.Mend})
	}
	for _, s := range result.Relations {
		p := Posture{Relation: s.Relation, Kind: s.Kind, Exists: s.Exists, Column: s.Column, ColumnType: s.ColumnType, NotNull: s.NotNull,
			Enabled: s.Enabled, Forced: s.Forced, Active: s.Active, Owner: s.Owner, Rights: s.Rights, Findings: about[s.Relation]}
		for _, policy := range s.Policies {
			record := PolicyRecord{Name: policy.Name, Permissive: policy.Permissive, Command: policy.Command, Roles: policy.Roles,
				Using: policy.Using, Check: policy.Check}
			record.SHA256 = hash(record)
			p.Policies = append(p.Policies, record)
		}
		r.Relations = append(r.Relations, p)
	}
	for _, g := range result.Gaps {
		r.Incomplete = append(r.Incomplete, Gap(g))
	}
}

// hash is of a value's JSON form, whose fields stand in a fixed order.
func hash(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// catalogHash is of what decides about isolation; columns and references of a catalog don't.
func catalogHash(catalog *query.Catalog) string {
	lines := []string{}
	for _, r := range catalog.Relations() {
		lines = append(lines, fmt.Sprintf("%q %s %q %s %t", r.Name, r.Kind, r.Column, r.Type, r.Writable))
	}
	return hash(lines)
}

// auditError makes the typed error of an audit.
func auditError(err error) error {
	var input *audit.InputError
	var changed *audit.ChangedError
	var held *audit.HeldError
	if errors.As(err, &input) || errors.As(err, &changed) || errors.As(err, &held) || errors.Is(err, ErrOptions) {
		return &Error{Op: "Audit", Kind: ErrAudit, Err: err}
	}
	return fail("Audit", nil, err)
}

// libraryVersion is the version of this module in the running program; empty when the program does not know it.
func libraryVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == "github.com/septum-go/septum" {
			return module.Version
		}
	}
	return ""
}
