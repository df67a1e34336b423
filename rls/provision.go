package rls

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// ErrProvision says that a tenant's place could not be made, or that something else has its name.
var ErrProvision = errors.New("the tenant's place can't be made")

// ProvisionOptions say how tenants get places of their own.
type ProvisionOptions struct {
	// Catalog names the relations. Required.
	Catalog *query.Catalog
	// Migrations make them. Required in the bridge tier; see ReadMigrations.
	Migrations *Migrations
	// Target is the database, as in Entry. Required.
	Target string
	// Credentials give the owner's login for the target: it owns what is made, may create schemas in the database and
	// has CREATEROLE. It is another one than any the application uses. Required.
	Credentials Credentials
	// TenantFrom is where the policies read the tenant. Default: FromSetting.
	TenantFrom TenantSource
	// AppRole is the group that logins of the pool tier join: the role of the shared tables' policies.
	AppRole string
	// Password gives a new login's password, which the application's Credentials must know as well. It goes to the server as
	// a SCRAM verifier, never as it is. Without it the login has none, and can log in by certificate and the like.
	Password func(ctx context.Context, login string) (string, error)
	// LoginPrefix begins the names of logins, which all databases of a server share. At most 16 bytes. Default: "t_".
	LoginPrefix string
	// LockTimeout is as in Options.
	LockTimeout time.Duration
	// Limits are Config.Limits, whose timeouts a login starts with behind a pooler; see PoolerSettings. Default: none.
	Limits Limits
}

func (o *ProvisionOptions) check(id tenant.ID) error {
	if o.LoginPrefix == "" {
		o.LoginPrefix = "t_"
	}
	positive(&o.LockTimeout, 5*time.Second)
	var why string
	switch {
	case id.IsZero():
		why = "the tenant's id is the zero value"
	case o.Catalog == nil || o.Credentials == nil:
		why = "Catalog and Credentials are required"
	case !isReference(o.Target):
		why = "Target names the database, in letters, digits, '_', '-' and '.'"
	case o.TenantFrom != FromSetting && o.TenantFrom != FromLogin:
		why = "TenantFrom is FromSetting or FromLogin"
	case len(o.LoginPrefix) > 16 || strings.ContainsRune(o.LoginPrefix, 0) || isSystemSchema(o.LoginPrefix):
		why = "LoginPrefix is at most 16 bytes, and not pg_"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrOptions, why)
}

// Provision makes a tenant's place in the bridge tier: a login, a schema, the application's migrations in it, policies and
// grants, and gives its entry, which the caller puts into the Directory. It can be repeated, goes on where it was
// interrupted, and waits while another process does the same for the same tenant. Names are made of the tenant's id, so
// that no two tenants share one.
//
// Errors: ErrOptions, ErrCredentials, ErrMigrations, ErrProvision when a schema or role of that name is not the
// tenant's or a tenant relation is missing after the migrations, and what the server said.
func Provision(ctx context.Context, o ProvisionOptions, id tenant.ID) (Entry, error) {
	if err := o.check(id); err != nil {
		return Entry{}, fmt.Errorf("rls: Provision: %w", err)
	}
	if o.Migrations == nil {
		return Entry{}, fmt.Errorf("rls: Provision: %w: Migrations are required", ErrOptions)
	}
	p := provisioning{o: o, id: id, schema: schemaName(id)}
	if err := p.run(ctx, p.bridge); err != nil {
		return Entry{}, fmt.Errorf("rls: Provision: %w", err)
	}
	return Entry{Tier: TierBridge, Target: o.Target, Schema: p.schema, Login: p.login, Status: StatusActive}, nil
}

// ProvisionLogin makes a login of a tenant's own for the shared tables of the pool tier, whose policies read the tenant
// from it ([FromLogin]), and gives its entry. It can be repeated.
func ProvisionLogin(ctx context.Context, o ProvisionOptions, id tenant.ID) (Entry, error) {
	o.TenantFrom = FromLogin
	err := o.check(id)
	if err == nil && o.AppRole == "" {
		err = fmt.Errorf("%w: name the group of the shared tables' policies in AppRole", ErrOptions)
	}
	p := provisioning{o: o, id: id, schema: "public"}
	if err == nil {
		err = p.run(ctx, p.pool)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("rls: ProvisionLogin: %w", err)
	}
	return Entry{Tier: TierPool, Target: o.Target, Login: p.login, Status: StatusActive}, nil
}

// provisioning is one tenant's, under way.
type provisioning struct {
	o             ProvisionOptions
	id            tenant.ID
	schema, login string
	conn          *pgx.Conn
}

// run does the work on the owner's connection, under the tenant's lock.
func (p *provisioning) run(ctx context.Context, work func(context.Context) error) error {
	conn, err := connectOwner(ctx, p.o.Credentials, CredentialRequest{Target: p.o.Target})
	if err != nil {
		return err
	}
	defer closeOwner(ctx, conn)
	p.conn = conn
	var database string
	if err := conn.QueryRow(ctx, "select current_database()").Scan(&database); err != nil {
		return err
	}
	p.login = loginName(p.o.LoginPrefix, database, p.id)
	return locked(ctx, conn, "septum schema "+schemaName(p.id), func() error { return work(ctx) })
}

func (p *provisioning) bridge(ctx context.Context) error {
	if err := p.makeLogin(ctx); err != nil {
		return fmt.Errorf("the login: %w", err)
	}
	if err := p.makeSchema(ctx); err != nil {
		return fmt.Errorf("the schema: %w", err)
	}
	if _, err := p.o.Migrations.apply(ctx, p.conn, p.schema); err != nil {
		return fmt.Errorf("the migrations: %w", err)
	}
	options := Options{AppRole: p.login, Schema: p.schema, TenantFrom: p.o.TenantFrom, LockTimeout: p.o.LockTimeout}
	if err := applyIn(ctx, p.conn, p.o.Catalog, options); err != nil {
		return fmt.Errorf("the policies: %w", err)
	}
	return p.admitLogin(ctx)
}

func (p *provisioning) pool(ctx context.Context) error {
	if err := p.makeLogin(ctx); err != nil {
		return fmt.Errorf("the login: %w", err)
	}
	join := fmt.Sprintf("grant %s to %s", quoteName(p.o.AppRole), quoteName(p.login))
	if _, err := p.conn.Exec(ctx, join); err != nil {
		return fmt.Errorf("the login's group: %w", err)
	}
	return p.admitLogin(ctx)
}

// admitLogin says whose the login is, and lets it connect. It comes last: half a place can't be entered.
func (p *provisioning) admitLogin(ctx context.Context) error {
	if p.o.TenantFrom == FromLogin {
		if err := MapLogin(ctx, p.conn, p.login, p.id); err != nil {
			return err
		}
	}
	return shared(ctx, p.conn, p.o.LockTimeout, func(tx pgx.Tx) error {
		var may bool
		var database string
		err := tx.QueryRow(ctx, "select has_database_privilege($1, current_database(), 'CONNECT'), current_database()", p.login).Scan(&may, &database)
		if err == nil && !may {
			_, err = tx.Exec(ctx, fmt.Sprintf("grant connect on database %s to %s", quoteName(database), quoteName(p.login)))
		}
		return err
	})
}

// mark is the comment by which Septum knows its own roles and schemas again.
func (p *provisioning) mark() string { return "Septum: tenant " + p.id.String() }

// makeLogin makes the role, or makes sure that the one there is the tenant's.
func (p *provisioning) makeLogin(ctx context.Context) error {
	var comment string
	var strong bool
	err := p.conn.QueryRow(ctx, `select coalesce(shobj_description(oid, 'pg_authid'), ''),
			rolsuper or rolbypassrls or rolcreaterole or rolreplication or rolcreatedb from pg_roles where rolname = $1`, p.login).Scan(&comment, &strong)
	role := quoteName(p.login)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
			for _, sql := range []string{
				"create role " + role + " login nosuperuser nobypassrls nocreaterole nocreatedb noreplication inherit",
				"comment on role " + role + " is " + quoteText(p.mark()),
			} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
	case err == nil && (comment != p.mark() || strong):
		return fmt.Errorf("%w: there is a role %s that Septum did not make for this tenant", ErrProvision, role)
	}
	if err != nil {
		return err
	}
	for _, step := range poolerSettings(p.login, p.schema, p.o.Limits) { // a direct connection starts with its own
		if _, err := p.conn.Exec(ctx, step.SQL); err != nil {
			return err
		}
	}
	if p.o.Password == nil {
		return nil
	}
	password, err := p.o.Password(ctx, p.login)
	if err != nil {
		return because{ErrCredentials, unsaid{err}}
	}
	return SetPassword(ctx, p.conn, p.login, password)
}

// makeSchema makes the schema, or makes sure that the one there is the tenant's.
func (p *provisioning) makeSchema(ctx context.Context) error {
	var comment string
	err := p.conn.QueryRow(ctx, `select coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace where nspname = $1`, p.schema).Scan(&comment)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
			for _, sql := range []string{
				"create schema " + quoteName(p.schema),
				"comment on schema " + quoteName(p.schema) + " is " + quoteText(p.mark()),
			} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
	case err == nil && comment != p.mark():
		return fmt.Errorf("%w: there is a schema %s that Septum did not make for this tenant", ErrProvision, quoteName(p.schema))
	}
	return err
}

// applyIn installs the policies in a schema. A global that the schema does not have is the one in public.
func applyIn(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog, o Options) error {
	var missing []string
	at := map[string]string{}
	for _, r := range catalog.Relations() {
		schema := o.schemaOf(r)
		var own bool
		const sql = `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'v', 'm', 'f'))`
		if err := conn.QueryRow(ctx, sql, schema, r.Table()).Scan(&own); err != nil {
			return err
		}
		switch {
		case own:
			at[r.Name] = schema
		case r.Kind == query.GlobalKind:
			at[r.Name] = r.Schema()
		default:
			missing = append(missing, quoteName(r.Table()))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: the migrations make no %s in the schema %s", ErrProvision, strings.Join(missing, ", "), quoteName(o.Schema))
	}
	all, err := distributions(ctx, conn)
	if err != nil {
		return err
	}
	if o.Citus = spreads(all); o.Citus && (o.Schema != "" || o.TenantFrom == FromLogin) {
		return fmt.Errorf("%w: on Citus tenants share tables, whose policies read the setting", ErrProvision)
	}
	relations, err := typesIn(ctx, conn, catalog.Relations(), o.Schema)
	if err != nil {
		return err
	}
	steps := policySteps(relations, o, func(r query.Relation) string { return at[r.Name] })
	return shared(ctx, conn, o.LockTimeout, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = pg_catalog, pg_temp"); err != nil {
			return err
		}
		for _, step := range steps {
			if _, err := tx.Exec(ctx, step.SQL); err != nil {
				return fmt.Errorf("%s: %s: %w", step.Relation, step.Purpose, err)
			}
		}
		return nil
	})
}

// shared runs a transaction that changes what tenants share (grants on the database, on globals): two at a time would
// fail with "tuple concurrently updated".
func shared(ctx context.Context, conn *pgx.Conn, timeout time.Duration, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('septum shared', 7352))"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("set local lock_timeout = %d", max(1, timeout.Milliseconds()))); err != nil {
			return err
		}
		return fn(tx)
	})
}

// schemaName makes a schema's name of a tenant's id. Different ids have different names: what is too long is hashed, under
// another first letter.
func schemaName(id tenant.ID) string {
	if name := "t_" + id.String(); len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(id.String()))
	return "h_" + hex.EncodeToString(sum[:])[:60]
}

// loginName makes a role's name. All databases of a server share their roles, so the database is a part of it, at the end
// and of one length, so that no two pairs of tenant and database meet.
func loginName(prefix, database string, id tenant.ID) string {
	sum := sha256.Sum256([]byte(database))
	name := prefix + id.String() + "_" + hex.EncodeToString(sum[:6])
	if len(name) <= maxName {
		return name
	}
	both := sha256.Sum256([]byte(id.String() + "/" + hex.EncodeToString(sum[:])))
	return prefix + "h." + hex.EncodeToString(both[:])[:44] // '.' is in no id
}

func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
