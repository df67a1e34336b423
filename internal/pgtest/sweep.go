package pgtest

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Sweep drops the databases and roles of runs that are dead, which a killed process leaves on the server of
// SEPTUM_POSTGRES_URL. A run is alive while its advisory lock is held. Start of a run does this too.
func (s *Server) Sweep(ctx context.Context) error {
	conn, err := connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return sweep(ctx, conn)
}

func sweep(ctx context.Context, conn *pgx.Conn) error {
	// pg_locks shows the locks of all databases of the server, whatever database this connection is in.
	rows, err := conn.Query(ctx, `
		with named as (
			select datname::text as name from pg_database union all select rolname::text from pg_roles
		), runs as (
			select distinct substring(name from '^'||$1||'([0-9a-f]{8})_') as id from named
		)
		select id from runs where id is not null and not exists (
			select from pg_locks l where l.locktype = 'advisory' and l.objsubid = 2
				and l.classid::bigint = $2 and l.objid::bigint = ('x'||id)::bit(32)::bigint)`, prefix, lockClass)
	if err != nil {
		return err
	}
	dead, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, id := range dead {
		if err := drop(ctx, conn, id); err != nil {
			return err
		}
	}
	return nil
}

// drop removes databases, then roles, of one run. Another sweep may do the same at the same time.
func drop(ctx context.Context, conn *pgx.Conn, id string) error {
	var failed []error
	for _, step := range []struct{ list, drop, with string }{
		{"select datname::text from pg_database where starts_with(datname, $1)", "DROP DATABASE IF EXISTS ", " WITH (FORCE)"},
		{"select rolname::text from pg_roles where starts_with(rolname, $1)", "DROP ROLE IF EXISTS ", ""},
	} {
		rows, err := conn.Query(ctx, step.list, prefix+id+"_")
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, err := conn.Exec(ctx, step.drop+quote(name)+step.with); err != nil && !gone(err) {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// gone tells that somebody else dropped the thing between our look and our DROP.
func gone(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "3D000" || pg.Code == "42704" || pg.Code == "XX000")
}
