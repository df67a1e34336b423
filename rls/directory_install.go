package rls

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// pgErased is the SQLSTATE with which the directory's trigger refuses to bring an erased tenant back.
const pgErased = "SE001"

// pgSilo is the SQLSTATE with which it refuses a second tenant in a silo's database.
const pgSilo = "SE002"

// directoryDDL makes the directory's tables; its parts are the versions, each of which brings the one before further.
// Changes get their numbers one after the other (a lock before nextval), so that whoever asks for those after a number
// misses none that was committed later. The same lock has no two tenants come into a silo's database at one time.
func directoryDDL() []string {
	return []string{`
create schema if not exists septum_directory;
revoke all on schema septum_directory from public;
create table septum_directory.version (one boolean primary key default true check (one), version integer not null);
create sequence septum_directory.revisions;
create table septum_directory.tenants (
	tenant   text collate "C" primary key check (tenant ~ '^[A-Za-z0-9_-]{1,63}$'),
	tier     text not null check (tier in ('pool', 'bridge', 'silo')),
	target   text not null check (target ~ '^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}$'),
	login    text not null default '' check (octet_length(login) <= 63),
	schema   text not null default '' check (octet_length(schema) <= 63),
	status   text not null default 'active' check (status in ('active', 'read_only', 'moving', 'suspended', 'erased')),
	version  bigint not null,
	revision bigint not null unique,
	check (tier <> 'bridge' or login <> '' and schema not in ('', 'public'))
);
create unique index tenants_login on septum_directory.tenants (target, login) where login <> '' and status <> 'erased';
create unique index tenants_schema on septum_directory.tenants (target, schema) where tier = 'bridge' and status <> 'erased';
create unique index tenants_silo on septum_directory.tenants (target) where tier = 'silo' and status <> 'erased';
create function septum_directory.number_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if tg_op = 'DELETE' then
		raise exception 'an entry is not deleted; set its status to erased' using errcode = '` + pgErased + `';
	end if;
	if tg_op = 'UPDATE' and (old.status = 'erased' and new.status <> 'erased' or new.tenant <> old.tenant) then
		raise exception 'an erased tenant stays erased, and a tenant keeps its id' using errcode = '` + pgErased + `';
	end if;
	perform pg_advisory_xact_lock(7352, 1);
	new.revision := nextval('septum_directory.revisions');
	new.version := case when tg_op = 'UPDATE' then old.version + 1 else 1 end;
	return new;
end $$;
create trigger number_change before insert or update or delete on septum_directory.tenants
	for each row execute function septum_directory.number_change();
revoke all on function septum_directory.number_change() from public;
insert into septum_directory.version (version) values (1);
`, `
create or replace function septum_directory.number_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if tg_op = 'DELETE' then
		raise exception 'an entry is not deleted; set its status to erased' using errcode = '` + pgErased + `';
	end if;
	if tg_op = 'UPDATE' and (old.status = 'erased' and new.status <> 'erased' or new.tenant <> old.tenant) then
		raise exception 'an erased tenant stays erased, and a tenant keeps its id' using errcode = '` + pgErased + `';
	end if;
	perform pg_advisory_xact_lock(7352, 1);
	if tg_op = 'INSERT' or (new.tier, new.target) <> (old.tier, old.target) then
		perform from septum_directory.tenants t where t.target = new.target and t.tenant <> new.tenant and t.status <> 'erased'
			and (new.tier = 'silo' or t.tier = 'silo') limit 1;
		if found and new.status <> 'erased' then
			raise exception 'a silo''s database is one tenant''s alone' using errcode = '` + pgSilo + `';
		end if;
	end if;
	new.revision := nextval('septum_directory.revisions');
	new.version := case when tg_op = 'UPDATE' then old.version + 1 else 1 end;
	return new;
end $$;
create index tenants_target on septum_directory.tenants (target, tier) where status <> 'erased';
update septum_directory.version set version = 2;
`}
}

// InstallDirectory makes the tables of a [PostgresDirectory], or brings them to this program's version, on the
// connection of the role that shall own them, and lets the role reader read them. It can be repeated. Keep the directory in
// a database, or at least under an owner, that no application's login reaches.
func InstallDirectory(ctx context.Context, owner *pgx.Conn, reader string) error {
	err := pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = pg_catalog, pg_temp"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(7352, 2)"); err != nil {
			return err
		}
		version := 0
		var there bool
		if err := tx.QueryRow(ctx, "select to_regclass('septum_directory.version') is not null").Scan(&there); err != nil {
			return err
		}
		if there {
			if err := tx.QueryRow(ctx, "select version from septum_directory.version").Scan(&version); err != nil {
				return err
			}
		}
		if version > directoryVersion {
			return fmt.Errorf("%w: the directory is of version %d, made by a newer program", ErrMigrations, version)
		}
		for _, ddl := range directoryDDL()[version:] {
			if _, err := tx.Conn().PgConn().Exec(ctx, ddl).ReadAll(); err != nil {
				return err
			}
		}
		role := quoteName(reader)
		for _, sql := range []string{
			"grant usage on schema septum_directory to " + role,
			"revoke all on all tables in schema septum_directory from " + role,
			"grant select on septum_directory.version, septum_directory.tenants to " + role,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rls: InstallDirectory: %w", err)
	}
	return nil
}
