package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// passingSchemas is the condition under which a schema n holds nothing that stays.
const passingSchemas = `(n.nspname like 'pg\_toast%' or n.nspname like 'pg\_temp\_%')`

// theServers is the condition under which the object with an oid in a schema n came with the server. A superuser can put
// functions into pg_catalog, and views into information_schema; such have oids like everybody's (FirstNormalObjectId).
func theServers(oid string) string {
	return `(` + passingSchemas + ` or n.nspname in ('pg_catalog', 'information_schema') and ` + oid + ` < 16384)`
}

// loader reads the picture. The number of its queries is the same for any number of tables.
type loader struct {
	*database
	ctx  context.Context
	tx   pgx.Tx
	ids  []oid // the login's roles and, as 0, PUBLIC
	held []oid // relations of which nothing is printed, since somebody holds them
	gone bool  // something was dropped while it was printed
}

// load reads the picture of the database in one read-only snapshot. Printing an expression takes its relation's lock; with
// around, relations that somebody holds at this moment are not asked for that.
func load(ctx context.Context, conn *pgx.Conn, in Input, around bool) (*database, error) {
	d := &database{
		input: in, grantors: map[[2]oid]string{}, connects: map[oid]bool{}, roles: map[oid]*role{}, app: map[oid]*reached{}, schemas: map[oid]*schema{},
		relations: map[oid]*relation{}, byName: map[string]*relation{}, functions: map[oid]*function{},
		byFunctionName: map[string][]oid{}, byTable: map[string][]*relation{}, parsedCalls: map[oid][]oid{},
	}
	err := in.inTx(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		l := loader{database: d, ctx: ctx, tx: tx, held: []oid{}}
		if around {
			if err := l.holding(); err != nil {
				return err
			}
		}
		for _, step := range []func() error{
			l.server, l.loadRoles, l.memberships, l.reach, l.loadSettings, l.databaseACL,
			l.loadSchemas, l.loadRelations, l.rights, l.rightsOfOthers, l.columns, l.inheritance, l.bounds, l.loadConstraints, l.loadIndexes, l.definitions,
			l.loadPolicies, l.loadRewrites, l.loadViews, l.loadFunctions, l.functionRights, l.functionCalls, l.loadTriggers,
			l.loadPublications, l.loadEventTriggers, l.loadDefaults, l.loadLargeObjects, l.loadCatalogRights,
			l.loadParameterRights, l.loadServerFunctions, l.loadMarked,
		} {
			if err := step(); err != nil {
				return err
			}
		}
		if l.gone {
			return &ChangedError{}
		}
		return nil
	})
	return d, err
}

// holding finds the relations that nobody may read at this moment, or that somebody waits for to whom this will apply.
func (l *loader) holding() error {
	var id oid
	return l.each(`select distinct relation from pg_locks where locktype = 'relation' and mode = 'AccessExclusiveLock' and pid <> pg_backend_pid()
			and database = (select oid from pg_database where datname = current_database()) and relation >= 16384 order by 1`,
		nil, []any{&id}, func() { l.held = append(l.held, id) })
}

// each runs a query and calls f for each row, with the row's scanner.
func (l *loader) each(sql string, args []any, into []any, f func()) error {
	rows, err := l.tx.Query(l.ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error { f(); return nil })
	return err
}

func (l *loader) server() error {
	d := l.database
	return l.tx.QueryRow(l.ctx, `select current_setting('server_version_num')::int, current_setting('server_version'),
			d.datname::text, d.oid, d.datdba, session_user::text, current_setting('lo_compat_privileges') = 'on',
			r.rolsuper or r.rolbypassrls, pg_is_in_recovery(), coalesce(current_setting($1, true), '') <> ''
		from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = session_user`, d.input.Setting).
		Scan(&d.version, &d.versionText, &d.name, &d.oid, &d.owner, &d.auditor, &d.lowCompat, &d.readsAll, &d.standby, &d.storedTenant)
}

func (l *loader) loadRoles() error {
	var r role
	return l.each(`select oid, rolname::text, rolsuper, rolbypassrls, rolcreaterole, rolreplication, rolcanlogin, rolinherit from pg_roles`,
		nil, []any{&r.oid, &r.name, &r.super, &r.bypass, &r.createRole, &r.replication, &r.login, &r.inherit},
		func() {
			l.roles[r.oid] = &role{oid: r.oid, name: r.name, super: r.super, bypass: r.bypass, createRole: r.createRole,
				replication: r.replication, login: r.login, inherit: r.inherit}
		})
}

