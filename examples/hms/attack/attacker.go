package attack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	sq "github.com/Masterminds/squirrel"
	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/query"
)

// attacker is one attack in one world: what it can reach, and the log of all that it received.
type attacker struct {
	ctx   context.Context
	field *Field
	world *World
	way   Way

	log  strings.Builder
	rows int    // received
	wall Wall   // when the attack knows better than the kind of its error
	seen string // what to tell when there was no error

	conn *pgx.Conn
}

// note logs what was received. Names that differ from world to world by chance, not by data, are masked.
func (a *attacker) note(what string, value any) {
	text := fmt.Sprintf("%s: %v", what, value)
	for _, name := range a.world.Names {
		text = strings.ReplaceAll(text, name, "…")
	}
	lines := strings.Split(text, "\n") // of XML and COPY, which come in the order of the table's pages
	slices.Sort(lines)
	a.log.WriteString(strings.Join(lines, "\n") + "\n")
}

func (a *attacker) close() {
	if a.conn != nil {
		_ = a.conn.Close(context.WithoutCancel(a.ctx)) // it goes away in any case
	}
}

func (a *attacker) own() string    { return a.world.Attacker.Tenant().String() }
func (a *attacker) victim() string { return a.world.Victim.Tenant().String() }

// app is a plain connection with the backend's own login: all that an attacker has who found the password, or a developer who
// went around the library.
func (a *attacker) app() (*pgx.Conn, error) {
	if a.conn != nil {
		return a.conn, nil
	}
	conn, err := pgx.Connect(a.ctx, a.world.AppURL)
	if err != nil {
		return nil, broken(err)
	}
	a.conn = conn
	return conn, nil
}

// plain runs SQL on that connection as it is: no tenant is set.
func (a *attacker) plain(sql string) error {
	conn, err := a.app()
	if err != nil {
		return err
	}
	rows, err := conn.Query(a.ctx, sql)
	return a.read(rows, err)
}

// scoped runs SQL in a transaction of the attacker's own hospital, as a developer would who sets the tenant and forgets the predicate.
func (a *attacker) scoped(statements ...string) error {
	conn, err := a.app()
	if err != nil {
		return err
	}
	return pgx.BeginFunc(a.ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(a.ctx, "select set_config('septum.tenant', $1, true)", a.own()); err != nil {
			return broken(err)
		}
		for _, sql := range statements {
			rows, err := tx.Query(a.ctx, sql)
			if err := a.read(rows, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// read receives all rows. They are logged in the order of their text: where SQL asks for none, the server's own order tells only how
// many rows there are for the planner, and is another after every restore.
func (a *attacker) read(rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				values[i] = string(b) // xml among them: as text, so that marks are found in it
			}
		}
		lines = append(lines, fmt.Sprint(values))
	}
	slices.Sort(lines)
	for _, line := range lines {
		a.note("row", line)
	}
	a.rows += len(lines)
	a.note("did", rows.CommandTag())
	if tag := rows.CommandTag(); !tag.Select() && a.rows == 0 && tag.RowsAffected() > 0 {
		a.seen = tag.String() + ", all the attacker's own"
	}
	return rows.Err()
}

// prove hands a statement to the library and, when it is accepted, runs it. With the statement wall down it runs the bare SQL instead, as a
// program without the library would.
func (a *attacker) prove(build func() (*query.Statement, error), bare string, args query.Args) error {
	if !a.field.Walls.Statement {
		return a.bare(bare, args)
	}
	stmt, err := build()
	if err != nil {
		return err
	}
	return a.runStatement(stmt, args)
}

func (a *attacker) runStatement(stmt *query.Statement, args query.Args) error {
	if stmt.ReturnsRows() {
		rows, err := a.world.DB.Query(a.world.Attacker, stmt, args)
		return a.read(rows, err)
	}
	n, err := a.world.DB.Affected(a.world.Attacker, stmt, args)
	a.note("affected", n)
	if err == nil && n == 0 {
		a.seen = "not found"
	}
	return err
}

// bare runs SQL with @names in a transaction of the attacker's hospital.
func (a *attacker) bare(sql string, args query.Args) error {
	conn, err := a.app()
	if err != nil {
		return err
	}
	named := pgx.NamedArgs{"tenant": a.own()}
	for name, value := range args {
		named[name] = value
	}
	return pgx.BeginFunc(a.ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(a.ctx, "select set_config('septum.tenant', $1, true)", a.own()); err != nil {
			return broken(err)
		}
		rows, err := tx.Query(a.ctx, sql, named)
		return a.read(rows, err)
	})
}

// static tries hand-written SQL.
func static(sql string) func(*attacker) error {
	return func(a *attacker) error {
		sql := strings.ReplaceAll(sql, "VICTIM", a.victim())
		return a.prove(func() (*query.Statement, error) { return query.Static(hospital.Catalog, sql) }, sql, nil)
	}
}

// squirrel tries a statement that squirrel wrote. The tenant stands in it as query.TenantArg, or is forgotten.
func squirrel(build func(a *attacker) sq.Sqlizer) func(*attacker) error {
	return func(a *attacker) error {
		b := build(a)
		if a.field.Walls.Statement {
			stmt, err := query.FromSquirrel(hospital.Catalog, b)
			if err != nil {
				return err
			}
			return a.runStatement(stmt, nil)
		}
		sql, args, err := b.ToSql()
		if err != nil {
			return broken(err)
		}
		if sql, err = sq.Dollar.ReplacePlaceholders(sql); err != nil {
			return broken(err)
		}
		for i, arg := range args {
			if _, ok := arg.(query.Argument); ok {
				args[i] = a.own()
			}
		}
		conn, err := a.app()
		if err != nil {
			return err
		}
		return pgx.BeginFunc(a.ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(a.ctx, "select set_config('septum.tenant', $1, true)", a.own()); err != nil {
				return broken(err)
			}
			rows, err := tx.Query(a.ctx, sql, args...)
			return a.read(rows, err)
		})
	}
}

// request asks the backend, and logs status and body.
func (a *attacker) request(method, path, token string, change func(*http.Request)) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(a.ctx, method, a.world.URL+path, nil)
	if err != nil {
		return 0, "", broken(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if change != nil {
		change(r)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // leaves no connection behind
	response, err := client.Do(r)
	if err != nil {
		return 0, "", broken(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", broken(err)
	}
	a.note("HTTP", response.StatusCode)
	a.note("body", string(text))
	a.wall = Border
	a.seen = response.Status
	return response.StatusCode, string(text), nil
}
