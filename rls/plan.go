package rls

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/audit"
	planner "github.com/septum-go/septum/internal/plan"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// ErrPlan says that no plan could be made, since the database or the catalog is not what it was said to be, or the schema
// went on changing while it was read.
var ErrPlan = errors.New("no plan can be made like this")

// PlanOptions says what a database should become. AppRole is required.
type PlanOptions struct {
	// AppRole is the role that the application's login will be, or belong to; see [Options]. It need not exist yet.
	AppRole string
	// Login is the application's login, whose rights are looked at as well. Default: AppRole.
	Login string
	// TenantFrom is where the policies read the tenant. Default: FromSetting.
	TenantFrom TenantSource
	// Schema is where the relations stand that the catalog names without a schema. Default: public.
	Schema string
	// ExistingTenant is the tenant to which rows of now belong where no foreign key says to whom: the one that a
	// database of one tenant has. Default: none, and such relations are obstacles.
	ExistingTenant tenant.ID
	// BatchPages is how many pages of 8 kB a batch of the backfill writes before it commits. Default: 100.
	BatchPages int
	// LockTimeout is how long a step of the printed script waits for a lock. Nothing can be read from a table while
	// somebody waits for it with ALTER TABLE, so it is short. Default: 2 seconds.
	LockTimeout time.Duration
}

// Stage groups the steps of a Roadmap. They stand in this order.
type Stage string

// The stages. Until StageEnforce an application that knows nothing of tenants goes on working.
const (
	StageRoles    Stage = "roles"    // the application's role
	StageLibrary  Stage = "library"  // schemas of Septum's own packages, such as blob; "septum plan" adds these steps
	StageStamp    Stage = "stamp"    // tenant columns, filled by triggers for what is written from now on
	StageBackfill Stage = "backfill" // rows of before get their tenant, in batches
	StageTighten  Stage = "tighten"  // NOT NULL
	StageKeys     Stage = "keys"     // keys, indexes and foreign keys with the tenant, beside the old ones
	StageEnforce  Stage = "enforce"  // the old ones go; policies and rights come: the new application's turn
)

// Roadmap is the way of one database to where a catalog wants it. It is plain data; "septum plan --format json" prints it.
type Roadmap struct {
	Format   int    `json:"format"` // of the JSON; 1
	Database string `json:"database"`
	Server   int    `json:"server_version"` // server_version_num: 150020
	AppRole  string `json:"app_role"`
	// Steps stand in the order in which they are run. No steps and no obstacles mean that there is nothing to do.
	Steps []PlanStep `json:"steps"`
	// Obstacles need a person, before or after the steps.
	Obstacles []Obstacle `json:"obstacles"`

	lockTimeout time.Duration
}

// PlanStep is one step. Running it twice changes nothing, and when it fails the one before still stands: plan again, or run
// it again. Steps are run by the relations' owner; those of the backfill and the validation need a role that no policy
// binds where policies are in force already, and refuse to run as another, since they would pass over hidden rows.
type PlanStep struct {
	ID       string   `json:"id"` // names the step in this plan and in later ones of the same database
	Stage    Stage    `json:"stage"`
	Relation string   `json:"relation,omitempty"` // with its schema, quoted; empty when it concerns none
	Purpose  string   `json:"purpose"`
	SQL      []string `json:"sql"` // statements without a semicolon, in one transaction unless Outside
	Undo     []string `json:"undo"`
	Lock     string   `json:"lock"` // the strongest lock that it takes on the relation, as PostgreSQL names it; "none"
	// Time is "instant" (once it has its lock), "scan" (reads the whole table), "build" (an index), "rows" (writes rows in
	// batches), all of which let others read and write; "blocks" makes writers wait while it reads the whole table.
	Time    string `json:"time"`
	Outside bool   `json:"outside_transaction,omitempty"` // it can't run in a transaction block
	Note    string `json:"note,omitempty"`
}

// Obstacle is something that no step can do by itself.
type Obstacle struct {
	Object string `json:"object"`
	What   string `json:"what"`
	Do     string `json:"do"`
}

// planned are the rules whose findings the steps mend in a way that needs no downtime; what else the audit finds is mended
// with the audit's own SQL.
var planned = map[string]bool{"SEP010": true, "SEP011": true, "SEP012": true, "SEP014": true, "SEP015": true, "SEP016": true, "SEP020": true,
	"SEP021": true, "SEP060": true, "SEP061": true, "SEP062": true, "SEP066": true, "SEP067": true, "SEP068": true}

// Plan compares a catalog with a live database and gives the steps between them, in order. It reads PostgreSQL's catalogs and
// changes nothing; the connection must be in no transaction. Plans are made from what is there: after some steps, or after
// a failure, a new plan holds what is left, and in the end none.
//
// It needs no rights but to connect: definitions are everybody's to read. What an administrator alone can see, it does not need.
//
// The error is an [*Error] with ErrOptions, ErrPlan, ErrUnavailable or what the server said. The Roadmap is never nil, and
// after an error it has no steps: half a plan would look like a whole one.
func Plan(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog, o PlanOptions) (*Roadmap, error) {
	r := &Roadmap{Format: 1, AppRole: o.AppRole, Steps: []PlanStep{}, Obstacles: []Obstacle{}}
	positive(&o.LockTimeout, 2*time.Second)
	r.lockTimeout = o.LockTimeout
	if conn == nil || catalog == nil {
		return r, refuse("Plan", nil, ErrOptions, &audit.InputError{What: "the connection or the catalog is nil"})
	}
	if err := r.make(ctx, conn, catalog, o); err != nil {
		var input *audit.InputError
		var changed *audit.ChangedError
		var held *audit.HeldError
		if errors.As(err, &input) || errors.As(err, &changed) || errors.As(err, &held) || errors.Is(err, planner.ErrChanged) {
			return r, refuse("Plan", nil, ErrPlan, err)
		}
		return r, fail("Plan", nil, err)
	}
	return r, nil
}

