package rls

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/tenant"
)

// keptTables bounds the temporary tables that stay with a connection.
const keptTables = 16

// insertedRows is how many rows one INSERT takes, and insertedValues how many values: the protocol counts them in 16 bits.
const (
	insertedRows   = 200
	insertedValues = 30_000
)

// copyPlain is CopyIn on the application's login.
func (db *DB) copyPlain(tc tenant.Context, into copyTarget) (int64, error) {
	l, err := db.acquire(tc, true)
	if err != nil {
		return 0, fail("CopyIn", nil, err)
	}
	kept := ""
	n, err := copyInTx(tc, l, func(s *session) (int64, error) {
		columns, err := s.columnsOf(tc, into)
		if err != nil {
			return 0, err
		}
		if may, err := s.mayMakeTables(tc); err != nil {
			return 0, err
		} else if !may {
			return s.insertRows(tc, into, columns)
		}
		var n int64
		n, kept, err = s.copyOver(tc, into, columns)
		return n, err
	}, func(s *session) {
		if kept != "" {
			s.copies[kept] = true
		}
	})
	return n, err
}

// mayMakeTables asks once whether the login may make temporary tables. On Citus they are of no use: it takes the rows of a local
// table to the workers by COPY, which row-level security refuses there.
func (s *session) mayMakeTables(ctx context.Context) (bool, error) {
	if s.citus {
		return false, nil
	}
	if s.copies != nil {
		return s.temporary, nil
	}
	result := s.pg.ExecParams(ctx, "select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')", nil, nil, nil, nil).Read()
	if s.status = s.pg.TxStatus(); result.Err != nil {
		return false, s.judge(result.Err)
	}
	s.copies, s.temporary = map[string]bool{}, string(result.Rows[0][0]) == "t"
	return s.temporary, nil
}

// copyOver copies into a temporary table and inserts from there, where the policies look at each row. The table is kept
// for the next time, since making one costs the server's catalogs a dozen rows, and it is empty then: PostgreSQL takes its
// rows away when the transaction ends, however it ends. Behind a pooler the session is not ours, and nothing is kept.
func (s *session) copyOver(tc tenant.Context, into copyTarget, columns []pgconn.FieldDescription) (n int64, kept string, err error) {
	sum := sha256.Sum256([]byte(into.table + "(" + into.list()))
	name := "septum_copy_" + hex.EncodeToString(sum[:8])
	table := "pg_temp." + name
	controls := []string{"begin"}
	if s.pooler.between() {
		controls = append(controls, "set local search_path = "+s.path) // the scope's comes after the table is made
	}
	if !s.copies[name] {
		atEnd := "delete rows"
		if kept = name; s.pooler.between() || len(s.copies) >= keptTables {
			atEnd, kept = "drop", ""
		}
		controls = append(controls, "drop table if exists "+table,
			"create temporary table "+name+" on commit "+atEnd+" as select "+into.list()+" from "+into.table+" with no data")
	}
	delete(s.copies, name) // until it went well: a failure may have been the table's
	if err := s.start(tc, into.tenant, controls, nil); err != nil {
		return 0, "", err
	}
	if _, err := s.copyFrom(tc, table, into.list(), columns, into.source); err != nil {
		return 0, "", err
	}
	sql := "insert into " + into.table + " (" + into.tenantColumn() + ", " + into.list() + ") select $1, " + into.list() + " from " + table
	tag, err := s.pg.ExecParams(tc, sql, [][]byte{[]byte(into.tenant)}, nil, nil, nil).Close()
	if s.status = s.pg.TxStatus(); err != nil {
		return 0, "", s.judge(err)
	}
	if !s.pooler.between() && kept == "" && len(controls) == 1 {
		kept = name
	}
	return tag.RowsAffected(), kept, nil
}

// insertRows inserts many rows at a time, where the login may not even make a temporary table.
func (s *session) insertRows(tc tenant.Context, into copyTarget, columns []pgconn.FieldDescription) (n int64, err error) {
	if err := s.start(tc, into.tenant, []string{"begin"}, nil); err != nil {
		return 0, err
	}
	most := max(1, min(insertedRows, insertedValues/len(columns)))
	stream := newCopyStream(s.types, columns, into.source)
	for more := true; more; {
		var rows [][]any
		for more && len(rows) < most {
			var values []any
			if values, more, err = stream.next(); err != nil {
				return 0, &sourceError{err}
			}
			if !more {
				break
			}
			n++
			if len(values) != len(columns) {
				return 0, badRow("row %d has %d values for %d columns", n, len(values), len(columns))
			}
			rows = append(rows, append([]any(nil), values...))
		}
		if len(rows) == 0 {
			break
		}
		if err := s.insert(tc, into, rows); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// insert sends one INSERT.
func (s *session) insert(tc tenant.Context, into copyTarget, rows [][]any) error {
	var sql strings.Builder
	sql.WriteString("insert into " + into.table + " (" + into.tenantColumn() + ", " + into.list() + ") values ")
	values := []any{into.tenant}
	for i, row := range rows {
		if i > 0 {
			sql.WriteByte(',')
		}
		sql.WriteString("($1")
		for _, value := range row {
			values = append(values, value)
			sql.WriteString(",$" + strconv.Itoa(len(values)))
		}
		sql.WriteByte(')')
	}
	sum := sha256.Sum256([]byte(sql.String()))
	p, err := s.prepare(tc, shape{id: "septum_insert_" + hex.EncodeToString(sum[:8]), sql: sql.String()})
	if err != nil {
		return err
	}
	if err := s.args.build(s.types, p, values); err != nil {
		return refuse("CopyIn", nil, ErrArgument, err)
	}
	if err := s.start(tc, into.tenant, nil, p); err != nil {
		return err
	}
	_, err = s.finish()
	return err
}