// memberships counts every membership that gives something: since PostgreSQL 16 an ADMIN OPTION is enough to grant oneself
// the rest, and one WITH INHERIT FALSE, SET FALSE and without ADMIN gives nothing. The owner of the database is a member of pg_database_owner, for which there is no row.
func (l *loader) memberships() error {
	var of, member oid
	var grantor string
	err := l.each(`select roleid, member, case when grantor = 10 then '' else coalesce(pg_get_userbyid(grantor)::text, '') end from pg_auth_members m
			where admin_option or coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true) or coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
		union select r.oid, d.datdba, '' from pg_roles r, pg_database d where r.rolname = 'pg_database_owner' and d.datname = current_database()`,
		nil, []any{&of, &member, &grantor}, func() {
			if m := l.roles[member]; m != nil {
				m.memberOf = append(m.memberOf, of)
				l.grantors[[2]oid{of, member}] = grantor
			}
		})
	for _, r := range l.roles {
		slices.Sort(r.memberOf)
	}
	return err
}

// reach walks from the login to every role that it can become.
func (l *loader) reach() error {
	find := func(name string) *role {
		for _, r := range l.roles {
			if r.name == name {
				return r
			}
		}
		return nil
	}
	l.login, l.appRole = find(l.input.Login), find(l.input.AppRole)
	for _, missing := range []struct {
		role *role
		name string
	}{{l.login, l.input.Login}, {l.appRole, l.input.AppRole}} {
		if missing.role == nil {
			return &InputError{What: fmt.Sprintf("the server has no role %q", missing.name)}
		}
	}
	queue := []*reached{{role: l.login}}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if l.app[at.oid] != nil {
			continue
		}
		l.app[at.oid] = at
		for _, of := range at.memberOf {
			if r := l.roles[of]; r != nil {
				queue = append(queue, &reached{role: r, from: at.role})
			}
		}
	}
	l.ids = []oid{0}
	for id := range l.app {
		l.ids = append(l.ids, id)
	}
	slices.Sort(l.ids)
	return nil
}

func (l *loader) loadSettings() error {
	var s storedSetting
	return l.each(`select coalesce(r.rolname::text, ''), coalesce(d.datname::text, ''), lower(split_part(c, '=', 1)), substr(c, strpos(c, '=') + 1)
		from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase,
			unnest(s.setconfig) as c
		where (s.setdatabase = 0 or d.datname = current_database()) and (s.setrole = 0 or s.setrole = any($1)) order by 1, 2, 3`,
		[]any{l.ids}, []any{&s.role, &s.database, &s.name, &s.value}, func() { copied := s; l.settings = append(l.settings, &copied) })
}

func (l *loader) databaseACL() error {
	var g grant
	err := l.each(`select a.grantee, a.privilege_type from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
		where d.datname = current_database() and a.grantee = any($1)`, []any{l.ids}, []any{&g.grantee, &g.privilege},
		func() { l.databaseRights = append(l.databaseRights, g) })
	if err != nil {
		return err
	}
	return l.each(`select oid from pg_roles where rolbypassrls and rolcanlogin and has_database_privilege(oid, current_database(), 'CONNECT')`,
		nil, []any{&g.grantee}, func() { l.connects[g.grantee] = true })
}

func (l *loader) loadSchemas() error {
	var s schema
	err := l.each(`select n.oid, n.nspowner, n.nspname::text,
			exists (select from pg_depend x where x.classid = 'pg_namespace'::regclass and x.objid = n.oid and x.deptype = 'e')
		from pg_namespace n where not `+passingSchemas, nil, []any{&s.oid, &s.owner, &s.name, &s.extension},
		func() { l.schemas[s.oid] = &schema{oid: s.oid, owner: s.owner, name: s.name, extension: s.extension} })
	if err != nil {
		return err
	}
	var g grant
	return l.each(`select n.oid, a.grantee, a.privilege_type from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
		where a.grantee = any($1) and not `+passingSchemas+` order by 1, 2, 3`, []any{l.ids}, []any{&g.on, &g.grantee, &g.privilege}, func() {
		if s := l.schemas[g.on]; s != nil {
			s.rights = append(s.rights, g)
		}
	})
}

// loadDefaults reads default privileges, which decide what the login may do with tables that don't exist yet.
func (l *loader) loadDefaults() error {
	var r defaultRight
	return l.each(`select d.defaclrole, coalesce(n.nspname::text, ''), d.defaclobjtype::text, a.grantee, a.privilege_type
		from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
		where a.grantee = any($1) order by 1, 2, 3, 4, 5`, []any{l.ids}, []any{&r.owner, &r.schema, &r.kind, &r.grantee, &r.privilege},
		func() { copied := r; l.defaults = append(l.defaults, &copied) })
}

// loadLargeObjects counts the large objects that the login can read; their rows belong to no tenant.
func (l *loader) loadLargeObjects() error {
	return l.tx.QueryRow(l.ctx, `select count(*), coalesce((array_agg(oid::text order by oid))[1:5], '{}')
		from pg_largeobject_metadata where lomowner = any($1) or exists (select from aclexplode(lomacl) a where a.grantee = any($1))`, l.ids).
		Scan(&l.largeObjects.count, &l.largeObjects.first)
}

