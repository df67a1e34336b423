package rls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
)

// Names of the two policies on every tenant relation.
const (
	FloorPolicy = "septum_floor" // restrictive, for everybody: no other policy can open what it closes
	AppPolicy   = "septum_app"   // permissive, for the application's role
)

// ErrOptions says that Options, or the catalog that came with them, can't be made into policies.
var ErrOptions = errors.New("the options can't be worked with")

// Options says for whom policies are written.
type Options struct {
	// AppRole is the role that the application's login is, or belongs to. Required. It must own nothing.
	AppRole string
	// TenantFrom is where the policies read the tenant. Default: FromSetting.
	TenantFrom TenantSource
	// Schema is where the relations stand that the catalog names without a schema: a bridge tenant's own. Default: public.
	// Enums and domains that it names so stand there too; Apply looks, and takes those of public where the schema has none.
	Schema string
	// Citus has the policies of tenant relations take the form that Citus can distribute: the setting without a sub-select,
	// which PostgreSQL reads more often. Apply finds out by itself whether a relation is distributed. Not with FromLogin.
	Citus bool
	// LoaderRole, when set, is a login for DB.CopyIn: LOGIN BYPASSRLS and nothing else, a member of nothing. It gets the
	// right to insert into the columns of tenant relations other than the tenant's, whose default becomes the tenant in
	// scope: so it can't name a tenant, can't read, and fails without a scope. Default: none.
	LoaderRole string
	// LockTimeout bounds how long Apply waits for each table: ALTER TABLE stops all else on it. Default: 5 seconds.
	LockTimeout time.Duration
}

// Step is one statement of SQL that installs the database wall.
type Step struct {
	Relation string // as the catalog names it; empty for what concerns a schema
	Purpose  string // a few words, for logs and comments
	SQL      string // one statement, without a semicolon
}

// Policies gives, in order, the statements that put every relation of the catalog behind the wall: row-level security
// enabled and forced, a restrictive floor and a permissive policy for tenant relations, and no more rights for the
// application's role than reading and writing rows (globals: reading, unless writable). Running them again changes nothing.
//
// The role must exist, and the statements must be run by the owner of the relations. Rights on sequences (serial
// columns; identity columns need none) and functions are left to the application's own migrations.
func Policies(catalog *query.Catalog, o Options) ([]Step, error) {
	if catalog == nil {
		return nil, fmt.Errorf("rls: Policies: %w: the catalog is nil", ErrOptions)
	}
	if o.AppRole == "" || strings.EqualFold(o.AppRole, "public") || strings.ContainsRune(o.AppRole, 0) {
		return nil, fmt.Errorf("rls: Policies: %w: name the application's role in AppRole", ErrOptions)
	}
	if o.TenantFrom != FromSetting && o.TenantFrom != FromLogin {
		return nil, fmt.Errorf("rls: Policies: %w: TenantFrom is FromSetting or FromLogin", ErrOptions)
	}
	if o.Citus && o.TenantFrom == FromLogin {
		return nil, fmt.Errorf("rls: Policies: %w: on Citus the policies read the setting", ErrOptions)
	}
	if o.Citus && o.LoaderRole != "" {
		return nil, fmt.Errorf("rls: Policies: %w: Citus grants no rights on single columns, which is all that a loader has", ErrOptions)
	}
	if o.LoaderRole != "" && (o.TenantFrom != FromSetting || o.LoaderRole == o.AppRole || strings.EqualFold(o.LoaderRole, "public") ||
		strings.ContainsRune(o.LoaderRole, 0)) {
		return nil, fmt.Errorf("rls: Policies: %w: LoaderRole is a login of its own, and reads the tenant from the setting", ErrOptions)
	}
	return policySteps(movedTypes(catalog.Relations(), o.Schema), o, o.schemaOf), nil
}

// policySteps writes the policies of relations, each in the schema that schemaOf says.
func policySteps(relations []query.Relation, o Options, schemaOf func(query.Relation) string) []Step {
	w := policyWriter{role: quoteName(o.AppRole), source: o.TenantFrom, citus: o.Citus, schemaOf: schemaOf}
	if o.LoaderRole != "" {
		w.loader = quoteName(o.LoaderRole)
	}
	if w.source == FromLogin {
		w.logins()
	}
	schemas := map[string]bool{}
	for _, r := range relations {
		if schema := schemaOf(r); !schemas[schema] {
			schemas[schema] = true
			w.add("", "reach the schema", "grant usage on schema %s to %s", quoteName(schema), w.role)
			if w.loader != "" {
				w.add("", "let the loader reach it", "grant usage on schema %s to %s", quoteName(schema), w.loader)
			}
		}
		w.relation(r)
	}
	return w.steps
}

// schemaOf is where a relation stands.
func (o Options) schemaOf(r query.Relation) string {
	if o.Schema != "" && r.Schema() == "public" {
		return o.Schema
	}
	return r.Schema()
}

// WriteSQL writes the statements of [Policies] as a file for migration tools, with comments. The file has no
// transaction control of its own.
func WriteSQL(out io.Writer, catalog *query.Catalog, o Options) error {
	steps, err := Policies(catalog, o)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("-- Tenant isolation by row-level security. Written by Septum; run it as the owner of the tables, in one " +
		"transaction.\n")
	last := ""
	for _, step := range steps {
		if step.Relation != last {
			last = step.Relation
			b.WriteString("\n-- " + strings.ReplaceAll(last, "\n", " ") + "\n")
		}
		b.WriteString(step.SQL + ";\n")
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// Apply installs the statements of [Policies], all or none, in one transaction on the owner's connection. It is safe to
// run at every start: what is there already is replaced by the same. When a table can't be locked in time nothing has
// changed.
func Apply(ctx context.Context, owner *pgx.Conn, catalog *query.Catalog, o Options) error {
	if _, err := Policies(catalog, o); err != nil {
		return err
	}
	if all, err := distributions(ctx, owner); err != nil {
		return fmt.Errorf("rls: Apply: %w", err)
	} else if spreads(all) && !o.Citus {
		o.Citus = true
		if _, err := Policies(catalog, o); err != nil {
			return err
		}
	}
	relations, err := typesIn(ctx, owner, catalog.Relations(), o.Schema)
	if err != nil {
		return fmt.Errorf("rls: Apply: %w", err)
	}
	steps := policySteps(relations, o, o.schemaOf)
	positive(&o.LockTimeout, 5*time.Second)
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		settings := fmt.Sprintf("set local lock_timeout = %d", max(1, o.LockTimeout.Milliseconds()))
		if _, err := tx.Exec(ctx, settings); err != nil {
			return fmt.Errorf("rls: Apply: %w", err)
		}
		// Names in the policies must mean what PostgreSQL ships, whatever path the owner's login has (threat R07).
		if _, err := tx.Exec(ctx, "set local search_path = pg_catalog, pg_temp"); err != nil {
			return fmt.Errorf("rls: Apply: %w", err)
		}
		for _, step := range steps {
			if _, err := tx.Exec(ctx, step.SQL); err != nil {
				return fmt.Errorf("rls: Apply: %s: %s: %w", step.Relation, step.Purpose, err)
			}
		}
		return nil
	})
}

// policyWriter collects the steps for one role.
type policyWriter struct {
	loader   string // quoted; empty when there is none
	role     string
	source   TenantSource
	citus    bool
	schemaOf func(query.Relation) string
	steps    []Step
}

func (w *policyWriter) add(relation, purpose, format string, args ...any) {
	w.steps = append(w.steps, Step{Relation: relation, Purpose: purpose, SQL: fmt.Sprintf(format, args...)})
}

func (w *policyWriter) relation(r query.Relation) {
	table := quoteName(w.schemaOf(r)) + "." + quoteName(r.Table())
	if r.Kind == query.GlobalKind {
		w.add(r.Name, "take other rights", "revoke all on table %s from %s", table, w.role)
		rights := "select"
		if r.Writable {
			rights = "select, insert, update, delete"
		}
		w.add(r.Name, "give rights", "grant %s on table %s to %s", rights, table, w.role)
		return
	}
	predicate := predicateOf(r, w.source)
	if w.citus {
		predicate = plainPredicate(r)
	}
	w.add(r.Name, "enable row-level security", "alter table %s enable row level security", table)
	w.add(r.Name, "force it on the owner", "alter table %s force row level security", table)
	w.add(r.Name, "replace the floor", "drop policy if exists %s on %s", FloorPolicy, table)
	w.add(r.Name, "lay the floor", "create policy %s on %s as restrictive for all to public using (%s) with check (%s)",
		FloorPolicy, table, predicate, predicate)
	w.add(r.Name, "replace the application's policy", "drop policy if exists %s on %s", AppPolicy, table)
	w.add(r.Name, "let the application in", "create policy %s on %s as permissive for all to %s using (%s) with check (%s)",
		AppPolicy, table, w.role, predicate, predicate)
	w.add(r.Name, "take other rights", "revoke all on table %s from %s", table, w.role)
	w.add(r.Name, "give rights", "grant select, insert, update, delete on table %s to %s", table, w.role)
	if w.loader != "" {
		w.loaderSteps(r, table)
	}
}

// predicateOf is the policy's text. The (select …) makes PostgreSQL evaluate the setting once per statement, the cast
// stands on the setting and not on the column so that indexes hold, and nullif turns the empty string that a finished
// transaction leaves behind into NULL, which nothing equals (threats R05, R06, X06).
func predicateOf(r query.Relation, source TenantSource) string {
	if source == FromLogin {
		return fmt.Sprintf("%s = (select logins.tenant::%s from %s where logins.login = session_user)", quoteName(r.Column), r.Type.Setting(), loginsTable)
	}
	return fmt.Sprintf("%s = (select nullif(current_setting('%s', true), '')::%s)", quoteName(r.Column), Setting, r.Type.Setting())
}

// printedType is a tenant column's type with what the server calls the type of its values, for the search_path of the moment.
type printedType struct {
	query.Type
	base string
}

// column is how the server prints a tenant column in a comparison: with the cast that it has put there itself.
func (t printedType) column(name string) string {
	if t.Base() == t.Type && t.Type != query.Varchar {
		return name
	}
	return "(" + name + ")::" + t.compared()
}

// cast is how it prints a text that is cast for the comparison.
func (t printedType) cast(text string) string {
	if t.Setting() == string(query.Text) {
		return text
	}
	return "(" + text + ")::" + t.compared()
}

// compared is the type as which the column's values are compared.
func (t printedType) compared() string {
	switch t.Base() {
	case query.Varchar:
		return "text"
	case query.Char:
		return "bpchar"
	}
	return t.base
}

// printedPredicates are the ways in which PostgreSQL 15 to 18 prints predicateOf back, with names of pg_catalog bare.
func printedPredicates(name string, t printedType, source TenantSource) []string {
	column := t.column(name)
	if source == FromLogin {
		value := t.cast("logins.tenant")
		if value != "logins.tenant" {
			value += " AS tenant"
		}
		return []string{"(" + column + " = ( SELECT " + value + " FROM " + loginsTable + " WHERE (logins.login = SESSION_USER)))"}
	}
	value := t.cast("NULLIF(current_setting('" + Setting + "'::text, true), ''::text)")
	label := ` AS "nullif"`
	return []string{
		"(" + column + " = ( SELECT " + value + label + "))",
		"(" + column + " = ( SELECT " + value + "))",
	}
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }
