package rls

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/internal/livetype"
	"github.com/septum-go/septum/query"
)

// The codes of what stands against a loader's login; see Options.LoaderRole.
const (
	LoaderWide    Code = "loader_wide"    // it can do more than insert rows of the tenant in its session's scope
	LoaderLacks   Code = "loader_lacks"   // it can't do that
	LoaderDefault Code = "loader_default" // the tenant column's default is not the session's tenant
)

// openLoader opens the loader's connections and adds what stands against its login.
func openLoader(ctx context.Context, cfg Config, catalog *query.Catalog) (router, []Reason, error) {
	cfg.URL, cfg.AppRole, cfg.MaxConns, cfg.MinConns = cfg.LoaderURL, "", cfg.LoaderConns, 0
	if cfg.citus {
		return nil, []Reason{{Code: CitusLoader, Object: "Config.LoaderURL", Why: "Citus grants no rights on single columns, so a loader could name the tenant",
			Do: "leave it empty; CopyIn inserts by the application's login"}}, nil
	}
	pool, reasons, err := poolConfig(cfg)
	if err != nil {
		return nil, nil, err
	}
	if cannotConnect(reasons) {
		return nil, reasons, nil
	}
	pooler, found, err := inspectLoader(ctx, pool.ConnConfig, cfg, catalog)
	if err != nil {
		return nil, nil, err
	}
	if reasons = append(reasons, found...); len(reasons) > 0 {
		return nil, reasons, nil
	}
	cfg.Pooler = pooler
	startSessions(pool, cfg)
	shared, err := pgxpool.NewWithConfig(ctx, pool)
	if err != nil {
		return nil, nil, err
	}
	return onePool{shared}, nil, nil
}

// loaderSteps are the rights of the loader on one tenant relation, and the default that gives its rows their tenant. The
// columns are found where the statement runs, since a catalog need not know them all.
func (w *policyWriter) loaderSteps(r query.Relation, table string) {
	w.add(r.Name, "take the loader's other rights", "revoke all on table %s from %s", table, w.loader)
	w.add(r.Name, "have the setting name the tenant of loaded rows", "alter table %s alter column %s set default %s",
		table, quoteName(r.Column), loaderDefault(r.Type))
	body := fmt.Sprintf(`declare
	c text;
begin
	for c in select attname from pg_catalog.pg_attribute
		where attrelid = %s::pg_catalog.regclass and attnum > 0 and not attisdropped and attgenerated = '' and attname <> %s
	loop
		execute pg_catalog.format(%s, c);
	end loop;
end`, quoteText(table), quoteText(r.Column),
		quoteText("grant insert (%I) on table "+strings.ReplaceAll(table, "%", "%%")+" to "+strings.ReplaceAll(w.loader, "%", "%%")))
	w.add(r.Name, "let the loader insert, but not say whose", "do %s", quoteText(body))
}

// loaderDefault is the tenant column's default: the tenant in scope, or NULL, which the column does not take.
func loaderDefault(t query.Type) string {
	return fmt.Sprintf("nullif(current_setting('%s', true), '')::%s", Setting, t.Setting())
}

// printedDefault is how PostgreSQL 15 to 18 prints loaderDefault back.
func printedDefault(t printedType) string {
	return t.cast("NULLIF(current_setting('" + Setting + "'::text, true), ''::text)")
}

// inspectLoader looks at the loader's login on a connection of its own.
func inspectLoader(ctx context.Context, config *pgx.ConnConfig, cfg Config, catalog *query.Catalog) (Pooler, []Reason, error) {
	conn, err := connectOrPooled(ctx, config, cfg.Pooler)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if !isPrivate(conn.PgConn().Conn()) {
		return "", []Reason{unencrypted(config.Host)}, nil
	}
	pooler, reasons, err := inspectPooler(ctx, conn, cfg, config.RuntimeParams)
	if err != nil || len(reasons) > 0 {
		return "", reasons, err
	}
	reasons, err = inspectLoaderRights(ctx, conn, catalog)
	return pooler, reasons, err
}

// inspectLoaderRights finds what makes a login more, or less, than a loader: it must pass by the policies, since COPY does
// not run under them, and so must not have any other right.
func inspectLoaderRights(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog) ([]Reason, error) {
	l := loaderPosture{posture{ctx: ctx, conn: conn}}
	for _, look := range []func() error{l.server, l.role, l.roles, l.objects, l.rights, l.settings} {
		if err := look(); err != nil {
			return nil, err
		}
	}
	for _, r := range catalog.Relations() {
		if r.Kind == query.TenantKind {
			if err := l.relation(r); err != nil {
				return nil, err
			}
		}
	}
	return sortReasons(l.reasons), nil
}

// loaderPosture is the inspection of a loader's login.
type loaderPosture struct{ posture }

func (l *loaderPosture) wide(object, why string) {
	l.add(LoaderWide, object, why, "take it away; a loader's only right is to insert, see rls.Options.LoaderRole")
}

func (l *loaderPosture) role() error {
	var name string
	var super, bypass, createRole, createDB, replication bool
	err := l.conn.QueryRow(l.ctx, `select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication
		from pg_roles where rolname = session_user`).Scan(&name, &super, &bypass, &createRole, &createDB, &replication)
	if err != nil {
		return err
	}
	l.attributes(name, "the loader", super, false, createRole, replication)
	if createDB {
		l.wide(name, "the loader has CREATEDB")
	}
	if !bypass && !super {
		l.add(LoaderLacks, name, "the loader has no BYPASSRLS, and COPY is refused where policies hold", "alter role … bypassrls")
	}
	return nil
}

// roles looks for other roles that the login can become or inherits from.
func (l *loaderPosture) roles() error {
	return l.each(`select 'the loader belongs to ' || pg_get_userbyid(m.roleid)
		from pg_roles r join pg_auth_members m on m.member = r.oid where r.rolname = session_user order by 1`)
}

// objects looks for what the login owns, or can make.
func (l *loaderPosture) objects() error {
	if l.superuser {
		return nil
	}
	return l.each(`
		select 'the loader owns ' || c.oid::regclass from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname = session_user
			and c.relnamespace <> all (array(select oid from pg_namespace where nspname ~ '^pg_(toast_)?temp_'))
		union all select 'the loader owns the schema ' || nspname from pg_namespace join pg_roles r on r.oid = nspowner where r.rolname = session_user
		union all select 'the loader owns the database' from pg_database join pg_roles r on r.oid = datdba
			where r.rolname = session_user and datname = current_database()
		union all select 'the loader owns the function ' || p.oid::regprocedure from pg_proc p join pg_roles r on r.oid = proowner where r.rolname = session_user
		union all select 'the loader can create in the schema ' || nspname from pg_namespace where has_schema_privilege(oid, 'CREATE')
			and nspname !~ '^pg_(toast_)?temp_'
		union all select 'the loader can create schemas' where has_database_privilege(current_database(), 'CREATE')
		order by 1`)
}

// rights looks for any right on any relation but INSERT on columns. A sequence may be drawn from, and not be read.
func (l *loaderPosture) rights() error {
	return l.each(`select distinct 'the loader has ' || p.name || ' on ' || c.oid::regclass
		from pg_class c join pg_namespace n on n.oid = c.relnamespace,
			unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as p(name)
		where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
			and case when c.relkind in ('r', 'p', 'v', 'm', 'f') then has_table_privilege(c.oid, p.name)
					or p.name in ('SELECT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(c.oid, p.name)
				when c.relkind = 'S' and p.name in ('SELECT', 'UPDATE') then has_sequence_privilege(c.oid, p.name)
				else false end
		order by 1`)
}

// relation looks at a tenant relation: what the loader may fill, and where the tenant comes from.
func (l *loaderPosture) relation(r query.Relation) error {
	var tenantColumn, fills bool
	var def *string
	var base string
	err := l.conn.QueryRow(l.ctx, `select has_column_privilege(a.attrelid, a.attnum, 'INSERT'),
			has_any_column_privilege(a.attrelid, 'INSERT') or not exists (select from pg_attribute o
				where o.attrelid = a.attrelid and o.attnum > 0 and o.attnum <> a.attnum and not o.attisdropped and o.attgenerated = ''),
			pg_get_expr(d.adbin, d.adrelid), `+livetype.Base("a.atttypid")+`
		from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
			left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where n.nspname = $1 and c.relname = $2 and a.attname = $3 and a.attnum > 0 and not a.attisdropped`,
		r.Schema(), r.Table(), r.Column).Scan(&tenantColumn, &fills, &def, &base)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // the application's inspection says so
	}
	if err != nil {
		return err
	}
	object := r.Name + "." + r.Column
	if tenantColumn {
		l.wide(object, "the loader can name the tenant")
	}
	if !fills {
		l.add(LoaderLacks, r.Name, "the loader can't insert", "run rls.Apply with Options.LoaderRole as the owner")
	}
	if def == nil || strings.Join(strings.Fields(*def), " ") != printedDefault(printedType{r.Type, base}) {
		l.add(LoaderDefault, object, "its default is not the tenant in scope", "run rls.Apply with Options.LoaderRole as the owner")
	}
	return nil
}

// each adds a reason for each line.
func (l *loaderPosture) each(sql string) error {
	rows, err := l.conn.Query(l.ctx, sql)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, why := range found {
		l.wide("loader", why)
	}
	return err
}
