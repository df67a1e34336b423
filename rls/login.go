package rls

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/tenant"
)

// TenantSource is where policies read the tenant.
type TenantSource string

const (
	// FromSetting reads the setting septum.tenant, which Septum sets for each statement. All tenants share one login, and
	// whoever runs SQL of his own on it can change the setting.
	FromSetting TenantSource = ""
	// FromLogin reads the login that connected (session_user), by the table septum.logins, which only its owner writes. Each
	// tenant has logins of its own, and no SQL typed there reaches another tenant: neither SET ROLE nor a SECURITY
	// DEFINER function changes session_user, and only a superuser can. [MapLogin] says whose a login is.
	FromLogin TenantSource = "login"
)

// loginsTable says which tenant a login is of. Each login sees its own line alone.
const loginsTable = "septum.logins"

// logins writes the table that policies of FromLogin read.
func (w *policyWriter) logins() {
	const relation = loginsTable
	w.add(relation, "make the schema", "create schema if not exists septum")
	w.add(relation, "take what PUBLIC may have", "revoke all on schema septum from public")
	w.add(relation, "let logins look", "grant usage on schema septum to public")
	w.add(relation, "make the table", "create table if not exists %s (login name primary key, tenant text not null check (tenant <> ''))", loginsTable)
	w.add(relation, "enable row-level security", "alter table %s enable row level security", loginsTable)
	w.add(relation, "replace its policy", "drop policy if exists septum_own on %s", loginsTable)
	w.add(relation, "show each login its own line", "create policy septum_own on %s as permissive for select to public using (login = session_user)", loginsTable)
	w.add(relation, "take other rights", "revoke all on table %s from public, %s", loginsTable, w.role)
	w.add(relation, "let logins read", "grant select on table %s to public", loginsTable)
}

// MapLogin says that a login is a tenant's, on a connection of the owner of septum.logins, once the policies of FromLogin
// are there. It can be repeated. A login that is another tenant's already is tenant.ErrConflict: make a new one.
func MapLogin(ctx context.Context, owner *pgx.Conn, login string, id tenant.ID) error {
	if id.IsZero() || login == "" || len(login) > maxName {
		return fmt.Errorf("rls: MapLogin: %w: name a login, of at most 63 bytes, and a tenant", ErrOptions)
	}
	tag, err := owner.Exec(ctx, "insert into "+loginsTable+" (login, tenant) values ($1::text::name, $2::text) on conflict (login) do nothing", login, id.String())
	if err == nil && tag.RowsAffected() == 0 {
		var same bool
		err = owner.QueryRow(ctx, "select tenant = $2::text from "+loginsTable+" where login = $1::text::name", login, id.String()).Scan(&same)
		if err == nil && !same {
			return fmt.Errorf("rls: MapLogin: the login is another tenant's: %w", tenant.ErrConflict)
		}
	}
	if err != nil {
		return fmt.Errorf("rls: MapLogin: %w", err)
	}
	return nil
}

// logins looks at the table behind policies of FromLogin: nothing that the login can reach may write it (threat R07).
func (p *posture) logins() error {
	if p.source != FromLogin {
		return nil
	}
	const do = "run rls.Apply as a role that the application can't become"
	var oid uint32
	var owner, plain, enabled, keyed, own bool
	err := p.conn.QueryRow(p.ctx, `select c.oid,
			pg_has_role(session_user, c.relowner, 'MEMBER') or pg_has_role(session_user, n.nspowner, 'MEMBER'),
			c.relkind = 'r' and c.relpersistence = 'p' and not c.relhasrules and not c.relhassubclass and not c.relhastriggers,
			c.relrowsecurity,
			exists (select from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
				where i.indrelid = c.oid and i.indisprimary and i.indnkeyatts = 1 and a.attname = 'login' and a.atttypid = 'name'::regtype),
			coalesce((select array_agg(pg_get_expr(polqual, polrelid)) from pg_policy
				where polrelid = c.oid and polpermissive) = array['(login = SESSION_USER)'], false)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'septum' and c.relname = 'logins'`).Scan(&oid, &owner, &plain, &enabled, &keyed, &own)
	if errors.Is(err, pgx.ErrNoRows) {
		p.add(LoginsTable, loginsTable, "the table that the policies read the tenant from is not there", do)
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case owner && !p.superuser:
		p.add(RoleOwner, loginsTable, "the login owns it or its schema, or can become the owner", do)
	case !plain || !keyed:
		p.add(LoginsTable, loginsTable, "it is not the plain table, with the login as its key, that Septum makes", do)
	case !enabled || !own:
		p.add(LoginsTable, loginsTable, "a login sees more of it than its own line", do)
	}
	return p.writers(loginsTable, oid, "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
}
