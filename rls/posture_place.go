package rls

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// placeSQL asks a connection who it is, and which names don't mean a relation of the schema.
const placeSQL = `select session_user::text, array(select name from unnest($1::text[]) as name
	where not exists (select from pg_class c where c.oid = to_regclass(quote_ident(name))
		and c.relnamespace = (select oid from pg_namespace where nspname = $2)) order by name)`

// askPlace is placeSQL. Behind a pooler the search_path is the one that each scope will set, whatever the session was left with.
func askPlace(ctx context.Context, conn *pgx.Conn, pooler Pooler, tables []string, schema string) (login string, strays []string, err error) {
	if !pooler.between() {
		err = conn.QueryRow(ctx, placeSQL, tables, schema).Scan(&login, &strays)
		return login, strays, err
	}
	batch := &pgx.Batch{} // one transaction
	batch.Queue("select pg_catalog.set_config('search_path', $1, true)", searchPath(schema))
	batch.Queue(placeSQL, tables, schema).QueryRow(func(row pgx.Row) error { return row.Scan(&login, &strays) })
	err = conn.SendBatch(ctx, batch).Close()
	return login, strays, err
}

// tenantTables are the tenant relations that the catalog names without a schema.
func tenantTables(catalog *query.Catalog) []string {
	var names []string
	for _, r := range catalog.Relations() {
		if r.Kind == query.TenantKind && r.Schema() == "public" {
			names = append(names, r.Table())
		}
	}
	return names
}

func placeReasons(at place, login string, strays []string) []Reason {
	var reasons []Reason
	if at.login != "" && login != at.login {
		reasons = append(reasons, Reason{Code: PlaceLogin, Object: login, Why: "the connection is not the login of the tenant's entry",
			Do: "have Credentials give that login's"})
	}
	for _, name := range strays {
		reasons = append(reasons, Reason{Code: RelationMissing, Object: name, Why: "the name does not mean a relation of the tenant's schema",
			Do: "run rls.Provision or rls.MigrateAll"})
	}
	return reasons
}

// ownPlace looks at what only a place of the tenant's own must hold.
func (p *posture) ownPlace(catalog *query.Catalog, id tenant.ID) ([]Reason, error) {
	login, strays, err := askPlace(p.ctx, p.conn, p.pooler, tenantTables(catalog), p.place.schema)
	if err != nil {
		return nil, err
	}
	reasons := placeReasons(p.place, login, strays)
	if p.source == FromLogin {
		var mapped string
		err := p.conn.QueryRow(p.ctx, `select tenant from `+loginsTable+` where login = session_user`).Scan(&mapped)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) && !isMissing(err) && !isDenied(err) { // posture.logins says it better
			return nil, err
		}
		if mapped != id.String() || p.place.tenant.IsZero() {
			reasons = append(reasons, Reason{Code: PlaceLogin, Object: login, Why: loginsTable + " does not say that the login is this tenant's alone",
				Do: "give the tenant a login of its own in its entry, and run rls.MapLogin"})
		}
	}
	if p.place.tier != TierBridge || p.superuser {
		return reasons, nil
	}
	var others []string
	err = p.conn.QueryRow(p.ctx, `select array(select rolname::text from pg_roles
		where rolname <> session_user and pg_has_role(session_user, oid, 'MEMBER') order by rolname)`).Scan(&others)
	if err != nil {
		return nil, err
	}
	for _, name := range others {
		reasons = append(reasons, Reason{Code: PlaceShared, Object: name,
			Why: "the tenant's own login belongs to this role, and so could be what others are", Do: "revoke it; rights are the login's own"})
	}
	for _, r := range catalog.Relations() {
		if r.Schema() != "public" {
			if r.Kind == query.TenantKind {
				reasons = append(reasons, Reason{Code: PlaceShared, Object: r.Name,
					Why: "the catalog names the relation's schema, so it would be the same for every tenant of the bridge tier",
					Do:  "name it without a schema in the catalog"})
			}
			continue
		}
		if r.Kind != query.TenantKind {
			continue
		}
		shared, err := p.reaches("public", r.Table())
		if err != nil {
			return nil, err
		}
		if shared {
			reasons = append(reasons, Reason{Code: PlaceShared, Object: "public." + r.Table(),
				Why: "the tenant's own login has rights on the table of the same name that others share",
				Do:  "revoke them, from PUBLIC too"})
		}
	}
	return reasons, nil
}

// reaches reports whether the login, or a role that it can become, has any right on a table's rows.
func (p *posture) reaches(schema, table string) (found bool, err error) {
	err = p.conn.QueryRow(p.ctx, `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles r
		where n.nspname = $1 and c.relname = $2 and pg_has_role(session_user, r.oid, 'MEMBER')
			and (has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE') or has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE')))`,
		schema, table).Scan(&found)
	return found, err
}

// isMissing knows the errors of a table or schema that is not there.
func isMissing(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "42P01" || pg.Code == "3F000")
}

func isDenied(err error) bool {
	pg := serverError(err)
	return pg != nil && pg.Code == "42501"
}