// loadCatalogRights looks for rights on catalogs that hold rows' values or passwords.
func (l *loader) loadCatalogRights() error {
	var g grant
	return l.each(`select c.relname::text, a.grantee, a.privilege_type from pg_class c left join pg_attribute t on t.attrelid = c.oid and t.attacl is not null
			and not (c.relname = 'pg_subscription' and t.attname <> 'subconninfo'), aclexplode(coalesce(c.relacl, '{}') || coalesce(t.attacl, '{}')) a
		where c.oid in ('pg_statistic'::regclass, 'pg_statistic_ext_data'::regclass, 'pg_authid'::regclass, 'pg_largeobject'::regclass,
				'pg_subscription'::regclass, 'pg_user_mapping'::regclass)
			and a.grantee = any($1) and a.grantee <> c.relowner group by 1, 2, 3 order by 1, 2, 3`,
		[]any{l.ids}, []any{&g.column, &g.grantee, &g.privilege}, func() { l.catalogRights = append(l.catalogRights, g) })
}

// loadParameterRights reads rights to set what only superusers may, and to change the server's configuration.
func (l *loader) loadParameterRights() error {
	var g grant
	return l.each(`select p.parname, a.grantee, a.privilege_type from pg_parameter_acl p, aclexplode(p.paracl) a where a.grantee = any($1) and a.grantee <> 10 order by 1, 2, 3`,
		[]any{l.ids}, []any{&g.column, &g.grantee, &g.privilege}, func() { l.parameterRights = append(l.parameterRights, g) })
}

// loadServerFunctions looks for rights to run functions of the server's own, and of extensions, that not everybody has from
// the start; also by another name, which a superuser can give to the code of any of them.
func (l *loader) loadServerFunctions() error {
	var g grant
	err := l.each(`select format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), a.grantee, a.privilege_type from pg_proc p
			join pg_namespace n on n.oid = p.pronamespace
			join pg_init_privs i on i.classoid = 'pg_proc'::regclass and i.objoid = p.oid, aclexplode(p.proacl) a
		where a.grantee = any($1) and a.grantee <> p.proowner
			and not exists (select from aclexplode(i.initprivs) b where b.grantee in (a.grantee, 0)) order by 1, 2, 3`,
		[]any{l.ids}, []any{&g.column, &g.grantee, &g.privilege}, func() { l.serverFunctions = append(l.serverFunctions, g) })
	if err != nil {
		return err
	}
	return l.each(`select distinct p.oid from pg_proc p join pg_proc b on b.prosrc = p.prosrc and b.prolang = p.prolang and b.oid < 16384
			join pg_init_privs i on i.classoid = 'pg_proc'::regclass and i.objoid = b.oid
		where p.oid >= 16384 and p.prolang = 12 and not exists (select from aclexplode(i.initprivs) a where a.grantee = 0) order by 1`, nil, []any{&g.on},
		func() { l.aliases = append(l.aliases, g.on) })
}

func (l *loader) loadPublications() error {
	byOID := map[oid]*publication{}
	var id oid
	var p publication
	err := l.each(`select oid, pubname::text, puballtables from pg_publication order by pubname`, nil, []any{&id, &p.name, &p.all}, func() {
		made := &publication{name: p.name, all: p.all, relations: map[oid]bool{}}
		byOID[id] = made
		l.publications = append(l.publications, made)
	})
	if err != nil || len(byOID) == 0 {
		return err
	}
	var target oid
	equals := map[string]bool{}
	err = l.each(`select oid from pg_operator where oprname = '=' and oprnamespace = 'pg_catalog'::regnamespace and oprresult = 'bool'::regtype`, nil, []any{&target},
		func() { equals[strconv.FormatUint(uint64(target), 10)] = true })
	if err != nil {
		return err
	}
	var qual *string
	err = l.each(`select prpubid, prrelid, prqual::text from pg_publication_rel`, nil, []any{&id, &target, &qual}, func() {
		if p := byOID[id]; p != nil {
			p.relations[target] = l.namesTenant(l.relations[target], qual, equals)
		}
		qual = nil
	})
	if err != nil {
		return err
	}
	return l.each(`select pnpubid, pnnspid from pg_publication_namespace`, nil, []any{&id, &target}, func() {
		if p := byOID[id]; p != nil {
			p.schemas = append(p.schemas, target)
		}
	})
}

func (l *loader) loadEventTriggers() error {
	var e eventTrigger
	return l.each(`select evtname::text, evtfoid, evtowner, evtenabled <> 'D',
			exists (select from pg_depend x where x.classid = 'pg_event_trigger'::regclass and x.objid = e.oid and x.deptype = 'e')
		from pg_event_trigger e order by evtname`, nil, []any{&e.name, &e.function, &e.owner, &e.enabled, &e.extension},
		func() { copied := e; l.eventTriggers = append(l.eventTriggers, &copied) })
}

// squeeze makes one line of a printed expression.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }
