package rls

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/sqltext"
)

// migrationsTable records what a schema has. It belongs to the owner, and nobody else has rights on it.
const migrationsTable = "septum_migrations"

// applied is a line of it.
type applied struct {
	Version    int64
	Name       string
	Checksum   string
	Statements int  // of a file outside of a transaction: how many are done
	Finished   bool // false only for such a file
}

// apply brings a schema up to date on the owner's connection, which holds the schema's lock, and names the files that
// it applied. Whatever it is interrupted by, the next call goes on from there.
func (m *Migrations) apply(ctx context.Context, conn *pgx.Conn, schema string) (names []string, err error) {
	table := quoteName(schema) + "." + migrationsTable
	pending, err := m.pending(ctx, conn, table)
	if err != nil {
		return nil, err
	}
	for _, p := range pending {
		if p.file.outside {
			err = p.outside(ctx, conn, schema, table)
		} else {
			err = p.inside(ctx, conn, schema, table)
		}
		if err == nil {
			// A file may have changed the session; the advisory lock stays.
			_, err = conn.PgConn().Exec(ctx, "reset session authorization; reset role; reset all").ReadAll()
		}
		if err != nil {
			if !p.file.outside {
				err = p.file.place(err)
			}
			return names, fmt.Errorf("%s: %w", p.file.name, err)
		}
		names = append(names, p.file.name)
	}
	return names, nil
}

// pendingFile is a file that a schema lacks, or has a part of.
type pendingFile struct {
	file migration
	done int
}

// pending compares the files with what the schema has.
func (m *Migrations) pending(ctx context.Context, conn *pgx.Conn, table string) ([]pendingFile, error) {
	for _, sql := range []string{
		"create table if not exists " + table + ` (version bigint primary key, name text not null, checksum text not null,
			statements integer not null, finished boolean not null, applied_at timestamptz not null default now())`,
		"revoke all on table " + table + " from public",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	rows, err := conn.Query(ctx, "select version, name, checksum, statements, finished from "+table+" order by version")
	if err != nil {
		return nil, err
	}
	has, err := pgx.CollectRows(rows, pgx.RowToStructByPos[applied])
	if err != nil {
		return nil, err
	}
	var pending []pendingFile
	i := 0
	for _, file := range m.files {
		switch {
		case i == len(has):
			pending = append(pending, pendingFile{file: file})
			continue
		case has[i].Version < file.version:
			return nil, fmt.Errorf("%w: the database has %s, which is not among the files: is this an older program?", ErrMigrations, has[i].Name)
		case has[i].Version > file.version:
			return nil, fmt.Errorf("%w: %s is new, and %s is applied already: give it a later number", ErrMigrations, file.name, has[len(has)-1].Name)
		case has[i].Checksum != file.checksum:
			return nil, fmt.Errorf("%w: %s was changed after it was applied: put it back, and write a new one", ErrMigrations, file.name)
		}
		if !has[i].Finished {
			pending = append(pending, pendingFile{file, has[i].Statements})
		}
		i++
	}
	if i < len(has) {
		return nil, fmt.Errorf("%w: the database has %s, which is not among the files: is this an older program?", ErrMigrations, has[i].Name)
	}
	return pending, nil
}

// inside runs a file, and its line in the table, in one transaction.
func (p pendingFile) inside(ctx context.Context, conn *pgx.Conn, schema, table string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = "+ownerPath(schema)); err != nil {
			return err
		}
		// All of the file in one message: the server knows best where a statement ends.
		if _, err := conn.PgConn().Exec(ctx, p.file.up).ReadAll(); err != nil {
			return err
		}
		if conn.PgConn().TxStatus() != 'T' {
			return errors.New("it ended the transaction around it")
		}
		_, err := tx.Exec(ctx, "insert into "+table+" (version, name, checksum, statements, finished) values ($1, $2, $3, 0, true)",
			p.file.version, p.file.name, p.file.checksum)
		return err
	})
}

// outside runs the statements of a file one by one, and counts them. A crash between a statement and its count has it run
// again, so such statements should bear it: create index concurrently if not exists.
func (p pendingFile) outside(ctx context.Context, conn *pgx.Conn, schema, table string) error {
	statements, err := p.file.statements()
	if err != nil {
		return err
	}
	if p.done == 0 {
		_, err := conn.Exec(ctx, "insert into "+table+" (version, name, checksum, statements, finished) values ($1, $2, $3, 0, false) on conflict do nothing",
			p.file.version, p.file.name, p.file.checksum)
		if err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, "set search_path = "+ownerPath(schema)); err != nil {
		return err
	}
	for i, sql := range statements {
		if i < p.done {
			continue
		}
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("statement %d: %w", i+1, p.file.place(err))
		}
		if conn.PgConn().TxStatus() != 'I' {
			return fmt.Errorf("statement %d left a transaction open", i+1)
		}
		if _, err := conn.Exec(ctx, "update "+table+" set statements = $2 where version = $1", p.file.version, i+1); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "update "+table+" set finished = true where version = $1", p.file.version)
	return err
}

// place says where in the file the server found something. Its message may quote values of rows, and is left out then.
func (m migration) place(err error) error {
	pg := serverError(err)
	if pg == nil {
		return err
	}
	line := ""
	if pg.Position > 0 && !m.outside && int(pg.Position) <= len([]rune(m.up)) {
		n, _ := sqltext.Position(m.up, len(string([]rune(m.up)[:pg.Position-1])))
		line = fmt.Sprintf(" (line %d of the way up)", n)
	}
	return told{describe(pg) + line, err}
}

// told is an error with a text of ours.
type told struct {
	text string
	err  error
}

// Error implements error.
func (t told) Error() string { return t.text }

// Unwrap gives the error itself.
func (t told) Unwrap() error { return t.err }

// ownerPath is the search_path of migrations: what they create without a schema is the tenant's.
func ownerPath(schema string) string {
	if schema == "public" {
		return "public, pg_temp"
	}
	return quoteName(schema) + ", public, pg_temp"
}

// locked runs fn while the connection holds a lock of the database by name, so that two processes never provision or
// migrate one schema at the same time. It asks again and again rather than wait in the server: who waits there holds a
// snapshot, for which CREATE INDEX CONCURRENTLY under the lock would wait in turn.
func locked(ctx context.Context, conn *pgx.Conn, name string, fn func() error) error {
	const key = "hashtextextended($1, 7352)"
	for {
		var mine bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock("+key+")", name).Scan(&mine); err != nil {
			return err
		}
		if mine {
			break
		}
		if err := pause(ctx, 4); err != nil {
			return fmt.Errorf("another process works on the same schema: %w", err)
		}
	}
	err := fn()
	if !conn.IsClosed() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, unlockErr := conn.Exec(ctx, "select pg_advisory_unlock("+key+")", name)
		err = errors.Join(err, unlockErr)
	}
	return err
}