func (r *Roadmap) make(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog, o PlanOptions) error {
	if err := idle(conn); err != nil {
		return err
	}
	options := Options{AppRole: o.AppRole, TenantFrom: o.TenantFrom, Schema: o.Schema}
	relations, err := auditRelations(ctx, conn, catalog, options)
	if err != nil {
		return err
	}
	r.Database = conn.Config().Database
	result, err := planner.Make(ctx, conn, planner.Input{AppRole: o.AppRole})
	if err != nil {
		return err
	}
	in := planner.Input{AppRole: o.AppRole, Pages: cmp.Or(max(o.BatchPages, 0), 100)}
	if o.ExistingTenant != (tenant.ID{}) {
		in.Existing = o.ExistingTenant.String()
	}
	var found []audit.Finding
	walled := make([]bool, len(relations))
	if result.RoleKnown {
		seen, err := audit.Run(ctx, conn, audit.Input{Login: cmp.Or(o.Login, o.AppRole), AppRole: o.AppRole, Setting: Setting, Logins: loginsTable,
			StatementTimeout: 30 * time.Second, LockTimeout: time.Second, Relations: relations})
		if err != nil {
			return err
		}
		found = seen.Findings
		for i, s := range seen.Relations { // in the order of the relations
			walled[i] = s.Exists && rightsGiven(s, relations[i]) && !slices.ContainsFunc(found, func(f audit.Finding) bool {
				return f.Relation == s.Relation && slices.Contains([]string{"SEP010", "SEP011", "SEP012", "SEP020", "SEP021"}, f.Rule)
			})
		}
	}
	for i, a := range relations {
		in.Relations = append(in.Relations, planner.Relation{Schema: a.Schema, Table: a.Table, Column: a.Column,
			Type: a.Type.SQL, Written: a.Type.Name, IsType: a.Type.Is,
			Tenant: a.Tenant, Writable: a.Writable, Wall: a.Wall, Walled: walled[i]})
	}
	if slices.Contains(walled, false) {
		steps, err := Policies(catalog, options)
		if err != nil {
			return err
		}
		for _, s := range steps {
			if s.Relation == "" {
				in.Schemas = append(in.Schemas, s.SQL)
			}
		}
	}
	if result, err = planner.Make(ctx, conn, in); err != nil {
		return err
	}
	r.take(result)
	r.mend(found)
	return nil
}

func (r *Roadmap) take(result *planner.Result) {
	r.Server = result.Version
	for _, s := range result.Steps {
		undo := s.Undo
		if undo == nil {
			undo = []string{}
		}
		r.Steps = append(r.Steps, PlanStep{ID: s.ID, Stage: Stage(s.Stage), Relation: s.Relation, Purpose: s.Purpose, SQL: s.SQL, Undo: undo,
			Lock: s.Lock, Time: s.Time, Outside: s.Outside, Note: s.Note})
	}
	for _, o := range result.Obstacles {
		r.Obstacles = append(r.Obstacles, Obstacle(o))
	}
}

// onceOnly are statements that fail when they are run again, unless they say so.
var onceOnly = regexp.MustCompile(`^(drop (?:policy|index(?: concurrently)?|trigger|rule|view|materialized view|function)|alter table .* drop constraint) (if exists )?`)

// mend adds what else the audit finds, with the audit's SQL.
func (r *Roadmap) mend(found []audit.Finding) {
	titles := map[string]string{}
	for _, rule := range audit.Rules() {
		titles[rule.ID] = rule.Title
	}
	for _, f := range found {
		if planned[f.Rule] || f.Severity == string(Info) || r.drops(f.Object) {
			continue
		}
		if len(f.Mend) == 0 {
			r.Obstacles = append(r.Obstacles, Obstacle{Object: f.Object, What: f.Rule + ": " + f.What, Do: mendWords(f.Rule)})
			continue
		}
		step := PlanStep{ID: f.Rule + " " + f.Object, Stage: StageEnforce, Relation: "", Purpose: f.Rule + ": " + titles[f.Rule], Undo: []string{},
			Lock: "ACCESS EXCLUSIVE", Time: "instant", Note: f.What + "; read it before you run it, since it takes something away"}
		for _, sql := range f.Mend {
			sql = onceOnly.ReplaceAllString(sql, "$1 if exists ")
			step.Outside = step.Outside || strings.Contains(sql, " concurrently ")
			step.SQL = append(step.SQL, sql)
		}
		r.Steps = append(r.Steps, step)
	}
}

// drops reports whether an object is a function that an earlier run of a plan put up and that this one takes down.
func (r *Roadmap) drops(object string) bool {
	plain := func(name string) string { return strings.ReplaceAll(name, `"`, "") }
	return slices.ContainsFunc(r.Steps, func(s PlanStep) bool {
		return slices.ContainsFunc(s.SQL, func(sql string) bool {
			name, found := strings.CutPrefix(sql, "drop function if exists ")
			return found && "function "+plain(name) == plain(object)
		})
	})
}

func mendWords(id string) string {
	for _, rule := range audit.Rules() {
		if rule.ID == id {
			return rule.Mend
		}
	}
	return ""
}

// rightsGiven reports whether the application has the rights that the wall gives.
func rightsGiven(s audit.State, a audit.Relation) bool {
	want := []string{"SELECT"}
	if a.Tenant || a.Writable {
		want = append(want, "INSERT", "UPDATE", "DELETE")
	}
	return !slices.ContainsFunc(want, func(right string) bool { return !slices.Contains(s.Rights, right) })
}
