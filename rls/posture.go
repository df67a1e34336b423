package rls

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
)

// minServer is PostgreSQL 15, as server_version_num has it.
const minServer = 150000

// newPosture is an inspection of the login of conn.
func newPosture(ctx context.Context, conn *pgx.Conn, cfg Config) *posture {
	return &posture{ctx: ctx, conn: conn, appRole: cfg.AppRole, source: cfg.TenantFrom, pooler: cfg.Pooler, timeouts: cfg.timeouts()}
}

// look takes every look at the database.
func (p *posture) look(catalog *query.Catalog) ([]Reason, error) {
	for _, look := range []func() error{p.server, p.session, p.role, p.memberships, p.settings, p.logins} {
		if err := look(); err != nil {
			return nil, err
		}
	}
	for _, r := range catalog.Relations() {
		if err := p.relation(r); err != nil {
			return nil, err
		}
	}
	return sortReasons(p.reasons), nil
}

// posture is one inspection under way.
type posture struct {
	ctx       context.Context
	conn      *pgx.Conn
	appRole   string
	pooler    Pooler
	timeouts  map[string]string
	superuser bool
	schema    string       // of the relations that the catalog names without one; empty means public
	source    TenantSource // where the policies read the tenant
	place     place        // with a Directory
	citus     map[uint32]distribution
	group     int64 // of colocated tables: the first tenant relation's
	reasons   []Reason
}

func (p *posture) add(code Code, object, why, do string) {
	p.reasons = append(p.reasons, Reason{Code: code, Object: object, Why: why, Do: do})
}

func (p *posture) server() error {
	var number int
	var text string
	err := p.conn.QueryRow(p.ctx, `select current_setting('server_version_num')::int, current_setting('server_version')`).Scan(&number, &text)
	if err == nil && number < minServer {
		p.add(ServerVersion, text, "the server is older than PostgreSQL 15", "upgrade it")
	}
	return err
}

// session looks whether what was pinned is in force. Behind a pooler it has to come from the role. Names are qualified, since
// the search_path is one of the things in doubt.
func (p *posture) session() error {
	var login string
	want := maps.Clone(pinned)
	if p.schema != "" {
		want["search_path"] = searchPath(p.schema)
	}
	if p.pooler.between() {
		maps.Copy(want, p.timeouts)
	}
	for name, want := range want {
		var got, raw, unit string
		err := p.conn.QueryRow(p.ctx, `select session_user::text, pg_catalog.current_setting($1), setting, coalesce(unit, '')
			from pg_catalog.pg_settings where name operator(pg_catalog.=) $1`, name).Scan(&login, &got, &raw, &unit)
		if err != nil {
			return err
		}
		if unit == "ms" { // current_setting writes 5000 as 5s
			got = raw
		}
		if got == want || name == "search_path" && p.schema != "" && p.prints(got, p.schema) {
			continue
		}
		do := "connect to the server itself"
		if p.pooler.between() {
			do = alterRole(login, name, want) + "; then RECONNECT on the pooler's console (rls.PoolerSettings has all of it)"
		}
		p.add(SessionSetting, name, "the session has "+got+" and not "+want, do)
	}
	return nil
}

// prints reports that a search_path is the schema's as PostgreSQL writes it, which quotes only what has to be: so it comes from
// ALTER ROLE behind a pooler.
func (p *posture) prints(path, schema string) (same bool) {
	err := p.conn.QueryRow(p.ctx, `select pg_catalog.format('pg_catalog, %I, public, pg_temp', $1::text) operator(pg_catalog.=) $2::text`, schema, path).Scan(&same)
	return err == nil && same
}

// role looks at the login's own attributes.
func (p *posture) role() error {
	var name string
	var super, bypass, createRole, replication bool
	err := p.conn.QueryRow(p.ctx, `select rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication
		from pg_roles where rolname = session_user`).Scan(&name, &super, &bypass, &createRole, &replication)
	if err != nil {
		return err
	}
	p.superuser = super
	p.attributes(name, "the login", super, bypass, createRole, replication)
	if p.appRole == "" {
		return nil
	}
	var belongs *bool
	err = p.conn.QueryRow(p.ctx, `select (select pg_has_role(session_user, oid, 'MEMBER') from pg_roles where rolname = $1)`, p.appRole).Scan(&belongs)
	if err == nil && (belongs == nil || !*belongs) {
		p.add(RoleUnknown, p.appRole, "Config.AppRole is not a role that the login belongs to",
			"grant it to the login, or name the role that the policies are for")
	}
	return err
}

func (p *posture) attributes(name, who string, super, bypass, createRole, replication bool) {
	if super {
		p.add(RoleSuperuser, name, who+" is a superuser, for whom policies don't hold", "use a login that is NOSUPERUSER")
	}
	if bypass {
		p.add(RoleBypassRLS, name, who+" has BYPASSRLS", "alter role … nobypassrls")
	}
	if createRole {
		p.add(RoleCreateRole, name, who+" has CREATEROLE and can give itself rights", "alter role … nocreaterole")
	}
	if replication {
		p.add(RoleReplication, name, who+" has REPLICATION and can read every change", "alter role … noreplication")
	}
}

// memberships looks at every role that the login can become or inherits from, at any depth. Membership counts whatever
// its options are: on PostgreSQL 16 and later an ADMIN OPTION is enough to grant oneself the rest.
func (p *posture) memberships() error {
	if p.superuser {
		return nil // a member of every role
	}
	rows, err := p.conn.Query(p.ctx, `select rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication,
			rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
				'pg_execute_server_program', 'pg_create_subscription', 'pg_database_owner')
		from pg_roles where rolname <> session_user and pg_has_role(session_user, oid, 'MEMBER')`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var super, bypass, createRole, replication, predefined bool
		if err := rows.Scan(&name, &super, &bypass, &createRole, &replication, &predefined); err != nil {
			return err
		}
		p.attributes(name, "a role that the login can become", super, bypass, createRole, replication)
		switch {
		case name == "pg_database_owner":
			p.add(RoleOwner, name, "the login owns the database, or can become its owner", "give the database another owner")
		case predefined:
			p.add(RolePredefined, name, "the login belongs to a role that reaches all data or the machine", "revoke it from the login")
		}
	}
	return rows.Err()
}

// settings looks for a stored tenant, which would make forgetting the tenant mean that one (threat R09).
func (p *posture) settings() error {
	const do = "reset it; only Septum sets it, for one transaction"
	rows, err := p.conn.Query(p.ctx, `select coalesce(r.rolname, 'every role') || ' in ' || coalesce(d.datname, 'every database')
		from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase,
			unnest(s.setconfig) as c
		where lower(split_part(c, '=', 1)) = $1 and coalesce(r.rolname, session_user) = session_user
			and coalesce(d.datname, current_database()) = current_database()`, Setting)
	if err != nil {
		return err
	}
	places, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, place := range places {
		p.add(SettingStored, place, "a tenant is stored as a default setting", do)
	}
	var present bool
	err = p.conn.QueryRow(p.ctx, `select nullif(current_setting($1, true), '') is not null`, Setting).Scan(&present)
	if err == nil && present {
		p.add(SettingStored, "this session", "a new session starts with a tenant", do+"; look into postgresql.conf and ALTER SYSTEM too")
	}
	return err
}
